import { appendFile, readFile, rm, stat } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { stepFrom } from "../rig/applying.ts";
import { applyDetached, endAfterTest, hasSteps, runnerOf, statusOf, untilStage } from "../rig/at-work.ts";
import {
  checkpointHashes,
  endlessQuickstart,
  FILE,
  longQuickstart,
  readState,
  savedSteps,
  startApply,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project, runInTerminal, startCommand } from "../rig/project.ts";

/** Looks at what is at work, or was: they show what there is, and change nothing. */

/** Every file of the project's record, with what tells a change. */
async function recordOf(project: Project): Promise<readonly string[]> {
  const names = (await project.list(".wan22")).filter((name) => !/\.(?:log|ndjson)$/.test(name));
  return Promise.all(
    names.map(async (name) => {
      const { mtimeMs, size } = await stat(project.path(`.wan22/${name}`));
      return `${name} ${mtimeMs} ${size}`;
    }),
  );
}

describe("status", () => {
  it("shows a run while it goes on: who is at work, which process, how far, how fast, and what a resume would have", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const runner = await runnerOf(project);
    const train = await untilStage(project, "train", hasSteps(130));
    const status = await statusOf(project);
    expect(status).toMatchObject({
      name: "quickstart",
      file: FILE,
      here: true,
      lock: { kind: "held", pid: runner },
    });
    expect(status.stages.map(({ id }) => id)).toEqual(["cache-latents", "cache-text", "train"]);
    expect(status.stages[0]).toMatchObject({ status: "finished", unit: "items", done: 24, total: 24, exit_code: 0 });
    expect(train).toMatchObject({
      status: "running",
      alive: true,
      unseen: false,
      unit: "steps",
      total: 72_000,
      pid: (await readState(project)).stages.train?.process?.pid,
      loss: expect.any(Number),
      seconds_per_unit: expect.any(Number),
      eta_seconds: expect.any(Number),
      training_state: { done_steps: savedSteps(train.done ?? 0) },
    });
    const { stdout } = await project.run(["status", "quickstart"]);
    expect(stdout.replace(/\s+/g, " ")).toMatch(/in the hands of .+ \(process \d+ for /);
    expect(stdout).toMatch(/train +running +step \d+\/72000/);
  });

  it("tells a trainer that ended while nobody watched, and leaves it to the next apply to write that down", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const { pid = 0 } = await untilStage(project, "train", hasSteps(130));
    process.kill(await runnerOf(project), "SIGKILL");
    process.kill(pid, "SIGKILL");
    await untilStage(project, "train", ({ alive }) => alive === false);
    const before = await recordOf(project);

    const { stages, lock } = await statusOf(project);

    expect(lock.kind).toBe("dead");
    expect(stages[2]).toMatchObject({
      status: "lost",
      alive: false,
      unseen: true,
      training_state: { done_steps: savedSteps(stages[2]?.done ?? 0) },
    });
    expect((await project.run(["status"])).stdout).toMatch(/ended\s+while\s+nobody\s+watched/);
    expect(await recordOf(project)).toEqual(before);
  });

  it("knows the exit code of a trainer that ended while nobody watched, where that left one", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    const { run } = await untilStage(project, "train", hasSteps(20));
    process.kill(await runnerOf(project), "SIGKILL");
    await project.write(`.wan22/runs/${run}/train.stop`, "");
    const train = await untilStage(project, "train", ({ alive }) => alive === false);
    expect(train).toMatchObject({ status: "stopped", unseen: true, exit_code: 85 });
    const { exitCode, stderr } = await project.run(["attach"]);
    expect(exitCode).toBe(85);
    expect(stderr).toContain("was stopped while nobody watched, which is written down now");
    expect((await statusOf(project)).stages[2]).toMatchObject({ status: "stopped", unseen: false, exit_code: 85 });
  });

  it("after a reboot: a pid that somebody else has by now is not taken for the trainer, and apply resumes by the ledger", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    await applyDetached(project);
    const { pid = 0, run } = await untilStage(project, "train", hasSteps(250));
    process.kill(await runnerOf(project), "SIGKILL");
    process.kill(pid, "SIGKILL");
    await untilStage(project, "train", ({ alive }) => alive === false);
    // Another boot, in which the trainer's pid is this test's, and the runner's pid somebody else's.
    for (const name of [
      ".wan22/state/quickstart.json",
      ".wan22/state/quickstart.lock",
      `.wan22/runs/${run}/journal.ndjson`,
    ]) {
      const text = (await project.read(name)).replace(/("boot_id":\s*)"[^"]*"/g, '$1"0b7e6f0e-another-boot"');
      await project.write(name, text.replaceAll(`"pid":${pid}`, `"pid":${process.pid}`));
    }
    // Neither the newest folder by time, nor the last by name, is the one to go on from.
    await project.write("output/quickstart/quickstart-000029-state/model.safetensors", "not a state");

    const train = (await statusOf(project)).stages[2];
    expect(train).toMatchObject({ status: "lost", alive: false });

    const [planned] = (await project.plan(FILE)).pipelines;
    expect(planned?.stages[2]).toMatchObject({ action: "resume", done_steps: savedSteps(train?.done ?? 0) });
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 2 });
    expect(await checkpointHashes(project)).toMatchObject(wanted);
  });

  it("says of a record of another machine that its processes can't be seen", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    await untilStage(project, "train", hasSteps(20));
    const state = await project.read(".wan22/state/quickstart.json");
    const there = await makeQuickstart();
    await there.write(".wan22/state/quickstart.json", state.replace(/"host": "[^"]*"/, '"host": "gpu-7"'));
    const { here, host, stages } = await statusOf(there);
    expect([here, host]).toEqual([false, "gpu-7"]);
    expect(stages[2]).toMatchObject({ status: "running", alive: null });
    expect((await there.run(["status"])).stdout).toContain("its record is of gpu-7");
    expect(await there.run(["stop"])).toMatchObject({ exitCode: 4, stderr: expect.stringContaining("runs on gpu-7") });
  });

  it("has something to say of a pipeline that was never run, of one whose file is gone, and of none", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["status"])).stdout).toContain(
      "quickstart: pipelines/quickstart.yaml · nothing was run yet",
    );
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const yaml = await project.read(FILE);
    await project.write(FILE, yaml.replace("name: quickstart", "name: bee"));
    const { stdout } = await project.run(["status"]);
    expect(stdout).toContain("quickstart: its file has the name bee by now");
    expect(stdout).toContain(`bee: ${FILE} · nothing was run yet`);
    expect((await project.run(["runs"])).stdout).toContain("quickstart (its file has the name bee by now)");
    await rm(project.path("pipelines"), { recursive: true });
    expect((await project.run(["status"])).stdout).toContain("quickstart: its file is gone");
    const { exitCode, stderr } = await project.run(["status", "foks"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("A42");
    expect(stderr).toMatch(/This project has\s+quickstart/);
  });
});

