import { mkdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { joinPath } from "../core/paths.ts";
import { archiveFolder } from "../core/plan/archive.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import { syncFolder } from "../host/atomic-file.ts";
import { errorCode, isThere } from "../host/read-file.ts";

/** Makes room for a stage: finished files are archived or renamed, stale caches removed. Nothing is ever overwritten. */

export interface Move {
  /** Relative to the root where inside it. */
  readonly from: string;
  readonly to: string;
}

/** The moves of a stage's files that a new start would overwrite. */
export async function planArchive(
  stage: StagePlan,
  { root, run }: { root: string; run: string },
): Promise<readonly Move[]> {
  const folder = archiveFolder(stage.output_dir, run);
  const moves: Move[] = [];
  const taken = new Set<string>();
  for (const from of stage.archive ?? []) {
    if (!(await isThere(resolve(root, from)))) continue;
    // Two train stages of one pipeline share the folder but no names; a name met twice gets its place in the list.
    const name = taken.has(basename(from)) ? `${moves.length}-${basename(from)}` : basename(from);
    taken.add(name);
    moves.push({ from, to: joinPath(folder, name) });
  }
  return moves;
}

/** The renames that can still be done: one that was done before its runner was killed is passed over. */
export async function planRenames(stage: StagePlan, root: string): Promise<readonly Move[]> {
  const moves: Move[] = [];
  for (const { from, to } of stage.renames ?? []) if (await isThere(resolve(root, from))) moves.push({ from, to });
  return moves;
}

/** Carries out moves that stand in the journal. One whose source is gone, or whose target is there, is passed over. */
export async function carryOutMoves(moves: readonly Move[], root: string): Promise<void> {
  const folders = new Set<string>();
  for (const move of moves) {
    const [from, to] = [resolve(root, move.from), resolve(root, move.to)];
    if (!(await isThere(from)) || (await isThere(to))) continue;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
    folders.add(dirname(from)).add(dirname(to));
  }
  for (const folder of folders) await syncFolder(folder);
}

/** The moves that a journal speaks of. */
export function movesOf(entries: readonly JournalEntry[]): readonly Move[] {
  return entries.flatMap((entry) => {
    if (entry.type === "archived") return entry.files;
    return entry.type === "renamed" ? [{ from: entry.from, to: entry.to }] : [];
  });
}

/** Of files named from the root, those that exist. */
export async function findExisting(files: readonly string[], root: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of files) if (await isThere(resolve(root, file))) found.push(file);
  return found;
}

export async function removeFiles(files: readonly string[], root: string): Promise<void> {
  for (const file of files) {
    await unlink(resolve(root, file)).catch((error: unknown) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
  }
}
