import type { Dirent } from "node:fs";
import { lstat, readdir, rm, rmdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isPidInUse } from "../process.ts";
import { errorCode } from "../read-file.ts";
import { isRunOf } from "./run-store.ts";

/**
 * What runs have left beside what is in use: archive folders, caches, logs, temporary files; and how much it takes. A symbolic link
 * is never followed: what it leads to is not the project's own.
 */

/** Bytes of a file, or of all files below a folder. What can't be looked at counts nothing. */
export async function bytesBelow(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) return stats.size;
  let sum = 0;
  for (const name of await readdir(path).catch(() => [])) sum += await bytesBelow(join(path, name));
  return sum;
}

/** A folder that is one itself; what is missing, closed or a link has nothing in it. Sorted by name. */
export async function listFolder(folder: string): Promise<readonly Dirent[]> {
  const stats = await lstat(folder).catch(() => undefined);
  if (stats?.isDirectory() !== true) return [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

export interface Archive {
  /** Absolute. */
  readonly folder: string;
  readonly run: string;
  readonly files: readonly string[];
  readonly bytes: number;
}

/** What a pipeline's runs have archived in an output folder (absolute), the oldest first. */
export async function listArchives(outputDir: string, pipeline: string): Promise<readonly Archive[]> {
  const archive = join(outputDir, "archive");
  const runs = (await listFolder(archive)).filter((entry) => entry.isDirectory() && isRunOf(entry.name, pipeline));
  return Promise.all(
    runs.map(async ({ name }) => {
      const folder = join(archive, name);
      const files = (await listFolder(folder)).map((entry) => entry.name);
      return { folder, run: name, files, bytes: await bytesBelow(folder) };
    }),
  );
}

/** `SLUG-8hex`, as the caches of a source are kept. */
const CACHE_FOLDER = /^.+-[0-9a-f]{8}$/;
const CACHE_FILE = /\.safetensors$/;

/** Folders of cached sources below a pipeline's cache folder. Absolute. */
export async function listCacheFolders(folder: string): Promise<readonly string[]> {
  const found = (await listFolder(folder)).filter((entry) => entry.isDirectory() && CACHE_FOLDER.test(entry.name));
  return found.map(({ name }) => join(folder, name));
}

/** The caches in a folder; anything else in it is somebody's own. Absolute. */
export async function listCaches(folder: string): Promise<readonly string[]> {
  const found = (await listFolder(folder)).filter((entry) => entry.isFile() && CACHE_FILE.test(entry.name));
  return found.map(({ name }) => join(folder, name));
}

export interface NamedFile {
  /** Absolute. */
  readonly file: string;
  readonly bytes: number;
  /** Hard links to it, this one among them. */
  readonly names: number;
  /** Which file it is, on whatever disk. */
  readonly inode: string;
}

/** How many names each file has; those that are gone are left out. */
export async function namesOfFiles(files: readonly string[]): Promise<readonly NamedFile[]> {
  const found = files.map(async (file): Promise<readonly NamedFile[]> => {
    const stats = await lstat(file, { bigint: true }).catch(() => undefined);
    if (stats === undefined) return [];
    return [{ file, bytes: Number(stats.size), names: Number(stats.nlink), inode: `${stats.dev} ${stats.ino}` }];
  });
  return (await Promise.all(found)).flat();
}

const BACKGROUND_LOG = /^(?<name>.+)\.(?<pid>\d+)\.log$/;

export interface BackgroundLog {
  /** Absolute. */
  readonly file: string;
  readonly pid: number;
  /** Whether a process has the runner's number: the runner, as far as anybody can tell. */
  readonly isAlive: boolean;
}

/**
 * What runners in the background said whose first pipeline this one is, the oldest first. One without its runner's number is
 * not among them: whoever started the runner was killed at that moment, and nobody knows whether it lives.
 */
export async function listBackgroundLogs(folder: string, pipeline: string): Promise<readonly BackgroundLog[]> {
  return (await listFolder(folder)).flatMap((entry): readonly BackgroundLog[] => {
    const { name, pid } = BACKGROUND_LOG.exec(entry.name)?.groups ?? {};
    if (!entry.isFile() || name === undefined || !isRunOf(name, pipeline)) return [];
    return [{ file: join(folder, entry.name), pid: Number(pid), isAlive: isPidInUse(Number(pid)) }];
  });
}

/** What writers of ours append to a name while they write, and removers of folders first of all: `.HEX.PID.tmp`, in Python `.PID.tmp`. */
const LEFT_BEHIND = /^(?<written>.+?)(?:\.[0-9a-f]{8})?\.(?<pid>\d+)\.tmp$/;
/** On a disk that is shared another machine may be writing this moment. */
const OLD_MS = 60_000;

/** Temporary files and folders in a folder that nobody is at work on any more, of those whose names are wanted. Absolute. */
export async function listLeftBehind(
  folder: string,
  isWanted: (written: string) => boolean,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await listFolder(folder)) {
    const { written, pid } = LEFT_BEHIND.exec(entry.name)?.groups ?? {};
    if (!entry.isFile() && !entry.isDirectory()) continue;
    if (written === undefined || !isWanted(written) || isPidInUse(Number(pid))) continue;
    const stats = await lstat(join(folder, entry.name)).catch(() => undefined);
    if (stats !== undefined && Date.now() - stats.mtimeMs >= OLD_MS) found.push(join(folder, entry.name));
  }
  return found;
}

/** Removes what `listLeftBehind` has found: a file, or a folder with all that is in it. Throws system errors. */
export async function removeTemporary(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}

/** Removes a folder with all that is in it, as long as it is one itself. Throws system errors. */
export async function removeFolder(folder: string): Promise<void> {
  const stats = await lstat(folder).catch(() => undefined);
  if (stats?.isDirectory() === true) await rm(folder, { recursive: true, force: true });
}

/** Removes files, and their folder if nothing else is in it. Throws system errors. */
export async function removeFilesOf(folder: string, files: readonly string[]): Promise<void> {
  if ((await lstat(folder).catch(() => undefined))?.isDirectory() !== true) return;
  for (const file of files) await removeFile(file);
  await rmdir(folder).catch((error: unknown) => {
    if (errorCode(error) !== "ENOTEMPTY" && errorCode(error) !== "EEXIST") throw error;
  });
}

/** Throws system errors, but not for a file that is gone already. */
export async function removeFile(file: string): Promise<void> {
  await unlink(file).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
}
