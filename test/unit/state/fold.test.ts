import { describe, expect, test } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { foldState, type StateEntry } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import { mergeRunEntries } from "../../../src/core/state/merge.ts";
import { type State, stateSchema } from "../../../src/core/state/state.ts";
import type { StageId } from "../../../src/core/vocabulary.ts";
import { relativeGrowth } from "../../rig/growth.ts";
import { type Random, randomFrom } from "../../rig/random.ts";

const v = 1 as const;
const t = 1_753_000_000;

const RUN: JournalEntry = {
  v,
  t,
  type: "run",
  run: "20250720T082640Z-fox-1a2b",
  pipeline: "fox",
  file: "fox.yaml",
  lineage: "11111111-2222-3333-4444-555555555555",
  host: "trainer-1",
  plan_digest: "plan",
};

function start(stage: StageId, more: Partial<Extract<JournalEntry, { type: "stage" }>> = {}): JournalEntry {
  return {
    v,
    t,
    type: "stage",
    stage,
    action: "create",
    backend: "rehearsal",
    fingerprint: "f1",
    inputs: { learning_rate: 2e-4 },
    identities: { dit: "d" },
    segment: 1,
    ...more,
  };
}

const TRAIN = start("train", {
  total_epochs: 2,
  steps_per_epoch: 4,
  done_epochs: 0,
  done_steps: 0,
  output_dir: "out",
  output_name: "fox",
});

function step(number: number, seconds = 1): StateEntry {
  return { v, t, type: "step", stage: "train", step: number, epoch: 1, loss: 0.5, seconds };
}

function checkpoint(file: string, epoch: number, stepNumber: number): StateEntry {
  return { v, t, type: "checkpoint", stage: "train", file, epoch, step: stepNumber, bytes: 100 };
}

function trainingState(dir: string, done_epochs: number, done_steps: number): StateEntry {
  return { v, t, type: "state", stage: "train", dir, done_epochs, done_steps };
}

function end(stage: StageId, outcome: "finished" | "stopped" | "failed" | "lost", message?: string): JournalEntry {
  return { v, t: t + 60, type: "end", stage, outcome, exit_code: 0, ...(message === undefined ? {} : { message }) };
}

function fold(...entries: readonly StateEntry[]): State {
  const state = foldState(undefined, entries);
  if (state === undefined) throw new Error("a run makes a state");
  return stateSchema.parse(state);
}