describe("logs", () => {
  it("prints a stage's log as it is, whole or its last lines, of the last stage where none is named", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const { run } = await readState(project);
    const logOf = (stage: string) => readFile(project.path(`.wan22/runs/${run}/${stage}.log`), "utf8");
    const train = (await logOf("train")).trimEnd();
    expect((await project.run(["logs"])).stdout).toBe(train);
    expect((await project.run(["logs", FILE, "train"])).stdout).toBe(train);
    expect((await project.run(["logs", "quickstart", "-n", "2"])).stdout).toBe(train.split("\n").slice(-2).join("\n"));
    expect((await project.run(["logs", "cache-text"])).stdout).toBe((await logOf("cache-text")).trimEnd());
    expect((await project.run(["logs", "-n", "0"])).stdout).toBe("");
    const missing = await project.run(["logs", FILE, "train-high"]);
    expect(missing.exitCode).toBe(1);
    expect(missing.stderr).toContain("A43");
  });

  it("makes visible on a terminal what would steer it, and shows of a progress bar its last state", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const { run } = await readState(project);
    await project.write(
      `.wan22/runs/${run}/train.log`,
      "\u001b]0;owned\u0007\nsteps: 1\rsteps: 2\rsteps: 3\nthe end\n",
    );
    const { stdout } = await runInTerminal(project, ["logs"]);
    expect(stdout.replaceAll("\r\n", "\n")).toBe("\\x1b]0;owned\\x07\nsteps: 3\nthe end\n");
  });

  it("-f follows over the next stages of the run until it ends, and Ctrl-C ends the viewer alone", async () => {
    const project = await longQuickstart();
    endAfterTest(project);
    const applying = startApply(project);
    const isCaching = (event: ApplyEvent) => event.type === "stage-started" && event.stage === "cache-latents";
    await applying.until(isCaching);
    // Halted until the viewer is there: it would be over before.
    const pid = await trainerOf(project, "cache-latents");
    process.kill(pid, "SIGSTOP");
    await appendFile(project.path(`.wan22/runs/${(await readState(project)).run}/cache-latents.log`), "halted\n");
    const viewer = startCommand(project.folder, ["logs", "-f"]);
    await new Promise<void>((done) => viewer.stdout.once("data", () => done()));
    process.kill(pid, "SIGCONT");
    await applying.until(stepFrom(20));
    const other = startCommand(project.folder, ["logs", "-f"]);
    await new Promise<void>((done) => other.stdout.once("data", () => done()));
    other.kill("SIGINT");
    await other;

    expect(await applying.ended).toBe(0);
    const { exitCode, stdout, stderr } = await viewer;

    expect(exitCode).toBe(0);
    const { run } = await readState(project);
    const train = await readFile(project.path(`.wan22/runs/${run}/train.log`), "utf8");
    expect(stdout.endsWith(train.trimEnd())).toBe(true);
    expect(stderr).toContain("==> train <==");
  });
});
