import { readFile, rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { isLastWord, type TrainerEvent } from "../../core/event.ts";
import { pathInside } from "../../core/paths.ts";
import { foldState, type StateEntry } from "../../core/state/fold.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import { readState } from "../../core/state/migrate.ts";
import { type Rebuilt, type RecordedRun, rebuildState } from "../../core/state/rebuild.ts";
import type { State } from "../../core/state/state.ts";
import { unseenEntry } from "../../core/state/unseen.ts";
import { STAGE_IDS, type StageId } from "../../core/vocabulary.ts";
import { backupOf, writeWholeFile } from "../atomic-file.ts";
import { nowSeconds, timeStamp } from "../clock.ts";
import { HOST_CODES } from "../codes.ts";
import { isCopyOf } from "../locks/folder-identity.ts";
import { type LockStanding, lookAtLock } from "../locks/lock.ts";
import { isProcessAlive, type ProcessIdentity } from "../process.ts";
import { findMembers, identifyLeader } from "../process-group.ts";
import { errorCode, fileProblem, readTextFile } from "../read-file.ts";
import {
  countUnreadable,
  listRuns,
  readEvents,
  readJournal,
  readRun,
  runFiles,
  type StatePaths,
  stageMark,
  statePaths,
} from "./run-store.ts";
import { readUnwrittenEvents } from "./unwritten-events.ts";

/**
 * The record of a pipeline on disk. Reading it changes nothing: what it lacks of a run whose runner died is added in memory,
 * and whoever holds the lock writes it down (`settlePipeline` in execute).
 */

export interface LoadedState {
  readonly state: State | undefined;
  /** What is in the file, and no more; undefined where that holds no state. */
  readonly recorded?: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** Whether another apply is at work, or one was that is dead. */
  readonly lock: LockStanding;
  /** Stages whose process runs right now, or is about to be started or judged by an apply that is at work. */
  readonly alive: readonly StageId[];
  /** Stages whose process is that of another folder, which this one was copied from. */
  readonly copied: readonly StageId[];
  /** Ends that nobody has seen yet, already folded into `state`: to be added to the journal of the run they belong to. */
  readonly unrecorded: readonly { readonly run: string; readonly entry: JournalEntry }[];
  /** Ends that a journal tells of and the state's file does not: whoever wrote them down was killed before he wrote that. */
  readonly unsaved: readonly { readonly run: string; readonly stage: StageId }[];
  /** What a dead trainer's log says beyond its events file, already folded in too. */
  readonly unwritten: readonly {
    readonly run: string;
    readonly stage: StageId;
    readonly events: readonly TrainerEvent[];
  }[];
  /** A damaged file that is to be set aside before the next write. */
  readonly damagedFile?: string;
}

/** Whether whoever holds the lock has something to write down, or to put away (`settlePipeline` in execute). */
export function isUnsettled({ lock, unrecorded, unsaved, unwritten, damagedFile }: LoadedState): boolean {
  const isLeft = unrecorded.length + unsaved.length + unwritten.length > 0;
  return isLeft || lock.kind === "dead" || damagedFile !== undefined;
}

export interface StateRequest {
  /** The project root, absolute. */
  readonly root: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly pipeline: string;
  /** The state file as shown to people. */
  readonly shownFile: string;
  /** Name of this machine. */
  readonly host: string;
}

/**
 * Reads the state, from its backup or the runs where the file is damaged, and adds what happened since it was written.
 * A file that is there and can't be read is an error in it: without what it holds, finished work would be done again.
 */
export async function loadState(request: StateRequest): Promise<LoadedState> {
  const paths = statePaths(request.stateDir, request.pipeline);
  const lock = await lookAtLock(paths.lockFile);
  const nothing = { state: undefined, lock, alive: [], copied: [], unrecorded: [], unsaved: [], unwritten: [] };
  try {
    const found = await findState(request, paths);
    if (found.state === undefined) return { ...nothing, ...found };
    // Processes of another machine can't be seen from here.
    if (found.state.host !== request.host) return { ...nothing, ...found };
    return { ...nothing, ...found, ...(await catchUp(found.state, { paths, root: request.root, lock })) };
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return { ...nothing, diagnostics: [unreadable(error, request)] };
  }
}

function unreadable(error: unknown, { root, shownFile }: StateRequest): Diagnostic {
  const path = error instanceof Error && "path" in error && typeof error.path === "string" ? error.path : undefined;
  const file = path === undefined ? shownFile : pathInside(root, path);
  const detail = `${file} can't be read: ${fileProblem(error).text}. Give yourself the right to read it, and the folder it lies in.`;
  return diagnose(HOST_CODES.stateUnreadable, detail, { at: { file } });
}

type FoundState = Pick<LoadedState, "state" | "recorded" | "diagnostics" | "damagedFile">;

async function findState(request: StateRequest, paths: StatePaths): Promise<FoundState> {
  let text: string;
  try {
    text = await readTextFile(paths.stateFile);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    // A backup alone is no history: whoever removed both the state and its runs meant to begin anew.
    const isNew = (await listRuns(paths.runsDir, request.pipeline)).length === 0;
    return { state: isNew ? undefined : (await recoverState(request, paths, "best")).state, diagnostics: [] };
  }
  const reading = readState(text, { file: request.shownFile, pipeline: request.pipeline });
  switch (reading.kind) {
    case "state":
      return { state: reading.state, recorded: reading.state, diagnostics: [] };
    case "refused":
      return { state: undefined, diagnostics: [reading.diagnostic] };
    case "damaged": {
      const { state, from } = await recoverState(request, paths, "best");
      const detail = `${reading.why.replace(/\.$/, "")}. So ${RECOVERED[from]}; the damaged file will be kept beside it under another name.${await tornText(request)}`;
      const diagnostics = [diagnose(HOST_CODES.stateRebuilt, detail, { at: { file: request.shownFile } })];
      return { state, diagnostics, damagedFile: paths.stateFile };
    }
  }
}

/** What may be missing in what was rebuilt: a sentence after another, or nothing. */
async function tornText({ root, stateDir, pipeline }: StateRequest): Promise<string> {
  const folders = await listRuns(statePaths(stateDir, pipeline).runsDir, pipeline);
  const torn: string[] = [];
  for (const folder of folders) {
    const unreadable = await countUnreadable(folder);
    if (unreadable > 0) torn.push(`${pathInside(root, runFiles.journal(folder))} (${unreadable})`);
  }
  return torn.length === 0 ? "" : ` Lines of journals that can't be read were passed over: ${torn.join(", ")}.`;
}

const RECOVERED: Readonly<Record<Rebuilt["from"], string>> = {
  runs: "it was rebuilt from the runs",
  backup: "its backup was taken",
  nothing: "nothing was left to rebuild it from",
};

/** Puts the record together from what is beside it: `best` is all of that, the others one thing alone. */
export async function recoverState(
  { pipeline }: StateRequest,
  paths: StatePaths,
  source: "best" | "backup" | "runs",
): Promise<Rebuilt> {
  const backup = source === "runs" ? undefined : await readBackup(paths, pipeline);
  if (source === "backup") return { state: backup, from: backup === undefined ? "nothing" : "backup" };
  return rebuildState({ pipeline, runs: await readRuns(paths.runsDir, pipeline), backup });
}

/** Everything that is recorded of every run of a pipeline. */
export async function readRuns(runsDir: string, pipeline: string): Promise<readonly RecordedRun[]> {
  const folders = await listRuns(runsDir, pipeline);
  return Promise.all(
    folders.map(async (folder) => {
      const before = await readStateFile(runFiles.before(folder), pipeline);
      return { name: basename(folder), entries: await readRun(folder), ...(before === undefined ? {} : { before }) };
    }),
  );
}

/** The state before the last one that was written. Undefined where there is none that can be read. */
export function readBackup({ stateFile }: StatePaths, pipeline: string): Promise<State | undefined> {
  return readStateFile(backupOf(stateFile), pipeline);
}

/** Undefined where there is none that can be read. */
export async function readStateFile(file: string, pipeline: string): Promise<State | undefined> {
  const text = await readFile(file, "utf8").catch(() => "");
  const reading = readState(text, { file, pipeline });
  return reading.kind === "state" ? reading.state : undefined;
}

type CaughtUp = Pick<LoadedState, "state" | "alive" | "copied" | "unrecorded" | "unsaved" | "unwritten">;

interface CatchUpOptions {
  readonly paths: StatePaths;
  readonly root: string;
  readonly lock: LockStanding;
}

/** Adds what a stage's process said after the state was last written, and sees which processes are still there. */
async function catchUp(state: State, { paths, root, lock }: CatchUpOptions): Promise<CaughtUp> {
  const { runsDir } = paths;
  const isAttended = lock.kind === "held";
  const alive: StageId[] = [];
  const copied: StageId[] = [];
  const unrecorded: { run: string; entry: JournalEntry }[] = [];
  const unsaved: { run: string; stage: StageId }[] = [];
  const unwritten: { run: string; stage: StageId; events: readonly TrainerEvent[] }[] = [];
  const starts = await unfoldedStarts(state, runsDir);
  let caughtUp: State | undefined = starts.length === 0 ? state : foldState(state, starts);
  for (const stage of STAGE_IDS) {
    const record = caughtUp?.stages[stage];
    // A process whose last word was folded in has no end yet: its runner was killed before it could write one.
    if (record === undefined || (record.status !== "running" && record.process === undefined)) continue;
    const { run } = record;
    const runDir = join(runsDir, run);
    const { process, isAlive, copiedFrom } = await findProcess(run, runDir, stage);
    if (copiedFrom !== undefined) copied.push(stage);
    // Read only now: a process that is gone has said everything.
    const said = await readStage(runDir, stage);
    const hasEnd = said.some(({ type }) => type === "end");
    const written = await readEvents(runDir, stage);
    const events = hasEnd || isAttended ? [] : await readUnwrittenEvents({ root, runDir, stage, record, written });
    const entries = [...said, ...events.map((event) => ({ ...event, stage }))];
    caughtUp = foldState(caughtUp, entries);
    if (isAlive || (isAttended && !hasEnd)) alive.push(stage);
    // Between a stage's start and its process, and between that one's end and its record, its runner knows more than anybody.
    if (isAttended) continue;
    if (hasEnd) unsaved.push({ run, stage });
    // A living trainer's log is read on by whoever follows it.
    if (!isAlive && events.length > 0) unwritten.push({ run, stage, events });
    const unseen = unseenEntry({ stage, process, isAlive, copiedFrom, entries, now: nowSeconds() });
    if (unseen === undefined) continue;
    unrecorded.push({ run, entry: unseen });
    caughtUp = foldState(caughtUp, [unseen]);
  }
  return { state: caughtUp, alive, copied, unrecorded, unsaved, unwritten };
}

/**
 * Stages of the state's run that are begun by its journal, and not by the state: the runner was killed before that was written.
 * What a run's journal says counts, or the state would be another one when it is rebuilt from the runs.
 */
async function unfoldedStarts({ run, stages }: State, runsDir: string): Promise<readonly JournalEntry[]> {
  if (run === undefined) return [];
  const journal = await readJournal(join(runsDir, run));
  // One whose process was started was in the state by then: there it was removed since.
  const wentOn = new Set(
    journal.flatMap((entry) => (entry.type === "process" || entry.type === "end" ? [entry.stage] : [])),
  );
  return journal.filter(
    (entry) => entry.type === "stage" && stages[entry.stage]?.run !== run && !wentOn.has(entry.stage),
  );
}

interface FoundProcess {
  readonly process: ProcessIdentity | undefined;
  readonly isAlive: boolean;
  readonly copiedFrom?: string | undefined;
}

/** A stage's process: alive as long as anything that came of it is, unless it has ended and said its last word before. */
async function findProcess(run: string, runDir: string, stage: StageId): Promise<FoundProcess> {
  const recorded = (await readStage(runDir, stage)).findLast((entry) => entry.type === "process");
  if (recorded?.folder !== undefined && (await isCopyOf(runDir, recorded.folder)))
    return { process: recorded, isAlive: false, copiedFrom: recorded.folder.path };
  const members = await findMembers({ leader: recorded, mark: stageMark(run, stage) });
  const process = recorded ?? (await identifyLeader(members));
  if (process !== undefined && (await isProcessAlive(process))) return { process, isAlive: true };
  if (members.length === 0) return { process, isAlive: false };
  return { process, isAlive: !(await readEvents(runDir, stage)).some(isLastWord) };
}

/** What is recorded of a stage in a run, but for its start: that is in the state, and would make it forget what came after. */
async function readStage(runDir: string, stage: StageId): Promise<readonly StateEntry[]> {
  return (await readRun(runDir)).filter(
    (entry) => entry.type !== "run" && entry.type !== "stage" && entry.stage === stage,
  );
}

export interface SaveOptions {
  /** Absolute. */
  readonly stateDir: string;
  /** From `loadState`: moved away first. */
  readonly damagedFile?: string | undefined;
}

/** Writes the state whole, and keeps the one before as `.backup`. Throws system errors. */
export async function saveState(state: State, { stateDir, damagedFile }: SaveOptions): Promise<void> {
  const { stateFile } = statePaths(stateDir, state.pipeline);
  if (damagedFile !== undefined) await setDamagedAside(damagedFile);
  await writeWholeFile(stateFile, textOfState(state), {
    previous: damagedFile === undefined ? "keep" : "drop",
  });
}

/** A state as its file holds it. */
export function textOfState(state: State): string {
  return `${JSON.stringify(state, null, 2)}\n`;
}

/** Moves a damaged state file out of the way, under a name that says what it is and when. Throws system errors. */
export async function setDamagedAside(file: string): Promise<void> {
  await rename(file, `${file}.damaged-${timeStamp()}`).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
}
