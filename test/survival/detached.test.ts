import { describe, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { stepFrom } from "../rig/applying.ts";
import { applyDetached, endAfterTest, hasSteps, processesWith, runnerOf, untilStage } from "../rig/at-work.ts";
import {
  checkpointHashes,
  endlessQuickstart,
  FILE,
  isAlive,
  longQuickstart,
  readState,
  STEPS,
  startApply,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { startCommand } from "../rig/project.ts";

/** `apply --detach` hands a whole plan over to the background, and `attach` comes back to whatever is at work. */

describe("an apply in the background", () => {
  it("comes back with 85 when its first trainer runs, carries out the whole plan, and attach sees the same end", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    await applyDetached(project);
    const runner = await runnerOf(project);
    expect(isAlive(runner)).toBe(true);

    const attached = await project.run(["attach", FILE, "--format", "json"]);
    expect(attached.exitCode).toBe(0);

    const events: readonly ApplyEvent[] = attached.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ type: "run-started" });
    expect(events.filter(({ type }) => type === "stage-ended").at(-1)).toMatchObject({
      stage: "train",
      outcome: "finished",
      done: STEPS,
      total: STEPS,
    });
    expect(events.at(-1)).toMatchObject({ type: "run-ended", outcome: "finished" });
    expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 1 });
    expect(await checkpointHashes(project)).toEqual(wanted);
    while (isAlive(runner)) await new Promise(setImmediate);
    expect(await project.list(".wan22/state")).toEqual(["quickstart.json", "quickstart.json.backup"]);
    const [log = ""] = await project.list(".wan22/background");
    expect(await project.read(`.wan22/background/${log}`)).toContain("quickstart: done in");

    // Nothing is to do now: nothing is started for it.
    expect((await project.run(["apply", FILE, "--auto-approve", "--detach"])).exitCode).toBe(0);
    expect(await project.list(".wan22/background")).toHaveLength(1);
    expect(await project.run(["attach", FILE])).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining("Nothing runs. The last run has finished."),
    });
  });

  it("after a runner and a trainer that were killed tells of its own run, not of theirs", async () => {
    const project = await endlessQuickstart();
    endAfterTest(project);
    const first = startApply(project);
    await first.until(stepFrom(20));
    const { run } = await readState(project);
    const trainer = await trainerOf(project);
    first.process.kill("SIGKILL");
    process.kill(trainer, "SIGKILL");
    await first.ended;

    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve", "--detach"]);

    expect(exitCode, stderr).toBe(85);
    expect(stderr).toContain("carries out the whole plan");
    expect(stdout).not.toContain("apply again to follow it");
    const attached = await untilStage(project, "train", hasSteps(1));
    expect(attached.run).not.toBe(run);
  });

  it("waits for another one as long as it is told to", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const waiting = startCommand(project.folder, ["apply", FILE, "--auto-approve", "--detach", "--lock-timeout", "5m"]);
    for (let said = ""; said === ""; ) {
      const [, second] = await project.list(".wan22/background");
      said = second === undefined ? "" : await project.read(`.wan22/background/${second}`).catch(() => "");
    }
    expect((await project.run(["stop", FILE])).exitCode).toBe(85);
    // Its turn came, and what it was to follow has been stopped: that is another plan than the one agreed to.
    expect((await waiting).exitCode).toBe(3);
  });

  it("is alone: a second one is refused as long as the first is at work", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const second = await project.run(["apply", FILE, "--auto-approve", "--detach"]);
    expect(second.exitCode).toBe(4);
    expect(second.stderr).toContain("A10");
  });

  it("says why at once where its first stage can't be started, and ends as an apply here would", async () => {
    const project = await longQuickstart((yaml) =>
      yaml.replace("backend: rehearsal", "backend: rehearsal\n  python: /no/such/python"),
    );
    const here = await project.run(["apply", FILE, "--auto-approve"]);
    const detached = await project.run(["apply", FILE, "--auto-approve", "--detach"]);
    expect(detached.exitCode).toBe(here.exitCode);
    expect(detached.exitCode).not.toBe(0);
    expect(detached.stderr).toContain("/no/such/python");
  });

  it("carries out only what was agreed to: exit 3 where the plan has moved", async () => {
    const project = await longQuickstart();
    const { exitCode, stderr } = await project.run([
      "apply",
      FILE,
      "--auto-approve",
      "--planned-as",
      "0123456789abcdef",
    ]);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("A40");
    expect(await project.list("output")).toEqual([]);
  });

  it("may lose its runner: attach takes the trainer up, sees it to its end and writes that down", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    await applyDetached(project);
    const { run } = await untilStage(project, "train", hasSteps(20));
    process.kill(await runnerOf(project), "SIGKILL");

    const { exitCode, stdout } = await project.run(["attach"]);

    expect(exitCode).toBe(0);
    expect(stdout).toContain("follows the trainer that is running already");
    expect(await processesWith(`WAN22_STAGE=${run}/`)).toEqual([]);
    const { stages, checkpoints } = await readState(project);
    expect(stages.train).toMatchObject({ status: "finished", segment: 1 });
    expect(checkpoints.every(({ sha256 }) => sha256 !== undefined)).toBe(true);
    expect(await checkpointHashes(project)).toEqual(wanted);
    expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
  });

  it("may lose its runner while attach watches: that takes its place", async () => {
    const project = await longQuickstart();
    await applyDetached(project);
    await untilStage(project, "train", hasSteps(20));
    const attach = startCommand(project.folder, ["attach", FILE]);
    const said = new Promise<void>((done) => attach.stdout.once("data", () => done()));
    await said;
    process.kill(await runnerOf(project), "SIGKILL");
    expect((await attach).exitCode).toBe(0);
    expect((await readState(project)).stages.train).toMatchObject({ status: "finished", done_steps: STEPS });
  });
});

