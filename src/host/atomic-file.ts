import { copyFile, link, mkdir, open, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "./read-file.ts";

/** Files that are either the old ones or the new ones, whatever happens in between. */

export interface AtomicWriteOptions {
  /** Keeps what was there before as `FILE.backup`. */
  readonly previous?: "keep" | "drop";
  /** `none` for what can be found out again: whole after a crash of the process, not of the machine. */
  readonly durability?: "full" | "none";
}

/** Writes a whole file: temporary file, fsync, rename, fsync of the folder. Makes the folder. Throws system errors. */
export async function writeWholeFile(file: string, text: string, options: AtomicWriteOptions = {}): Promise<void> {
  const folder = dirname(file);
  const durable = options.durability !== "none";
  await mkdir(folder, { recursive: true });
  if (options.previous === "keep") await keepBackup(file);
  // Loaded only here: a plan seldom writes.
  const { default: writeFileAtomic } = await import("write-file-atomic");
  await writeFileAtomic(file, text, { fsync: durable });
  // The library leaves this out, and without it a rename may be lost with the machine's power.
  if (durable) await syncFolder(folder);
}

/** The previous file under another name: a second link to it, so that at no moment there is none. */
async function keepBackup(file: string): Promise<void> {
  const temporary = `${file}.backup.${process.pid}.tmp`;
  try {
    await link(file, temporary).catch(async (error: unknown) => {
      // File systems without hard links (FAT, some network ones) get a copy.
      if (errorCode(error) === "ENOENT") throw error;
      await copyFile(file, temporary);
    });
    await rename(temporary, `${file}.backup`);
    // Renaming one link over another of the same file leaves both names: the temporary one must go.
    await unlink(temporary).catch(() => undefined);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
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
