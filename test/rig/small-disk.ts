import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";

/** Real disks that become full: file systems in memory, which only root may mount, and not in every container. */

export interface SmallDisk {
  /** Where it is mounted. */
  readonly folder: string;
  /** Changes it: `size=5m`, `ro`. */
  readonly remount: (option: string) => void;
}

export interface DiskOptions {
  readonly kibibytes: number;
  /** Where to mount it; a new temporary folder if left out. */
  readonly at?: string;
}

/** Mounts a disk, which is gone when the test is over. */
export type MountSmallDisk = (options: DiskOptions) => Promise<SmallDisk>;

/** A test that needs such disks; where none can be mounted it says aloud that it was skipped. */
export function testWithSmallDisk(
  name: string,
  body: (mountSmallDisk: MountSmallDisk) => Promise<void>,
  options: { readonly timeout?: number } = {},
): void {
  if (canMount()) {
    test(name, options, () => body(mountSmallDisk));
    return;
  }
  console.warn(`skipped: ${name}. It mounts a small disk, which takes root on a Linux that lets it.`);
  test.skip(name, () => undefined);
}

async function mountSmallDisk({ kibibytes, at }: DiskOptions): Promise<SmallDisk> {
  const folder = at ?? (await mkdtemp(join(tmpdir(), "wan22-disk-")));
  await mkdir(folder, { recursive: true });
  if (!mount(folder, kibibytes)) throw new Error(`no disk of ${kibibytes} KiB could be mounted at ${folder}`);
  onTestFinished(async () => {
    unmount(folder);
    if (at === undefined) await rm(folder, { recursive: true, force: true });
  });
  const remount = (option: string) => {
    // A file that is being written keeps a disk from becoming read-only.
    while (spawnSync("mount", ["-o", `remount,${option}`, folder]).status !== 0);
  };
  return { folder, remount };
}

function mount(folder: string, kibibytes: number): boolean {
  return spawnSync("mount", ["-t", "tmpfs", "-o", `size=${kibibytes}k`, "tmpfs", folder]).status === 0;
}

function unmount(folder: string): void {
  spawnSync("umount", ["-l", folder]);
}

function canMount(): boolean {
  if (process.platform !== "linux") return false;
  const folder = mkdtempSync(join(tmpdir(), "wan22-disk-"));
  const mounted = mount(folder, 4);
  if (mounted) unmount(folder);
  rmSync(folder, { recursive: true, force: true });
  return mounted;
}
