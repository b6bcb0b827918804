import {
  ANYTHING,
  BELOW_1,
  BELOW_100,
  BETAS,
  BETAS_3,
  ETAS,
  FROM_0,
  FROM_0_TO_1,
  NUMBER,
  oneOf,
  optional,
  PAIR,
  TORCH_ADAFACTOR_EPS,
  TRIPLE,
  type WantedValues,
  WHOLE,
} from "./argument-values.ts";
import { dottedOptimizer } from "./optimizers.ts";
import { isTruthy, type PythonValue } from "./python-literal.ts";

/**
 * Keyword arguments of the optimizers that the trainer can name without a module of the user's (PyTorch 2.9, transformers
 * 4.57, bitsandbytes 0.50), each tried there.
 */

/** All of torch.optim's changes the LoRA's weights in place, which `differentiable` forbids. */
const DIFFERENTIABLE = oneOf(false);

const TORCH_COMMON: WantedValues = {
  foreach: ANYTHING,
  maximize: ANYTHING,
  capturable: ANYTHING,
  differentiable: DIFFERENTIABLE,
};

const ADAM: WantedValues = {
  betas: BETAS,
  eps: FROM_0,
  weight_decay: FROM_0,
  amsgrad: ANYTHING,
  ...TORCH_COMMON,
  fused: ANYTHING,
};

/** Of bitsandbytes' AdamW8bit. Versions before 0.46 took `percentile_clipping` and `block_wise` too. */
const ADAM_8_BIT: WantedValues = {
  betas: BETAS,
  eps: FROM_0,
  weight_decay: FROM_0,
  amsgrad: oneOf(false),
  optim_bits: oneOf(32),
  args: oneOf(null),
  min_8bit_size: WHOLE,
  is_paged: ANYTHING,
};

const ADAFACTOR: WantedValues = {
  eps: PAIR,
  clip_threshold: NUMBER,
  decay_rate: NUMBER,
  beta1: optional(NUMBER),
  weight_decay: NUMBER,
  scale_parameter: ANYTHING,
  relative_step: ANYTHING,
  warmup_init: ANYTHING,
};

/** The trainer's own, by their short names in lower case. */
const OWN: Readonly<Record<string, WantedValues>> = { adamw: ADAM, adamw8bit: ADAM_8_BIT, adafactor: ADAFACTOR };

/** Of torch.optim, by class. */
const TORCH: Readonly<Record<string, WantedValues>> = {
  AdamW: ADAM,
  Adafactor: {
    beta2_decay: NUMBER,
    eps: TORCH_ADAFACTOR_EPS,
    d: NUMBER,
    weight_decay: FROM_0,
    foreach: ANYTHING,
    maximize: ANYTHING,
  },
  Adam: { ...ADAM, decoupled_weight_decay: ANYTHING },
  NAdam: {
    betas: BETAS,
    eps: FROM_0,
    weight_decay: FROM_0,
    momentum_decay: FROM_0,
    decoupled_weight_decay: ANYTHING,
    ...TORCH_COMMON,
  },
  RAdam: { betas: BETAS, eps: FROM_0, weight_decay: FROM_0, decoupled_weight_decay: ANYTHING, ...TORCH_COMMON },
  Adamax: { betas: BETAS, eps: FROM_0, weight_decay: FROM_0, ...TORCH_COMMON },
  ASGD: { lambd: NUMBER, alpha: NUMBER, t0: NUMBER, weight_decay: FROM_0, ...TORCH_COMMON },
  Adadelta: { rho: FROM_0_TO_1, eps: FROM_0, weight_decay: FROM_0, ...TORCH_COMMON },
  Adagrad: {
    lr_decay: FROM_0,
    weight_decay: FROM_0,
    initial_accumulator_value: FROM_0,
    eps: FROM_0,
    foreach: ANYTHING,
    maximize: ANYTHING,
    differentiable: DIFFERENTIABLE,
    fused: ANYTHING,
  },
  RMSprop: {
    alpha: FROM_0,
    eps: FROM_0,
    weight_decay: FROM_0,
    momentum: FROM_0,
    centered: ANYTHING,
    ...TORCH_COMMON,
  },
  Rprop: { etas: ETAS, step_sizes: PAIR, ...TORCH_COMMON },
  SGD: {
    momentum: FROM_0,
    dampening: NUMBER,
    weight_decay: FROM_0,
    nesterov: ANYTHING,
    maximize: ANYTHING,
    foreach: ANYTHING,
    differentiable: DIFFERENTIABLE,
    fused: ANYTHING,
  },
  Muon: {
    weight_decay: FROM_0,
    momentum: FROM_0,
    nesterov: ANYTHING,
    ns_coefficients: TRIPLE,
    eps: NUMBER,
    ns_steps: BELOW_100,
    adjust_lr_fn: oneOf("original", "match_rms_adamw", null),
  },
};

/** What all of bitsandbytes' optimizers keep from older versions, beside `optim_bits` where a name leaves it open. */
const BITS: WantedValues = { args: oneOf(null), min_8bit_size: WHOLE };
const MOMENTUM: WantedValues = { momentum: BELOW_1, dampening: NUMBER, weight_decay: FROM_0, nesterov: ANYTHING };
const AVERAGES: WantedValues = { betas: BETAS, eps: FROM_0, weight_decay: FROM_0 };
const ADEMAMIX: WantedValues = {
  betas: BETAS_3,
  alpha: NUMBER,
  t_alpha: optional(WHOLE),
  t_beta3: optional(WHOLE),
  eps: FROM_0,
  weight_decay: FROM_0,
  min_8bit_size: WHOLE,
};