describe("the state after", () => {
  test("nothing but events of an unknown run is none", () => {
    expect(foldState(undefined, [TRAIN, step(1), end("train", "finished")])).toBeUndefined();
  });

  test("a run's first line is empty and belongs to its pipeline", () => {
    expect(fold(RUN)).toEqual({
      version: 1,
      pipeline: "fox",
      file: "fox.yaml",
      lineage: "11111111-2222-3333-4444-555555555555",
      serial: 1,
      host: "trainer-1",
      run: "20250720T082640Z-fox-1a2b",
      plan_digest: "plan",
      stages: {},
      checkpoints: [],
      training_states: [],
      history: [],
    });
  });

  test("a finished training counts all its steps and is in the history", () => {
    const state = fold(
      RUN,
      TRAIN,
      { v, t, type: "process", stage: "train", pid: 7, boot_id: "b", start_time: "1" },
      step(8),
      {
        v,
        t,
        type: "finished",
        stage: "train",
      },
      end("train", "finished"),
    );
    expect(state.stages.train).toMatchObject({ status: "finished", done_epochs: 2, done_steps: 8, begun: true });
    expect(state.stages.train?.process).toBeUndefined();
    expect(state.history).toEqual([
      {
        run: "20250720T082640Z-fox-1a2b",
        stage: "train",
        action: "create",
        outcome: "finished",
        started: "2025-07-20T08:26:40.000Z",
        ended: "2025-07-20T08:27:40.000Z",
        done_steps: 8,
      },
    ]);
  });

  test("a failure keeps its message until the stage finishes", () => {
    const failed = fold(RUN, TRAIN, step(3), end("train", "failed", "out of memory"));
    expect(failed.stages.train).toMatchObject({ status: "failed", message: "out of memory", done_steps: 3 });
    const finished = foldState(failed, [RUN, TRAIN, end("train", "finished")]);
    expect(finished?.stages.train?.message).toBeUndefined();
  });

  test("retention holds only what is left", () => {
    const state = fold(
      RUN,
      TRAIN,
      checkpoint("out/fox-000001.safetensors", 1, 4),
      trainingState("./out/fox-000001-state", 1, 4),
      { v, t, type: "removed", stage: "train", file: "out/fox-000001-state" },
      trainingState("out/fox-state", 2, 8),
      checkpoint("out//fox.safetensors", 2, 8),
      { v, t, type: "digest", stage: "train", file: "out/fox.safetensors", sha256: "abc" },
    );
    expect(state.training_states.map(({ dir }) => dir)).toEqual(["out/fox-state"]);
    expect(state.checkpoints).toEqual([
      { stage: "train", file: "out/fox-000001.safetensors", epoch: 1, step: 4, bytes: 100 },
      { stage: "train", file: "out/fox.safetensors", epoch: 2, step: 8, bytes: 100, sha256: "abc" },
    ]);
  });

  test("an archive or a new start knows no more of the old files", () => {
    const before = fold(RUN, TRAIN, checkpoint("out/fox.safetensors", 2, 8), trainingState("out/fox-state", 2, 8));
    const archived = foldState(before, [
      {
        v,
        t,
        type: "archived",
        stage: "train",
        files: [{ from: "out/fox.safetensors", to: "out/archive/r/fox.safetensors" }],
      },
    ]);
    expect([archived?.checkpoints.length, archived?.training_states.length]).toEqual([0, 1]);
    const anew = foldState(before, [start("train", { action: "replace", fingerprint: "f2" })]);
    expect([anew?.checkpoints.length, anew?.training_states.length]).toEqual([0, 0]);
    const resumed = foldState(before, [start("train", { action: "resume", done_steps: 8 })]);
    expect([resumed?.checkpoints.length, resumed?.training_states.length]).toEqual([1, 1]);
  });

  test("a rename holds the files under their new names, also when it is read twice", () => {
    const renamed: JournalEntry = {
      v,
      t,
      type: "renamed",
      stage: "train",
      from: "out/fox.safetensors",
      to: "out/fox-000002.safetensors",
    };
    const state = fold(
      RUN,
      TRAIN,
      checkpoint("out/fox.safetensors", 2, 8),
      renamed,
      checkpoint("out/fox.safetensors", 3, 12),
      renamed,
    );
    expect(state.checkpoints.map(({ file, epoch }) => [file, epoch])).toEqual([
      ["out/fox-000002.safetensors", 2],
      ["out/fox.safetensors", 3],
    ]);
  });

  test("caching holds what each file was made from, over several runs", () => {
    const first = fold(RUN, start("cache-text"), {
      v,
      t,
      type: "cached",
      stage: "cache-text",
      caches: { "c/a": "1", "c/b": "1" },
    });
    const second = foldState(first, [
      start("cache-text", { action: "update", fingerprint: "f2" }),
      { v, t, type: "unlinked", stage: "cache-text", file: "./c/b" },
      { v, t, type: "cached", stage: "cache-text", caches: { "c/c": "2" } },
    ]);
    expect(second?.stages["cache-text"]?.caches).toEqual({ "c/a": "1", "c/c": "2" });
    expect(first.stages["cache-text"]?.caches).toEqual({ "c/a": "1", "c/b": "1" });
  });

  test("timed steps holds their number and time for the fingerprint, each process's first left out", () => {
    const first = fold(RUN, TRAIN, step(1, 60), step(2, 2), step(3, 4));
    expect(first.stages.train?.measured).toEqual({ steps: 2, seconds: 6 });
    const resumed = foldState(first, [start("train", { action: "resume", done_steps: 3 }), step(4, 60), step(5, 3)]);
    expect(resumed?.stages.train?.measured).toEqual({ steps: 3, seconds: 9 });
    const other = foldState(resumed, [start("train", { fingerprint: "f2", done_steps: 0 })]);
    expect(other?.stages.train?.measured).toBeUndefined();
  });

  test("a run of another lineage is another history", () => {
    const before = fold(RUN, TRAIN, step(3), end("train", "stopped"));
    const after = foldState(before, [{ ...RUN, lineage: "other" }]);
    expect(after).toMatchObject({ lineage: "other", serial: 1, stages: {}, history: [] });
  });

  test("times that are none are times all the same", () => {
    expect(() => fold(RUN, { ...TRAIN, t: 1e300 }, { ...end("train", "lost"), t: -1e300 })).not.toThrow();
  });
});

