import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, it, onTestFinished } from "vitest";
import { stepFrom } from "../rig/applying.ts";
import { applyDetached, hasSteps, statusOf, untilStage } from "../rig/at-work.ts";
import { endlessQuickstart, isAlive, readState, startApply } from "../rig/long-quickstart.ts";
import { openProject, type Project } from "../rig/project.ts";

/** A project that was copied while it was at work: what its record says of processes is true of the original. */

async function copyOf(project: Project): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-copy-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  // What the trainer removes meanwhile can't be copied any more.
  await execa("cp", ["-r", `${project.folder}/.`, folder], { reject: false });
  return openProject(folder);
}

it("what runs in the original is not told to run in the copy, nor stopped by it, and the copy goes on by itself", async () => {
  const project = await endlessQuickstart();
  await applyDetached(project);
  await untilStage(project, "train", hasSteps(150));
  const { pid = 0 } = (await readState(project)).stages.train?.process ?? {};
  const copy = await copyOf(project);

  const status = await statusOf(copy);
  const train = status.stages.find(({ id }) => id === "train");
  expect([status.lock.kind, train?.status, train?.alive]).toEqual(["dead", "lost", false]);
  expect(train?.message).toMatch(/^This is a copy of \S+, made while its process was at work\./);
  await copy.run(["stop", "--now"]);
  expect(isAlive(pid)).toBe(true);

  const resumed = startApply(copy);
  await resumed.until(stepFrom(1));
  const begun = resumed.events.find((event) => event.type === "run-started");
  expect(begun).toMatchObject({ stages: [{ id: "train", action: "resume" }] });
  const [first] = resumed.events.flatMap((event) =>
    event.type === "trainer" && event.event.type === "step" ? [event.event.step] : [],
  );
  expect(first).toBeGreaterThan(120);
  resumed.process.kill("SIGINT");
  expect(await resumed.ended).toBe(85);
  expect(isAlive(pid)).toBe(true);
  expect((await statusOf(project)).stages.find(({ id }) => id === "train")?.alive).toBe(true);
});

it("one that was moved away while it was at work is followed where it is now", async () => {
  const project = await endlessQuickstart();
  await applyDetached(project);
  await untilStage(project, "train", hasSteps(20));
  const moved = openProject(`${project.folder}-moved`);
  onTestFinished(() => rm(moved.folder, { recursive: true, force: true }));
  await execa("mv", [project.folder, moved.folder]);
  const status = await statusOf(moved);
  expect([status.lock.kind, status.stages.find(({ id }) => id === "train")?.alive]).toEqual(["held", true]);
  await moved.run(["stop", "--now"]);
  const { pid = 0 } = (await readState(moved)).stages.train?.process ?? {};
  expect(pid === 0 || !isAlive(pid)).toBe(true);
});
