/** Keyword arguments of the optimizers that the trainer can name without a module of the user's (PyTorch 2.9, transformers 4.57, bitsandbytes 0.50). */

const TORCH_COMMON = ["foreach", "maximize", "capturable", "differentiable"] as const;

const ADAM = ["betas", "eps", "weight_decay", "amsgrad", ...TORCH_COMMON, "fused"] as const;

/** Of bitsandbytes' AdamW8bit, older versions' names among them. */
const ADAM_8_BIT = [
  ...["betas", "eps", "weight_decay", "amsgrad", "optim_bits", "args", "min_8bit_size"],
  ...["percentile_clipping", "block_wise", "is_paged"],
] as const;

/** By the `--optimizer_type` that is rendered, lower-cased where the trainer ignores case. */
const ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  adamw: ADAM,
  adamw8bit: ADAM_8_BIT,
  adafactor: [
    "eps",
    "clip_threshold",
    "decay_rate",
    "beta1",
    "weight_decay",
    "scale_parameter",
    "relative_step",
    "warmup_init",
  ],
  Adam: [...ADAM, "decoupled_weight_decay"],
  NAdam: ["betas", "eps", "weight_decay", "momentum_decay", "decoupled_weight_decay", ...TORCH_COMMON],
  RAdam: ["betas", "eps", "weight_decay", "decoupled_weight_decay", ...TORCH_COMMON],
  Adamax: ["betas", "eps", "weight_decay", ...TORCH_COMMON],
  ASGD: ["lambd", "alpha", "t0", "weight_decay", ...TORCH_COMMON],
  Adadelta: ["rho", "eps", "weight_decay", ...TORCH_COMMON],
  Adagrad: [
    "lr_decay",
    "weight_decay",
    "initial_accumulator_value",
    "eps",
    "foreach",
    "maximize",
    "differentiable",
    "fused",
  ],
  RMSprop: ["alpha", "eps", "weight_decay", "momentum", "centered", ...TORCH_COMMON],
  Rprop: ["etas", "step_sizes", ...TORCH_COMMON],
  SGD: ["momentum", "dampening", "weight_decay", "nesterov", "maximize", "foreach", "differentiable", "fused"],
  Muon: ["weight_decay", "momentum", "nesterov", "ns_coefficients", "eps", "ns_steps", "adjust_lr_fn"],
};

/** The names that an optimizer takes in `optimizer_args`; undefined where that is not known here. */
export function optimizerArguments(type: string): readonly string[] | undefined {
  const name = type.replace(/^torch\.optim\./, "");
  const lower = name.toLowerCase();
  if (lower === "adamw" || lower === "adafactor" || lower === "adamw8bit") {
    return type.includes(".") && lower === "adafactor" ? undefined : ARGUMENTS[lower];
  }
  return Object.hasOwn(ARGUMENTS, name) ? ARGUMENTS[name] : undefined;
}

/** Given by the trainer itself: given again, Python refuses the call. */
export const GIVEN_TO_OPTIMIZERS: readonly string[] = ["lr", "params"];

/** Optimizers of bitsandbytes that refuse to work without a momentum (`optim/sgd.py`, `optim/lars.py`). */
export function needsMomentum(type: string): boolean {
  return /^bitsandbytes\.optim\.(?:SGD|LARS)(?:8bit|32bit)?$/.test(type);
}
