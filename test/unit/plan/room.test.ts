import { describe, expect, test } from "vitest";
import type { FileSystemFacts } from "../../../src/core/facts.ts";
import { judgeRoom, roomAdvice, roomFigures } from "../../../src/core/plan/room.ts";
import { addedBytes, type CheckpointOptions } from "../../../src/core/trainer/checkpoints.ts";
import {
  headerBytesAtMost,
  leastTrainingStateBytes,
  loraBytes,
  trainingStateBytes,
} from "../../../src/core/trainer/lora.ts";
import { REHEARSAL_MODULES } from "../../../src/core/trainer/rehearsal.ts";

function fileSystem(freeBytes: number, folders: readonly string[]): FileSystemFacts {
  return { mount: "/data", freeBytes, totalBytes: 1e6, folders };
}

describe("the room on a file system", () => {
  const writes = [
    { folder: "output/fox", low: 400, high: 600 },
    { folder: "cache/fox", low: 100, high: 200 },
  ];

  test("is judged for all folders that share it", () => {
    const verdicts = (free: number) =>
      judgeRoom(writes, [fileSystem(free, ["cache/fox", "output/fox"])]).map(({ verdict }) => verdict);
    expect(verdicts(499)).toEqual(["short"]);
    expect(verdicts(500)).toEqual(["tight"]);
    expect(verdicts(800 + 50_000)).toEqual(["enough"]);
  });

  test("is judged on its own where each folder has another", () => {
    const rooms = judgeRoom(writes, [fileSystem(399, ["output/fox"]), fileSystem(1e6, ["cache/fox"])]);
    expect(rooms.map(({ verdict }) => verdict)).toEqual(["short", "enough"]);
    expect(rooms.map(roomFigures)).toEqual([
      "the file system at /data has 399 B free, and 400 B to 600 B are to come in output/fox",
      "the file system at /data has 1 MB free, and 100 B to 200 B are to come in cache/fox",
    ]);
  });

  test("is made with what writes to the disk that is short, and with nothing else", () => {
    const advise = (folders: readonly string[]) =>
      roomAdvice({ file: "fox.yaml", outputDir: "output/fox" }, judgeRoom(writes, [fileSystem(1, folders)]));
    expect(advise(["cache/fox"])).toBe(
      "`wan22 prune fox.yaml` shows what can go. Or name another `cache_dir` on a larger disk.",
    );
    expect(advise(["output/fox"])).toMatch(/save_last_n_epochs.*or name another `output.dir` on a larger disk\.$/);
    expect(advise(["output/fox", "cache/fox"])).toMatch(
      /save_precision: bf16`, or name another `output.dir` or `cache_dir`/,
    );
  });

  test("is no matter where nothing is written, or nothing is known", () => {
    expect(judgeRoom([{ folder: "output/fox", low: 0, high: 0 }], [fileSystem(0, ["output/fox"])])).toEqual([]);
    expect(judgeRoom(writes, [])).toEqual([]);
  });
});

describe("what training adds at one time", () => {
  const options: CheckpointOptions = {
    name: "fox",
    epochs: 4,
    stepsPerEpoch: 10,
    saveEveryEpochs: 1,
    saveState: true,
    keepLastEpochsState: 2,
    modules: REHEARSAL_MODULES,
    dim: 8,
  };
  // At most: with their headers, and a last block that is not full.
  const checkpoint = loraBytes(options) + headerBytesAtMost(options) + 4096;
  const state = trainingStateBytes(options) + 6 * 4096;

  test("is all that it leaves, and a state that is removed only when a newer one is there", () => {
    // After the last checkpoint there are four of them and three states.
    expect(addedBytes(options, new Map())).toEqual({
      least: 4 * loraBytes(options) + 3 * leastTrainingStateBytes(options),
      most: 4 * checkpoint + 3 * state,
    });
    const one = { ...options, keepLastEpochsState: 1 };
    expect(addedBytes(one, new Map()).most).toBe(4 * checkpoint + 2 * state);
    const nothingKept = { ...one, keepLastEpochs: 1 };
    // The third epoch's: its checkpoint beside the second's, and both their states.
    expect(addedBytes(nothingKept, new Map()).most).toBe(2 * checkpoint + 2 * state);
  });

  test("is less where it goes on, for older states make room", () => {
    const existing = new Map([
      ["fox-000001.safetensors", checkpoint],
      ["fox-000002.safetensors", checkpoint],
      ["fox-000001-state", state],
      ["fox-000002-state", state],
    ]);
    // The third state goes where the first was, once it is whole; the last one is a third.
    const { most } = addedBytes({ ...options, fromEpoch: 2, fromStep: 20 }, existing);
    expect(most).toBe(2 * checkpoint + state);
  });

  test("is a whole file more where a checkpoint is replaced, and nothing where a state is", () => {
    const ended = { ...options, fromEpoch: 4, fromStep: 40 };
    const existing = new Map([
      ["fox.safetensors", checkpoint],
      ["fox-state", state],
    ]);
    expect(addedBytes(ended, existing).most).toBe(checkpoint);
  });

  test("counts of an optimizer that nobody knows no more than the network", () => {
    const unknown = { ...options, optimizerType: "somebodys.Optimizer" };
    expect(addedBytes(unknown, new Map()).least).toBeLessThan(addedBytes(options, new Map()).least);
  });
});
