import { lstat, readdir, rmdir, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileSystemOf } from "../machine.ts";
import { errorCode } from "../read-file.ts";
import { readLock } from "./lock.ts";
import { type OwnerStanding, standingOf } from "./lock-owner.ts";

/** A lock that is to be removed by whoever did not take it. */

export interface BreakableLock {
  readonly standing: OwnerStanding;
  /** Removes it, unless it is another's by now, and what applies that were killed left of taking it over. Throws system errors. */
  readonly remove: () => Promise<"removed" | "changed">;
}

/** Undefined where there is none. What can't be read, whatever it is, can be removed all the same. */
export async function findLock(file: string): Promise<BreakableLock | undefined> {
  const content = await readIfReadable(file);
  if (content === undefined) return undefined;
  const folder = dirname(file);
  const standing = await standingOf(content, { folder, fileSystem: await fileSystemOf(folder) });
  const remove = async () => {
    if ((await readIfReadable(file)) !== content) return "changed";
    // A folder with something in it is nobody's lock, and somebody's folder.
    await ((await lstat(file)).isDirectory() ? rmdir(file) : unlink(file));
    await removeClaims(file);
    return "removed";
  };
  return { standing, remove };
}

/** Undefined where nothing is there; empty where it can't be read. */
async function readIfReadable(file: string): Promise<string | undefined> {
  try {
    return await readLock(file);
  } catch (error) {
    return errorCode(error) === "ENOTDIR" ? undefined : "";
  }
}

async function removeClaims(file: string): Promise<void> {
  const claims = (await readdir(dirname(file))).filter((name) => name.startsWith(`${basename(file)}.claim-`));
  await Promise.all(claims.map((name) => unlink(join(dirname(file), name)).catch(() => undefined)));
}
