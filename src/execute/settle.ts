import { access } from "node:fs/promises";
import { join } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { foldState, type StateEntry } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { appendEvents, appendJournal, readJournal, runFiles, statePaths } from "../host/run-store.ts";
import { loadState, saveState, setDamagedAside } from "../host/state-store.ts";
import { explainSystemError } from "./failure.ts";
import { carryOutMoves, movesOf } from "./outputs.ts";
import { writeRunResult } from "./run-result.ts";
import { proveCheckpoints } from "./verify.ts";

/** Puts in order what a runner left that was killed, before anything new is planned. The caller holds the lock. */

export interface SettleOptions {
  /** Absolute. */
  readonly root: string;
  readonly stateDir: string;
  readonly pipeline: string;
  /** Name of this machine. */
  readonly host: string;
}

/**
 * Finishes moves that had begun, writes down the ends that nobody saw, and sets a damaged state file aside. A diagnostic
 * where the system refuses any of it: then nothing may be planned or carried out on what is there.
 */
export async function settlePipeline(options: SettleOptions): Promise<Diagnostic | undefined> {
  try {
    await settle(options);
    return undefined;
  } catch (error) {
    const diagnostic = explainSystemError(error);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}

async function settle({ root, stateDir, pipeline, host }: SettleOptions): Promise<void> {
  const { stateFile } = statePaths(stateDir, pipeline);
  const loaded = await loadState({ root, stateDir, pipeline, shownFile: pathInside(root, stateFile), host });
  const { unrecorded, unwritten, damagedFile } = loaded;
  if (loaded.state === undefined) {
    // Nothing is left to put in its place; the first write of a new state would make it the backup, the second forget it.
    if (damagedFile !== undefined) await setDamagedAside(damagedFile);
    return;
  }
  let state: State = loaded.state;
  const { runsDir } = statePaths(stateDir, pipeline);
  for (const { run, stage, events } of unwritten)
    await appendEvents(runFiles.events(join(runsDir, run), stage), events);
  for (const { run, entry } of unrecorded) {
    const runDir = join(runsDir, run);
    if (entry.type === "end")
      await carryOutMoves(movesOf(unfinishedMoves(await readJournal(runDir), entry.stage)), root);
    await appendJournal(runFiles.journal(runDir), [entry]);
    if (entry.type !== "end") continue;
    const digests = await proveCheckpoints(state, entry.stage, root);
    await appendJournal(runFiles.journal(runDir), digests);
    const proved: State = foldState(state, digests) ?? state;
    state = proved;
    if (!(await isThere(runFiles.result(runDir)))) {
      const outcome = entry.outcome === "lost" ? "failed" : entry.outcome;
      await writeRunResult({ run, runDir, state: () => proved }, { outcome, diagnostics: [] });
    }
  }
  if (unrecorded.length > 0 || damagedFile !== undefined) await saveState(state, { stateDir, damagedFile });
}

/** Moves stand before the process: with a process they are all done, and names may have been used again since. */
function unfinishedMoves(journal: readonly JournalEntry[], stage: StageId): readonly JournalEntry[] {
  const own = journal.filter((entry: StateEntry) => "stage" in entry && entry.stage === stage);
  return own.some(({ type }) => type === "process")
    ? []
    : own.filter(({ type }) => type === "archived" || type === "renamed");
}

async function isThere(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
