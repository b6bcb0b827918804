import { describe, expect, it } from "vitest";
import { startApply as startApplyOf, stepFrom } from "../rig/applying.ts";
import {
  checkpointHashes,
  FILE,
  holdTrainers,
  isAlive,
  longQuickstart,
  readState,
  trainerOf,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { applySaved, editQuickstart as edit, PLAN, savePlan as save } from "../rig/saved-plan.ts";

/** `apply FILE.plan` goes on with what was saved, whatever ended it. */

describe("a saved plan that was begun", () => {
  it("goes on after its runner, its trainer and its user ended it, to the same bytes", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    await save(project);
    const first = startApplyOf(project, PLAN);
    await first.until(stepFrom(20));
    first.process.kill("SIGKILL");
    await first.ended;
    const goOn = await holdTrainers(project, "train");
    const attached = startApplyOf(project, PLAN);
    await attached.until(({ type }) => type === "stage-started");
    goOn();
    await attached.until(stepFrom(200));
    expect(attached.events.find(({ type }) => type === "stage-started")).toMatchObject({ attached: true });
    process.kill(await trainerOf(project), "SIGKILL");
    expect(await attached.ended).toBe(6);
    const resumed = startApplyOf(project, PLAN);
    await resumed.until(stepFrom(400));
    resumed.process.kill("SIGINT");
    expect(await resumed.ended).toBe(85);
    expect((await resumed.process).stderr).toContain(`Resume with: wan22 apply ${PLAN}`);

    expect((await applySaved(project)).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(wanted);
  });

  it("of what a killed runner and trainer left is no less: putting that in order moves nothing", async () => {
    const project = await longQuickstart();
    const killed = startApplyOf(project, FILE);
    await killed.until(stepFrom(200));
    const { pid = 0 } = (await readState(project)).stages.train?.process ?? {};
    killed.process.kill("SIGKILL");
    await killed.ended;
    process.kill(pid, "SIGKILL");
    while (isAlive(pid)) await new Promise(setImmediate);
    await save(project);
    const applying = startApplyOf(project, PLAN);
    expect(await applying.ended).toBe(0);
    expect(applying.events.find(({ type }) => type === "stage-started")).toMatchObject({ action: "resume" });
  });

  it("does what it was asked for once: what it has started over is not started over again", async () => {
    const project = await longQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await save(project, "--replace", "train", "--only", "train");
    const first = startApplyOf(project, PLAN);
    await first.until(stepFrom(300));
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(85);

    const second = startApplyOf(project, PLAN);
    expect(await second.ended).toBe(0);

    expect(second.events.find(({ type }) => type === "stage-started")).toMatchObject({ action: "resume" });
    expect((await applySaved(project)).stdout).toContain("No changes.");
    expect((await project.list("output/quickstart/archive")).length).toBeGreaterThan(0);
  });

  it("goes back to an epoch once, whatever kills it", async () => {
    const wanted = await undisturbed();
    const project = await longQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await save(project, "--from-epoch", "20");
    for (const moment of ["moved", "stage-started"]) {
      const killed = startApplyOf(project, PLAN);
      await killed.until(({ type }) => type === moment);
      killed.process.kill("SIGKILL");
      await killed.ended;
    }
    expect((await applySaved(project)).exitCode).toBe(0);
    const kept = Object.entries(await checkpointHashes(project)).filter(([name]) => !name.startsWith("archive/"));
    expect(Object.fromEntries(kept)).toEqual(wanted);
    expect(new Set((await project.list("output/quickstart/archive")).map((name) => name.split("/")[0])).size).toBe(1);
  });

  it("something has moved since it was begun: it does not go on with something else", async () => {
    const project = await longQuickstart();
    await save(project);
    const first = startApplyOf(project, PLAN);
    await first.until(stepFrom(130));
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(85);
    const before = await project.read(FILE);
    await edit(project, "network_dim: 16", "network_dim: 8");
    expect((await applySaved(project)).exitCode).toBe(3);
    await project.write(FILE, before);
    await project.run(["apply", FILE, "--auto-approve", "--replace", "cache-text", "--only", "cache-text"]);
    const { exitCode, stderr } = await applySaved(project);
    expect(exitCode).toBe(3);
    expect(stderr).toContain("- state: ");
  });
});