describe("folding", () => {
  test("in portions gives the same as folding at once, and changes no earlier state", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = randomFrom(seed);
      const entries = randomEntries(random);
      let state: State | undefined;
      for (let from = 0; from < entries.length; ) {
        const to = Math.min(entries.length, from + random.integer(1, 9));
        const before = JSON.stringify(state);
        const next = foldState(state, entries.slice(from, to));
        expect(JSON.stringify(state)).toBe(before);
        state = next;
        from = to;
      }
      expect(JSON.stringify(state), `seed ${seed}`).toBe(JSON.stringify(foldState(undefined, entries)));
      if (state !== undefined) expect(() => stateSchema.parse(state)).not.toThrow();
    }
  });

  test("a journal and its events gives the same as following them live, whenever the runner looked", () => {
    for (let seed = 1; seed <= 300; seed += 1) {
      const random = randomFrom(seed);
      const events: TrainerEvent[] = [1, 2, 3, 4].flatMap((number): TrainerEvent[] => [
        { v, t, type: "step", step: number, epoch: 1, loss: 0.1, seconds: 1 },
        { v, t, type: "checkpoint", file: `out/fox-${number}`, epoch: number, step: number, bytes: 1 },
        ...(number > 2 ? [{ v, t, type: "removed" as const, file: `out/fox-${number - 2}` }] : []),
      ]);
      const live: StateEntry[] = [RUN, TRAIN];
      const journal: JournalEntry[] = [RUN, TRAIN];
      for (const [index, event] of events.entries()) {
        live.push({ ...event, stage: "train" });
        if (event.type !== "checkpoint" || !random.chance(0.4)) continue;
        const digest: JournalEntry = { v, t, type: "digest", stage: "train", file: event.file, sha256: `${index}` };
        live.push(digest);
        journal.push(digest);
      }
      const last = end("train", "finished");
      const replayed = foldState(undefined, mergeRunEntries([...journal, last], { train: events }));
      expect(replayed, `seed ${seed}`).toEqual(foldState(undefined, [...live, last]));
    }
  });

  test("what came after a stage's start a second time changes nothing but the serial", () => {
    const after: StateEntry[] = [
      step(1),
      step(2),
      checkpoint("out/fox-000001.safetensors", 1, 4),
      trainingState("out/fox-000001-state", 1, 4),
      { v, t, type: "cached", stage: "train", caches: { x: "1" } },
      { v, t, type: "removed", stage: "train", file: "out/gone" },
    ];
    const once = fold(RUN, TRAIN, ...after);
    const twice = fold(RUN, TRAIN, ...after, ...after);
    expect({ ...twice, serial: 0 }).toEqual({ ...once, serial: 0 });
  });

  test("100,000 entries takes steps in proportion", () => {
    const growth = relativeGrowth({
      from: 5_000,
      to: 50_000,
      prepare: (count) => {
        const caches = Array.from({ length: count }, (_, index): StateEntry => {
          return { v, t, type: "cached", stage: "cache-latents", caches: { [`c/${index}`]: "1" } };
        });
        const steps = Array.from({ length: count }, (_, index) => step(index + 1));
        return [...caches, ...steps];
      },
      work: (entries) => {
        const state = fold(RUN, start("cache-latents"), TRAIN, ...entries);
        expect(Object.keys(state.stages["cache-latents"]?.caches ?? {})).toHaveLength(entries.length / 2);
      },
    });
    expect(growth).toBeLessThan(4);
  }, 120_000);
});

const STAGES: readonly StageId[] = ["cache-latents", "cache-text", "train", "train-low"];

function randomEntries(random: Random): readonly StateEntry[] {
  const file = () => `out/fox-${random.integer(1, 4)}`;
  const number = () => random.integer(0, 12);
  return Array.from({ length: random.integer(1, 60) }, (): StateEntry => {
    const stage = random.pick(STAGES);
    const base = { v, t: t + random.integer(0, 1000), stage };
    const kind = random.integer(0, 13);
    if (kind === 0) return { ...RUN, lineage: random.pick(["one", "one", "one", "two"]) };
    if (kind <= 2) {
      const action = random.pick(["create", "replace", "resume", "update"]);
      const fingerprint = random.pick(["f1", "f2"]);
      return start(stage, { action, fingerprint, total_epochs: 3, steps_per_epoch: 4, done_steps: number() });
    }
    if (kind === 3) return end(stage, random.pick(["finished", "stopped", "failed", "lost"]));
    if (kind === 4) return { ...base, type: "archived", files: [{ from: file(), to: "out/archive/x" }] };
    if (kind === 5) return { ...base, type: "renamed", from: file(), to: file() };
    if (kind === 6) return { ...base, type: "unlinked", file: file() };
    if (kind === 7) return { ...base, type: "cached", caches: { [file()]: String(number()) } };
    if (kind === 8) return { ...base, type: "digest", file: file(), sha256: "s" };
    if (kind === 9)
      return { ...base, type: "step", step: number(), epoch: 1, loss: null, seconds: number(), vram_bytes: number() };
    if (kind === 10)
      return { ...base, type: "checkpoint", file: file(), epoch: number(), step: number(), bytes: number() };
    if (kind === 11)
      return {
        ...base,
        type: "state",
        dir: file(),
        done_epochs: number(),
        done_steps: number(),
        done_batches: number(),
      };
    if (kind === 12) return { ...base, type: "removed", file: file() };
    return { ...base, type: random.pick(["finished", "stopped", "started", "oom"] as const) };
  });
}

test("Numbers that no run can have had make a state that can be read again", () => {
  const endless = start("train", { total_epochs: Number.MAX_SAFE_INTEGER, steps_per_epoch: 1000 });
  const state = foldState(undefined, [RUN, endless, { v, t, type: "finished", stage: "train" }]);
  expect(stateSchema.safeParse(JSON.parse(JSON.stringify(state))).success).toBe(true);
});
