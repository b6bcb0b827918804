import { cp, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planSchema } from "../../src/core/plan/plan.ts";
import { stepFrom } from "../rig/applying.ts";
import {
  checkpointHashes,
  endlessQuickstart,
  FILE,
  isAlive,
  longQuickstart,
  readState,
  startApply,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";
import { testWithSmallDisk } from "../rig/small-disk.ts";

/** Folders and disks that refuse what is to be written: found before anything runs, or survived. */

const APPLY = ["apply", FILE, "--auto-approve"];

/** What was refused, before anything ran. */
async function refusedAtOnce(project: Project): Promise<string> {
  const { exitCode, stdout, stderr } = await project.run(APPLY);
  expect(exitCode).toBe(6);
  expect(await project.list(".wan22/runs")).toEqual([]);
  expect(await project.list(".wan22/cache")).toEqual([]);
  expect(stdout + stderr).toContain("error[A18]");
  return stderr.replace(/\s+/g, " ");
}

describe("a folder that can't be written to costs nothing", () => {
  it("where it is a file, or lies below one", async () => {
    for (const file of [".wan22/cache", ".wan22/work"]) {
      const project = await makeQuickstart();
      await project.write(file, "in the way");
      expect(await refusedAtOnce(project)).toContain(`${file} is a file, and a folder is wanted there`);
    }
  });

  it("and the plan knows it of those that the pipeline names", async () => {
    for (const file of ["output", "output/quickstart"]) {
      const project = await makeQuickstart();
      await project.write(file, "in the way");
      const { exitCode, stdout } = await project.run(["plan", "pipelines/quickstart.yaml"]);
      expect(exitCode).toBe(1);
      expect(stdout).toContain("error[T46]");
    }
  });

  testWithSmallDisk("where its disk is read-only, though the folder is there", async (mountSmallDisk) => {
    const project = await makeQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 4096, at: project.path("output/quickstart") });
    disk.remount("ro");
    expect(await refusedAtOnce(project)).toContain(
      "Nothing can be written in output/quickstart: the file system is read-only",
    );
    disk.remount("rw");
    expect((await project.run(APPLY)).exitCode).toBe(0);
  });
});

testWithSmallDisk(
  "a project that nobody may write to is planned as any other: its index is not kept, and nothing is said of that",
  async (mountSmallDisk) => {
    const project = await makeQuickstart();
    const there = await project.plan();
    const disk = await mountSmallDisk({ kibibytes: 65_536 });
    await cp(project.path("pipelines"), join(disk.folder, "pipelines"), { recursive: true });
    await mkdir(join(disk.folder, ".git"));
    disk.remount("ro");
    for (const words of [["plan"], ["plan", "--format", "json"], ["validate"], ["status"], ["runs"]]) {
      const { exitCode, stdout, stderr } = await project.run(words, { folder: disk.folder });
      expect([exitCode, stderr], words.join(" ")).toEqual([0, ""]);
      if (!words.includes("json")) continue;
      const { diagnostics, pipelines } = planSchema.parse(JSON.parse(stdout));
      expect([diagnostics, pipelines[0]?.digest]).toEqual([[], there.pipelines[0]?.digest]);
    }
    expect(await readdir(disk.folder)).toEqual([".git", "pipelines"]);
  },
);

testWithSmallDisk(
  "a disk that becomes read-only while training goes on is named by its folder",
  async (mountSmallDisk) => {
    const project = await longQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 4096, at: project.path("output/quickstart") });
    const applying = startApply(project);
    await applying.until(stepFrom(1));
    disk.remount("ro");
    const { stderr } = await applying.process;
    expect(stderr).toContain("A18");
    expect(stderr.replace(/\s+/g, " ")).toContain("Nothing can be written in output/quickstart: Read-only file system");
    expect((await readState(project)).stages.train?.status).toBe("failed");
    disk.remount("rw");
    expect(await startApply(project).ended).toBe(0);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  },
);

testWithSmallDisk(
  "a record on a read-only disk is shown and planned on, and nothing is begun",
  async (mountSmallDisk) => {
    const project = await longQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 8192, at: project.path(".wan22") });
    await project.run(["validate", FILE]);
    disk.remount("ro");
    expect((await project.run(["plan", FILE])).exitCode).toBe(0);
    const { exitCode, stderr } = await project.run(APPLY);
    expect(exitCode).toBe(1);
    expect(stderr.replace(/\s+/g, " ")).toMatch(
      /error\[A18\].*Nothing can be written in \.wan22.*: the file system is read-only/,
    );
    expect(await project.list("output")).toEqual([]);
    disk.remount("rw");
    expect((await project.run(APPLY)).exitCode).toBe(0);
    disk.remount("ro");
    expect((await project.run(["state", "show", "quickstart"])).exitCode).toBe(0);
    expect((await project.run(["state", "restore", "quickstart", "--auto-approve"])).stderr).toContain("error[A18]");
    expect((await project.run(APPLY)).stdout).toContain("No changes.");
  },
);

