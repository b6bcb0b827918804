import { basename, dirname, join, resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { foldState, type StateEntry } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { State } from "../core/state/state.ts";
import { isCaching, STAGE_IDS, type StageId } from "../core/vocabulary.ts";
import { removeLeftBehindIn } from "../host/atomic-file.ts";
import { isThere } from "../host/read-file.ts";
import {
  appendEvents,
  appendJournal,
  listRuns,
  readEvents,
  readJournal,
  readPlannedStages,
  readProvenance,
  readRunPlan,
  runFiles,
  stageMark,
  statePaths,
} from "../host/records/run-store.ts";
import { type LoadedState, loadState, saveState, setDamagedAside } from "../host/records/state-store.ts";
import { findUntold, forgetToTell, promiseToTell } from "../host/records/untold-end.ts";
import { storeEncoded } from "./caches/stored-caches.ts";
import { explainBesideLiving } from "./goes-on.ts";
import { removeDeadLocks } from "./locks/lock-encoding.ts";
import { removeDeadOutputLocks } from "./locks/lock-output.ts";
import { endProvenance } from "./provenance.ts";
import { writeRunResult } from "./run-result.ts";
import { outwaitWorkers } from "./stage/follow.ts";
import { carryOutMoves, movesOf } from "./stage/make-room.ts";
import { proveCheckpoints } from "./stage/verify.ts";

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
  /** A run came to its end, and nobody has seen it until now, or who saw it was killed before he told of it. */
  readonly onUnseenEnd?: ((end: UnseenEnd) => void) | undefined;
}

export interface UnseenEnd {
  readonly run: string;
  readonly stage: StageId;
  readonly outcome: "finished" | "stopped" | "failed";
  readonly message: string | undefined;
  readonly state: State;
  /** Where this is not called, the next one that settles tells of it again. */
  readonly onTold: () => Promise<void>;
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
    const diagnostic = await explainBesideLiving(error, options);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}

async function settle({ root, stateDir, pipeline, host, onWaiting, onUnseenEnd }: SettleOptions): Promise<void> {
  const { stateFile } = statePaths(stateDir, pipeline);
  await removeHalfWritten({ stateDir, pipeline });
  const load = () => loadState({ root, stateDir, pipeline, shownFile: pathInside(root, stateFile), host });
  await outwaitTrainers(await load(), { stateDir, onWaiting });
  const loaded = await load();
  const { copied, unrecorded, unsaved, unwritten, damagedFile } = loaded;
  if (loaded.state === undefined) {
    for (const run of await findUntold(statePaths(stateDir, pipeline).runsDir, pipeline))
      await forgetToTell(join(statePaths(stateDir, pipeline).runsDir, run));
    // Nothing is left to put in its place; the first write of a new state would make it the backup, the second forget it.
    if (damagedFile !== undefined) await setDamagedAside(damagedFile);
    return;
  }
  let state: State = loaded.state;
  await removeDeadOutputLocks(state, root);
  const ended = new Set<string>();
  const { runsDir } = statePaths(stateDir, pipeline);
  for (const { run, stage, events } of unwritten)
    await appendEvents(runFiles.events(join(runsDir, run), stage), events);
  for (const { run, entry } of unrecorded) {
    const runDir = join(runsDir, run);
    // Whoever follows the original tells of it.
    const isCopied = entry.type === "end" && copied.includes(entry.stage);
    if (isCopied) await forgetToTell(runDir);
    else if (entry.type === "end" && onUnseenEnd !== undefined) await promiseToTell(runDir);
    if (entry.type === "end")
      await carryOutMoves(movesOf(unfinishedMoves(await readJournal(runDir), entry.stage)), root);
    // What is killed before the end is written down does this once more; afterwards nobody would.
    if (entry.type === "end") await storeUnseen({ stage: entry.stage, runDir }, { root, onWaiting });
    if (entry.type === "end") state = await writeDigests(state, entry.stage, { runDir, root });
    await appendJournal(runFiles.journal(runDir), [entry]);
    if (entry.type === "end" && !isCopied) ended.add(run);
  }
  for (const { run, stage } of unsaved) state = await writeDigests(state, stage, { runDir: join(runsDir, run), root });
  await removeDeadEncodingLocks(state, { runsDir, root });
  await writeResults(state, { loaded, runsDir, root });
  if (unrecorded.length + unsaved.length > 0 || damagedFile !== undefined)
    await saveState(state, { stateDir, damagedFile });
  if (onUnseenEnd === undefined) return;
  const living = new Set(loaded.alive.map((stage) => state.stages[stage]?.run));
  for (const run of await findUntold(runsDir, pipeline)) {
    // A runner was killed after it wrote down the end. Where nobody can be named who tells it now it would be told twice.
    if (!living.has(run) && (await promiseToTell(join(runsDir, run)))) ended.add(run);
  }
  for (const run of ended) {
    // Of a run that still trains there is more to tell.
    const onTold = () => (living.has(run) ? Promise.resolve() : forgetToTell(join(runsDir, run)));
    const end = await endOf(run, state, runsDir);
    if (end === undefined) await onTold();
    else onUnseenEnd({ ...end, state, onTold });
  }
}

