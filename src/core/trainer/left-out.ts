import type { Script } from "../vocabulary.ts";

/** Arguments of the trainer's scripts that no pipeline can set, each with why. Together with the table they are all there are. */

/** An argument that is not offered, without its dashes. */
export interface LeftOut {
  readonly name: string;
  readonly scripts: readonly Script[];
  /** A sentence for users. */
  readonly reason: string;
}

/** An argument that `wan22` writes itself, and what it follows from. */
export interface Derived {
  readonly name: string;
  readonly scripts: readonly Script[];
  /** The pipeline key or the fact it comes from, as a sentence for users. */
  readonly from: string;
}

export const LEFT_OUT: readonly LeftOut[] = [
  {
    name: "config_file",
    scripts: ["train"],
    reason:
      "It puts unknown keys into the trainer's settings unchecked, and what it sets stands in no plan; the pipeline file takes its place.",
  },
  {
    name: "sage_attn",
    scripts: ["train"],
    reason: "The trainer refuses to train with SageAttention; `attention` offers those it trains with.",
  },
  {
    name: "dim_from_weights",
    scripts: ["train"],
    reason:
      "It always ends in a TypeError: the trainer opens the flag as if it were a file. Give `network_weights` and its rank as `network_dim`.",
  },
  {
    name: "max_train_steps",
    scripts: ["train"],
    reason: "`max_train_epochs` decides the length of a run, and the trainer then ignores this.",
  },
  {
    name: "dynamo_backend",
    scripts: ["train"],
    reason:
      "Which backends exist depends on the accelerate that is installed, so that no plan could vouch for it; `compile` is the trainer's own way to the same end.",
  },
  {
    name: "dynamo_mode",
    scripts: ["train"],
    reason: "It belongs to `dynamo_backend`, which is left out; use `compile_mode`.",
  },
  {
    name: "dynamo_fullgraph",
    scripts: ["train"],
    reason: "It belongs to `dynamo_backend`, which is left out; use `compile_fullgraph`.",
  },
  {
    name: "dynamo_dynamic",
    scripts: ["train"],
    reason: "It belongs to `dynamo_backend`, which is left out; use `compile_dynamic`.",
  },
  {
    name: "wandb_api_key",
    scripts: ["train"],
    reason: "A secret must not stand in a file, a plan or a log; set WANDB_API_KEY in the environment.",
  },
  {
    name: "huggingface_token",
    scripts: ["train"],
    reason: "A secret must not stand in a file, a plan or a log; set HF_TOKEN in the environment.",
  },
  {
    name: "resume_from_huggingface",
    scripts: ["train"],
    reason:
      "Interrupted work resumes from its own training state, which `wan22` proves to be complete; it cannot do that for one elsewhere.",
  },
  {
    name: "guidance_scale",
    scripts: ["train"],
    reason: "Only HunyuanVideo and FramePack use it; for Wan it would only be written into the metadata.",
  },
  {
    name: "img_in_txt_in_offloading",
    scripts: ["train"],
    reason: "Only HunyuanVideo uses it; Wan has no such layers.",
  },
  {
    name: "show_timesteps",
    scripts: ["train"],
    reason: "It shows a picture of the timesteps and ends without training.",
  },
  {
    name: "clip",
    scripts: ["cache-latents", "train"],
    reason: "Only Wan2.1's image to video uses CLIP; Wan2.2 does without.",
  },
  {
    name: "one_frame",
    scripts: ["cache-latents", "train"],
    reason:
      "One-frame training is made for other models' single-image tasks; its datasets have keys that a pipeline lacks.",
  },
  {
    name: "debug_mode",
    scripts: ["cache-latents"],
    reason: "It shows the dataset on a screen and ends without caching.",
  },
  {
    name: "console_width",
    scripts: ["cache-latents"],
    reason: "It belongs to `debug_mode`, which is left out.",
  },
  {
    name: "console_back",
    scripts: ["cache-latents"],
    reason: "It belongs to `debug_mode`, which is left out.",
  },
  {
    name: "keep_cache",
    scripts: ["cache-latents", "cache-text"],
    reason:
      "A cache folder holds exactly what the plan lists; without this the trainer removes everything else from it, which it would train on.",
  },
  {
    name: "console_num_images",
    scripts: ["cache-latents"],
    reason: "It belongs to `debug_mode`, which is left out.",
  },
];

/** The network that is trained: LoRA for Wan, the manual's fixed value. */
export const NETWORK_MODULE = "networks.lora_wan";

export const DERIVED: readonly Derived[] = [
  {
    name: "dataset_config",
    scripts: ["cache-latents", "cache-text", "train"],
    from: "It is written from `dataset` for every run.",
  },
  { name: "task", scripts: ["train"], from: "It is the pipeline's `task`." },
  { name: "i2v", scripts: ["cache-latents"], from: "It is given when the `task` is i2v-A14B." },
  {
    name: "dit",
    scripts: ["train"],
    from: "It is `models.dit`, or `models.dit_high_noise` where the high-noise half is trained alone.",
  },
  { name: "dit_high_noise", scripts: ["train"], from: "It is `models.dit_high_noise` under `noise: dual`." },
  { name: "vae", scripts: ["cache-latents", "train"], from: "It is `models.vae`." },
  { name: "t5", scripts: ["cache-text", "train"], from: "It is `models.t5`." },
  { name: "output_dir", scripts: ["train"], from: "It is `output.dir`." },
  {
    name: "output_name",
    scripts: ["train"],
    from: "It is `output.name`, with -low and -high under `noise: separate`.",
  },
  {
    name: "resume",
    scripts: ["train"],
    from: "The plan chooses the last complete training state of an interrupted run.",
  },
  {
    name: "skip_existing",
    scripts: ["cache-latents", "cache-text"],
    from: "It is always given: stale cache files are removed first, so that exactly those are made again.",
  },
  { name: "network_module", scripts: ["train"], from: `It is always ${NETWORK_MODULE}, the LoRA made for Wan.` },
  ...["sdpa", "flash_attn", "xformers", "flash3"].map(
    (name): Derived => ({ name, scripts: ["train"], from: `It is given under \`attention: ${name}\`.` }),
  ),
];
