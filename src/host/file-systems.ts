import { stat, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { FileSystemFacts } from "../core/facts.ts";
import { mountOf } from "./machine.ts";

/**
 * The file systems that folders lie on, or would lie on if they existed, each once with all its folders. One that can't be
 * asked, or does not know its size, as some network ones, is left out. Nothing is thrown.
 */
export async function observeFileSystems(
  folders: readonly string[],
  { root }: { readonly root: string },
): Promise<readonly FileSystemFacts[]> {
  const found = new Map<number, FileSystemFacts>();
  for (const folder of new Set(folders)) {
    const look = await lookAt(resolve(root, folder));
    if (look === undefined) continue;
    const known = found.get(look.device) ?? { ...look.facts, folders: [] };
    found.set(look.device, { ...known, folders: [...known.folders, folder] });
  }
  return [...found.values()];
}

interface Look {
  readonly device: number;
  readonly facts: Omit<FileSystemFacts, "folders">;
}

/** The first thing upward that can be looked at tells: what is to be made below it lies on the same disk. */
async function lookAt(path: string): Promise<Look | undefined> {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      const [{ dev }, { bavail, bsize, blocks }] = await Promise.all([stat(folder), statfs(folder)]);
      if (blocks === 0) return undefined;
      const facts = { mount: mountOf(folder), freeBytes: bavail * bsize, totalBytes: blocks * bsize };
      return { device: dev, facts };
    } catch {
      if (dirname(folder) === folder) return undefined;
    }
  }
}
