import { describe, expect, test } from "vitest";
import { foldState, type StateEntry } from "../../../src/core/state/fold.ts";
import { type RecordedRun, rebuildState } from "../../../src/core/state/rebuild.ts";
import type { State } from "../../../src/core/state/state.ts";

const base = { v: 1, t: 1_753_000_000 } as const;
const LINEAGE = "11111111-2222-3333-4444-555555555555";

interface Trained {
  readonly lineage?: string;
  readonly serial?: number | undefined;
  readonly pipeline?: string;
}

/** A run that trained one epoch on, to `epoch`; the first begins anew. */
function trained(name: string, epoch: number, more: Trained = {}): RecordedRun {
  const { lineage = LINEAGE, pipeline = "fox" } = more;
  const begun = { ...base, type: "run", run: name, pipeline, file: "fox.yaml", lineage, host: "h" } as const;
  const serial = "serial" in more ? more.serial : (epoch - 1) * 100;
  const file = `out/fox-00000${epoch}.safetensors`;
  const entries: readonly StateEntry[] = [
    { ...begun, plan_digest: `plan ${epoch}`, ...(serial === undefined ? {} : { serial }) },
    {
      ...base,
      type: "stage",
      stage: "train",
      action: epoch === 1 ? "create" : "resume",
      backend: "rehearsal",
      fingerprint: "f",
      inputs: {},
      identities: {},
      segment: epoch,
    },
    { ...base, type: "checkpoint", stage: "train", file, epoch, step: epoch * 4, bytes: 100 },
    { ...base, t: base.t + epoch, type: "end", stage: "train", outcome: "stopped", exit_code: 85 },
  ];
  return { name, entries };
}

function fold(...runs: readonly RecordedRun[]): State {
  const state = foldState(
    undefined,
    runs.flatMap(({ entries }) => entries),
  );
  if (state === undefined) throw new Error("a run makes a state");
  return state;
}

const FIRST = trained("20260701T100000Z-fox-aaaa", 1);
const SECOND = trained("20260701T110000Z-fox-bbbb", 2);
const THIRD = trained("20260701T120000Z-fox-cccc", 3);

const rebuild = (runs: readonly RecordedRun[], backup?: State) => rebuildState({ pipeline: "fox", runs, backup });
const filesOf = (state: State | undefined) => state?.checkpoints.map(({ epoch }) => epoch);

describe("a state put together again from its runs", () => {
  test("is the one that was lost, in whatever order the runs are found", () => {
    expect(rebuild([THIRD, FIRST, SECOND])).toEqual({ state: fold(FIRST, SECOND, THIRD), from: "runs" });
  });

  test("follows the order in which they began, though the clock was set back between them", () => {
    const early = trained("20200101T000000Z-fox-ffff", 3);
    expect(rebuild([early, FIRST, SECOND]).state).toEqual(fold(FIRST, SECOND, early));
  });

  test("follows the order of two runs of one second", () => {
    const same = trained("20260701T100000Z-fox-0000", 2);
    expect(rebuild([same, FIRST]).state).toEqual(fold(FIRST, same));
  });

  test("follows the order in which two began on the same state, of which the first was killed before it wrote one", () => {
    const at = (run: RecordedRun, t: number): RecordedRun => ({
      ...run,
      entries: run.entries.map((entry) => ({ ...entry, t })),
    });
    const killed = at(
      { ...trained("20260701T110000Z-fox-ffff", 2), entries: SECOND.entries.slice(0, 2) },
      base.t + 0.2,
    );
    const next = at(trained("20260701T110000Z-fox-0000", 2), base.t + 0.7);
    expect(rebuild([next, killed, FIRST]).state).toEqual(fold(FIRST, killed, next));
  });

  test("follows the names of runs from before their order was written down", () => {
    const [first, second] = [
      trained(FIRST.name, 1, { serial: undefined }),
      trained(SECOND.name, 2, { serial: undefined }),
    ];
    expect(filesOf(rebuild([THIRD, second, first]).state)).toEqual([1, 2, 3]);
  });

  test("is never taken for an older one than that which a later run began with", () => {
    expect(fold(FIRST, SECOND).serial).toBeGreaterThanOrEqual(100);
    expect(rebuild([SECOND]).state?.serial).toBeGreaterThan(100);
  });

  test("is of the last history alone, and of this pipeline's runs alone", () => {
    const anew = trained("20260702T100000Z-fox-dddd", 1, { lineage: "another" });
    const foreign = trained("20260703T100000Z-fox-eeee", 1, { pipeline: "dog" });
    expect(rebuild([FIRST, SECOND, anew, foreign]).state).toEqual(fold(anew));
  });

  test("is none where there are none", () => {
    expect(rebuild([])).toEqual({ state: undefined, from: "nothing" });
    expect(rebuild([{ name: FIRST.name, entries: FIRST.entries.slice(1) }])).toEqual({
      state: undefined,
      from: "nothing",
    });
  });
});

