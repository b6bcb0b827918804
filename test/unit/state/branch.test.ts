import { describe, expect, test } from "vitest";
import { adoptedState } from "../../../src/core/state/adopt.ts";
import {
  branchMessage,
  branchText,
  stagesAtWork,
  whatMatters,
  withLostStages,
} from "../../../src/core/state/branch-record.ts";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import { standOf } from "../../../src/core/state/standing.ts";
import { type State, stateSchema } from "../../../src/core/state/state.ts";

const at = { v: 1 as const, t: 1_700_000_000 };

const run = (name: string, host = "gpu-1", lineage = "a"): JournalEntry => ({
  ...{ ...at, type: "run", run: name, pipeline: "fox", file: "fox.yaml", lineage, host, plan_digest: "p" },
});
const train: JournalEntry = {
  ...{ ...at, type: "stage", stage: "train", action: "create", backend: "rehearsal", fingerprint: "f" },
  ...{ inputs: { seed: 1, network_dim: 4 }, identities: {}, segment: 1, total_epochs: 2, steps_per_epoch: 10 },
};
const stopped: JournalEntry = { ...at, type: "end", stage: "train", outcome: "stopped", exit_code: 85 };

function fold(...entries: readonly JournalEntry[]): State {
  const state = foldState(undefined, entries);
  if (state === undefined) throw new Error("no run");
  return state;
}

describe("which record goes on from which", () => {
  const first = fold(run("1"), train, stopped);
  const second = fold(run("1"), train, stopped, run("2"), train);

  test("one that knows all of the other's runs and more", () => {
    expect(standOf(second, first)).toBe("ahead");
    expect(standOf(first, second)).toBe("behind");
    expect(standOf(first, undefined)).toBe("ahead");
    expect(standOf(undefined, first)).toBe("behind");
    expect(standOf(undefined, undefined)).toBe("same");
  });

  test("of the same runs the one that saw more of the last", () => {
    const later = fold(run("1"), train, stopped, run("2"), train, stopped);
    expect(standOf(later, second)).toBe("ahead");
    expect(standOf(second, second)).toBe("same");
    // A checkout's own that was put together again, with fewer entries, is still what is known here best.
    expect(standOf(second, later)).toBe("same");
    expect(standOf({ ...second, host: "laptop" }, later)).toBe("behind");
  });

  test("a run that began no stage tells nothing, whatever its history", () => {
    const refused = fold(run("9", "laptop", "b"));
    expect(standOf(refused, first)).toBe("behind");
    expect(standOf(first, refused)).toBe("ahead");
    expect(standOf(refused, undefined)).toBe("same");
    expect(standOf(fold(run("1"), train, stopped, run("9")), second)).toBe("behind");
  });

  test("neither, where each has a run that the other has not, or they are two histories", () => {
    const other = fold(run("1"), train, stopped, run("3"), train);
    expect(standOf(second, other)).toBe("apart");
    expect(standOf(second, fold(run("1", "gpu-1", "b"), train))).toBe("foreign");
  });
});

test("a record that is taken over tells of caches what this checkout knows of them", () => {
  const caching = (caches: Readonly<Record<string, string>>): readonly JournalEntry[] => [
    {
      ...at,
      type: "stage",
      stage: "cache-text",
      action: "create",
      backend: "rehearsal",
      fingerprint: "f",
      inputs: {},
      identities: {},
      segment: 1,
    },
    { ...at, type: "process", stage: "cache-text", pid: 1, boot_id: "b", start_time: "1" },
    { ...at, type: "cached", stage: "cache-text", caches },
  ];
  const theirs = fold(run("1"), ...caching({ "a.safetensors": "new", "b.safetensors": "new" }), train);
  const own = fold(run("0", "laptop", "b"), ...caching({ "a.safetensors": "old" }));
  const adopted = adoptedState(theirs, own);
  expect(adopted.stages["cache-text"]).toMatchObject({ run: "1", caches: { "a.safetensors": "old" } });
  expect(adopted.stages["cache-text"]?.begun).toBeUndefined();
  expect(adopted.stages.train).toEqual(theirs.stages.train);
  expect(adoptedState(theirs, undefined).stages["cache-text"]?.caches).toEqual({});
  expect(stateSchema.parse(adopted)).toEqual(adopted);
});

describe("a record on the branch", () => {
  test("is the same record, whatever the order that its maps came in, without secrets of addresses", () => {
    const failed: JournalEntry = {
      ...{ ...at, type: "end", stage: "train", outcome: "failed", exit_code: 1 },
      message: "could not read https://ann:s3cret@example.org/x and ftp://t0ken@example.org",
    };
    const state = fold(run("1"), train, failed);
    const text = branchText(state);
    expect(text).toContain("https://***@example.org/x and ftp://***@example.org");
    expect(text).not.toMatch(/s3cret|t0ken/);
    expect(stateSchema.parse(JSON.parse(text)).history).toHaveLength(1);
    const { train: record } = state.stages;
    if (record === undefined) throw new Error("it trained");
    const turned = { ...record, inputs: { network_dim: 4, seed: 1 } };
    expect(branchText({ ...state, stages: { train: turned } })).toBe(text);
  });

  test("comes with a message that says how far it is", () => {
    expect(branchMessage(fold(run("1"), train)).split("\n")).toEqual([
      "fox: train running on gpu-1",
      "",
      "- train running",
      "",
    ]);
    const step = { ...at, type: "step", stage: "train", step: 7, epoch: 1, loss: 0.1 } as const;
    const state = foldState(fold(run("1"), train), [step, stopped]);
    expect(branchMessage(state ?? fold(run("1")))).toContain("fox: train stopped at step 7 of 20 on gpu-1\n");
  });

  test("is worth a push for beginnings, ends and files, and not for steps", () => {
    const state = fold(run("1"), train);
    const step = { ...at, type: "step", stage: "train", step: 7, epoch: 1, loss: 0.1 } as const;
    const file = {
      ...at,
      type: "checkpoint",
      stage: "train",
      file: "fox.safetensors",
      epoch: 1,
      step: 10,
      bytes: 9,
    } as const;
    expect(whatMatters(foldState(state, [step]) ?? state)).toEqual(whatMatters(state));
    expect(whatMatters(foldState(state, [file]) ?? state).saved).not.toBe(whatMatters(state).saved);
    expect(whatMatters(foldState(state, [stopped]) ?? state).turns).not.toBe(whatMatters(state).turns);
  });

  test("of a machine that is gone says so, and goes on from what it was", () => {
    const state = fold(run("1"), train);
    expect(stagesAtWork(state).map(({ stage }) => stage)).toEqual(["train"]);
    const lost = withLostStages(state, { now: at.t, message: "gone" });
    expect(lost.stages.train).toMatchObject({ status: "lost", message: "gone" });
    expect([stagesAtWork(lost), standOf(lost, state)]).toEqual([[], "ahead"]);
  });
});
