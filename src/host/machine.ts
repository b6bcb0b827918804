import { readFileSync, realpathSync, statSync } from "node:fs";
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

/** Where a folder lies. `shared` may be seen by other machines too, as far as one can tell. */
export interface FileSystem {
  readonly kind: "local" | "shared";
  /** `NFS`; undefined for one without a name here. */
  readonly name?: string;
}

/** By the numbers that Linux gives them (`statfs(2)`). FUSE is whatever somebody made of it, often another machine's disk. */
const SHARED_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  1397113167: "AFS",
  12805120: "Ceph",
  198183888: "Lustre",
  1196443219: "GPFS",
  428016422: "BeeGFS",
  18225520: "GFS2",
  1952539503: "OCFS2",
  16914839: "9P",
  1702057286: "FUSE",
};

/** The file system of a folder that is there. One that can't be asked counts as shared: that is the careful side. */
export async function fileSystemOf(folder: string): Promise<FileSystem> {
  try {
    return fileSystemOfType((await statfs(folder)).type);
  } catch {
    return { kind: "shared" };
  }
}

function fileSystemOfType(type: number): FileSystem {
  const name = process.platform === "linux" ? SHARED_FILE_SYSTEMS[type >>> 0] : undefined;
  return name === undefined ? { kind: "local" } : { kind: "shared", name };
}

/** Where the disk that `path` is on, or would be on, is mounted: the topmost folder above it on the same device. */
export function mountOf(path: string): string {
  let mount: { readonly folder: string; readonly device: number } | undefined;
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const device = deviceOf(folder);
    if (mount !== undefined && device !== mount.device) return mount.folder;
    // A link may lead to another disk, whose mount is not above the link.
    if (device !== undefined && mount === undefined) folder = realpathSync(folder);
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
