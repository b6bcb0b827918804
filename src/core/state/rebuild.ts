import { foldState, type StateEntry } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";
import type { State } from "./state.ts";

/** Puts a state together again that is damaged or gone: from the runs, and from the backup where runs are gone too. */

/** Everything that is recorded of a run, in an order to fold. */
export interface RecordedRun {
  readonly name: string;
  readonly entries: readonly StateEntry[];
  /** The state when it began, where the runs that tell it were cleared away. */
  readonly before?: State | undefined;
}

export interface Rebuilt {
  readonly state: State | undefined;
  readonly from: "runs" | "backup" | "nothing";
}

export interface RebuildInput {
  readonly pipeline: string;
  /** Every run there is under this name. */
  readonly runs: readonly RecordedRun[];
  readonly backup: State | undefined;
}

export function rebuildState({ pipeline, runs, backup }: RebuildInput): Rebuilt {
  const lineage = lastLineage(runs, pipeline);
  const fromRuns = foldRuns(lineage);
  if (backup === undefined) return { state: fromRuns, from: fromRuns === undefined ? "nothing" : "runs" };
  // A backup of another history is one that was given up, before that of the runs began.
  const isOlder = fromRuns !== undefined && fromRuns.lineage !== backup.lineage;
  if (isOlder || knowsAll(fromRuns, lineage, backup)) return { state: fromRuns, from: "runs" };
  return { state: goneOnFrom(backup, lineage), from: "backup" };
}

/** Where runs were cleared away, the newest one that tells the state before itself is where it begins. */
export function foldRuns(lineage: readonly RecordedRun[]): State | undefined {
  const at = baseOf(lineage);
  const told = at < 0 ? lineage : lineage.slice(at);
  return told.reduce<State | undefined>((state, { entries }) => foldState(state, entries), lineage[at]?.before);
}

function baseOf(lineage: readonly RecordedRun[]): number {
  return lineage.findLastIndex((run) => run.before !== undefined && run.before.lineage === beginningOf(run)?.lineage);
}

type RunEntry = Extract<JournalEntry, { type: "run" }>;

/** How a run began; of one that another apply went on with, the first time. */
function beginningOf({ entries }: RecordedRun): RunEntry | undefined {
  return entries.find((entry): entry is RunEntry => entry.type === "run");
}

/**
 * The runs of the last history, in their order. That is told by the state's serial when each began, which only grows: clocks
 * are set back, and two runs fit into a second. Histories follow each other where all of the one before was gone; of several
 * nothing tells the order but the names, which begin with a time.
 */
function lastLineage(runs: readonly RecordedRun[], pipeline: string): readonly RecordedRun[] {
  const begun = runs.filter((run) => beginningOf(run)?.pipeline === pipeline);
  const [last] = begun.toSorted((a, b) => (a.name > b.name ? -1 : 1));
  const lineage = last === undefined ? undefined : beginningOf(last)?.lineage;
  return lineage === undefined ? [] : runsOfLineage(begun, lineage);
}

/** The runs of one history, in their order. */
export function runsOfLineage(runs: readonly RecordedRun[], lineage: string): readonly RecordedRun[] {
  return runs
    .flatMap((run) => {
      const beginning = beginningOf(run);
      return beginning?.lineage === lineage ? [{ run, beginning }] : [];
    })
    .sort(
      (a, b) =>
        serialOf(a.beginning) - serialOf(b.beginning) ||
        // A runner that was killed before it wrote the state left the serial to the next one.
        a.beginning.t - b.beginning.t ||
        (a.run.name < b.run.name ? -1 : 1),
    )
    .map(({ run }) => run);
}

/** Runs from before serials were written down come first. */
function serialOf({ serial = -1 }: RunEntry): number {
  return serial;
}

/**
 * Whether the runs tell all that a backup does. A run's record only grows, so each of the backup's runs must be there; and
 * what a trainer said may be lost with the machine's power, though the state that was made of it is not.
 */
function knowsAll(fromRuns: State | undefined, runs: readonly RecordedRun[], backup: State): boolean {
  const cleared = runs[baseOf(runs)]?.before;
  const there = new Set([...runs.map(({ name }) => name), ...(cleared === undefined ? [] : runsOf(cleared))]);
  const known = new Set(fromRuns === undefined ? [] : factsOf(fromRuns));
  return runsOf(backup).every((run) => there.has(run)) && factsOf(backup).every((fact) => known.has(fact));
}

function factsOf({ history, checkpoints, training_states }: State): readonly string[] {
  return [
    ...history.map(({ run, stage, ended }) => `${run} ${stage} ${ended}`),
    ...checkpoints.map(({ file, step }) => `${file} ${step}`),
    ...training_states.map(({ dir, done_steps }) => `${dir} ${done_steps}`),
  ];
}

function runsOf({ run, stages, history }: State): readonly string[] {
  const named = [...Object.values(stages).map((stage) => stage.run), ...history.map((ended) => ended.run)];
  return run === undefined ? named : [...named, run];
}

/** A backup with its last run read anew, of which it may not know the end, and with all that came after that. */
function goneOnFrom(backup: State, lineage: readonly RecordedRun[]): State {
  const at = lineage.findIndex(({ name }) => name === backup.run);
  if (at < 0) return backup;
  const before: State = { ...backup, history: backup.history.filter(({ run }) => run !== backup.run) };
  // The start of a stage that it knows would have it count that stage's steps twice.
  const isKnown = (entry: StateEntry) => entry.type === "stage" && backup.stages[entry.stage]?.run === backup.run;
  const [last, ...later] = lineage.slice(at).map(({ entries }) => entries);
  const rest = [(last ?? []).filter((entry) => !isKnown(entry)), ...later];
  return rest.reduce<State>((state, entries) => foldState(state, entries) ?? state, before);
}
