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

/** Classes of bitsandbytes.optim that a short name stands for something else of. */
const BITSANDBYTES_NAMESAKES = ["Adagrad", "Adam", "AdamW", "AdamW8bit", "RMSprop", "SGD"] as const;

const BY_SHORT_NAME: ReadonlyMap<string, string> = new Map([
  ...BITSANDBYTES.map((name): [string, string] => [name.toLowerCase(), `bitsandbytes.optim.${name}`]),
  ...TORCH.map((name): [string, string] => [name.toLowerCase(), name]),
]);

/** Every short name, for suggestions. */
export const OPTIMIZER_NAMES: readonly string[] = [...OWN, ...TORCH, ...BITSANDBYTES];

/**
 * The `--optimizer_type` that means what the user wrote: `lion` is `bitsandbytes.optim.Lion`, `sgd` is `SGD`, a dotted
 * name is itself. Undefined for a name that the trainer can't make an optimizer of that trains a LoRA.
 */
export function optimizerTypeForTrainer(name: string): string | undefined {
  if (OWN.some((own) => own === name.toLowerCase())) return name;
  if (name.includes(".")) return dottedOptimizer(name) === null ? undefined : name;
  return BY_SHORT_NAME.get(name.toLowerCase());
}

/** An optimizer by its full name: the package that it is of, and its class. */
export interface DottedOptimizer {
  readonly package: "torch" | "transformers" | "bitsandbytes";
  readonly name: string;
}

/** The class that a dotted name leads to; null where a package that is known here has none, undefined for other packages. */
export function dottedOptimizer(type: string): DottedOptimizer | null | undefined {
  const parts = type.split(".");
  const name = parts.at(-1) ?? "";
  const module = parts.slice(0, -1).join(".");
  switch (parts[0]) {
    case "torch": {
      const known = ["AdamW", "Adafactor", ...TORCH].includes(name) && isTorchModuleOf(module, name);
      return known ? { package: "torch", name } : null;
    }
    case "transformers": {
      const known = name === "Adafactor" && (module === "transformers" || module === "transformers.optimization");
      return known ? { package: "transformers", name } : null;
    }
    case "bitsandbytes": {
      const names: readonly string[] = [...BITSANDBYTES, ...BITSANDBYTES_NAMESAKES];
      const known = names.includes(name) && /^bitsandbytes\.optim(?:\.[a-z0-9_]+)?$/.test(module);
      return known ? { package: "bitsandbytes", name } : null;
    }
    default:
      return undefined;
  }
}

/** `torch.optim` holds all of them, `torch.optim.adamw` and `torch.optim._muon` their own. */
function isTorchModuleOf(module: string, name: string): boolean {
  const own = name.toLowerCase();
  return ["torch.optim", `torch.optim.${own}`, `torch.optim._${own}`].includes(module);
}

/** Whether it is the Adafactor of transformers, for which alone there is a schedule of its own. */
export function isTransformersAdafactor(name: string): boolean {
  return name.toLowerCase() === "adafactor" || dottedOptimizer(name)?.package === "transformers";
}

/** The top-level Python module of a dotted name; nothing for PyTorch, which training needs anyway. */
function moduleOf(type: string): readonly string[] {
  const [module, ...rest] = type.split(".");
  return rest.length > 0 && module !== undefined && module !== "torch" ? [module] : [];
}

/** Top-level Python modules that an optimizer needs besides PyTorch. */
function optimizerModules(name: string): readonly string[] {
  const type = optimizerTypeForTrainer(name) ?? name;
  const named = moduleOf(type);
  // Whatever ends in 8bit makes the trainer import bitsandbytes first.
  return type.toLowerCase().endsWith("8bit") ? [...new Set(["bitsandbytes", ...named])] : named;
}

/** Packages that values of other parameters stand for, which Musubi Tuner leaves to its users to install. */
const MODULES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  attention: { flash_attn: "flash_attn", xformers: "xformers", flash3: "flash_attn_interface" },
  log_with: { wandb: "wandb", all: "wandb" },
};

/** Parameters whose value decides which Python modules training needs. */
export const PARAMETERS_OF_MODULES: readonly string[] = [
  "optimizer_type",
  "lr_scheduler_type",
  ...Object.keys(MODULES),
];

/** Top-level Python modules that a value of one of those parameters needs. */
export function modulesOf(parameter: string, value: string): readonly string[] {
  if (parameter === "optimizer_type") return optimizerModules(value);
  if (parameter === "lr_scheduler_type") return moduleOf(value);
  const module = MODULES[parameter]?.[value];
  return module === undefined ? [] : [module];
}
