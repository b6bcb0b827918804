import { spawnSync } from "node:child_process";
import { cp, rm, symlink } from "node:fs/promises";
import { expect } from "vitest";
import { isThere } from "../../src/host/read-file.ts";
import { stepFrom } from "../rig/applying.ts";
import { endAfterTest } from "../rig/at-work.ts";
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
import { openProject, type Project } from "../rig/project.ts";
import { type MountSmallDisk, testWithSmallDisk } from "../rig/small-disk.ts";

/** Every command on a disk of 5 MB without a free byte: each says what is so, and nothing is lost. */

const COMMANDS: readonly (readonly string[])[] = [
  ["validate"],
  ["plan", "--out", "saved.json"],
  ["status"],
  ["logs", FILE],
  ["runs"],
  ["attach"],
  ["stop"],
  ["apply", "--auto-approve"],
  ["apply", "--auto-approve", "--detach"],
  ["prune", "--auto-approve"],
  ["state", "show", "quickstart"],
  ["state", "restore", "quickstart", "--auto-approve"],
];

/** Takes all that is free, to the last block. */
function fill(project: Project): () => Promise<void> {
  const ballast = project.path("another-program");
  spawnSync("dd", ["if=/dev/zero", `of=${ballast}`, "bs=4k"]);
  return () => rm(ballast);
}

/** Those that end with a bug, without a word, or with a word that names no file. */
async function runAll(project: Project): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const words of COMMANDS) {
    const { exitCode, stdout, stderr } = await project.run(words);
    const said = `${stdout}\n${stderr}`;
    const isExplained = exitCode === 0 || /error\[\w+\]|Nothing (?:was run|is recorded)/.test(said);
    const isFine = [0, 1, 6].includes(exitCode ?? -1) && isExplained && !/bug in wan22|= \. could not be/.test(said);
    if (!isFine) wrong.push(`${words.join(" ")} ended with ${exitCode}:\n${said}`);
  }
  return wrong;
}

async function fillUpAgainAndAgain(mountSmallDisk: MountSmallDisk): Promise<void> {
  const { folder } = await mountSmallDisk({ kibibytes: 5 * 1024 });
  await cp((await longQuickstart()).folder, folder, { recursive: true });
  const project = openProject(folder);
  endAfterTest(project);
  let free = fill(project);
  expect(await runAll(project)).toEqual([]);
  await free();

  const applying = startApply(project);
  await applying.until(stepFrom(150));
  await holdTrainers(project, "train");
  applying.process.kill("SIGKILL");
  await applying.ended;
  free = fill(project);
  const trainer = await trainerOf(project);
  const stop = await project.run(["stop", "--now"]);
  expect([stop.exitCode, stop.stderr]).toEqual([1, expect.stringContaining(`train (process ${trainer})`)]);
  expect(stop.stderr.replace(/\s+/g, " ")).toMatch(
    /error\[A17\] .* = \.wan22\/state\/quickstart\.lock \(\d+ B\) could not/,
  );
  while (isAlive(trainer)) await new Promise(setImmediate);
  expect(await runAll(project)).toEqual([]);
  await free();

  expect((await project.run(["apply", "--auto-approve"])).exitCode).toBe(0);
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
  const record = await project.read(".wan22/state/quickstart.json");
  free = fill(project);
  expect(await runAll(project)).toEqual([]);
  await free();
  expect(await project.read(".wan22/state/quickstart.json")).toBe(record);
  expect((await project.run(["plan", "--detailed-exitcode"])).exitCode).toBe(0);
}

testWithSmallDisk("a full disk of 5 MB under everything", fillUpAgainAndAgain, { timeout: 600_000 });

testWithSmallDisk(
  "a full disk under the record alone costs the training nothing: what it says is kept, and is written when there is room",
  async (mountSmallDisk) => {
    const project = await longQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 5 * 1024 });
    await symlink(disk.folder, project.path(".wan22"));
    endAfterTest(project);
    const applying = startApply(project);
    await applying.until(stepFrom(1));
    const { pid } = (await readState(project)).stages.train?.process ?? {};
    const resume = await holdTrainers(project, "train");
    fill(openProject(disk.folder));
    resume();
    // Either its record could not be written, or nothing is heard of it any more.
    await applying.until((event) => event.type === "note" && /nothing is heard/.test(event.text));
    const heard = applying.events.flatMap((event) => (event.type === "note" ? [event.text] : []));
    const isLeft = heard.length === 0;
    const said = isLeft ? (await applying.process).stderr.replace(/^.*"diagnostics"/s, "") : heard.join();
    expect(said).toContain(`free on the disk at ${disk.folder}`);
    expect(said).toMatch(isLeft ? `train (process ${pid}) goes on` : "and it goes on");
    expect(said).not.toContain("save_last_n_epochs");
    const last = project.path("output/quickstart/quickstart.safetensors");
    while (!(await isThere(last))) expect(isAlive(pid ?? 0)).toBe(true);
    // Its last words wait for room.
    expect(isAlive(pid ?? 0)).toBe(true);
    disk.remount("size=16m");
    expect(await (isLeft ? startApply(project) : applying).ended).toBe(0);
    const { status, segment, done_steps } = (await readState(project)).stages.train ?? {};
    expect([status, segment, done_steps]).toEqual(["finished", 1, STEPS]);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  },
);
