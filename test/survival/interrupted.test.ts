import { rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { stepFrom } from "../rig/applying.ts";
import {
  checkpointHashes,
  FILE,
  holdTrainers,
  isAlive,
  longQuickstart,
  readState,
  STEPS,
  startApply,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { makeQuickstart } from "../rig/project.ts";

/** What happens to a run whose runner, trainer or user ends it at any moment: nothing is lost, and nothing is done twice. */

describe("an apply that is interrupted", () => {
  it("by a kill of the runner: training goes on, and the next apply finds it and sees it to its end", async () => {
    const project = await longQuickstart();
    const first = startApply(project);
    await first.until(stepFrom(20));
    first.process.kill("SIGKILL");
    await first.ended;
    const trainer = await trainerOf(project);
    const goOn = await holdTrainers(project, "train");

    const second = startApply(project);
    await second.until(({ type }) => type === "stage-started");
    goOn();
    expect(await second.ended).toBe(0);

    const started = second.events.filter(({ type }) => type === "stage-started");
    expect(started).toMatchObject([{ stage: "train", attached: true, pid: trainer }]);
    const state = await readState(project);
    expect(state.stages.train).toMatchObject({ status: "finished", done_steps: STEPS, segment: 1 });
    expect(
      await project.list(".wan22/runs").then((names) => new Set(names.map((name) => name.split("/")[0])).size),
    ).toBe(1);
    expect(state.checkpoints.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
    expect((await project.run(["apply", FILE, "--auto-approve"])).stdout).toContain("No changes.");
  });

  it("by a kill of the runner that is noticed only after training has ended: the record is complete all the same", async () => {
    const project = await longQuickstart();
    const first = startApply(project);
    await first.until(stepFrom(20));
    first.process.kill("SIGKILL");
    await first.ended;
    const trainer = await trainerOf(project);
    const last = project.path("output/quickstart/quickstart.safetensors");
    while (isAlive(trainer) && (await stat(last).catch(() => undefined)) === undefined) await new Promise(setImmediate);
    while (isAlive(trainer)) await new Promise(setImmediate);

    const [planned] = (await project.plan(FILE)).pipelines;

    expect(planned?.stages[2]).toMatchObject({ id: "train", action: "none" });
    expect(
      planned?.checkpoints.filter(({ kind }) => kind === "checkpoint").every(({ action }) => action === "keep"),
    ).toBe(true);
    const { stdout } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(stdout).toContain("No changes.");
    const { stages, checkpoints, run } = await readState(project);
    expect(stages.train).toMatchObject({ status: "finished", done_steps: STEPS });
    expect(checkpoints).toHaveLength(6);
    expect(checkpoints.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
    expect(JSON.parse(await project.read(`.wan22/runs/${run}/result.json`))).toMatchObject({ outcome: "finished" });
  });

  it("by a kill of the trainer: the stage has failed, and goes on from its last complete state to the same bytes", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    // Not at a step at which a state is saved, and another is removed for it.
    for (const step of [140, 250, 370]) {
      const applying = startApply(project);
      await applying.until(stepFrom(step));
      process.kill(await trainerOf(project), "SIGKILL");
      expect(await applying.ended).toBe(6);
      expect((await readState(project)).stages.train?.status).toBe("failed");
    }
    const last = startApply(project);
    expect(await last.ended).toBe(0);
    expect(last.events.find(({ type }) => type === "stage-started")).toMatchObject({
      action: "resume",
      attached: false,
    });
    expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 4 });
    expect(await checkpointHashes(project)).toEqual(wanted);
  });

  it("by Ctrl-C at any moment, again and again: it ends with the same bytes", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    const moments: readonly ((event: ApplyEvent) => boolean)[] = [
      ({ type }) => type === "run-started",
      (event) => event.type === "stage-started" && event.stage === "cache-latents",
      (event) => event.type === "trainer" && event.stage === "cache-latents" && event.event.type === "item",
      (event) => event.type === "stage-started" && event.stage === "cache-text",
      (event) => event.type === "stage-started" && event.stage === "train",
      stepFrom(1),
      stepFrom(120),
      stepFrom(121),
      stepFrom(333),
      stepFrom(600),
    ];
    let finished = false;
    for (const moment of moments) {
      const applying = startApply(project);
      await applying.until(moment);
      applying.process.kill("SIGINT");
      const exitCode = await applying.ended;
      finished = exitCode === 0;
      expect([0, 85]).toContain(exitCode);
      expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
    }
    if (!finished) expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(wanted);
    expect((await project.list("output/quickstart")).filter((name) => /step\d+-state/.test(name))).toEqual([]);
  });

  it("by nobody reading any more what it says: it hears Ctrl-C all the same, and stops with its state saved", async () => {
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    // As `tee` dies of the Ctrl-C that was meant for both.
    applying.process.stdout.destroy();
    applying.process.stderr.destroy();
    applying.process.kill("SIGINT");
    const { exitCode } = await applying.process;
    expect(exitCode).toBe(85);
    expect((await readState(project)).stages.train?.status).toBe("stopped");
    expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
  });

  it("by a closed terminal: training goes on, and the next apply follows it to the same end", async () => {
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    applying.process.kill("SIGHUP");
    expect(await applying.ended).toBe(85);
    expect(applying.events.at(-1)).toMatchObject({ type: "run-ended", outcome: "detached" });
    // Another machine on the same disk sees no process here: the lock tells it.
    expect(await project.list(".wan22/state")).toContain("quickstart.lock");
    const goOn = await holdTrainers(project, "train");
    const again = startApply(project);
    await again.until(({ type }) => type === "stage-started");
    goOn();
    expect(await again.ended).toBe(0);
    const { stages, history } = await readState(project);
    expect(stages.train).toMatchObject({ status: "finished", done_steps: STEPS, segment: 1 });
    expect(history.filter(({ stage }) => stage === "train")).toHaveLength(1);
    expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
  });

  it("and edited meanwhile: what runs is left alone, exit 4, until the edit is taken back", async () => {
    const project = await longQuickstart();
    const yaml = await project.read(FILE);
    const first = startApply(project);
    await first.until(stepFrom(20));
    first.process.kill("SIGKILL");
    await first.ended;
    const trainer = await trainerOf(project);
    const goOn = await holdTrainers(project, "train");

    await project.write(FILE, yaml.replace("network_dim: 16", "network_dim: 8"));
    for (const command of [
      ["plan", FILE],
      ["apply", FILE, "--auto-approve"],
    ]) {
      const { exitCode, stdout } = await project.run(command);
      expect(exitCode).toBe(4);
      expect(stdout).toContain("network_dim 16 → 8");
    }
    expect(isAlive(trainer)).toBe(true);

    await project.write(FILE, yaml);
    const second = startApply(project);
    await second.until(({ type }) => type === "stage-started");
    second.process.kill("SIGINT");
    goOn();
    expect(await second.ended).toBe(85);
    expect((await readState(project)).stages.train).toMatchObject({ status: "stopped", segment: 1 });
  });

  it("by Ctrl-C twice: the trainer is gone at once, and what was saved is gone on from", async () => {
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(130));
    const trainer = await trainerOf(project);
    applying.process.kill("SIGINT");
    applying.process.kill("SIGINT");
    // Both may arrive as one, or the trainer be quicker: then it was an ordinary stop.
    expect([85, 130]).toContain(await applying.ended);
    expect(isAlive(trainer)).toBe(false);
    const [planned] = (await project.plan(FILE)).pipelines;
    expect(planned?.stages[2]?.action).toBe("resume");
    expect(planned?.stages[2]?.done_steps).toBeGreaterThanOrEqual(120);
  });

  it("by a kill of both: what was said before counts, and the rest is trained again", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(200));
    applying.process.kill("SIGKILL");
    process.kill(await trainerOf(project), "SIGKILL");
    await applying.ended;

    const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);

    expect([exitCode, stderr]).toEqual([0, expect.stringContaining("is gone; its lock was taken over")]);
    const state = await readState(project);
    expect(state.history.filter(({ stage }) => stage === "train").map(({ outcome }) => outcome)).toEqual([
      "lost",
      "finished",
    ]);
    expect(await checkpointHashes(project)).toEqual(wanted);
  });
});

