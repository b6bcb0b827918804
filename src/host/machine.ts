import { readFileSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { hostname, totalmem, uptime } from "node:os";
import { dirname, resolve } from "node:path";
import { errorCode } from "./read-file.ts";

const GIB = 2 ** 30;

/** The machine that plans or trains. */
export interface Machine {
  readonly hostname: string;
  /** Changes with every start of the machine: a pid from before one means nothing after it. */
  readonly bootId: string;
  /** Memory that this process may use: the machine's, or its container's limit where that is lower. */
  readonly ramGiB: number;
}

/** Looks at this machine. Costs no process and less than a millisecond. */
export function observeMachine(): Machine {
  return { hostname: hostname(), bootId: readBootId(), ramGiB: toGiB(usableMemoryBytes()) };
}

/** A container's limit counts where it is real: without one the kernel answers with an absurdly large number. */
function usableMemoryBytes(): number {
  const total = totalmem();
  const limit = process.constrainedMemory();
  return limit > 0 && limit < total ? limit : total;
}

function toGiB(bytes: number): number {
  return Math.round((bytes / GIB) * 10) / 10;
}

function readBootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    // No such file outside Linux. The moment of starting, to ten seconds: the two clocks it is made of drift apart.
    return `started-${Math.round((Date.now() / 1000 - uptime()) / 10) * 10}`;
  }
}

/** Free bytes for this user on the disk that `path` is on or, where it doesn't exist yet, would be on. */
export async function freeBytes(path: string): Promise<number | undefined> {
  let folder = resolve(path);
  for (;;) {
    try {
      const stats = await statfs(folder);
      return stats.bavail * stats.bsize;
    } catch (error) {
      const parent = dirname(folder);
      const absent = errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR";
      if (!absent || parent === folder) return undefined;
      folder = parent;
    }
  }
}

/** Where the disk that `path` is on, or would be on, is mounted: the topmost folder above it on the same device. */
export function mountOf(path: string): string {
  let mount: { readonly folder: string; readonly device: number } | undefined;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const device = deviceOf(folder);
    if (mount !== undefined && device !== mount.device) return mount.folder;
    if (device !== undefined) mount = { folder, device };
    if (dirname(folder) === folder) return mount?.folder ?? folder;
  }
}

/** Undefined where nothing is there, or nobody may look. */
function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch {
    return undefined;
  }
}
