import { accessSync, constants, lstatSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import { formatBytes } from "../core/bytes.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { freeBytes, mountOf } from "../host/machine.ts";
import { errorCode } from "../host/read-file.ts";
import { EXECUTE_CODES } from "./codes.ts";

/** What the system refused the runner, as a diagnostic that names what the user can change. */

/** What Node, and `namingFile`, say in a system error. */
interface NodeError {
  readonly path?: string;
  /** Of a rename. */
  readonly dest?: string;
  readonly bytes?: number;
}

/** What keeping fewer checkpoints frees lies on the output's disk; what a runner writes lies elsewhere. */
export const MAKE_ROOM_THERE = "Make room on that disk: `wan22 prune` shows what of this project can go.";

/** Undefined for anything that is a bug. `root`: the project's, absolute. `mend`: what to do about it, where the kind's own does harm. */
export async function explainSystemError(
  error: unknown,
  root: string,
  { mend }: { readonly mend?: string } = {},
): Promise<Diagnostic | undefined> {
  const code = errorCode(error);
  if (code === undefined || !(error instanceof Error) || !("syscall" in error)) return undefined;
  const { path = root, dest, bytes } = error as Error & NodeError;
  if (code === "ENOSPC" || code === "EDQUOT") {
    const detail = await fullText({ path: dest ?? path, bytes, root, isQuota: code === "EDQUOT" });
    return diagnose(EXECUTE_CODES.diskFull, `${detail} ${mend ?? MAKE_ROOM_THERE}`.trimEnd());
  }
  const text = closedText(code, dest !== undefined && whyClosed(dirname(dest)) !== undefined ? dest : path, root);
  return diagnose(EXECUTE_CODES.notWritable, `${text}. ${mend ?? EXECUTE_CODES.notWritable.mend}`.trimEnd());
}

interface FullDisk {
  readonly path: string;
  /** That were to be written, where known. */
  readonly bytes?: number | undefined;
  readonly root: string;
  readonly isQuota: boolean;
}

async function fullText({ path, bytes, root, isQuota }: FullDisk): Promise<string> {
  const size = bytes === undefined ? "" : ` (${formatBytes(bytes)})`;
  const what = `${pathInside(root, path)}${size} could not be written`;
  return isQuota ? `${what}: your quota is used up there.` : `${what}: ${await roomText(path)}.`;
}

/** `1.2 MB are free on the disk at /mnt`. */
export async function roomText(path: string): Promise<string> {
  const free = await freeBytes(path);
  const mount = mountOf(path);
  return `${free === undefined ? "nothing" : formatBytes(free)} ${free === undefined ? "is" : "are"} free on the disk at ${mount}`;
}

/** Names the folder that can't be written to, or what stands where one should be; without a full stop. */
function closedText(code: string, path: string, root: string): string {
  const found = closestExisting(path);
  const shown = pathInside(root, found.path);
  if (found.stats?.isSymbolicLink() && statsBy(statSync, found.path) === undefined) {
    return `${shown} is a link that leads nowhere, or in a circle, and a folder is wanted there`;
  }
  const isFolder = statsBy(statSync, found.path)?.isDirectory() === true;
  if (!isFolder && (found.path !== path || code === "EEXIST" || code === "ENOTDIR")) {
    return `${shown} is a file, and a folder is wanted there`;
  }
  if (code === "EISDIR") return `${shown} is a folder, and a file is wanted there`;
  const folder = isFolder ? found.path : dirname(found.path);
  const shownFolder = folder === root ? root : pathInside(root, folder);
  return `Nothing can be written in ${shownFolder}: ${systemReason(whyClosed(folder) ?? code)}`;
}

interface Existing {
  readonly path: string;
  readonly stats: Stats | undefined;
}

/** The path itself, or the nearest one above it that is there; links are not followed. */
function closestExisting(path: string): Existing {
  for (let found = path; ; found = dirname(found)) {
    const stats = statsBy(lstatSync, found);
    if (stats !== undefined || dirname(found) === found) return { path: found, stats };
  }
}

/** Undefined where nothing is there, or nobody may look. */
function statsBy(look: (path: string) => Stats, path: string): Stats | undefined {
  try {
    return look(path);
  } catch {
    return undefined;
  }
}

/** What keeps us from writing into a folder: Node says ENOENT of one below it, and nothing of a read-only disk. */
function whyClosed(folder: string): string | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

function systemReason(code: string): string {
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "you have no permission";
    case "EROFS":
      return "the file system is read-only";
    case "ENOENT":
      return "what was there is gone";
    case "EMFILE":
    case "ENFILE":
      return "too many files are open at once (see `ulimit -n`)";
    default:
      return `the system answered ${code}`;
  }
}
