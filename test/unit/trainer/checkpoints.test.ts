import { describe, expect, test } from "vitest";
import {
  type CheckpointOptions,
  countSaves,
  familyOfOutput,
  outputsMeet,
  removalsAfter,
  scheduleCheckpoints,
  scheduleRemovals,
} from "../../../src/core/trainer/checkpoints.ts";
import { WAN_14B_MODULES } from "../../../src/core/trainer/lora.ts";

const RUN: CheckpointOptions = { name: "fox", epochs: 4, stepsPerEpoch: 16, modules: WAN_14B_MODULES, dim: 32 };

/** Each file as `name epoch/step`, with ` -step` where it is removed again. */
function schedule(options: Partial<CheckpointOptions>): readonly string[] {
  return scheduleCheckpoints({ ...RUN, ...options }).map(
    ({ file, epoch, step, prunedAtStep }) =>
      `${file} ${epoch}/${step}${prunedAtStep === undefined ? "" : ` -${prunedAtStep}`}`,
  );
}

test("without an interval only the last checkpoint", () => {
  expect(schedule({})).toEqual(["fox.safetensors 4/64"]);
});

test("every epoch but the last has a number", () => {
  expect(schedule({ saveEveryEpochs: 1 })).toEqual([
    "fox-000001.safetensors 1/16",
    "fox-000002.safetensors 2/32",
    "fox-000003.safetensors 3/48",
    "fox.safetensors 4/64",
  ]);
  expect(schedule({ saveEveryEpochs: 2 })).toEqual(["fox-000002.safetensors 2/32", "fox.safetensors 4/64"]);
  expect(schedule({ saveEveryEpochs: 4 })).toEqual(["fox.safetensors 4/64"]);
});

test("states beside them, and the last state before the last checkpoint", () => {
  expect(schedule({ saveEveryEpochs: 3, saveState: true })).toEqual([
    "fox-000003.safetensors 3/48",
    "fox-000003-state 3/48",
    "fox-state 4/64",
    "fox.safetensors 4/64",
  ]);
  expect(schedule({ saveEveryEpochs: 3, saveStateOnTrainEnd: true })).toEqual([
    "fox-000003.safetensors 3/48",
    "fox-state 4/64",
    "fox.safetensors 4/64",
  ]);
});

test("by steps, also where a step falls on an epoch's end", () => {
  expect(schedule({ saveEverySteps: 16, saveEveryEpochs: 2, saveState: true })).toEqual([
    "fox-step00000016.safetensors 1/16",
    "fox-step00000016-state 1/16",
    "fox-step00000032.safetensors 2/32",
    "fox-step00000032-state 2/32",
    "fox-000002.safetensors 2/32",
    "fox-000002-state 2/32",
    "fox-step00000048.safetensors 3/48",
    "fox-step00000048-state 3/48",
    "fox-step00000064.safetensors 4/64",
    "fox-step00000064-state 4/64",
    "fox-state 4/64",
    "fox.safetensors 4/64",
  ]);
});

test("a step's save belongs to the epoch in whose course it falls", () => {
  expect(schedule({ saveEverySteps: 25 })).toEqual([
    "fox-step00000025.safetensors 2/25",
    "fox-step00000050.safetensors 4/50",
    "fox.safetensors 4/64",
  ]);
});

test("a run by steps ends in the middle of its last epoch", () => {
  expect(schedule({ totalSteps: 50, saveEveryEpochs: 1, saveEverySteps: 30 })).toEqual([
    "fox-000001.safetensors 1/16",
    "fox-step00000030.safetensors 2/30",
    "fox-000002.safetensors 2/32",
    "fox-000003.safetensors 3/48",
    "fox.safetensors 4/50",
  ]);
});

