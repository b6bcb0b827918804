import { randomBytes } from "node:crypto";
import { constants, copyFile, link, mkdir, open, readdir, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isPidInUse } from "./process.ts";
import { errorCode, namingFile } from "./read-file.ts";

/** Files that are either the old ones or the new ones, whatever happens in between (docs/decisions/0008). */

export interface AtomicWriteOptions {
  /** Keeps what was there before as `FILE.backup`. */
  readonly previous?: "keep" | "drop";
  /** `none` for what can be found out again: whole after a crash of the process, not of the machine. */
  readonly durability?: "full" | "none";
}

/** Writes a whole file: temporary file, fsync, rename, fsync of the folder. Makes the folder. Throws system errors. */
export async function writeWholeFile(file: string, text: string, options: AtomicWriteOptions = {}): Promise<void> {
  const durable = options.durability !== "none";
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  try {
    await throughTemporary(file, async (temporary) => {
      const handle = await open(temporary, "wx");
      try {
        // Writes until all is written: a disk that becomes full takes a part, and only the next write says so.
        await handle.writeFile(text);
        if (durable) await handle.sync();
      } finally {
        await handle.close();
      }
      if (options.previous === "keep") await keepBackup(file);
    });
  } catch (error) {
    throw namingFile(error, { path: file, bytes: Buffer.byteLength(text) });
  }
  if (durable) await syncFolder(folder);
}

/** Makes a folder, and writes and removes a file in it: whether that can be done no mode or owner tells. Throws system errors. */
export async function proveWritable(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const name = join(folder, ".wan22-probe");
  await removeLeftBehind(name);
  const probe = temporaryOf(name);
  try {
    await writeFile(probe, "Can a file be written here?\n", { flag: "wx" });
  } catch (error) {
    throw namingFile(error, { path: folder });
  } finally {
    await unlink(probe).catch(() => undefined);
  }
}

/** A name beside a file that nobody else uses, by which `removeLeftBehind` knows it. */
export function temporaryOf(file: string): string {
  return `${file}.${randomBytes(4).toString("hex")}.${process.pid}.tmp`;
}

const TEMPORARY = /^(?<written>.+)\.[0-9a-f]{8}\.(?<pid>\d+)\.tmp$/;

/** Has a file made beside its place, and moves it there. One that could not be made is gone again. */
async function throughTemporary(file: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryOf(file);
  try {
    await make(temporary);
    await rename(temporary, file);
  } finally {
    // Also after a rename: that of one link over another of the same file leaves both names.
    await unlink(temporary).catch(() => undefined);
  }
}

/** Where the file before is kept. */
export function backupOf(file: string): string {
  return `${file}.backup`;
}

/** The previous file under another name: a second link to it, so that at no moment there is none. */
async function keepBackup(file: string): Promise<void> {
  try {
    await throughTemporary(backupOf(file), (temporary) =>
      link(file, temporary).catch(async (error: unknown) => {
        // File systems without hard links (FAT, some network ones) get a copy.
        if (errorCode(error) === "ENOENT") throw error;
        await copyFile(file, temporary);
      }),
    );
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

/** Copies a file whole, or not at all. Throws system errors. */
export async function copyWholeFile(
  from: string,
  to: string,
  { durability = "none" }: Pick<AtomicWriteOptions, "durability"> = {},
): Promise<void> {
  await throughTemporary(to, async (temporary) => {
    await copyFile(from, temporary, constants.COPYFILE_FICLONE);
    if (durability === "full") await syncFile(temporary);
  });
}

/** What systems say that have no hard links: FAT, and several that are reached over a network or through FUSE. */
const NO_LINKS: readonly (string | undefined)[] = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK"];

/** Whether a file could not be linked because there are no hard links where it lies, or not so many. */
export function hasNoLinks(error: unknown): boolean {
  return NO_LINKS.includes(errorCode(error));
}

/** Gives a file a further name, in the place of whatever has that name. Throws system errors. */
export async function linkInPlace(from: string, to: string): Promise<void> {
  await throughTemporary(to, (temporary) => link(from, temporary));
}

/** Has on disk what was written to a file by whomever. Throws system errors. */
export async function syncFile(file: string): Promise<void> {
  const handle = await open(file, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Removes what killed processes left of writing `file`. Processes of another machine that shares the disk can't be seen from
 * here: what they may be writing at this moment is told by its age. Throws nothing: rubbish is no reason to fail.
 */
export async function removeLeftBehind(file: string, { olderThanMs = 0 } = {}): Promise<void> {
  const own = [basename(file), basename(backupOf(file))];
  await removeLeftBehindIn(dirname(file), { olderThanMs, isWanted: (written) => own.includes(written) });
}

export interface LeftBehindOptions {
  readonly olderThanMs?: number;
  /** By the name that the file was to have; all if left out. */
  readonly isWanted?: (written: string) => boolean;
}

/** The same of files in a folder that nobody of another machine writes to at this moment, or whose age tells. */
export async function removeLeftBehindIn(
  folder: string,
  { olderThanMs = 0, isWanted = () => true }: LeftBehindOptions = {},
): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const { written, pid } = TEMPORARY.exec(name)?.groups ?? {};
    if (written === undefined || !isWanted(written)) continue;
    const left = join(folder, name);
    const age = Date.now() - ((await stat(left).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age >= olderThanMs && !isPidInUse(Number(pid))) await unlink(left).catch(() => undefined);
  }
}

/** Makes a rename in a folder durable. Where folders can't be synced (Windows), nothing is done. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (code !== "EISDIR" && code !== "EPERM" && code !== "EINVAL" && code !== "EACCES" && code !== "ENOTSUP")
      throw error;
  }
}