describe("beside a backup", () => {
  test("the runs are taken where they tell all that it tells", () => {
    const interrupted = { ...THIRD, entries: THIRD.entries.slice(0, 2) };
    const backup = fold(FIRST, SECOND, interrupted);
    expect(rebuild([FIRST, SECOND, THIRD], backup)).toEqual({ state: fold(FIRST, SECOND, THIRD), from: "runs" });
  });

  test("it is taken where earlier runs were cleared away, and gone on with what came after it", () => {
    const backup = fold(FIRST, SECOND);
    const { state, from } = rebuild([SECOND, THIRD], backup);
    expect(from).toBe("backup");
    expect(filesOf(state)).toEqual([1, 2, 3]);
    expect(state?.history.map(({ run }) => run)).toEqual([FIRST.name, SECOND.name, THIRD.name]);
    expect(state?.stages.train).toMatchObject({ run: THIRD.name, status: "stopped", segment: 3 });
  });

  test("it is gone on with its own last run, of which it knows the beginning only", () => {
    const backup = fold(FIRST, { ...SECOND, entries: SECOND.entries.slice(0, 2) });
    expect(filesOf(rebuild([SECOND], backup).state)).toEqual([1, 2]);
  });

  test("no step of that run is timed twice", () => {
    const [run, start, ...rest] = SECOND.entries;
    if (run === undefined || start === undefined) throw new Error("a run begins with two entries");
    const steps = [5, 6, 7, 8].map(
      (step) => ({ ...base, type: "step", stage: "train", step, epoch: 2, loss: 1, seconds: 2 }) as const,
    );
    const whole = { ...SECOND, entries: [run, start, ...steps, ...rest] };
    const backup = fold(FIRST, { ...SECOND, entries: whole.entries.slice(0, 4) });
    const { state, from } = rebuild([whole], backup);
    expect([from, state?.stages.train?.measured]).toEqual(["backup", { steps: 3, seconds: 6 }]);
  });

  test("it is taken where a journal was emptied, or all are gone", () => {
    const backup = fold(FIRST, SECOND);
    expect(rebuild([{ ...FIRST, entries: [] }, SECOND], backup)).toMatchObject({ from: "backup" });
    expect(rebuild([], backup)).toEqual({ state: backup, from: "backup" });
  });

  test("it is taken where the events of a trainer were lost that it was made of", () => {
    const [begun, started, , ended] = SECOND.entries;
    if (begun === undefined || started === undefined || ended === undefined) throw new Error("four entries");
    const { state, from } = rebuild([FIRST, { ...SECOND, entries: [begun, started, ended] }], fold(FIRST, SECOND));
    expect([from, filesOf(state)]).toEqual(["backup", [1, 2]]);
  });

  test("one of a history that was given up is left", () => {
    const anew = trained("20260702T100000Z-fox-dddd", 1, { lineage: "another" });
    expect(rebuild([anew], fold(FIRST, SECOND))).toEqual({ state: fold(anew), from: "runs" });
  });
});