describe("retention", () => {
  test("save_last_n_epochs 2 keeps the last two numbered ones", () => {
    expect(schedule({ epochs: 6, saveEveryEpochs: 1, keepLastEpochs: 2 })).toEqual([
      "fox-000001.safetensors 1/16 -48",
      "fox-000002.safetensors 2/32 -64",
      "fox-000003.safetensors 3/48 -80",
      "fox-000004.safetensors 4/64",
      "fox-000005.safetensors 5/80",
      "fox.safetensors 6/96",
    ]);
  });

  test("counts in saves, not in epochs", () => {
    expect(schedule({ epochs: 8, saveEveryEpochs: 2, keepLastEpochs: 1 })).toEqual([
      "fox-000002.safetensors 2/32 -64",
      "fox-000004.safetensors 4/64 -96",
      "fox-000006.safetensors 6/96",
      "fox.safetensors 8/128",
    ]);
  });

  test("goes for states too, unless they have a number of their own", () => {
    const options = { saveEveryEpochs: 1, saveState: true, keepLastEpochs: 2 };
    expect(schedule(options).filter((line) => line.includes("-state"))).toEqual([
      "fox-000001-state 1/16 -48",
      "fox-000002-state 2/32",
      "fox-000003-state 3/48",
      "fox-state 4/64",
    ]);
    expect(schedule({ ...options, keepLastEpochsState: 1 }).filter((line) => line.includes("-state"))).toEqual([
      "fox-000001-state 1/16 -32",
      "fox-000002-state 2/32 -48",
      "fox-000003-state 3/48",
      "fox-state 4/64",
    ]);
  });

  test("save_last_n_steps counts in steps: at step 50, of every 10, 30 keep 20 to 50", () => {
    const options = { epochs: 1, stepsPerEpoch: 50, saveEverySteps: 10, keepLastSteps: 30 };
    expect(schedule(options)).toEqual([
      "fox-step00000010.safetensors 1/10 -50",
      "fox-step00000020.safetensors 1/20",
      "fox-step00000030.safetensors 1/30",
      "fox-step00000040.safetensors 1/40",
      "fox-step00000050.safetensors 1/50",
      "fox.safetensors 1/50",
    ]);
  });

  test("a state has its own number of steps", () => {
    const options = { epochs: 1, stepsPerEpoch: 30, saveEverySteps: 10, saveState: true, keepLastStepsState: 9 };
    expect(schedule(options)).toEqual([
      "fox-step00000010.safetensors 1/10",
      "fox-step00000010-state 1/10 -20",
      "fox-step00000020.safetensors 1/20",
      "fox-step00000020-state 1/20 -30",
      "fox-step00000030.safetensors 1/30",
      "fox-step00000030-state 1/30",
      "fox-state 1/30",
      "fox.safetensors 1/30",
    ]);
  });

  test("0 for states counts as not given, and the checkpoints' number goes for them", () => {
    const byEpochs = { saveEveryEpochs: 1, saveState: true, keepLastEpochs: 2, keepLastEpochsState: 0 };
    expect(schedule(byEpochs)).toContain("fox-000001-state 1/16 -48");
    const bySteps = { saveEverySteps: 16, saveState: true, keepLastSteps: 16, keepLastStepsState: 0 };
    expect(schedule(bySteps)).toContain("fox-step00000016-state 1/16 -48");
  });

  test("of nothing removes a checkpoint as soon as it is saved", () => {
    expect(schedule({ saveEveryEpochs: 2, keepLastEpochs: 0 })[0]).toBe("fox-000002.safetensors 2/32 -32");
  });
});