testWithSmallDisk(
  "a record whose disk becomes read-only while training goes on is caught up on",
  async (mountSmallDisk) => {
    const project = await longQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 8192, at: project.path(".wan22/state") });
    const applying = startApply(project);
    await applying.until(stepFrom(1));
    disk.remount("ro");
    expect(await applying.ended).toBe(85);
    expect((await applying.process).stderr.replace(/\s+/g, " ")).toMatch(/"A18".*\.wan22\/state.*read-only/i);
    disk.remount("rw");
    expect(await startApply(project).ended).toBe(0);
    expect((await readState(project)).stages.train?.segment).toBe(1);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  },
);

testWithSmallDisk(
  "a runner that can't write its record any more says that training goes on, and how to come back, and sends nobody to another folder",
  async (mountSmallDisk) => {
    const project = await endlessQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 8192, at: project.path(".wan22/state") });
    const applying = startApply(project);
    await applying.until(stepFrom(1));
    const { process: trainer } = (await readState(project)).stages.train ?? {};
    disk.remount("ro");
    const { exitCode, stderr } = await applying.process;
    const comesBack = new RegExp(
      `\\.wan22/state: the file system is read-only\\..*train \\(process ${trainer?.pid}\\) goes on\\. .* come back with .wan22 attach quickstart.`,
    );
    const isHonest = (said: string) => {
      expect(said.replace(/\s+/g, " ")).toMatch(comesBack);
      expect(said).not.toContain("state_dir");
    };
    expect(exitCode).toBe(85);
    isHonest(stderr);
    expect(stderr).toContain("Detached: training goes on.");
    expect(applying.events.at(-1)).toMatchObject({ type: "run-ended", outcome: "detached" });
    // Neither does whoever comes before it can be written again.
    for (const words of [APPLY, ["attach", FILE]]) isHonest((await project.run(words)).stderr);
    expect(isAlive(trainer?.pid ?? 0)).toBe(true);
    disk.remount("rw");
    expect((await project.run(["stop", FILE])).exitCode).toBe(85);
    const { status, segment } = (await readState(project)).stages.train ?? {};
    expect([status, segment]).toEqual(["stopped", 1]);
  },
);

testWithSmallDisk("a disk that becomes full under the record leaves the record whole", async (mountSmallDisk) => {
  const project = await longQuickstart();
  const disk = await mountSmallDisk({ kibibytes: 24, at: project.path(".wan22/state") });
  for (const _attempt of [1, 2]) {
    const { exitCode, stderr } = await project.run(APPLY);
    expect(exitCode).toBe(6);
    expect(stderr.replace(/\s+/g, " ")).toMatch(
      new RegExp(
        `A17.*\\.wan22/state/quickstart\\.json \\([\\d.]+ kB\\) could not be written: .* free on the disk at ${disk.folder}`,
      ),
    );
    for (const name of await project.list(".wan22/state")) {
      if (name !== "quickstart.lock") JSON.parse(await project.read(`.wan22/state/${name}`));
    }
  }
  disk.remount("size=4m");
  const { exitCode, stderr } = await project.run(APPLY);
  expect([exitCode, stderr]).toEqual([0, expect.not.stringContaining("A1]")]);
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
});

testWithSmallDisk(
  "a disk that becomes full under what is trained is told by file, disk and bytes",
  async (mountSmallDisk) => {
    const project = await longQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 4096, at: project.path("output/quickstart") });
    const applying = startApply(project);
    await applying.until(stepFrom(1));
    // Another program takes what had been free when training began.
    await project.write("output/quickstart/another-program", new Uint8Array(3800 * 1024));
    const { exitCode, stderr } = await applying.process;
    expect(exitCode).toBe(6);
    const said = stderr.replace(/\s+/g, " ");
    expect(said).toMatch(/A17.* No space left on device \(output\/quickstart\/[^ ]+\)\. /);
    expect(said).toMatch(
      new RegExp(
        `[\\d.]+ kB of checkpoints and training states were still to come in output/quickstart, and .* free on the disk at ${disk.folder}\\.`,
      ),
    );
    expect(said).toMatch(
      /only the last is kept, [\d.]+ kB each\..* save_last_n_epochs: 1.* save_last_n_epochs_state: 1/,
    );
    expect(said).not.toContain(".tmp");
    disk.remount("size=8m");
    expect((await project.run(APPLY)).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  },
);