const goneOwner = {
  version: 1,
  who: "ada",
  host: hostname(),
  pid: 1,
  boot_id: "b",
  start_time: "1",
  since: "yesterday",
};

describe("what a killed runner left is put in order by the next apply", () => {
  it("also where the pipeline can't be planned any more", async () => {
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(130));
    applying.process.kill("SIGKILL");
    process.kill(await trainerOf(project), "SIGKILL");
    await applying.ended;
    const yaml = await project.read(FILE);
    await project.write(FILE, yaml.replace("videos: quickstart/clips", "videos: quickstart/gone"));

    const { exitCode } = await project.run(["apply", FILE, "--auto-approve"]);

    expect(exitCode).toBe(1);
    const { stages, run } = await readState(project);
    expect(stages.train?.status).toBe("lost");
    expect(JSON.parse(await project.read(`.wan22/runs/${run}/result.json`))).toMatchObject({ outcome: "failed" });
    expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
    await project.write(FILE, yaml);
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  });

  it("also an end that is in the journal and not in the state yet, where nothing is to do", async () => {
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(130));
    const before = await project.read(".wan22/state/quickstart.json");
    expect(await applying.ended).toBe(0);
    const whole = await readState(project);
    const runDir = `.wan22/runs/${whole.run}`;
    const journal = (await project.read(`${runDir}/journal.ndjson`)).trimEnd().split("\n");
    await project.write(
      `${runDir}/journal.ndjson`,
      `${journal.filter((line) => !line.includes('"digest"')).join("\n")}\n`,
    );
    await rm(project.path(`${runDir}/result.json`));
    await project.write(".wan22/state/quickstart.json", before);
    await project.write(".wan22/cache/store/locks/0123456789abcdef.lock", JSON.stringify(goneOwner));

    const { exitCode, stdout } = await project.run(["apply", FILE, "--auto-approve"]);

    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("No changes")]);
    expect({ ...(await readState(project)), serial: 0 }).toEqual({ ...whole, serial: 0 });
    expect(JSON.parse(await project.read(`${runDir}/result.json`))).toMatchObject({ outcome: "finished" });
    expect(await project.list(".wan22/cache/store/locks")).toEqual([]);
  });

  it("also its lock, where nothing is to do", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await project.write(".wan22/state/quickstart.lock", JSON.stringify(goneOwner));
    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect([exitCode, stdout]).toEqual([0, expect.stringContaining("No changes")]);
    expect(stderr).toContain("its lock was taken over");
    expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
  });
});
