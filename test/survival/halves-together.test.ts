import { describe, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import type { StageId } from "../../src/core/vocabulary.ts";
import {
  checkpointHashes,
  FILE,
  holdTrainers,
  longQuickstart,
  readState,
  STEPS,
  startApply,
  trainerOf,
} from "../rig/long-quickstart.ts";
import type { Project } from "../rig/project.ts";

/** `noise: separate` with two GPUs: the halves are trained at the same time, and each is as safe as if it were alone. */

const halves = (gpus: string) =>
  longQuickstart((yaml) => yaml.replace("hardware: entry", `hardware: entry\nnoise: separate\ngpus: ${gpus}`));

const hasStarted = (stage: StageId) => (event: ApplyEvent) => event.type === "stage-started" && event.stage === stage;
const hasStep = (stage: StageId, step: number) => (event: ApplyEvent) =>
  event.type === "trainer" && event.stage === stage && event.event.type === "step" && event.event.step >= step;

const LOW = hasStarted("train-low");
const HIGH = hasStarted("train-high");
const position = (events: readonly ApplyEvent[], test: (event: ApplyEvent) => boolean) => events.findIndex(test);
const endOf = (events: readonly ApplyEvent[], stage: StageId) =>
  events.flatMap((event) => (event.type === "stage-ended" && event.stage === stage ? [event.outcome] : []));

/** The starts of stages by the names of these, as either process may be up first. */
const startsByName = (events: readonly ApplyEvent[]) =>
  events
    .flatMap((event) => (event.type === "stage-started" ? [event] : []))
    .sort((one, other) => one.stage.localeCompare(other.stage));

/** What both halves come to when one is trained after the other. */
async function trainOneAfterTheOther(): Promise<Readonly<Record<string, string>>> {
  const project = await halves("[0]");
  const applying = startApply(project);
  expect(await applying.ended).toBe(0);
  const { events } = applying;
  const lowEnded = position(
    events,
    ({ type, ...event }) => type === "stage-ended" && "stage" in event && event.stage === "train-low",
  );
  expect(position(events, HIGH)).toBeGreaterThan(lowEnded);
  return checkpointHashes(project);
}

let known: Promise<Readonly<Record<string, string>>> | undefined;

/** The same for every test: trained once. */
function oneAfterTheOther(): Promise<Readonly<Record<string, string>>> {
  known ??= trainOneAfterTheOther();
  return known;
}

/** The record knows every checkpoint that is there, with its digest, and no other. */
async function expectRecorded(project: Project): Promise<void> {
  const { checkpoints } = await readState(project);
  const recorded = checkpoints.map(({ file }) => file.replace("output/quickstart/", "")).sort();
  const there = Object.keys(await checkpointHashes(project)).filter((name) => !name.includes("-state/"));
  expect(recorded).toEqual(there.sort());
  expect(checkpoints.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
}

/** Both halves at work, halted until they are let go on, and their runner killed. */
async function withoutRunner(): Promise<{ readonly project: Project; readonly goOn: () => void }> {
  const project = await halves("[0, 1]");
  const runner = startApply(project);
  await Promise.all([runner.until(hasStep("train-low", 10)), runner.until(hasStep("train-high", 10))]);
  runner.process.kill("SIGKILL");
  await runner.ended;
  return { project, goOn: await holdTrainers(project, "train-low", "train-high") };
}

describe("halves that are trained at the same time", () => {
  it("both start before either ends, and end with the bytes that they have one after the other", async () => {
    const project = await halves("[0, 1]");
    const { stdout } = await project.run(["plan", FILE]);
    expect(stdout).toMatch(/on GPU 1, at the same time as train-low/);

    const applying = startApply(project);
    expect(await applying.ended).toBe(0);

    const { events } = applying;
    const firstEnd = position(events, (event) => event.type === "stage-ended" && event.stage.startsWith("train"));
    expect(position(events, LOW)).toBeLessThan(firstEnd);
    expect(position(events, HIGH)).toBeLessThan(firstEnd);
    expect(events.find(({ type }) => type === "run-started")).toMatchObject({
      stages: [{ turn: 0 }, { turn: 1 }, { id: "train-low", turn: 2 }, { id: "train-high", turn: 2 }],
    });
    const { stages, checkpoints } = await readState(project);
    expect(stages["train-low"]).toMatchObject({ status: "finished", done_steps: STEPS });
    expect(stages["train-high"]).toMatchObject({ status: "finished", done_steps: STEPS });
    expect(checkpoints.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
    expect(await checkpointHashes(project)).toEqual(await oneAfterTheOther());
    expect((await project.run(["apply", FILE, "--auto-approve"])).stdout).toContain("No changes.");
  });

  it("both stop with their states saved, and both go on to the same bytes", async () => {
    const wanted = await oneAfterTheOther();
    const project = await halves("[0, 1]");
    const first = startApply(project);
    await Promise.all([first.until(hasStep("train-low", 30)), first.until(hasStep("train-high", 30))]);
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(85);
    const { stages } = await readState(project);
    expect(stages["train-low"]?.status).toBe("stopped");
    expect(stages["train-high"]?.status).toBe("stopped");

    const second = startApply(project);
    expect(await second.ended).toBe(0);
    expect(startsByName(second.events)).toMatchObject([
      { stage: "train-high", action: "resume" },
      { stage: "train-low", action: "resume" },
    ]);
    expect(await checkpointHashes(project)).toEqual(wanted);
  });

  it("one that fails leaves the other to its end, and is taken up alone", async () => {
    const wanted = await oneAfterTheOther();
    const project = await halves("[0, 1]");
    const first = startApply(project);
    await first.until(hasStep("train-low", 140));
    process.kill(await trainerOf(project, "train-low"), "SIGKILL");
    expect(await first.ended).toBe(6);
    expect(endOf(first.events, "train-low")).toEqual(["failed"]);
    expect(endOf(first.events, "train-high")).toEqual(["finished"]);
    expect((await readState(project)).stages["train-high"]).toMatchObject({ status: "finished", done_steps: STEPS });

    const second = startApply(project);
    expect(await second.ended).toBe(0);
    expect(second.events.filter(({ type }) => type === "stage-started")).toMatchObject([{ stage: "train-low" }]);
    expect(await checkpointHashes(project)).toEqual(wanted);
  });

  it("go on when their runner is killed, and the next one follows both", async () => {
    const { project, goOn } = await withoutRunner();

    const second = startApply(project);
    await Promise.all([second.until(LOW), second.until(HIGH)]);
    goOn();
    expect(await second.ended).toBe(0);
    expect(startsByName(second.events)).toMatchObject([
      { stage: "train-high", attached: true },
      { stage: "train-low", attached: true },
    ]);
    const { stages, run } = await readState(project);
    expect(stages["train-low"]).toMatchObject({ status: "finished", run, segment: 1 });
    expect(stages["train-high"]).toMatchObject({ status: "finished", run, segment: 1 });
    await expectRecorded(project);
  });

  it("are followed together, and stop together, though the pipeline gives them one GPU by now", async () => {
    const { project, goOn } = await withoutRunner();
    await project.write(FILE, (await project.read(FILE)).replace("gpus: [0, 1]", "gpus: [0]"));
    const planned = (await project.plan(FILE)).pipelines[0]?.stages ?? [];
    expect(planned.slice(2)).toMatchObject([{ gpus: [0] }, { id: "train-high", gpus: [1] }]);

    const second = startApply(project);
    await Promise.all([second.until(LOW), second.until(HIGH)]);
    second.process.kill("SIGINT");
    goOn();
    expect(await second.ended).toBe(85);
    const { stages } = await readState(project);
    expect([stages["train-low"]?.status, stages["train-high"]?.status]).toEqual(["stopped", "stopped"]);

    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(await oneAfterTheOther());
    await expectRecorded(project);
  });

  it("are not left to themselves by a pipeline that has no such stages any more", async () => {
    const { project, goOn } = await withoutRunner();
    const separate = await project.read(FILE);
    await project.write(FILE, separate.replace("noise: separate", "noise: low"));
    const refused = await project.run(["apply", FILE, "--auto-approve"]);
    expect(refused.exitCode).toBe(4);
    expect(refused.stdout + refused.stderr).toMatch(/P4(?:.|\n)*train-low(?:.|\n)*P4(?:.|\n)*train-high/);

    await project.write(FILE, separate);
    goOn();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await expectRecorded(project);
  });

  it("one that died with the runner is taken up in a run of its own, once the other has ended", async () => {
    const wanted = await oneAfterTheOther();
    const project = await halves("[0, 1]");
    const first = startApply(project);
    await Promise.all([first.until(hasStep("train-low", 140)), first.until(hasStep("train-high", 10))]);
    first.process.kill("SIGKILL");
    await first.ended;
    process.kill(await trainerOf(project, "train-low"), "SIGKILL");
    const goOn = await holdTrainers(project, "train-high");

    const second = startApply(project);
    await second.until(HIGH);
    goOn();
    expect(await second.ended).toBe(0);
    expect(second.events.filter(({ type }) => type === "stage-started")).toMatchObject([
      { stage: "train-high", attached: true },
      { stage: "train-low", action: "resume", attached: false },
    ]);
    const runs = second.events.flatMap((event) => (event.type === "run-started" ? [event.run] : []));
    expect(runs).toHaveLength(2);
    const results = runs.map(async (run) => JSON.parse(await project.read(`.wan22/runs/${run}/result.json`)).outcome);
    expect(await Promise.all(results)).toEqual(["failed", "finished"]);
    expect(await checkpointHashes(project)).toEqual(wanted);
    await expectRecorded(project);
    expect((await project.run(["apply", FILE, "--auto-approve"])).stdout).toContain("No changes.");
  });
});