/** Families of bitsandbytes.optim by their name without `Paged` before and `8bit` or `32bit` behind. */
const BITSANDBYTES: Readonly<Record<string, WantedValues>> = {
  AdEMAMix: ADEMAMIX,
  Adagrad: { lr_decay: oneOf(0), weight_decay: FROM_0, initial_accumulator_value: oneOf(0), eps: FROM_0, ...BITS },
  Adam: { ...AVERAGES, amsgrad: ANYTHING, ...BITS },
  AdamW: { ...AVERAGES, amsgrad: ANYTHING, ...BITS },
  LAMB: {
    bias_correction: ANYTHING,
    ...AVERAGES,
    amsgrad: ANYTHING,
    adam_w_mode: ANYTHING,
    max_unorm: NUMBER,
    ...BITS,
  },
  LARS: { ...MOMENTUM, max_unorm: NUMBER, ...BITS },
  Lion: { betas: BETAS, weight_decay: FROM_0, ...BITS },
  RMSprop: {
    alpha: BELOW_1,
    eps: FROM_0,
    weight_decay: FROM_0,
    momentum: BELOW_1,
    centered: oneOf(false),
    ...BITS,
  },
  SGD: { ...MOMENTUM, ...BITS },
};

/** Families that can be paged. The `Paged` classes are, and take no word about it. */
const PAGEABLE = ["AdEMAMix", "Adam", "AdamW", "Lion"];

/** Families whose classes of fixed bits take `optim_bits` all the same, with that one value. */
const KEEP_BITS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Adagrad: { "8bit": 8, "32bit": 32 },
  Adam: { "8bit": 32, "32bit": 32 },
  AdamW: { "8bit": 32, "32bit": 32 },
};

function bitsandbytesArguments(name: string): WantedValues | undefined {
  const [, paged, family = "", bits] = /^(Paged)?(\w+?)(8bit|32bit)?$/.exec(name) ?? [];
  const known = Object.hasOwn(BITSANDBYTES, family) ? BITSANDBYTES[family] : undefined;
  if (known === undefined) return undefined;
  const fixed = bits === undefined ? undefined : KEEP_BITS[family]?.[bits];
  return {
    ...known,
    ...(bits === "8bit" && "amsgrad" in known ? { amsgrad: oneOf(false) } : {}),
    ...(bits === "8bit" && family === "LAMB" ? { max_unorm: oneOf(1) } : {}),
    ...(paged === undefined && PAGEABLE.includes(family) ? { is_paged: ANYTHING } : {}),
    ...(bits === undefined ? { optim_bits: oneOf(8, 32) } : {}),
    ...(fixed === undefined ? {} : { optim_bits: oneOf(fixed) }),
  };
}

/** The arguments that an optimizer takes in `optimizer_args`; undefined where they are not known here. */
export function optimizerArguments(type: string): WantedValues | undefined {
  const dotted = dottedOptimizer(type);
  switch (dotted?.package) {
    case "torch":
      return TORCH[dotted.name];
    case "transformers":
      return ADAFACTOR;
    case "bitsandbytes":
      return bitsandbytesArguments(dotted.name);
    case undefined:
      return OWN[type.toLowerCase()] ?? (Object.hasOwn(TORCH, type) ? TORCH[type] : undefined);
  }
}

/** Given by the trainer itself: given again, Python refuses the call. */
export const GIVEN_TO_OPTIMIZERS: readonly string[] = ["lr", "params"];

/** Why arguments that are right one by one cannot go together, or lack another; a sentence each. */
export function combinationFaults(type: string, values: ReadonlyMap<string, PythonValue>): readonly string[] {
  const isOn = (name: string) => isTruthy(values.get(name));
  const dotted = dottedOptimizer(type);
  const faults: string[] = [];
  // bitsandbytes' `optim/sgd.py` and `optim/lars.py`.
  if (dotted?.package === "bitsandbytes" && /^(?:SGD|LARS)(?:8bit|32bit)?$/.test(dotted.name) && !isOn("momentum")) {
    faults.push(`${type} refuses to work without momentum. Add \`momentum=0.9\` to \`optimizer_args\`.`);
  }
  const isTorchSgd = type === "SGD" || (dotted?.package === "torch" && dotted.name === "SGD");
  if (isTorchSgd && isOn("nesterov") && (!isOn("momentum") || isOn("dampening"))) {
    faults.push("`nesterov` needs a momentum and no dampening. Add `momentum=0.9` to `optimizer_args`.");
  }
  if (isOn("foreach") && isOn("fused")) {
    faults.push("`foreach` and `fused` in `optimizer_args` exclude each other. Keep one.");
  }
  // By its full name it gets the trainer's learning rate, and none of what the trainer does for its short name.
  if (dotted?.package !== "transformers") return faults;
  if (!values.has("relative_step") || isOn("relative_step")) {
    faults.push(
      "Adafactor by its full name takes no `learning_rate` beside its relative step. Use `optimizer_type: adafactor`, or add `relative_step=False` to `optimizer_args`.",
    );
  } else if (isOn("warmup_init")) {
    faults.push("`warmup_init` in `optimizer_args` needs Adafactor's relative step. Leave it out.");
  }
  return faults;
}