describe("attach", () => {
  it("starts nothing: after the stage that it followed it says what is left, and ends with 85", async () => {
    const project = await longQuickstart();
    endAfterTest(project);
    const applying = startApply(project);
    await applying.until((event) => event.type === "stage-started" && event.stage === "cache-latents");
    applying.process.kill("SIGKILL");
    await applying.ended;

    const { exitCode, stderr } = await project.run(["attach", FILE]);

    expect(exitCode).toBe(85);
    expect(stderr).toContain(`Left to do: cache-text, train. Go on with: wan22 apply ${FILE}`);
    const { stages } = await readState(project);
    expect(stages["cache-latents"]?.status).toBe("finished");
    expect(stages.train).toBeUndefined();
  });

  it("passes Ctrl-C on to the runner in the background, which stops with the state saved", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    await untilStage(project, "train", hasSteps(20));
    const attach = startCommand(project.folder, ["attach", FILE]);
    await new Promise<void>((done) => attach.stdout.once("data", () => done()));
    attach.kill("SIGINT");
    const { exitCode, stderr } = await attach;
    expect(exitCode).toBe(85);
    expect(stderr).toContain(`Stopped. Resume with: wan22 apply ${FILE}`);
    expect((await readState(project)).stages.train?.status).toBe("stopped");
  });

  it("ends alone where it was told so: training goes on", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const { pid = 0 } = await untilStage(project, "train", hasSteps(20));
    const attach = startCommand(project.folder, ["attach", FILE, "--detach-on-signal"]);
    await new Promise<void>((done) => attach.stdout.once("data", () => done()));
    attach.kill("SIGINT");
    expect((await attach).exitCode).toBe(85);
    expect(isAlive(pid)).toBe(true);
    expect((await project.run(["stop"])).exitCode).toBe(85);
  });

  it("has nothing to come back to where nothing was ever run", async () => {
    const project = await longQuickstart();
    expect(await project.run(["attach"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("Nothing was run of quickstart yet"),
    });
    expect(await project.list(".wan22")).toEqual([]);
  });
});
