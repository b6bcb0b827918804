import type { ModelFacts } from "../facts.ts";
import { baseName } from "../paths.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { Resolved, ResolvedParameters, ResolvedSource, ResolvedTrainStage } from "../resolve/resolved.ts";
import { effectiveExtraction } from "../trainer/crops.ts";
import { roundTargetFrames } from "../trainer/frames.ts";
import { optimizerTypeForTrainer } from "../trainer/optimizers.ts";
import type { Change, Parameter } from "../trainer/parameter.ts";
import { changeOf, findParameter, parametersOf } from "../trainer/parameters.ts";
import type { ModelRole, ParameterValue, Script } from "../vocabulary.ts";
import type { Sha256 } from "./canonical.ts";
import type { InputValue, StageInputs } from "./fingerprint.ts";
import { type ClipIdentity, clipEntries, clipsDigest, type ModelIdentities, modelIdentity } from "./identities.ts";

/** What shapes the result of each stage: the values and identities that its fingerprint is taken of (design §5). */

export interface InputsOptions {
  readonly resolved: Resolved;
  /** Identities of the models that are known. */
  readonly models: ModelIdentities;
  readonly clips: readonly ClipIdentity[];
  /** LoRA files that training starts from, by their path in the parameters. */
  readonly weights: Readonly<Record<string, ModelFacts>>;
  readonly sha256: Sha256;
}

/** The changes that make a stage's work worthless. `extend` is not among them: epochs are no part of a fingerprint. */
const SHAPING: Readonly<Record<Script, Change>> = {
  "cache-latents": "recache-latents",
  "cache-text": "recache-text",
  train: "retrain",
};

const SCRIPT_PREFIX: Readonly<Record<Script, string>> = {
  "cache-latents": "cache-latents.",
  "cache-text": "cache-text.",
  train: "",
};

/** Whether a value is what the trainer does anyway: a default written out changes nothing. */
function isTrainerDefault(parameter: Parameter, value: ParameterValue): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (parameter.type.kind === "flag") return value === (parameter.trainerDefault ?? false);
  return value === parameter.trainerDefault;
}

/** Names that mean the same to the trainer. */
const DTYPES: Readonly<Record<string, string>> = {
  bf16: "bfloat16",
  fp16: "float16",
  fp32: "float32",
  float: "float32",
};

/** One of several ways to write the same thing: another way of writing it changes nothing. */
function withoutSynonyms({ name }: Parameter, value: ParameterValue): ParameterValue {
  if (typeof value !== "string") return value;
  if (name === "vae_dtype") return DTYPES[value] ?? value;
  return name === "optimizer_type" ? (optimizerTypeForTrainer(value) ?? value) : value;
}

/** Without the folders: the same file in another place is the same file, and its bytes are in the identities. */
function withoutFolders(parameter: Parameter, value: ParameterValue): ParameterValue {
  if (parameter.type.kind === "path" && typeof value === "string") return baseName(value);
  if (parameter.type.kind === "paths" && typeof value === "object") return value.map(baseName);
  return value;
}

/** A resolved value as a plan and a state hold it. */
export function planValue(value: ParameterValue): InputValue {
  return typeof value === "object" ? [...value] : value;
}

/** The parameters of one script that shape its result, unless they are the trainer's default. */
function shapingParameters(script: Script, parameters: ResolvedParameters): Record<string, InputValue> {
  const given = new Set(Object.keys(parameters));
  const shaping: Record<string, InputValue> = {};
  for (const parameter of parametersOf(script)) {
    const value = parameters[parameter.name]?.value;
    if (value === undefined || isTrainerDefault(parameter, value)) continue;
    if (changeOf(parameter, script, given) !== SHAPING[script]) continue;
    shaping[`${SCRIPT_PREFIX[script]}${parameter.name}`] = planValue(
      withoutFolders(parameter, withoutSynonyms(parameter, value)),
    );
  }
  return shaping;
}

