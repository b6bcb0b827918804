import { spawnSync } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sha256 } from "../../../src/host/hash.ts";
import { acquireLock, lookAtLock } from "../../../src/host/locks/lock.ts";
import { describeThisOwner, isOfOtherContainer, parseOwner } from "../../../src/host/locks/lock-owner.ts";
import { observeMachine } from "../../../src/host/machine.ts";
import { identifyProcess, layerOfRoot, readPidNamespace } from "../../../src/host/process.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-lock-"));
  file = join(folder, "state", "fox.lock");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A lock as a process left it that has ended. */
async function leaveDeadLock(changes: Readonly<Record<string, unknown>> = {}): Promise<void> {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const owner = {
    version: 1,
    who: "ada",
    host: hostname(),
    pid,
    boot_id: observeMachine().bootId,
    start_time: "1",
    since: "2026-07-01T00:00:00Z",
  };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ ...owner, ...changes }));
}

/** Each taking is synced to the disk: a storm of them takes as long as the disk does. */
describe("a lock", { timeout: 60_000 }, () => {
  test("is had by one at a time, and says by whom", async () => {
    const first = await acquireLock(file);
    expect(first.kind).toBe("acquired");
    expect(await acquireLock(file)).toMatchObject({ kind: "held", owner: { pid: process.pid, host: hostname() } });
    if (first.kind === "acquired") await first.lock.release();
    expect(await readdir(join(folder, "state"))).toEqual([]);
    expect((await acquireLock(file)).kind).toBe("acquired");
  });

  test("is had by exactly one of many that ask at once", async () => {
    for (let round = 0; round < 10; round += 1) {
      const results = await Promise.all(Array.from({ length: 20 }, () => acquireLock(file)));
      const winners = results.flatMap((result) => (result.kind === "acquired" ? [result.lock] : []));
      expect(winners).toHaveLength(1);
      for (const lock of winners) await lock.release();
    }
  });

  test("of another pid namespace can't be seen in this boot, and is dead with an earlier one", async () => {
    await leaveDeadLock({ pid_namespace: "1" });
    expect(await acquireLock(file)).toMatchObject({ kind: "held", by: "unseen" });
    await leaveDeadLock({ pid_namespace: "1", boot_id: "before" });
    expect(await lookAtLock(file)).toMatchObject({ kind: "dead" });
    await leaveDeadLock({ pid_namespace: readPidNamespace() });
    expect(await acquireLock(file)).toMatchObject({ kind: "acquired" });
  });

  test("of this very container, from before it was started anew, is nobody's", async () => {
    const mounts = (upper: string) =>
      `22 1 0:20 / / rw - ext4 /dev/sda1 rw\n871 770 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/o/${upper}/diff,workdir=/o/${upper}/work\n872 871 0:55 / /proc rw - proc proc rw\n`;
    expect(layerOfRoot(mounts("c1"))).toBe("/o/c1/diff");
    expect(layerOfRoot("22 1 0:20 / / rw - ext4 /dev/sda1 rw\n")).toBeUndefined();
    const owner = await describeThisOwner(undefined);
    const before = { ...owner, pid_namespace: "1", container_layer: layerOfRoot(mounts("c1")) };
    const started = (upper: string) => ({ pid_namespace: "2", container_layer: layerOfRoot(mounts(upper)) ?? "" });
    expect(isOfOtherContainer(before, started("c1"))).toBe(false);
    expect(isOfOtherContainer(before, started("c2"))).toBe(true);
    expect(isOfOtherContainer({ ...owner, pid_namespace: "1" }, { pid_namespace: "2" })).toBe(true);
  });

  test("of a dead process is taken over, with a word about whose it was", async () => {
    await leaveDeadLock();
    const result = await acquireLock(file);
    expect(result).toMatchObject({ kind: "acquired", lock: { tookOverFrom: { who: "ada" } } });
    expect(await acquireLock(file)).toMatchObject({ kind: "held", owner: { pid: process.pid } });
    expect(await readdir(join(folder, "state"))).toEqual(["fox.lock"]);
  });

  test("of a dead process is taken over by exactly one of many", async () => {
    for (let round = 0; round < 3; round += 1) {
      await rm(file, { force: true });
      await leaveDeadLock();
      const results = await Promise.all(Array.from({ length: 20 }, () => acquireLock(file)));
      expect(results.filter(({ kind }) => kind === "acquired")).toHaveLength(1);
    }
    expect(await readdir(join(folder, "state"))).toEqual(["fox.lock"]);
  });

  test("of a process before the last start of the machine is dead, though its pid lives again", async () => {
    await leaveDeadLock({ pid: process.pid, boot_id: "an earlier boot" });
    expect((await acquireLock(file)).kind).toBe("acquired");
  });

  test("of a dead process is taken over though one that was about to do so was killed over it, by exactly one of many", async () => {
    for (let round = 0; round < 3; round += 1) {
      await rm(file, { force: true });
      await leaveDeadLock();
      const dead = await readFile(file, "utf8");
      const claim = `${file}.claim-${sha256(dead).slice(0, 12)}`;
      await writeFile(claim, dead.replace("ada", `bob ${round}`));
      const results = await Promise.all(Array.from({ length: 20 }, () => acquireLock(file)));
      expect(results.filter(({ kind }) => kind === "acquired")).toHaveLength(1);
      expect(await readdir(join(folder, "state"))).toEqual(["fox.lock"]);
    }
  });

  test("on a disk that machines share is not taken for that of an earlier start of this one, unless its id says so", async () => {
    const shared = { fileSystem: { kind: "shared", name: "NFS" } } as const;
    await leaveDeadLock({ boot_id: "another boot" });
    expect(await acquireLock(file, shared)).toMatchObject({ kind: "held", by: "unseen" });
    expect((await acquireLock(file, { fileSystem: { kind: "local" } })).kind).toBe("acquired");
    const owner = parseOwner(await readFile(file, "utf8"));
    if (owner?.machine_id === undefined) return;
    await leaveDeadLock({ boot_id: "an earlier boot", machine_id: owner.machine_id });
    expect((await acquireLock(file, shared)).kind).toBe("acquired");
    await leaveDeadLock({ machine_id: "another machine of this name" });
    expect(await acquireLock(file)).toMatchObject({ kind: "held", by: "unseen" });
  });

  test("of another machine is left alone: nobody can see from here whether it lives", async () => {
    await leaveDeadLock({ host: "gpu-7" });
    expect(await acquireLock(file)).toMatchObject({ kind: "held", owner: { host: "gpu-7" } });
  });

  test("that can't be understood is left alone", async () => {
    await leaveDeadLock();
    await writeFile(file, "{ torn");
    expect(await acquireLock(file)).toEqual({ kind: "held", file, owner: undefined, by: "unseen" });
  });

  test("is not taken away from whoever has it by now", async () => {
    const first = await acquireLock(file);
    await writeFile(file, "somebody else's");
    if (first.kind === "acquired") await first.lock.release();
    expect(await readFile(file, "utf8")).toBe("somebody else's");
  });

  test("removes what was left of takings that were killed long ago, and no other's that may be under way", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    await mkdir(dirname(file), { recursive: true });
    const [old, recent] = [`${file}.00000001.${pid}.tmp`, `${file}.00000002.${pid}.tmp`];
    for (const left of [old, recent]) await writeFile(left, "");
    await utimes(old, 0, 0);
    // Claims are locks: one whose owner lives is somebody's, however old it is.
    await leaveDeadLock();
    const [oldClaim, recentClaim, living] = ["1", "2", "3"].map((end) => `${file}.claim-${end.repeat(12)}`) as [
      string,
      string,
      string,
    ];
    for (const claim of [oldClaim, recentClaim, living]) await copyFile(file, claim);
    await rm(file);
    const { boot_id, start_time } = await identifyProcess(process.ppid);
    await writeFile(
      living,
      JSON.stringify({ ...JSON.parse(await readFile(living, "utf8")), pid: process.ppid, boot_id, start_time }),
    );
    for (const claim of [oldClaim, living]) await utimes(claim, 0, 0);
    await acquireLock(file);
    const left = [file, recent, recentClaim, living].map((path) => basename(path));
    expect((await readdir(dirname(file))).sort()).toEqual(left.sort());
  });

  test("is looked at without being taken", async () => {
    expect(await lookAtLock(file)).toEqual({ kind: "free" });
    await leaveDeadLock();
    expect(await lookAtLock(file)).toMatchObject({ kind: "dead", owner: { who: "ada" } });
    await leaveDeadLock({ host: "gpu-7" });
    expect(await lookAtLock(file)).toMatchObject({ kind: "held", owner: { host: "gpu-7" } });
    const { pid, boot_id, start_time } = await identifyProcess(process.ppid);
    await leaveDeadLock({ pid, boot_id, start_time });
    expect(await lookAtLock(file)).toMatchObject({ kind: "held", owner: { pid } });
    await writeFile(file, "{ torn");
    expect(await lookAtLock(file)).toEqual({ kind: "held", owner: undefined, by: "unseen" });
    await rm(file);
    await acquireLock(file);
    expect(await lookAtLock(file)).toEqual({ kind: "own" });
  });
});
