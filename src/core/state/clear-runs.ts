import { foldRuns, type RecordedRun, runsOfLineage } from "./rebuild.ts";
import type { State } from "./state.ts";

/**
 * Which runs of a pipeline may go. The state is a fold over all runs of its history: those at its beginning can go once what
 * they tell is written down, as the state before the first one that stays (`RecordedRun.before`), so that the state is
 * rebuilt from what is left as it was from all.
 */

export interface ClearingInput {
  readonly state: State | undefined;
  /** The state before that one. */
  readonly backup: State | undefined;
  /** Every run there is under the pipeline's name. */
  readonly runs: readonly RecordedRun[];
  /** Newest runs that stay. */
  readonly keep: number;
}

export interface Clearing {
  /** Names of runs, the oldest first. */
  readonly remove: readonly string[];
  /** To be written down in a run that stays before any of the others goes. */
  readonly base: { readonly run: string; readonly before: State } | undefined;
  /** Why each other run stays. */
  readonly kept: Readonly<Record<string, string>>;
}

export function clearRuns({ state, backup, runs, keep }: ClearingInput): Clearing {
  // Without a state nobody knows which history lives.
  if (state === undefined) return keepAll(runs, "there is no state that says whose it is");
  const living = runsOfLineage(runs, state.lineage);
  const needed = new Map<string, string>();
  for (const { name } of keep > 0 ? runs.toSorted(byName).slice(-keep) : [])
    needed.set(name, `one of the newest ${keep}`);
  const need = (name: string | undefined, why: string) => {
    if (name !== undefined) needed.set(name, why);
  };
  // Whoever puts the backup in the state's place goes on from its last run.
  need(backup?.run, "the record's backup goes on from it");
  for (const { run, status, process } of Object.values(state.stages)) {
    if (status === "running" || process !== undefined) need(run, "a stage of it has not ended");
  }
  need(state.run, "the last run");
  const others = runs.filter((run) => !living.includes(run));
  const dead = others.filter(({ name }) => !needed.has(name));
  const first = living.findIndex(({ name }) => needed.has(name));
  const [gone, stay] = [living.slice(0, Math.max(0, first)), living.slice(Math.max(0, first))];
  const [next] = stay;
  const before = foldRuns(gone);
  const told = [...(next === undefined ? [] : [{ ...next, before }]), ...stay.slice(1)];
  // What is left must tell the very same: a promise that is tried each time, not believed.
  const isSame = JSON.stringify(foldRuns(told)) === JSON.stringify(foldRuns(living));
  const goes = gone.length > 0 && next !== undefined && before !== undefined && isSame;
  const remove = [...dead, ...(goes ? gone : [])].map(({ name }) => name).sort();
  return {
    remove,
    base: goes && next !== undefined && before !== undefined ? { run: next.name, before } : undefined,
    kept: Object.fromEntries(
      runs.flatMap(({ name }) =>
        remove.includes(name) ? [] : [[name, needed.get(name) ?? "the record is rebuilt from it"] as const],
      ),
    ),
  };
}

function keepAll(runs: readonly RecordedRun[], why: string): Clearing {
  return { remove: [], base: undefined, kept: Object.fromEntries(runs.map(({ name }) => [name, why])) };
}

function byName(a: RecordedRun, b: RecordedRun): number {
  return a.name < b.name ? -1 : 1;
}
