import { describe, expect, it } from "vitest";
import { startApply as startApplyOf, stepFrom } from "../rig/applying.ts";
import {
  checkpointHashes,
  FILE,
  holdTrainers,
  longQuickstart,
  readState,
  STEPS,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { makeQuickstart } from "../rig/project.ts";

/** `--only` and `--from-epoch`, carried out. */

const apply = ["apply", "--auto-approve", FILE] as const;

describe("going back to an epoch", () => {
  it("ends with the same bytes as a run that never did, and what was given up is in the archive", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    expect((await project.run(apply)).exitCode).toBe(0);
    const before = await project.list("output/quickstart");

    const back = await project.run([...apply, "--from-epoch", "20"]);

    expect(back.exitCode, back.stderr).toBe(0);
    expect(back.stdout).toContain("resume: asked to train on from epoch 20;");
    const files = await project.list("output/quickstart");
    const archived = files.filter((name) => name.startsWith("archive/"));
    expect(archived.map((name) => name.split("/").slice(2).join("/"))).toEqual(
      before.filter((name) => /^quickstart(?:-000025|-state|\.)/.test(name)),
    );
    const { stages, run } = await readState(project);
    expect(archived.every((name) => name.startsWith(`archive/${run}/`))).toBe(true);
    expect(stages.train).toMatchObject({ status: "finished", action: "resume", done_steps: STEPS });
    const kept = await checkpointHashes(project);
    expect(Object.fromEntries(Object.entries(kept).filter(([name]) => Object.hasOwn(wanted, name)))).toEqual(wanted);
    expect((await project.run(apply)).stdout).toContain("No changes.");
  });

  it("is not forgotten by a kill between its files and its process, nor by one in the middle of training", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    expect((await project.run(apply)).exitCode).toBe(0);
    const first = startApplyOf(project, FILE, { args: ["--from-epoch", "20"] });
    await first.until(({ type }) => type === "moved");
    first.process.kill("SIGKILL");
    await first.ended;

    const second = startApplyOf(project, FILE);
    await second.until(stepFrom(600));
    process.kill(await trainerOf(project), "SIGKILL");
    expect(await second.ended).toBe(6);

    expect(second.events.find(({ type }) => type === "stage-started")).toMatchObject({ action: "resume" });
    expect((await project.run(apply)).exitCode).toBe(0);
    const kept = await checkpointHashes(project);
    expect(Object.fromEntries(Object.entries(kept).filter(([name]) => Object.hasOwn(wanted, name)))).toEqual(wanted);
  });
});

describe("one stage alone", () => {
  it("runs, the others wait, and each says so; training alone needs its caches", async () => {
    const project = await makeQuickstart();
    const train = await project.run([...apply, "--only", "train"]);
    expect(train).toMatchObject({ exitCode: 1 });
    expect(train.stderr + train.stdout).toContain("error[P61]");
    for (const stage of ["cache-latents", "cache-text", "train"]) {
      const { exitCode, stderr } = await project.run([...apply, "--only", stage]);
      expect(exitCode, stderr).toBe(0);
      const state = await readState(project);
      expect(state.stages[stage as "train"]?.status).toBe("finished");
    }
    expect((await project.run(["plan", "--detailed-exitcode", FILE])).exitCode).toBe(0);
  });

  it("that has nothing to do is no question to anybody: the others wait, and nothing is locked or asked", async () => {
    const project = await makeQuickstart();
    await project.run([...apply, "--only", "cache-latents"]);
    const { serial } = await readState(project);
    const again = await project.run(["apply", FILE, "--only", "cache-latents"]);
    expect(again.exitCode).toBe(0);
    expect(again.stdout).toContain("Plan: 0 stages to run, 2 to wait.");
    expect(again.stdout).not.toContain("Apply it with");
    expect((await readState(project)).serial).toBe(serial);
  });

  it("an epoch is a whole number from 1, and a start is given once", async () => {
    const project = await makeQuickstart();
    for (const [args, why] of [
      [["--from-epoch", "0"], "To start over: --replace train."],
      [["--from-epoch", "1.5"], "It is a whole number."],
      [["--from", "train", "--from", "cache-text"], "Give it once"],
    ] as const) {
      const { exitCode, stderr } = await project.run(["plan", FILE, ...args]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(why);
    }
  });
});

it("starting over waits for the stage that is at work, where there is a time to wait, and is in the way without", async () => {
  const project = await longQuickstart();
  const first = startApplyOf(project, FILE);
  await first.until(stepFrom(1));
  const resume = await holdTrainers(project, "train");
  const atOnce = await project.run([...apply, "--replace", "train"]);
  expect([atOnce.exitCode, atOnce.stderr + atOnce.stdout]).toEqual([4, expect.stringContaining("error[P4]")]);

  const second = startApplyOf(project, FILE, { args: ["--lock-timeout", "10m", "--replace", "train"] });
  await new Promise<void>((waits) => {
    second.process.stderr?.on("data", (text) => String(text).includes("Waiting, since") && waits());
    void second.ended.then(() => waits());
  });
  expect(second.events).toEqual([]);
  resume();

  expect([await first.ended, await second.ended]).toEqual([0, 0]);
  expect(second.events.find(({ type }) => type === "stage-started")).toMatchObject({ stage: "train", attached: false });
  const { history } = await readState(project);
  expect(history.filter(({ stage }) => stage === "train").map(({ outcome }) => outcome)).toEqual([
    "finished",
    "finished",
  ]);
});
