import { realpath, stat } from "node:fs/promises";
import * as z from "zod";
import { fileSystemOf } from "../machine.ts";

/** Which folder a lock or a run was begun in: a copy of it speaks of processes that are another folder's. */

export const folderIdentitySchema = z.looseObject({
  /** Absolute, links followed. */
  path: z.string(),
  /** By which a folder is known that was moved. */
  inode: z.string(),
});

export type FolderIdentity = z.infer<typeof folderIdentitySchema>;

/** Undefined where nobody may look. */
export async function identifyFolder(folder: string): Promise<FolderIdentity | undefined> {
  try {
    const [path, { ino }] = await Promise.all([realpath(folder), stat(folder, { bigint: true })]);
    return { path, inode: String(ino) };
  } catch {
    return undefined;
  }
}

/**
 * Whether a folder is a copy of that in which something began: neither its path nor its inode is the same. One that was moved
 * keeps its inode, one that was restored from a backup its path. A file system of several machines may number files for each
 * of them: there nothing is taken for a copy.
 */
export async function isCopyOf(folder: string, began: FolderIdentity | undefined): Promise<boolean> {
  if (began === undefined) return false;
  const here = await identifyFolder(folder);
  if (here === undefined || here.path === began.path || here.inode === began.inode) return false;
  return (await fileSystemOf(folder)).kind === "local";
}
