import { chmod, rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { type Applying, startApply as startApplyOf, stepFrom } from "../rig/applying.ts";
import { FAST_CLOCK, jumpingClock } from "../rig/clocks.ts";
import {
  checkpointHashes,
  FILE,
  longQuickstart,
  readState,
  startApply,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import type { Project } from "../rig/project.ts";

/** A trainer that is not the process that was started: `trainer.python` is a script of the user's that starts Python. */

async function withWrapper(script: string): Promise<Project> {
  const project = await longQuickstart((yaml) =>
    yaml.replace("backend: rehearsal", "backend: rehearsal\n  python: ./python"),
  );
  await project.write("pipelines/python", `#!/bin/sh\n${script}\n`);
  await chmod(project.path("pipelines/python"), 0o755);
  return project;
}

/** The shell stays, and Python is its child. */
const CHILD = 'python3 "$@"\nexit $?';

async function killStarted(project: Project): Promise<void> {
  process.kill(await trainerOf(project), "SIGKILL");
}

async function runCount(project: Project): Promise<number> {
  return new Set((await project.list(".wan22/runs")).map((name) => name.split("/")[0])).size;
}

const notes = ({ events }: Applying) => events.flatMap((event) => (event.type === "note" ? [event.text] : []));

describe("a trainer that outlives the program that was started", () => {
  it("is followed to its end, and no second one is started", async () => {
    const project = await withWrapper(CHILD);
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    await killStarted(project);
    expect(await applying.ended).toBe(0);
    expect(notes(applying)).toEqual([expect.stringContaining("has ended, and processes that came of it still run")]);
    const { stages, history } = await readState(project);
    expect(stages.train).toMatchObject({ status: "finished", segment: 1 });
    expect(history.map(({ outcome }) => outcome)).toEqual(["finished", "finished", "finished"]);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  });

  it("is found by the next apply where its runner was killed too, and stops when it is asked to", async () => {
    const project = await withWrapper(CHILD);
    const first = startApply(project);
    await first.until(stepFrom(20));
    first.process.kill("SIGKILL");
    await first.ended;
    await killStarted(project);
    const planned = await project.plan(FILE);
    expect(planned.pipelines[0]?.stages[2]?.reasons[0]).toMatchObject({ cause: "running" });

    const second = startApply(project);
    await second.until(stepFrom(60));
    second.process.kill("SIGINT");
    expect(await second.ended).toBe(85);
    expect(second.events.find(({ type }) => type === "stage-started")).toMatchObject({ attached: true });
    expect((await readState(project)).stages.train).toMatchObject({ status: "stopped", segment: 1 });
    expect(await runCount(project)).toBe(1);
  });

  it("is ended at once by a second Ctrl-C", async () => {
    const project = await withWrapper(CHILD);
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    await killStarted(project);
    await applying.until((event) => event.type === "note");
    applying.process.kill("SIGINT");
    applying.process.kill("SIGINT");
    expect([85, 130]).toContain(await applying.ended);
    const again = startApply(project);
    await again.until(({ type }) => type === "stage-started");
    expect(again.events.find(({ type }) => type === "stage-started")).toMatchObject({ attached: false });
    again.process.kill("SIGINT");
    expect(await again.ended).toBe(85);
  });
});

it("what a killed trainer leaves for a moment, as its workers, is waited for before another is started", async () => {
  const project = await withWrapper(
    'case "$*" in *wan_train*) while [ -e worker ]; do sleep 0.05; done & ;; esac\nexec python3 "$@"',
  );
  await project.write("worker", "");
  const first = startApply(project);
  await first.until(stepFrom(130));
  first.process.kill("SIGKILL");
  await killStarted(project);
  await first.ended;

  const second = startApply(project);
  let said = "";
  for await (const line of second.process.iterable({ from: "stderr" })) {
    said += line;
    if (line.includes("Waiting for the processes")) await rm(project.path("worker"), { force: true });
  }
  expect(said).toContain("Waiting for the processes that an ended trainer of train has left");
  expect(await second.ended).toBe(0);
  const { history } = await readState(project);
  expect(history.filter(({ stage }) => stage === "train").map(({ outcome }) => outcome)).toEqual(["lost", "finished"]);
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
});

it("what does not end is waited for only so long, by a clock that nobody sets", async () => {
  const project = await withWrapper(
    'case "$*" in *wan_train*) while [ -e worker ]; do sleep 0.05; done & ;; esac\nexec python3 "$@"',
  );
  await project.write("worker", "");
  const first = startApply(project);
  await first.until(stepFrom(130));
  first.process.kill("SIGKILL");
  await killStarted(project);
  await first.ended;

  const second = startApplyOf(project, FILE, { environment: jumpingClock("back", FAST_CLOCK) });
  await second.until((event) => event.type === "stage-started");
  await rm(project.path("worker"));
  // It might be what trains: it is followed to its end, and nothing was said of how that came.
  expect(await second.ended).toBe(6);
  expect((await second.process).stderr).toContain("Waiting for the processes that an ended trainer of train has left");
  expect(second.events.find(({ type }) => type === "stage-started")).toMatchObject({ attached: true });
  expect(second.events.find(({ type }) => type === "run-ended")).toMatchObject({ seconds: expect.any(Number) });
});

it("a plan made while an apply is open says so, and proposes no second one", async () => {
  const project = await withWrapper(
    'case "$*" in *wan_cache_text*) while [ -e hold ]; do sleep 0.05; done ;; esac\nexec python3 "$@"',
  );
  await project.write("hold", "");
  const applying = startApply(project);
  await applying.until((event) => event.type === "stage-started" && event.stage === "cache-text");
  const { exitCode, stdout } = await project.run(["plan", FILE]);
  expect(exitCode).toBe(0);
  const said = stdout.replace(/\s+/g, " ");
  expect(said).toMatch(/A30 .*has an apply of quickstart open since .*\(process \d+\)/);
  expect(said).not.toContain("Apply it with");
  const second = await project.run(["apply", FILE, "--auto-approve"]);
  expect([second.exitCode, second.stderr]).toEqual([4, expect.stringContaining("error[A10]")]);
  await rm(project.path("hold"));
  applying.process.kill("SIGINT");
  expect([0, 85]).toContain(await applying.ended);
  expect((await project.run(["plan", FILE])).stdout).toContain("Apply it with");
});

it("a run that goes on by the plan of an edited file has that plan in its record, and the earlier one beside it", async () => {
  const project = await withWrapper(
    'case "$*" in *wan_cache_latents*) while [ -e hold ]; do sleep 0.05; done ;; esac\nexec python3 "$@"',
  );
  await project.write("hold", "");
  const first = startApply(project);
  await first.until(({ type }) => type === "stage-started");
  first.process.kill("SIGKILL");
  await first.ended;
  const { run, plan_digest: earlier = "" } = await readState(project);
  await project.write(FILE, (await project.read(FILE)).replace("max_train_epochs: 30", "max_train_epochs: 2"));

  const second = startApply(project);
  await second.until(({ type }) => type === "stage-started");
  await rm(project.path("hold"));
  expect(await second.ended).toBe(0);

  const state = await readState(project);
  expect(state).toMatchObject({ run, stages: { train: { total_epochs: 2 } } });
  const folder = `.wan22/runs/${run}`;
  const recorded = JSON.parse(await project.read(`${folder}/plan.json`));
  expect(recorded).toMatchObject({ digest: state.plan_digest, stages: [{}, {}, { id: "train", total_epochs: 2 }] });
  expect(JSON.parse(await project.read(`${folder}/plan-${earlier.slice(0, 8)}.json`))).toMatchObject({
    digest: earlier,
    stages: [{}, {}, { id: "train", total_epochs: 30 }],
  });
});

it("checkpoints that are not there when training has ended are told once, with their number", async () => {
  const project = await withWrapper('python3 "$@"\ncode=$?\nrm -f output/quickstart/*.safetensors\nexit $code');
  const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
  expect(exitCode).toBe(6);
  expect(stderr.match(/error\[A20\]/g)).toHaveLength(1);
  expect(stderr.replace(/\s+/g, " ")).toMatch(
    /quickstart-000005\.safetensors.* and 3 more are not there, or not whole: 6 of 6 checkpoints\./,
  );
});

it("show --format json puts what is wrong where the plan would be", async () => {
  const project = await longQuickstart();
  const { exitCode, stdout, stderr } = await project.run(["show", "missing.json", "--format", "json"]);
  expect([exitCode, stderr]).toEqual([1, ""]);
  expect(JSON.parse(stdout).diagnostics).toHaveLength(1);
});
