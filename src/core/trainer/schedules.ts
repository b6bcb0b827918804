/** What the trainer's learning-rate schedules depend on (`get_lr_scheduler` in its `training/trainer_base.py`). */

import { optimizerTypeForTrainer } from "./optimizers.ts";
import { isTruthy, readKeyword } from "./python-literal.ts";

export interface ScheduleChoice {
  /** `lr_scheduler`; the trainer's default is `constant`. */
  readonly lrScheduler?: string | undefined;
  /** `lr_scheduler_type`: a class of another library, which replaces `lr_scheduler`. */
  readonly lrSchedulerType?: string | undefined;
  /** Steps, or below 1 a fraction of all steps. */
  readonly lrWarmupSteps?: number | string | undefined;
  readonly optimizerType?: string | undefined;
  readonly optimizerArgs?: readonly string[] | undefined;
}

/** A whole number of steps, not a fraction of a total that an extension changes: `100`, not `0.1` or `10%`. */
function isWholeSteps(warmup: number | string | undefined): boolean {
  if (warmup === undefined) return true;
  const steps = typeof warmup === "number" ? warmup : Number(warmup);
  return Number.isInteger(steps) && steps >= 0;
}

/**
 * Whether the optimizer replaces the schedule by its own: Adafactor does, unless `relative_step=False` tells it to keep to
 * the learning rate given, and `warmup_init=True` does not tell it otherwise. The name may be the user's or the trainer's.
 */
export function bringsItsOwnSchedule(optimizerType: string, optimizerArgs: readonly string[]): boolean {
  if (optimizerTypeForTrainer(optimizerType)?.toLowerCase() !== "adafactor") return false;
  const isTrue = (name: string, otherwise: boolean): boolean => {
    const keyword = optimizerArgs.map(readKeyword).findLast((each) => each.name === name);
    return keyword !== undefined && "value" in keyword ? isTruthy(keyword.value) : otherwise;
  };
  return isTrue("relative_step", true) || isTrue("warmup_init", false);
}

/**
 * Whether a finished run can be trained on for more epochs as if it had been planned so: true for the schedules whose
 * learning rate at a step does not depend on how many steps there are in all (design §5).
 */
export function scheduleAllowsExtend(choice: ScheduleChoice): boolean {
  const {
    lrScheduler = "constant",
    lrSchedulerType = "",
    lrWarmupSteps,
    optimizerType = "",
    optimizerArgs = [],
  } = choice;
  if (optimizerType.toLowerCase().endsWith("schedulefree")) return true;
  if (lrSchedulerType !== "") return false;
  if (bringsItsOwnSchedule(optimizerType, optimizerArgs)) return true;
  switch (lrScheduler) {
    case "constant":
    case "piecewise_constant":
      return true;
    case "constant_with_warmup":
    case "inverse_sqrt":
      return isWholeSteps(lrWarmupSteps);
    default:
      return lrScheduler.startsWith("adafactor");
  }
}
