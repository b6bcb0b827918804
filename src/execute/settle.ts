import { join } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { foldState, type StateEntry } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { removeLeftBehind } from "../host/atomic-file.ts";
import { isThere } from "../host/read-file.ts";
import {
  appendEvents,
  appendJournal,
  readEvents,
  readJournal,
  readPlannedStages,
  runFiles,
  stageMark,
  statePaths,
} from "../host/run-store.ts";
import { type LoadedState, loadState, saveState, setDamagedAside } from "../host/state-store.ts";
import { outwaitWorkers } from "./follow.ts";
import { carryOutMoves, movesOf } from "./make-room.ts";
import { writeRunResult } from "./run-result.ts";
import { explainSystemError } from "./system-error.ts";
import { proveCheckpoints } from "./verify.ts";

/** Puts in order what a runner left that was killed, before anything new is planned. The caller holds the lock. */

export interface SettleOptions {
  /** Absolute. */
  readonly root: string;
  readonly stateDir: string;
  readonly pipeline: string;
  /** Name of this machine. */
  readonly host: string;
  /** Something takes a while: a sentence. */
  readonly onWaiting?: ((text: string) => void) | undefined;
  /** A run came to its end, and nobody has seen it until now. */
  readonly onUnseenEnd?: ((end: UnseenEnd) => void) | undefined;
}

export interface UnseenEnd {
  readonly run: string;
  readonly stage: StageId;
  readonly outcome: "finished" | "stopped" | "failed";
  readonly message: string | undefined;
  readonly state: State;
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
    const diagnostic = await explainSystemError(error, options.root);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}

async function settle({ root, stateDir, pipeline, host, onWaiting, onUnseenEnd }: SettleOptions): Promise<void> {
  const { stateFile } = statePaths(stateDir, pipeline);
  await removeLeftBehind(stateFile);
  const load = () => loadState({ root, stateDir, pipeline, shownFile: pathInside(root, stateFile), host });
  await outwaitTrainers(await load(), { stateDir, onWaiting });
  const loaded = await load();
  const { unrecorded, unwritten, damagedFile } = loaded;
  if (loaded.state === undefined) {
    // Nothing is left to put in its place; the first write of a new state would make it the backup, the second forget it.
    if (damagedFile !== undefined) await setDamagedAside(damagedFile);
    return;
  }
  let state: State = loaded.state;
  const ends = new Map<string, Omit<UnseenEnd, "state">>();
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
    const outcome = entry.outcome === "lost" ? "failed" : entry.outcome;
    // Of halves that were trained at the same time the one that needs attention is the run's end.
    if (!ends.has(run) || outcome !== "finished") {
      ends.set(run, { run, stage: entry.stage, outcome, message: entry.message });
    }
  }
  await writeResults(state, { loaded, runsDir });
  if (unrecorded.length > 0 || damagedFile !== undefined) await saveState(state, { stateDir, damagedFile });
  for (const end of ends.values()) {
    // A stage that finished is not the end of a run that has more of them.
    const planned = await readPlannedStages(join(runsDir, end.run));
    const isDone = planned.every((id) => state.stages[id]?.status === "finished");
    if (end.outcome !== "finished" || isDone) onUnseenEnd?.({ ...end, state });
  }
}

/** Of the runs that have come to their end: not of one in which a trainer still lives. */
async function writeResults(
  state: State,
  { loaded: { unrecorded, alive }, runsDir }: { readonly loaded: LoadedState; readonly runsDir: string },
): Promise<void> {
  const living = new Set(alive.map((stage) => state.stages[stage]?.run));
  const ended = new Set(unrecorded.flatMap(({ run, entry }) => (entry.type === "end" ? [run] : [])));
  for (const run of ended) {
    const runDir = join(runsDir, run);
    if (living.has(run) || (await isThere(runFiles.result(runDir)))) continue;
    await writeRunResult({ run, runDir, state: () => state }, { outcome: "finished", diagnostics: [] });
  }
}

/** What a trainer that was killed, or failed, left of itself must have ended before another is started. */
async function outwaitTrainers(
  { state, alive, unrecorded }: LoadedState,
  { stateDir, onWaiting }: Pick<SettleOptions, "stateDir" | "onWaiting">,
): Promise<void> {
  const ended = unrecorded.flatMap(({ entry }) => (entry.type === "end" ? [entry.stage] : []));
  for (const stage of [...alive, ...ended]) {
    const { run, process } = state?.stages[stage] ?? {};
    if (state === undefined || run === undefined) continue;
    const runDir = join(statePaths(stateDir, state.pipeline).runsDir, run);
    const started = (await readEvents(runDir, stage)).findLast((event) => event.type === "started");
    await outwaitWorkers(
      { leader: process, mark: stageMark(run, stage) },
      {
        trainer: started?.pid,
        onWaiting: () => onWaiting?.(`Waiting for the processes that an ended trainer of ${stage} has left.`),
      },
    );
  }
}

/** Moves stand before the process: with a process they are all done, and names may have been used again since. */
function unfinishedMoves(journal: readonly JournalEntry[], stage: StageId): readonly JournalEntry[] {
  const own = journal.filter((entry: StateEntry) => "stage" in entry && entry.stage === stage);
  return own.some(({ type }) => type === "process")
    ? []
    : own.filter(({ type }) => type === "archived" || type === "renamed");
}
