import { once } from "node:events";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { endAfterTest, hasSteps, processesWith, untilStage } from "../rig/at-work.ts";
import { checkpointHashes, FILE, longQuickstart, readState, undisturbed } from "../rig/long-quickstart.ts";
import { builtCommand, type Project } from "../rig/project.ts";

/**
 * A GitHub job that is cancelled: its runner sends SIGINT to the step's process, after 7.5 s SIGTERM, after 2.5 s more SIGKILL to
 * that process and all below it, and in the end it kills whatever carries its tracking variable. Nothing is asserted of the
 * times between: each test goes on when the step has answered, or without an answer where it gives none.
 */

const TRACKING_ID = "github_00000000-0000-4000-8000-000000000000";

/** A step of a job, as the runner starts it. */
function startStep(project: Project, command: readonly string[]) {
  const [file = "", ...args] = command;
  endAfterTest(project);
  return execa(file, args, {
    cwd: project.folder,
    reject: false,
    stdin: "ignore",
    env: { NO_COLOR: "1", CI: "true", GITHUB_ACTIONS: "true", RUNNER_TRACKING_ID: TRACKING_ID, npm_command: "" },
  });
}

/** What ends a step that is still there, and whatever it left. */
async function killTree(pid: number): Promise<void> {
  const { stdout } = await execa("ps", ["-axo", "pid=,ppid="]);
  const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/).map(Number));
  const below = (parent: number): readonly number[] =>
    rows.flatMap(([child = 0, itsParent]) => (itsParent === parent ? [child, ...below(child)] : []));
  kill([pid, ...below(pid)]);
}

async function hunt(): Promise<void> {
  kill(await processesWith(`RUNNER_TRACKING_ID=${TRACKING_ID}`));
}

function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended already.
    }
  }
}

async function expectTrainingGoesOnToTheSameBytes(project: Project): Promise<void> {
  const { stages, run } = await readState(project);
  expect(stages.train?.status).toBe("running");
  expect(await processesWith(`WAN22_STAGE=${run}/train`)).not.toEqual([]);
  expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 1 });
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
}

const APPLY = [...builtCommand, "apply", FILE, "--auto-approve"];

describe("a job that is cancelled", () => {
  it("while the step is wan22 itself: it detaches on SIGINT with 85, and nothing that follows reaches the trainer", async () => {
    const project = await longQuickstart();
    const step = startStep(project, APPLY);
    await untilStage(project, "train", hasSteps(20));
    step.kill("SIGINT");
    const { exitCode, stderr } = await step;
    expect(exitCode).toBe(85);
    expect(stderr).toContain("Detached: training goes on");
    await killTree(step.pid ?? 0);
    await hunt();
    await expectTrainingGoesOnToTheSameBytes(project);
  });

  it("while the step is a shell, which passes no signal on: wan22 is hunted down, and the trainer is not", async () => {
    const project = await longQuickstart();
    const script = `${APPLY.join(" ")}\nexit $?`;
    const step = startStep(project, ["bash", "-e", "-c", script]);
    await untilStage(project, "train", hasSteps(20));
    // wan22 holds its output open: the shell alone ends.
    const shellEnded = once(step, "exit");
    step.kill("SIGINT");
    step.kill("SIGTERM");
    await shellEnded;
    await killTree(step.pid ?? 0);
    expect(await processesWith(`RUNNER_TRACKING_ID=${TRACKING_ID}`)).not.toEqual([]);
    await hunt();
    while ((await processesWith(`RUNNER_TRACKING_ID=${TRACKING_ID}`)).length > 0) await new Promise(setImmediate);
    await expectTrainingGoesOnToTheSameBytes(project);
  });

  it("after its step detached: the runner in the background is not hunted either, and carries the plan out", async () => {
    const project = await longQuickstart();
    const { exitCode } = await startStep(project, [...APPLY, "--detach"]);
    expect(exitCode).toBe(85);
    await hunt();
    expect((await project.run(["attach", FILE])).exitCode).toBe(0);
    expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 1 });
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  });

  it("can still be ended from the next one: stop asks the trainer that was left", async () => {
    const project = await longQuickstart();
    const step = startStep(project, APPLY);
    await untilStage(project, "train", hasSteps(20));
    step.kill("SIGTERM");
    expect((await step).exitCode).toBe(85);
    await hunt();
    expect((await project.run(["stop"], { environment: { GITHUB_ACTIONS: "true" } })).exitCode).toBe(85);
    expect((await readState(project)).stages.train?.status).toBe("stopped");
  });
});