/** Before the end is written down: by that it is known that nothing is left to do. */
async function writeDigests(
  state: State,
  stage: StageId,
  { runDir, root }: { readonly runDir: string; readonly root: string },
): Promise<State> {
  const digests = await proveCheckpoints(state, stage, root);
  await appendJournal(runFiles.journal(runDir), digests);
  return foldState(state, digests) ?? state;
}

/** What a trainer has encoded whose end nobody saw is there for other pipelines too. */
async function storeUnseen(
  { stage: id, runDir }: { readonly stage: StageId; readonly runDir: string },
  { root, onWaiting }: Pick<SettleOptions, "root" | "onWaiting">,
): Promise<void> {
  if (!isCaching(id)) return;
  const stage = (await readRunPlan(runDir))?.stages.find((planned) => planned.id === id);
  if (stage === undefined) return;
  const unstored = await storeEncoded({ stage, runDir, root });
  if (unstored !== undefined) onWaiting?.(unstored);
}

/** Of runners that were killed with all their caches made: with nothing left to encode nobody would ask for them any more. */
async function removeDeadEncodingLocks({ stages }: State, { runsDir, root }: RunsOfProject): Promise<void> {
  const stores = new Set<string>();
  for (const id of STAGE_IDS.filter(isCaching)) {
    const run = stages[id]?.run;
    const plan = run === undefined ? undefined : await readRunPlan(join(runsDir, run));
    const store = plan?.stages.find((planned) => planned.id === id)?.store;
    if (store !== undefined) stores.add(resolve(root, store));
  }
  for (const store of stores) await removeDeadLocks(store);
}

interface RunsOfProject {
  readonly runsDir: string;
  readonly root: string;
}

/** How a run ended, by its record; undefined of one that was cut off between two stages, which the next run goes on with. */
async function endOf(
  run: string,
  state: State,
  runsDir: string,
): Promise<Omit<UnseenEnd, "state" | "onTold"> | undefined> {
  const own = state.history.filter((entry) => entry.run === run);
  // Of halves that were trained at the same time the one that needs attention is the run's end.
  const last = own.findLast(({ outcome }) => outcome !== "finished") ?? own.at(-1);
  if (last === undefined) return undefined;
  const planned = await readPlannedStages(join(runsDir, run));
  const finished = new Set(own.flatMap(({ stage, outcome }) => (outcome === "finished" ? [stage] : [])));
  const isDone = planned.every((id) => finished.has(id) || state.stages[id]?.status === "finished");
  if (last.outcome === "finished" && !isDone) return undefined;
  const outcome = last.outcome === "lost" ? "failed" : last.outcome;
  return { run, stage: last.stage, outcome, message: last.message };
}

/** What killed processes had begun to write of the record and of runs. Who takes a lock at this moment does so without having it. */
async function removeHalfWritten({ stateDir, pipeline }: Pick<SettleOptions, "stateDir" | "pipeline">): Promise<void> {
  const { stateFile, lockFile, runsDir } = statePaths(stateDir, pipeline);
  const isOwn = (written: string) => written.startsWith(`${pipeline}.`) && !written.startsWith(basename(lockFile));
  await removeLeftBehindIn(dirname(stateFile), { isWanted: isOwn });
  for (const runDir of await listRuns(runsDir, pipeline)) await removeLeftBehindIn(runDir);
}

/** Of the runs that have come to their end: not of one in which a trainer still lives. */
async function writeResults(
  state: State,
  {
    loaded: { unrecorded, unsaved, alive },
    runsDir,
    root,
  }: { readonly loaded: LoadedState; readonly runsDir: string; readonly root: string },
): Promise<void> {
  const living = new Set(alive.map((stage) => state.stages[stage]?.run));
  const ended = new Set([
    ...unrecorded.flatMap(({ run, entry }) => (entry.type === "end" ? [run] : [])),
    ...unsaved.map(({ run }) => run),
  ]);
  // A runner that was killed after its last stage's end has left nothing unrecorded, and has not said what came of it.
  if (state.run !== undefined && !ended.has(state.run) && !living.has(state.run)) {
    const runDir = join(runsDir, state.run);
    const begun = await readProvenance(runDir);
    if (begun !== undefined && begun.ended === undefined)
      await endProvenance({ run: state.run, runDir, state: () => state }, root);
  }
  for (const run of ended) {
    const runDir = join(runsDir, run);
    if (living.has(run)) continue;
    await endProvenance({ run, runDir, state: () => state }, root);
    if (await isThere(runFiles.result(runDir))) continue;
    await writeRunResult({ run, runDir, state: () => state }, { outcome: "finished", diagnostics: [] });
  }
}

/** What a trainer that was killed, or failed, left of itself must have ended before another is started. */
async function outwaitTrainers(
  { state, alive, copied, unrecorded }: LoadedState,
  { stateDir, onWaiting }: Pick<SettleOptions, "stateDir" | "onWaiting">,
): Promise<void> {
  const ended = unrecorded.flatMap(({ entry }) => (entry.type === "end" ? [entry.stage] : []));
  for (const stage of [...alive, ...ended].filter((one) => !copied.includes(one))) {
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
