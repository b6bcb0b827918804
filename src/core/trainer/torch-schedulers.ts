import {
  ABOVE_0,
  ABOVE_0_TO_1,
  ANYTHING,
  COUNT,
  FLOAT_FROM_0_TO_1,
  FROM_0,
  FROM_0_TO_1,
  NOT_0,
  NUMBER,
  NUMBERS,
  oneOf,
  optional,
  perGroup,
  type WantedValue,
  type WantedValues,
} from "./argument-values.ts";
import { optimizerArguments } from "./optimizer-arguments.ts";
import { optimizerTypeForTrainer } from "./optimizers.ts";
import { integerOf, isTruthy, numberOf, type PythonValue } from "./python-literal.ts";

/** The classes of torch.optim.lr_scheduler (PyTorch 2.9) that `lr_scheduler_type` can name. */

/** What a scheduler takes in `lr_scheduler_args`, and cannot do without. */
export interface NamedScheduler {
  readonly needs: readonly string[];
  readonly takes: WantedValues;
}

/** Everything else belongs to resuming, which is not done with it. */
const LAST_EPOCH = oneOf(-1);

function scheduler(takes: WantedValues, ...needs: readonly string[]): NamedScheduler {
  return { needs, takes: { ...takes, last_epoch: LAST_EPOCH } };
}

/** By name, for an optimizer of so many groups of parameters; null for a class that no argument list can make. */
function classes(groups: number): Readonly<Record<string, NamedScheduler | null>> {
  const each = (wanted: WantedValue) => perGroup(wanted, groups);
  return {
    ConstantLR: scheduler({ factor: FROM_0_TO_1, total_iters: NUMBER }),
    LinearLR: scheduler({ start_factor: ABOVE_0_TO_1, end_factor: FROM_0_TO_1, total_iters: NUMBER }),
    PolynomialLR: scheduler({ total_iters: NUMBER, power: NUMBER }),
    ExponentialLR: scheduler({ gamma: NUMBER }, "gamma"),
    StepLR: scheduler({ step_size: NOT_0, gamma: NUMBER }, "step_size"),
    MultiStepLR: scheduler({ milestones: NUMBERS, gamma: NUMBER }, "milestones"),
    CosineAnnealingLR: scheduler({ T_max: NOT_0, eta_min: NUMBER }, "T_max"),
    CosineAnnealingWarmRestarts: scheduler({ T_0: COUNT, T_mult: COUNT, eta_min: NUMBER }, "T_0"),
    CyclicLR: scheduler(
      {
        base_lr: each(NUMBER),
        max_lr: each(NUMBER),
        step_size_up: ABOVE_0,
        step_size_down: optional(FROM_0),
        mode: oneOf("triangular", "triangular2", "exp_range"),
        gamma: NUMBER,
        scale_fn: oneOf(null),
        scale_mode: oneOf("cycle", "iterations"),
        cycle_momentum: ANYTHING,
        base_momentum: each(NUMBER),
        max_momentum: each(NUMBER),
      },
      "base_lr",
      "max_lr",
    ),
    OneCycleLR: scheduler(
      {
        max_lr: each(NUMBER),
        total_steps: optional(COUNT),
        epochs: optional(COUNT),
        steps_per_epoch: optional(COUNT),
        pct_start: FLOAT_FROM_0_TO_1,
        anneal_strategy: oneOf("cos", "linear"),
        cycle_momentum: ANYTHING,
        base_momentum: each(NUMBER),
        max_momentum: each(NUMBER),
        div_factor: NOT_0,
        final_div_factor: NOT_0,
        three_phase: ANYTHING,
      },
      "max_lr",
    ),
    LambdaLR: null,
    MultiplicativeLR: null,
    SequentialLR: null,
    ChainedScheduler: null,
    LRScheduler: null,
    ReduceLROnPlateau: null,
  };
}

/** The class's arguments; null for one that no arguments can make, undefined for none of torch's. */
export function torchScheduler(name: string, groups: number): NamedScheduler | null | undefined {
  const known = classes(groups);
  return Object.hasOwn(known, name) ? known[name] : undefined;
}

/** Whether the optimizer has what `cycle_momentum` turns: one that is not known here may. */
function hasMomentum(optimizerType: string): boolean {
  const known = optimizerArguments(optimizerTypeForTrainer(optimizerType) ?? optimizerType);
  return known === undefined || "momentum" in known || "betas" in known;
}

/** A phase of no steps, by whose length OneCycleLR divides: of the first at once, of the last once all steps are done. */
function emptyPhaseFault(values: ReadonlyMap<string, PythonValue>, totalSteps: number | undefined): string | undefined {
  const product = (integerOf(values.get("epochs")) ?? 0) * (integerOf(values.get("steps_per_epoch")) ?? 0);
  const steps = integerOf(values.get("total_steps")) ?? product;
  const share = numberOf(values.get("pct_start")) ?? 0.3;
  const ends = share === 1 && totalSteps !== undefined && totalSteps >= steps;
  if (share * steps !== 1 && !ends) return undefined;
  return `\`lr_scheduler_type\` OneCycleLR divides by the steps of each of its phases, and with \`pct_start=${share}\` one of ${steps} has none. Change \`pct_start\` in \`lr_scheduler_args\`.`;
}

/** What is missing although each argument is right by itself; a sentence, or undefined. */
export function torchCombinationFault(
  name: string,
  values: ReadonlyMap<string, PythonValue>,
  { optimizerType, totalSteps }: { readonly optimizerType: string; readonly totalSteps: number | undefined },
): string | undefined {
  const isGiven = (argument: string) => isTruthy(values.get(argument));
  if (name === "OneCycleLR" && !isGiven("total_steps") && !(isGiven("epochs") && isGiven("steps_per_epoch"))) {
    return "`lr_scheduler_type` OneCycleLR needs the steps of the whole run: `total_steps` in `lr_scheduler_args`, or `epochs` and `steps_per_epoch`.";
  }
  const emptyPhase = name === "OneCycleLR" ? emptyPhaseFault(values, totalSteps) : undefined;
  if (emptyPhase !== undefined) return emptyPhase;
  const cycles = name === "OneCycleLR" || name === "CyclicLR";
  if (!cycles || (values.has("cycle_momentum") && !isGiven("cycle_momentum")) || hasMomentum(optimizerType)) return;
  return `\`lr_scheduler_type\` ${name} turns the optimizer's momentum, and ${optimizerType} has none. Add \`cycle_momentum=False\` to \`lr_scheduler_args\`.`;
}
