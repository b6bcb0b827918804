import { ANYTHING, NUMBER, oneOf, optional, type WantedValues } from "./argument-values.ts";
import { isTransformersAdafactor } from "./optimizers.ts";
import { numberOf, type PythonValue } from "./python-literal.ts";
import type { NamedScheduler } from "./torch-schedulers.ts";

/**
 * The functions of transformers (4.57) and diffusers (0.32) that `lr_scheduler_type` can name: the trainer calls what it
 * finds with the optimizer alone and `lr_scheduler_args`.
 */

const WARMUP = ["num_warmup_steps"];
const WARMUP_AND_TOTAL = ["num_warmup_steps", "num_training_steps"];
const CURVE = oneOf("linear", "cosine", "1-sqrt");

function schedule(needs: readonly string[], takes: WantedValues = {}): NamedScheduler {
  const needed = Object.fromEntries(needs.map((name) => [name, NUMBER]));
  return { needs, takes: { ...needed, ...takes, last_epoch: oneOf(-1) } };
}

const MIN_LR: WantedValues = { num_cycles: NUMBER, min_lr: optional(NUMBER), min_lr_rate: optional(NUMBER) };

/** In both packages. */
const COMMON: Readonly<Record<string, NamedScheduler>> = {
  get_constant_schedule: schedule([]),
  get_constant_schedule_with_warmup: schedule(WARMUP),
  get_linear_schedule_with_warmup: schedule(WARMUP_AND_TOTAL),
  get_cosine_schedule_with_warmup: schedule(WARMUP_AND_TOTAL, { num_cycles: NUMBER }),
  get_cosine_with_hard_restarts_schedule_with_warmup: schedule(WARMUP_AND_TOTAL, { num_cycles: NUMBER }),
  get_polynomial_decay_schedule_with_warmup: schedule(WARMUP_AND_TOTAL, { lr_end: NUMBER, power: NUMBER }),
};

const TRANSFORMERS: Readonly<Record<string, NamedScheduler>> = {
  ...COMMON,
  get_inverse_sqrt_schedule: schedule(WARMUP, { timescale: optional(NUMBER) }),
  get_cosine_with_min_lr_schedule_with_warmup: schedule(WARMUP_AND_TOTAL, MIN_LR),
  get_cosine_with_min_lr_schedule_with_warmup_lr_rate: schedule(WARMUP_AND_TOTAL, {
    ...MIN_LR,
    warmup_lr_rate: optional(NUMBER),
  }),
  get_wsd_schedule: schedule(["num_warmup_steps", "num_decay_steps"], {
    num_training_steps: optional(NUMBER),
    num_stable_steps: optional(NUMBER),
    warmup_type: CURVE,
    decay_type: CURVE,
    min_lr_ratio: NUMBER,
    num_cycles: NUMBER,
  }),
};

/** They ask Adafactor what its rate is, which others cannot tell; only the module itself has them. */
const OF_ADAFACTOR: Readonly<Record<string, NamedScheduler>> = {
  AdafactorSchedule: { needs: [], takes: { initial_lr: NUMBER } },
  get_adafactor_schedule: { needs: [], takes: { initial_lr: NUMBER } },
};

const DIFFUSERS: Readonly<Record<string, NamedScheduler>> = {
  ...COMMON,
  // Judged like the same argument of `piecewise_constant`.
  get_piecewise_constant_schedule: { needs: ["step_rules"], takes: { step_rules: ANYTHING, last_epoch: oneOf(-1) } },
};

const MODULES: Readonly<Record<string, Readonly<Record<string, NamedScheduler>>>> = {
  transformers: TRANSFORMERS,
  "transformers.optimization": { ...TRANSFORMERS, ...OF_ADAFACTOR },
  "diffusers.optimization": DIFFUSERS,
};

/** What stands behind a dotted name; null where these packages have nothing of the name that could be used, undefined for others. */
export function scheduleFunction(type: string): NamedScheduler | null | undefined {
  const parts = type.split(".");
  if (parts[0] !== "transformers" && parts[0] !== "diffusers") return undefined;
  const functions = MODULES[parts.slice(0, -1).join(".")] ?? {};
  const name = parts.at(-1) ?? "";
  return (Object.hasOwn(functions, name) ? functions[name] : undefined) ?? null;
}

/** What does not go together although each argument is right by itself; a sentence, or undefined. */
export function scheduleCombinationFault(
  type: string,
  values: ReadonlyMap<string, PythonValue>,
  { optimizerType, learningRate }: { readonly optimizerType: string; readonly learningRate: number },
): string | undefined {
  const name = type.slice(type.lastIndexOf(".") + 1);
  const isGiven = (argument: string) => (values.get(argument) ?? null) !== null;
  if (Object.hasOwn(OF_ADAFACTOR, name) && !isTransformersAdafactor(optimizerType)) {
    return `\`lr_scheduler_type\` ${type} works with \`optimizer_type: adafactor\` only. Choose another scheduler, or that optimizer.`;
  }
  if (name.startsWith("get_cosine_with_min_lr") && isGiven("min_lr") === isGiven("min_lr_rate")) {
    return `\`lr_scheduler_type\` ${type} needs one of min_lr and min_lr_rate in \`lr_scheduler_args\`, and not both.`;
  }
  if (name === "get_wsd_schedule" && !isGiven("num_training_steps") && !isGiven("num_stable_steps")) {
    return `\`lr_scheduler_type\` ${type} needs num_training_steps or num_stable_steps in \`lr_scheduler_args\`.`;
  }
  if (name === "get_polynomial_decay_schedule_with_warmup") {
    const end = numberOf(values.get("lr_end")) ?? 1e-7;
    if (end < learningRate) return undefined;
    return `\`lr_scheduler_type\` ${type} falls to ${end}, which has to be below \`learning_rate\` (${learningRate}). Raise the rate, or lower \`lr_end\` in \`lr_scheduler_args\`.`;
  }
  return undefined;
}
