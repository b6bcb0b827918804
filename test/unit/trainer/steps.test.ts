import { expect, test } from "vitest";
import { stepsPerEpoch } from "../../../src/core/trainer/steps.ts";

test.each([
  { batches: 16, processes: 1, accumulation: 1, steps: 16 },
  { batches: 13, processes: 1, accumulation: 4, steps: 4 },
  { batches: 13, processes: 2, accumulation: 1, steps: 7 },
  { batches: 13, processes: 2, accumulation: 4, steps: 2 },
  { batches: 12, processes: 3, accumulation: 4, steps: 1 },
  { batches: 0, processes: 1, accumulation: 1, steps: 0 },
])("$batches batches on $processes GPUs, $accumulation at a time, are $steps steps", ({ steps, ...counting }) => {
  expect(stepsPerEpoch(counting)).toBe(steps);
});