/** What of a source's settings decides which frames are cached, and in which size. */
function cachedSettings(source: ResolvedSource): Record<string, InputValue> {
  const settings: Record<string, InputValue> = { resolution: [...source.resolution] };
  if (source.kind === "images" || source.kind === "image_jsonl") {
    // Only images are cached in the bucket that these choose; videos in any case in that of the buckets' list.
    settings.enable_bucket = source.enableBucket;
    if (source.enableBucket) settings.bucket_no_upscale = source.bucketNoUpscale;
    return settings;
  }
  const frameExtraction = effectiveExtraction(source);
  settings.frame_extraction = frameExtraction;
  if (frameExtraction === "full") settings.max_frames = source.maxFrames;
  else settings.target_frames = [...roundTargetFrames(source.targetFrames)];
  if (frameExtraction === "slide") settings.frame_stride = source.frameStride;
  if (frameExtraction === "uniform") settings.frame_sample = source.frameSample;
  if (source.sourceFps !== undefined) settings.source_fps = source.sourceFps;
  return settings;
}

/** What of a source's settings decides how its caches are put together into batches. */
function batchSettings(source: ResolvedSource): Record<string, InputValue> {
  return {
    enable_bucket: source.enableBucket,
    ...(source.enableBucket ? { bucket_no_upscale: source.bucketNoUpscale } : {}),
    batch_size: source.batchSize,
    num_repeats: source.numRepeats,
  };
}

function datasetSettings(
  sources: readonly ResolvedSource[],
  settingsOf: (source: ResolvedSource) => Record<string, InputValue>,
): Record<string, InputValue> {
  const named: Record<string, InputValue> = {};
  for (const [position, source] of sources.entries()) {
    for (const [key, value] of Object.entries(settingsOf(source))) named[`dataset.sources.${position}.${key}`] = value;
  }
  return named;
}

function modelIdentities(roles: readonly ModelRole[], { models }: InputsOptions): Record<string, string> {
  return Object.fromEntries(roles.flatMap((role) => (models[role] === undefined ? [] : [[role, models[role]]])));
}

/** Latents: content of the clips, how frames are taken, the VAE, and whether the first frame is wanted. Captions are not in. */
export function latentInputs(options: InputsOptions): StageInputs {
  const { resolved, clips, sha256 } = options;
  return {
    inputs: {
      // Image to video caches the first frame too.
      task: resolved.spec.task,
      ...datasetSettings(resolved.dataset.sources, cachedSettings),
      ...shapingParameters("cache-latents", resolved.cacheLatents),
    },
    identities: { ...modelIdentities(["vae"], options), dataset: clipsDigest(clips, "content", sha256) },
  };
}

/** Text encoder outputs: captions and the encoder. */
export function textInputs(options: InputsOptions): StageInputs {
  const { resolved, clips, sha256 } = options;
  return {
    inputs: shapingParameters("cache-text", resolved.cacheText),
    identities: { ...modelIdentities(["t5"], options), dataset: clipsDigest(clips, "caption", sha256) },
  };
}

const TRAINED_MODELS: Readonly<Record<ResolvedTrainStage["half"], readonly ModelRole[]>> = {
  dual: ["dit", "dit_high_noise"],
  low: ["dit"],
  high: ["dit_high_noise"],
};

/** Training: everything that its caches are made from, and everything that trains on them. */
export function trainInputs(stage: ResolvedTrainStage, options: InputsOptions): StageInputs {
  const { resolved, clips } = options;
  const processes = processesOf(deviceChoice(resolved));
  return {
    inputs: {
      ...latentInputs(options).inputs,
      ...textInputs(options).inputs,
      ...datasetSettings(resolved.dataset.sources, batchSettings),
      ...shapingParameters("train", stage.parameters),
      half: stage.half,
      // Every process gets its share of the batches: another number makes other steps.
      ...(processes > 1 ? { processes } : {}),
    },
    identities: {
      ...modelIdentities([...TRAINED_MODELS[stage.half], "vae", "t5"], options),
      ...weightIdentities(stage, options),
      ...clipEntries(clips),
    },
  };
}

/** Files that parameters name and training starts from: `network_weights`, `base_weights`. */
function weightIdentities(stage: ResolvedTrainStage, { weights, sha256 }: InputsOptions): Record<string, string> {
  const identities: Record<string, string> = {};
  for (const [name, { value }] of Object.entries(stage.parameters)) {
    const kind = findParameter(name)?.type.kind;
    if (kind !== "path" && kind !== "paths") continue;
    for (const [position, path] of [value].flat().entries()) {
      const identity = typeof path === "string" ? modelIdentity(weights[path], sha256) : undefined;
      if (identity !== undefined) identities[kind === "path" ? name : `${name} ${position}`] = identity;
    }
  }
  return identities;
}
