import { chmod } from "node:fs/promises";
import { execa } from "execa";
import { describe, expect, it } from "vitest";
import { stepFrom } from "../rig/applying.ts";
import {
  applyDetached,
  endAfterTest,
  hasSteps,
  processesWith,
  runnerOf,
  statusOf,
  untilStage,
} from "../rig/at-work.ts";
import {
  checkpointHashes,
  endlessQuickstart,
  FILE,
  longQuickstart,
  readState,
  savedSteps,
  startApply,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { answerCommand, builtCommand, type Project } from "../rig/project.ts";

/** `wan22 stop` ends what is at work, whoever started it, and leaves a record to go on from. */

const RESUME = `Resume with: wan22 apply ${FILE}`;

describe("stop", () => {
  it("beside an apply: the trainer saves and ends, the apply ends as stopped, and goes on to the same bytes", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(130));

    const { exitCode, stderr } = await project.run(["stop", FILE]);

    expect(exitCode).toBe(85);
    expect(stderr).toMatch(/quickstart: train \(process \d+\) is asked to save its training state, and to end\./);
    expect(stderr).toContain(RESUME);
    expect(await applying.ended).toBe(85);
    expect(applying.events.at(-1)).toMatchObject({ type: "run-ended", outcome: "stopped" });
    expect((await readState(project)).stages.train?.status).toBe("stopped");
    expect(await project.list(".wan22/state")).toEqual(["quickstart.json", "quickstart.json.backup"]);
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(wanted);
  });

  it("--now beside an apply: nothing is left of the trainer, and the apply ends as stopped, not as failed", async () => {
    const project = await endlessQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(130));

    const { exitCode, stderr } = await project.run(["stop", FILE, "--now"]);

    expect(exitCode).toBe(85);
    expect(stderr).toContain(RESUME);
    expect(await applying.ended).toBe(85);
    expect(applying.events.at(-1)).toMatchObject({ type: "run-ended", outcome: "stopped" });
    const { stages, run } = await readState(project);
    expect(stages.train?.status).toBe("stopped");
    expect(await processesWith(`WAN22_STAGE=${run}/`)).toEqual([]);
    const doneSteps = savedSteps(stages.train?.done_steps ?? 0);
    const [planned] = (await project.plan(FILE)).pipelines;
    expect(planned?.stages[2]).toMatchObject({ action: "resume", done_steps: doneSteps });
  });

  it.each([{ args: [] }, { args: ["--now"] }])(
    "where the runner is gone, $args: the end is written down, and the lock is given back",
    async ({ args }) => {
      const project = await endlessQuickstart();
      await applyDetached(project);
      const { run } = await untilStage(project, "train", hasSteps(130));
      process.kill(await runnerOf(project), "SIGKILL");

      expect((await project.run(["stop", ...args])).exitCode).toBe(85);

      expect(await processesWith(`WAN22_STAGE=${run}/`)).toEqual([]);
      expect((await readState(project)).stages.train?.status).toBe("stopped");
      // What the runner was writing when it was killed may lie there still, as long as nobody has collected its remains.
      const left = (await project.list(".wan22/state")).filter((name) => !name.endsWith(".tmp"));
      expect(left).toEqual(["quickstart.json", "quickstart.json.backup"]);
      expect(JSON.parse(await project.read(`.wan22/runs/${run}/result.json`))).toMatchObject({ outcome: "stopped" });
    },
  );

  it("between two stages: the next one is not begun", async () => {
    const project = await endlessQuickstart();
    const applying = startApply(project);
    await applying.until((event) => event.type === "stage-started" && event.stage === "cache-latents");
    expect((await project.run(["stop"])).exitCode).toBe(85);
    expect(await applying.ended).toBe(85);
    expect((await readState(project)).stages.train?.status).not.toBe("finished");
  });

  it("although the pipeline file is broken by now, by its name or without one", async () => {
    const project = await endlessQuickstart();
    await applyDetached(project);
    await untilStage(project, "train", hasSteps(20));
    await project.write(FILE, "version: [");
    expect((await project.run(["stop", "quickstart"])).exitCode).toBe(85);
    expect((await readState(project)).stages.train?.status).toBe("stopped");
  });

  it("--no-wait: comes back when it was asked", async () => {
    const project = await endlessQuickstart();
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    const { exitCode, stderr } = await project.run(["stop", "--no-wait"]);
    expect(exitCode).toBe(85);
    expect(stderr).toContain(`Its end is not waited for. How it ends: wan22 status ${FILE}`);
    expect(stderr).not.toMatch(/Stopped|Resume/);
    expect(await applying.ended).toBe(85);
  });

  it.runIf(process.platform === "linux")(
    "beside a runner that is suspended: the trainer hears of it all the same",
    async () => {
      const project = await endlessQuickstart();
      const applying = startApply(project);
      await applying.until(stepFrom(20));
      applying.process.kill("SIGSTOP");

      const { exitCode, stderr } = await project.run(["stop"]);

      expect(exitCode).toBe(85);
      expect(stderr).toContain("is suspended, and writes down the end when it goes on");
      applying.process.kill("SIGCONT");
      expect(await applying.ended).toBe(85);
      expect((await readState(project)).stages.train?.status).toBe("stopped");
    },
  );

  it("an apply that waits for its question to be answered: it starts nothing", async () => {
    const project = await endlessQuickstart();
    const asking = answerCommand(project, ["apply", FILE], "yes", { when: project.path("told") });
    while ((await statusOf(project)).lock.kind !== "held") await new Promise(setImmediate);
    const stop = await project.run(["stop"]);
    expect(stop).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("It is told to begin nothing.") });
    await project.write("told", "");
    const { exitCode, stdout } = await asking;
    expect(exitCode).toBe(85);
    expect(stdout).toContain("Stopped. Resume with");
    // Nothing of it is to be told.
    expect(await project.list(".wan22/runs")).toEqual([]);
    expect((await project.run(["plan", FILE, "--detailed-exitcode"])).exitCode).toBe(2);
  });

  it("halves that are trained at the same time: both", async () => {
    const project = await endlessQuickstart((yaml) =>
      yaml.replace("hardware: entry", "hardware: entry\nnoise: separate\ngpus: [0, 1]"),
    );
    await applyDetached(project);
    await untilStage(project, "train-low", hasSteps(20));
    await untilStage(project, "train-high", hasSteps(20));
    expect((await project.run(["stop"])).exitCode).toBe(85);
    const { stages } = await readState(project);
    expect([stages["train-low"]?.status, stages["train-high"]?.status]).toEqual(["stopped", "stopped"]);
  });

  it("nothing, where nothing runs: exit 0, and nothing is changed", async () => {
    const project = await endlessQuickstart();
    expect(await project.run(["stop"])).toMatchObject({
      exitCode: 0,
      stderr: "Nothing runs: there is nothing to stop.",
    });
    expect(await project.list(".wan22")).toEqual([]);
  });

  it("not what another machine is at work on: exit 4", async () => {
    const project = await endlessQuickstart();
    endAfterTest(project);
    const applying = startApply(project);
    await applying.until(stepFrom(20));
    const lock = await project.read(".wan22/state/quickstart.lock");
    await project.write(".wan22/state/quickstart.lock", lock.replace(/"host":\s*"[^"]*"/, '"host":"gpu-7"'));

    const { exitCode, stderr } = await project.run(["stop"]);

    expect(exitCode).toBe(4);
    expect(stderr).toContain("A41");
    expect(stderr).toContain("gpu-7");
    await project.write(".wan22/state/quickstart.lock", lock);
    applying.process.kill("SIGINT");
    expect(await applying.ended).toBe(85);
  });
});

