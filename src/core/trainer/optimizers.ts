/** From the names users know to those the trainer's `get_optimizer` takes (trainer facts T7 and T22). */

/** Taken by short name in any case (`training/trainer_base.py`). */
const OWN = ["adamw", "adamw8bit", "adafactor"] as const;

/** Classes of torch.optim that a LoRA can be trained with. LBFGS and SparseAdam fail at the first step. */
const TORCH = [
  "ASGD",
  "Adadelta",
  "Adagrad",
  "Adam",
  "Adamax",
  "Muon",
  "NAdam",
  "RAdam",
  "RMSprop",
  "Rprop",
  "SGD",
] as const;

/** Classes of bitsandbytes.optim that torch.optim has no namesake of. */
const BITSANDBYTES = [
  "AdEMAMix",
  "AdEMAMix8bit",
  "AdEMAMix32bit",
  "PagedAdEMAMix",
  "PagedAdEMAMix8bit",
  "PagedAdEMAMix32bit",
  "Adagrad8bit",
  "Adagrad32bit",
  "Adam8bit",
  "Adam32bit",
  "PagedAdam",
  "PagedAdam8bit",
  "PagedAdam32bit",
  "AdamW32bit",
  "PagedAdamW",
  "PagedAdamW8bit",
  "PagedAdamW32bit",
  "LAMB",
  "LAMB8bit",
  "LAMB32bit",
  "LARS",
  "LARS8bit",
  "LARS32bit",
  "Lion",
  "Lion8bit",
  "Lion32bit",
  "PagedLion",
  "PagedLion8bit",
  "PagedLion32bit",
  "RMSprop8bit",
  "RMSprop32bit",
  "SGD8bit",
  "SGD32bit",
] as const;

const BY_SHORT_NAME: ReadonlyMap<string, string> = new Map([
  ...BITSANDBYTES.map((name): [string, string] => [name.toLowerCase(), `bitsandbytes.optim.${name}`]),
  ...TORCH.map((name): [string, string] => [name.toLowerCase(), name]),
]);

/** Every short name, for suggestions. */
export const OPTIMIZER_NAMES: readonly string[] = [...OWN, ...TORCH, ...BITSANDBYTES];

/**
 * The `--optimizer_type` that means what the user wrote: `lion` is `bitsandbytes.optim.Lion`, `sgd` is `SGD`, a dotted
 * name is itself. Undefined for a short name that the trainer can't make anything of.
 */
export function optimizerTypeForTrainer(name: string): string | undefined {
  if (OWN.some((own) => own === name.toLowerCase())) return name;
  if (name.includes(".")) return name;
  return BY_SHORT_NAME.get(name.toLowerCase());
}

/** Top-level Python modules that an optimizer needs besides PyTorch and transformers, which training needs anyway. */
function optimizerModules(name: string): readonly string[] {
  const type = optimizerTypeForTrainer(name) ?? name;
  const [module, ...rest] = type.split(".");
  const named = rest.length > 0 && module !== undefined && module !== "torch" ? [module] : [];
  // Whatever ends in 8bit makes the trainer import bitsandbytes first.
  return type.toLowerCase().endsWith("8bit") ? [...new Set(["bitsandbytes", ...named])] : named;
}

/** Packages that values of other parameters stand for, which Musubi Tuner leaves to its users to install. */
const MODULES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  attention: { flash_attn: "flash_attn", xformers: "xformers", flash3: "flash_attn_interface" },
  log_with: { wandb: "wandb", all: "wandb" },
};

/** Parameters whose value decides which Python modules training needs. */
export const PARAMETERS_OF_MODULES: readonly string[] = ["optimizer_type", ...Object.keys(MODULES)];

/** Top-level Python modules that a value of one of those parameters needs. */
export function modulesOf(parameter: string, value: string): readonly string[] {
  if (parameter === "optimizer_type") return optimizerModules(value);
  const module = MODULES[parameter]?.[value];
  return module === undefined ? [] : [module];
}
