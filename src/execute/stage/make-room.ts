import { mkdir, rename, unlink } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import { joinPath } from "../../core/paths.ts";
import { archiveFolder } from "../../core/plan/archive.ts";
import type { CheckpointPlan, StagePlan } from "../../core/plan/plan.ts";
import { statementFile } from "../../core/provenance/statement.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import { syncFolder } from "../../host/atomic-file.ts";
import { errorCode, isThere } from "../../host/read-file.ts";

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
  return withStatements(moves, root);
}

interface TurningUp {
  /** The plan's, of all stages. */
  readonly checkpoints: readonly CheckpointPlan[];
  /** What the record tells of: the plan knows it, and says what becomes of it. */
  readonly recorded: ReadonlySet<string>;
  readonly root: string;
}

/**
 * What has come, since the plan was made, under names that the stage is to write or to give to other files. It is nothing that
 * the plan knows, so that it is archived too; and a statement whose checkpoint is gone would be taken for the next one's.
 */
export async function findTurnedUp(
  stage: StagePlan,
  { checkpoints, recorded, root }: TurningUp,
): Promise<{ readonly files: readonly string[]; readonly statements: readonly string[] }> {
  const { renames = [], archive = [], done_steps: doneSteps = 0 } = stage;
  const written = checkpoints.filter(
    ({ stage: of, file, action, step }) =>
      of === stage.id && (action === "create" || (action === "prune" && step > doneSteps && !recorded.has(file))),
  );
  const names = [...new Set([...written.map(({ file }) => file), ...renames.map(({ to }) => to)])];
  const moved = new Set([...archive, ...renames.map(({ from }) => from)]);
  const beside = new Set([...moved].map(statementFile));
  const files = await findExisting(
    names.filter((file) => !moved.has(file)),
    root,
  );
  const lone = names.filter((file) => !files.includes(file)).map(statementFile);
  const statements = await findExisting(
    lone.filter((file) => !beside.has(file)),
    root,
  );
  return { files, statements };
}

/** The renames that can still be done: one that was done before its runner was killed is passed over. */
export async function planRenames(stage: StagePlan, root: string): Promise<readonly Move[]> {
  const moves: Move[] = [];
  for (const { from, to } of stage.renames ?? []) if (await isThere(resolve(root, from))) moves.push({ from, to });
  return withStatements(moves, root);
}

/** What is said of a checkpoint goes where it goes, or it would be taken for the next one's. */
async function withStatements(moves: readonly Move[], root: string): Promise<readonly Move[]> {
  const beside = moves.map(({ from, to }) => ({ from: statementFile(from), to: statementFile(to) }));
  const there = await Promise.all(beside.map(({ from }) => isThere(resolve(root, from))));
  return [...moves, ...beside.filter((_, at) => there[at] === true)];
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
