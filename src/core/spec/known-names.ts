/** Names that users know from the manual, the trainer's dataset file, Kohya's scripts and other trainers. */

/** Where a foreign name's meaning is written here, or why it has none. */
export type KnownName =
  | {
      /** The line to write instead, as `section: key: value`; a key path without `value`. */
      readonly to: string;
      /** The value to write, where the name itself says it (`sdpa: true` is `attention: sdpa`). */
      readonly value?: string;
    }
  /** Why it is not available. */
  | { readonly note: string }
  /** What to write instead, where that depends. */
  | { readonly advice: string };

function all(to: string, names: readonly string[]): [string, KnownName][] {
  return names.map((name) => [name, { to }]);
}

const ATTENTIONS = ["sdpa", "flash_attn", "xformers", "flash3"];

const FILES_OF_A_SOURCE: KnownName = { advice: "Say what the folder holds: write `videos:` or `images:`." };

/** Names that mean something else in one map than anywhere else. */
export const KNOWN_NAMES_OF_A_MAP: ReadonlyMap<string, ReadonlyMap<string, KnownName>> = new Map([
  [
    "dataset.sources[]",
    new Map(["path", "dir", "directory", "folder", "input", "data", "files"].map((name) => [name, FILES_OF_A_SOURCE])),
  ],
  [
    "dataset",
    new Map<string, KnownName>([
      ["path", { to: "dataset.sources" }],
      ["dir", { to: "dataset.sources" }],
      ["folder", { to: "dataset.sources" }],
    ]),
  ],
]);

