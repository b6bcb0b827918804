import { describe, expect, test } from "vitest";
import { clearRuns } from "../../../src/core/state/clear-runs.ts";
import type { StateEntry } from "../../../src/core/state/fold.ts";
import { foldRuns, type RecordedRun, rebuildState } from "../../../src/core/state/rebuild.ts";
import type { State } from "../../../src/core/state/state.ts";
import { randomFrom } from "../../rig/random.ts";

const LINEAGE = "11111111-2222-3333-4444-555555555555";

interface Making {
  readonly lineage?: string;
  readonly action?: string;
  readonly ends?: boolean;
}

/** The `index`th run, which trains an epoch, and prunes the state of the one before. */
function runOf(index: number, { lineage = LINEAGE, action = "resume", ends = true }: Making = {}): RecordedRun {
  const t = 1_753_000_000 + index * 100;
  const name = `20260701T${String(100000 + index)}Z-fox-${String(index).padStart(4, "0")}`;
  const entries: readonly StateEntry[] = [
    {
      v: 1,
      t,
      type: "run",
      run: name,
      pipeline: "fox",
      file: "fox.yaml",
      lineage,
      host: "h",
      plan_digest: `${index}`,
      serial: index * 50,
    },
    {
      v: 1,
      t,
      type: "stage",
      stage: "train",
      action,
      backend: "rehearsal",
      fingerprint: "f",
      inputs: {},
      identities: {},
      segment: index,
    },
    { v: 1, t, type: "checkpoint", stage: "train", file: `out/${index}`, epoch: index, step: index * 4, bytes: 100 },
    { v: 1, t, type: "state", stage: "train", dir: `out/${index}-state`, done_epochs: index, done_steps: index * 4 },
    { v: 1, t, type: "removed", stage: "train", file: `out/${index - 1}-state` },
    ...(ends
      ? [{ v: 1, t: t + 1, type: "end", stage: "train", outcome: "stopped", exit_code: 85 } satisfies StateEntry]
      : []),
  ];
  return { name, entries };
}

function stateOf(runs: readonly RecordedRun[]): State {
  const state = foldRuns(runs);
  if (state === undefined) throw new Error("runs make a state");
  return state;
}

/** What is on disk after a prune. */
function afterwards(runs: readonly RecordedRun[], cleared: ReturnType<typeof clearRuns>): readonly RecordedRun[] {
  return runs
    .filter(({ name }) => !cleared.remove.includes(name))
    .map((run) => (run.name === cleared.base?.run ? { ...run, before: cleared.base.before } : run));
}

const rebuild = (runs: readonly RecordedRun[], backup?: State) => rebuildState({ pipeline: "fox", runs, backup }).state;
const named = (runs: readonly RecordedRun[]) => runs.map(({ name }) => name);

describe("runs that may go", () => {
  const runs = [1, 2, 3, 4].map((index) => runOf(index));
  const state = stateOf(runs);

  test("are all but the last, once that tells what they told: the record is rebuilt as it was, its history too", () => {
    const cleared = clearRuns({ state, backup: undefined, runs, keep: 0 });
    expect(cleared.remove).toEqual(named(runs.slice(0, 3)));
    expect(rebuild(afterwards(runs, cleared))).toEqual(state);
  });

  test("leave those that the backup goes on from, and the newest where that is asked for", () => {
    const backup = stateOf(runs.slice(0, 2));
    expect(clearRuns({ state, backup, runs, keep: 0 }).remove).toEqual(named(runs.slice(0, 1)));
    expect(clearRuns({ state, backup: undefined, runs, keep: 3 }).remove).toEqual(named(runs.slice(0, 1)));
    expect(clearRuns({ state, backup: undefined, runs, keep: 9 }).remove).toEqual([]);
  });

  test("are not those that have not ended, nor what follows them", () => {
    const open = [runOf(1), runOf(2, { ends: false })];
    expect(clearRuns({ state: stateOf(open), backup: undefined, runs: open, keep: 0 }).remove).toEqual([open[0]?.name]);
  });

  test("are all of a history that was given up, and those that never began", () => {
    const given = [runOf(1, { lineage: "given up" }), runOf(2, { lineage: "given up" })];
    const living = [runOf(5, { action: "create" })];
    const torn = { name: "20260701T100009Z-fox-0009", entries: [] };
    const all = [...given, ...living, torn];
    const cleared = clearRuns({ state: stateOf(living), backup: undefined, runs: all, keep: 0 });
    expect(cleared.remove).toEqual([...named(given), torn.name]);
    expect(rebuild(afterwards(all, cleared))).toEqual(stateOf(living));
  });

  test("are none where there is no state", () => {
    expect(clearRuns({ state: undefined, backup: undefined, runs, keep: 0 }).remove).toEqual([]);
  });

  test("can be cleared again and again, also when clearing was cut short, and with state and backup lost", () => {
    const random = randomFrom(7);
    let there: readonly RecordedRun[] = [];
    let told: readonly RecordedRun[] = [];
    for (let index = 1; index <= 60; index += 1) {
      const action = random.chance(0.2) ? "replace" : "resume";
      const next = runOf(index, { action });
      there = [...there, next];
      told = [...told, next];
      if (random.chance(0.4)) {
        const cleared = clearRuns({ state: stateOf(told), backup: undefined, runs: there, keep: random.integer(0, 3) });
        const whole = afterwards(there, cleared);
        // A kill in between leaves any of those that were to go.
        const left = there.filter(({ name }) => cleared.remove.includes(name) && random.chance(0.3));
        there = [...left, ...whole];
      }
      expect(rebuild(there)).toEqual(stateOf(told));
    }
  });
});