describe("a run that goes on", () => {
  test("from the end of an epoch makes what comes after it", () => {
    expect(schedule({ saveEveryEpochs: 1, saveEverySteps: 20, fromEpoch: 2, fromStep: 32 })).toEqual([
      "fox-step00000040.safetensors 3/40",
      "fox-000003.safetensors 3/48",
      "fox-step00000060.safetensors 4/60",
      "fox.safetensors 4/64",
    ]);
  });

  test("from the middle of an epoch still makes that epoch's own", () => {
    expect(schedule({ saveEveryEpochs: 1, fromEpoch: 2, fromStep: 40 })).toEqual([
      "fox-000003.safetensors 3/48",
      "fox.safetensors 4/64",
    ]);
  });

  test("from an epoch's last step, before its saves, makes them", () => {
    expect(schedule({ saveEveryEpochs: 1, saveEverySteps: 16, fromEpoch: 2, fromStep: 48 })).toEqual([
      "fox-000003.safetensors 3/48",
      "fox-step00000064.safetensors 4/64",
      "fox.safetensors 4/64",
    ]);
  });

  test("removes what was made before it", () => {
    const options = { ...RUN, epochs: 6, saveEveryEpochs: 1, keepLastEpochs: 2, fromEpoch: 4, fromStep: 64 };
    expect(scheduleRemovals(options)).toEqual([{ file: "fox-000003.safetensors", atStep: 80 }]);
  });

  test("removes first what its state, had its process not been killed, would have taken away", () => {
    const options = { ...RUN, epochs: 6, saveEveryEpochs: 1, saveEverySteps: 4, saveState: true };
    const kept = { ...options, keepLastEpochs: 3, keepLastEpochsState: 2, keepLastSteps: 10, keepLastStepsState: 6 };
    expect(removalsAfter("fox-000004-state", kept)).toEqual(["fox-000002-state"]);
    expect(removalsAfter("fox-step00000020-state", kept)).toEqual([
      "fox-step00000012-state",
      "fox-step00000008.safetensors",
    ]);
    for (const state of ["fox-000002-state", "fox-state", "fox-step00000003-state"])
      expect(removalsAfter(state, kept)).toEqual([]);
  });

  test("with all steps done makes the last checkpoint", () => {
    expect(schedule({ saveEveryEpochs: 1, fromEpoch: 4, fromStep: 64 })).toEqual(["fox.safetensors 4/64"]);
  });
});

test("bytes are a checkpoint's tensors, and a state's estimate", () => {
  const files = scheduleCheckpoints({ ...RUN, saveStateOnTrainEnd: true, savePrecision: "bf16" });
  expect(files.map(({ kind, bytes }) => [kind, bytes > 1_800_000_000 ? "about 1.8 GB" : bytes])).toEqual([
    ["state", "about 1.8 GB"],
    ["checkpoint", 306_709_280],
  ]);
});

test("saves are counted without being named", () => {
  for (const saveEveryEpochs of [undefined, 1, 3]) {
    for (const saveEverySteps of [undefined, 5, 16, 100]) {
      for (const saveState of [true, false]) {
        const options = { ...RUN, saveEveryEpochs, saveEverySteps, saveState };
        // The last checkpoint, and the last state, come on top.
        expect(countSaves(options)).toBe(scheduleCheckpoints(options).length - (saveState ? 2 : 1));
      }
    }
  }
});

test("of a record that no run can have written, only the last files are listed", () => {
  expect(schedule({ epochs: 9_007_199_254_740_991, stepsPerEpoch: 1, saveEveryEpochs: 1, saveEverySteps: 1 })).toEqual([
    "fox.safetensors 9007199254740991/9007199254740991",
  ]);
});

test("the files of two names meet where one is the other's with a counter behind it", () => {
  const meeting = ["fox", "fox-000002", "fox-step00000100", "fox-000002-000001", "fox-1000000"];
  for (const name of meeting)
    expect([name, outputsMeet("fox", name), outputsMeet(name, "fox")]).toEqual([name, true, true]);
  for (const name of ["foxes", "fox-low", "fox-2", "fox-00002", "fox-000002-b", "ox", "fox-state"])
    expect([name, outputsMeet("fox", name)]).toEqual([name, false]);
  expect(outputsMeet("fox-000002", "fox-000004")).toBe(false);
  expect([...new Set(meeting.map(familyOfOutput))]).toEqual(["fox"]);
  expect(familyOfOutput("-000002")).toBe("-000002");
});