/** Foreign names by their normalized spelling (`normalizeKey`). Paths: `[]` stands for an entry of a list. */
export const KNOWN_NAMES: ReadonlyMap<string, KnownName> = new Map<string, KnownName>([
  // The manual's and the trainer's names of dataset keys.
  ...all("dataset.sources[].videos", [
    "video_dir",
    "video_directory",
    "video_folder",
    "video_path",
    "video",
    "clips",
    "train_data_dir",
  ]),
  ...all("dataset.sources[].images", ["image_dir", "image_directory", "image_folder", "image_path", "image"]),
  ...all("dataset.sources[].video_jsonl", ["video_jsonl_file"]),
  ...all("dataset.sources[].image_jsonl", ["image_jsonl_file"]),
  ...all("dataset.sources", ["source", "datasets", "folders"]),
  ...all("dataset.sources[].target_frames", ["frames", "num_frames", "target_frame", "frame_count"]),
  ...all("dataset.sources[].source_fps", ["fps", "frame_rate", "framerate"]),
  ...all("dataset.sources[].frame_extraction", ["extraction", "frame_extract", "extraction_mode"]),
  ...all("dataset.sources[].frame_stride", ["stride"]),
  ...all("dataset.resolution", ["res", "size", "reso", "width", "height"]),
  ...all("dataset.enable_bucket", ["bucket", "buckets", "bucketing", "enable_buckets"]),
  ...all("dataset.num_repeats", ["repeats", "repeat", "dataset_repeats"]),
  ...all("dataset.batch_size", ["train_batch_size", "batch", "batchsize"]),
  ...all("dataset.caption_extension", ["caption_ext", "captions", "caption"]),

  // The trainer's dataset keys that no pipeline takes.
  ["control_directory", { note: "Wan2.2 A14B takes no control clips; leave it out." }],
  ["control_path", { note: "Wan2.2 A14B takes no control clips; leave it out." }],
  ["multiple_target", { note: "It is for other models' image tasks; leave it out." }],
  ["fp_latent_window_size", { note: "It is for FramePack only; leave it out." }],
  ["fp_1f_clean_indices", { note: "It is for FramePack only; leave it out." }],
  ["fp_1f_target_index", { note: "It is for FramePack only; leave it out." }],
  ["fp_1f_no_post", { note: "It is for FramePack only; leave it out." }],
  ["no_resize_control", { note: "Wan2.2 A14B takes no control images; leave it out." }],
  ["control_resolution", { note: "Wan2.2 A14B takes no control images; leave it out." }],
  ["debug_dataset", { note: "A plan shows what a dataset gives; leave it out." }],

  // Kohya's and other trainers' names of training parameters.
  ...all("train.learning_rate", ["lr", "unet_lr", "base_lr", "learningrate"]),
  ...all("train.network_dim", ["rank", "dim", "lora_rank", "lora_dim", "network_rank", "r"]),
  ...all("train.network_alpha", ["alpha", "lora_alpha"]),
  ...all("train.network_dropout", ["dropout", "lora_dropout"]),
  ...all("train.max_train_epochs", [
    "epochs",
    "epoch",
    "max_epochs",
    "num_epochs",
    "train_epochs",
    "num_train_epochs",
    "max_train_epoch",
  ]),
  ...all("train.save_every_n_epochs", ["save_every", "save_interval", "save_epochs", "save_every_epochs"]),
  ...all("train.save_every_n_steps", ["save_steps", "save_every_steps"]),
  ...all("train.optimizer_type", ["optimizer", "optim"]),
  ...all("train.lr_scheduler", ["scheduler", "lr_schedule", "schedule"]),
  ...all("train.lr_warmup_steps", ["warmup", "warmup_steps", "lr_warmup"]),
  ...all("train.max_data_loader_n_workers", ["workers", "dataloader_workers", "dataloader_num_workers"]),
  ...all("train.gradient_accumulation_steps", ["gradient_accumulation", "grad_accum", "grad_accumulation_steps"]),
  ...all("train.gradient_checkpointing", ["gradient_checkpoint", "grad_checkpointing", "checkpointing"]),
  ...all("train.mixed_precision", ["precision", "dtype"]),
  ...all("train.discrete_flow_shift", ["shift", "flow_shift"]),
  ...all("train.blocks_to_swap", ["block_swap", "blocks_swap", "block_to_swap", "swap"]),
  ...all("train.fp8_base", ["fp8"]),
  ...all("train.max_grad_norm", ["grad_clip", "gradient_clip", "clip_grad_norm"]),
  ...all("train.sample_prompts", ["prompts", "sample_prompt", "prompt_file", "prompt"]),
  ...all("train.sample_every_n_epochs", ["sample_every"]),
  ...all("train.attention", ["attn", "attention_mode", "attn_mode"]),
  ...ATTENTIONS.map((name): [string, KnownName] => [name, { to: "train.attention", value: name }]),

  // Models, output, trainer, machine.
  ...all("models.dit", ["dit_low", "dit_low_noise", "low_noise_model", "low_noise_dit", "transformer", "ckpt", "unet"]),
  ...all("models.dit_high_noise", ["dit_high", "high_noise_model", "high_noise_dit"]),
  ...all("models.t5", ["text_encoder", "t5_path", "umt5", "t5xxl"]),
  ...all("models.vae", ["vae_path"]),
  ...all("models", ["model"]),
  ...all("output.dir", ["output_dir", "output_path", "out_dir", "directory", "folder"]),
  ...all("output.name", ["output_name", "filename", "file_name"]),
  ...all("trainer.path", ["musubi_path", "musubi", "musubi_tuner", "trainer_path", "repo"]),
  ...all("trainer.python", ["interpreter", "venv", "python_path"]),
  ...all("train", ["training", "train_args", "parameters", "overrides"]),
  ...all("cache_latents", ["cache_latent", "latents"]),
  ...all("cache_text", ["cache_text_encoder", "cache_text_encoder_outputs", "cache_te"]),
  ...all("hardware", ["machine", "tier", "preset"]),
  ...all("hardware.vram_gb", ["vram", "gpu_memory", "vram_gib"]),
  ...all("hardware.ram_gb", ["ram", "memory", "ram_gib"]),
  ...all("gpus", ["devices", "gpu_ids", "device_ids", "cuda_visible_devices"]),
  ...all("notify", ["notifications", "notification", "hooks", "hook", "webhook", "webhooks", "on_finish", "callbacks"]),
  ...all("notify[].url", ["webhook_url", "hook_url"]),
  ...all("task", ["task_type", "mode"]),
  ...all("name", ["pipeline", "pipeline_name", "project_name"]),
]);
