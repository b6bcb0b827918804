import { describe, expect, test } from "vitest";
import { scheduleAllowsExtend } from "../../../src/core/trainer/schedules.ts";

describe("a finished run can be extended", () => {
  test.each([
    { lrScheduler: "constant" },
    {},
    { lrScheduler: "piecewise_constant" },
    { lrScheduler: "constant_with_warmup", lrWarmupSteps: 100 },
    { lrScheduler: "constant_with_warmup" },
    { lrScheduler: "inverse_sqrt", lrWarmupSteps: "100" },
    { lrScheduler: "adafactor:1e-4", optimizerType: "adafactor" },
    { lrScheduler: "cosine", optimizerType: "Adafactor" },
    { lrScheduler: "cosine", optimizerType: "adafactor", optimizerArgs: ["relative_step=False", "warmup_init=True"] },
    { lrScheduler: "cosine", optimizerType: "schedulefree.AdamWScheduleFree" },
  ])("with %o", (choice) => {
    expect(scheduleAllowsExtend(choice)).toBe(true);
  });
});

describe("a finished run can only be replaced", () => {
  test.each([
    { lrScheduler: "cosine" },
    { lrScheduler: "linear" },
    { lrScheduler: "polynomial" },
    { lrScheduler: "cosine_with_restarts" },
    { lrScheduler: "cosine_with_min_lr" },
    { lrScheduler: "warmup_stable_decay" },
    { lrScheduler: "rex" },
    { lrScheduler: "constant_with_warmup", lrWarmupSteps: 0.1 },
    { lrScheduler: "inverse_sqrt", lrWarmupSteps: "10%" },
    { lrScheduler: "constant", lrSchedulerType: "CosineAnnealingLR" },
    { lrScheduler: "cosine", optimizerType: "adafactor", optimizerArgs: ["relative_step=False"] },
  ])("with %o", (choice) => {
    expect(scheduleAllowsExtend(choice)).toBe(false);
  });
});
