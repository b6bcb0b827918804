import { expect, test } from "vitest";
import { type CheckpointOptions, scheduleCheckpoints } from "../../../src/core/trainer/checkpoints.ts";
import { REHEARSAL_MODULES } from "../../../src/core/trainer/rehearsal.ts";
import { type Random, randomFrom } from "../../rig/random.ts";

/** Retention of every kind that a pipeline may ask for; `save_last_n_epochs` is 1 at least. */
function randomOptions(random: Random): CheckpointOptions {
  const maybe = (min: number, max: number) => (random.chance(0.5) ? random.integer(min, max) : undefined);
  return {
    name: "fox",
    epochs: random.integer(1, 12),
    stepsPerEpoch: random.integer(1, 9),
    saveEveryEpochs: maybe(1, 4),
    saveEverySteps: maybe(1, 7),
    saveState: true,
    keepLastEpochs: maybe(1, 3),
    keepLastEpochsState: maybe(0, 3),
    keepLastSteps: maybe(0, 9),
    keepLastStepsState: maybe(0, 9),
    modules: REHEARSAL_MODULES,
  };
}

test("retention never removes the training state that a resume would take: the newest that there is", () => {
  const random = randomFrom(11);
  for (let round = 0; round < 2000; round += 1) {
    const options = randomOptions(random);
    const states = scheduleCheckpoints(options).filter(({ kind }) => kind === "state");
    for (const { file, step, prunedAtStep } of states) {
      if (prunedAtStep === undefined) continue;
      const newer = states.filter((other) => other.step > step && other.step <= prunedAtStep);
      expect(newer, `${file} of ${JSON.stringify(options)}`).not.toEqual([]);
    }
  }
});
