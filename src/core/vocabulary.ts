/** The words of the project as types (design, "Words"); everything else is written in them. */

export const TASKS = ["t2v-A14B", "i2v-A14B"] as const;
export type Task = (typeof TASKS)[number];

/** Which halves of the model are trained: both into one LoRA, one alone, or both into a LoRA each. */
export const NOISES = ["dual", "low", "high", "separate"] as const;
export type Noise = (typeof NOISES)[number];

export const TIERS = ["professional", "high-end", "mid", "entry"] as const;
export type Tier = (typeof TIERS)[number];

/** Where in a recommended range to stand. */
export const STRATEGIES = ["conservative", "balanced", "aggressive"] as const;
export type Strategy = (typeof STRATEGIES)[number];

export const BACKENDS = ["musubi", "rehearsal"] as const;
export type Backend = (typeof BACKENDS)[number];

/** What drives a stage's process: `scripts` are Musubi's own, which write no events, save nothing when stopped and do not resume. */
export const DRIVERS = ["rehearsal", "bridge", "scripts"] as const;
export type Driver = (typeof DRIVERS)[number];

/** What a loss that is not a number, and has reached the weights, does to a training. */
export const ON_NAN = ["stop", "warn"] as const;
export type OnNan = (typeof ON_NAN)[number];

/** The trainer's three scripts, by the stage that runs them. */
export const SCRIPTS = ["cache-latents", "cache-text", "train"] as const;
export type Script = (typeof SCRIPTS)[number];

/** The stages a plan can hold, in the order they run. */
export const STAGE_IDS = ["cache-latents", "cache-text", "train", "train-low", "train-high"] as const;
export type StageId = (typeof STAGE_IDS)[number];
/** Those that make caches; both scripts have one stage. */
export type CachingId = Extract<StageId, Exclude<Script, "train">>;

export const MODEL_ROLES = ["dit", "dit_high_noise", "vae", "t5"] as const;
export type ModelRole = (typeof MODEL_ROLES)[number];

/** The script that a stage runs. */
export function scriptOf(stage: StageId): Script {
  return stage === "cache-latents" || stage === "cache-text" ? stage : "train";
}

/** Whether a stage makes caches. */
export function isCaching(stage: StageId): stage is CachingId {
  return scriptOf(stage) !== "train";
}

/** The pipeline file's section of a script's parameters. */
export const SECTION_OF = { "cache-latents": "cache_latents", "cache-text": "cache_text", train: "train" } as const;
export type Section = (typeof SECTION_OF)[Script];

/** A parameter's value once resolved. A list is the trainer's `nargs="*"`, an argument each. */
export type ParameterValue = string | number | boolean | readonly string[];

/** Where records are kept beside the state folder. */
export const STATE_BACKENDS = ["local", "git"] as const;