/** The built command as another user, who may read everything and write nothing. */
function asAnotherUser(project: Project, words: readonly string[]) {
  const [node = "", ...script] = builtCommand;
  return execa(node, [...script, ...words], {
    cwd: project.folder,
    uid: 65_534,
    gid: 65_534,
    reject: false,
    env: { NO_COLOR: "1", HOME: "/nonexistent" },
  });
}

describe.skipIf(process.getuid?.() !== 0)("another user's stop", () => {
  it("says whose run it is and that nothing was asked of it, beside its runner and where that is gone", async () => {
    const project = await endlessQuickstart();
    await chmod(project.folder, 0o755);
    const applying = startApply(project);
    endAfterTest(project);
    await applying.until(stepFrom(1));
    const { pid } = (await readState(project)).stages.train?.process ?? {};
    const isRefused = ({ exitCode, stderr }: { exitCode?: number | undefined; stderr: string }, whose: string) => {
      const said = stderr.replace(/\s+/g, " ");
      expect(said).toContain("error[A121]");
      expect(said).toContain(
        `quickstart is at work in ${whose} name (process ${pid}). It was asked for nothing and goes on.`,
      );
      expect(said).not.toMatch(/is asked to save|is ended at once|state_dir/);
      expect(exitCode).toBe(1);
    };
    for (const more of [[], ["--no-wait"], ["--now"]])
      isRefused(await asAnotherUser(project, ["stop", FILE, ...more]), "root's");
    const attached = asAnotherUser(project, ["attach", FILE, "--format", "json"]);
    let isTold = false;
    for await (const line of attached) {
      // Once: a second signal could meet a process that is about to end and listens no more.
      if (!isTold && String(line).includes('"type":"step"')) isTold = attached.kill("SIGTERM");
    }
    const { exitCode, stderr } = await attached;
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("A121")]);
    applying.process.kill("SIGKILL");
    await applying.ended;
    isRefused(await asAnotherUser(project, ["stop", FILE, "--now"]), "uid 0's");
    expect((await project.run(["stop", FILE])).exitCode).toBe(85);
  });
});
