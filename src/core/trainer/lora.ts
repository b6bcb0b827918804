/** Which layers a LoRA holds and how large its files are (`networks/lora_wan.py`, `networks/lora.py`; trainer facts §6). */

import { itemsOf, readPythonLiteral } from "./python-literal.ts";
import { type PythonPattern, readPythonPattern } from "./python-pattern.ts";

/** A linear layer that gets a LoRA; the name is the trainer's own, `blocks.0.self_attn.q`. */
export interface LoraModule {
  readonly name: string;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

const WAN_14B = { blocks: 40, width: 5120, ffnWidth: 13_824 } as const;

/** The 400 layers of Wan 14B: q, k, v, o of both attentions and the two of the feed-forward, in 40 blocks. */
export const WAN_14B_MODULES: readonly LoraModule[] = Array.from({ length: WAN_14B.blocks }, (_, block) =>
  blockModules(`blocks.${block}`),
).flat();

function blockModules(block: string): readonly LoraModule[] {
  const { width, ffnWidth } = WAN_14B;
  const attention = ["self_attn", "cross_attn"].flatMap((name) =>
    ["q", "k", "v", "o"].map((part) => ({ name: `${block}.${name}.${part}`, inFeatures: width, outFeatures: width })),
  );
  return [
    ...attention,
    { name: `${block}.ffn.0`, inFeatures: width, outFeatures: ffnWidth },
    { name: `${block}.ffn.2`, inFeatures: ffnWidth, outFeatures: width },
  ];
}

/**
 * The layers of a model file's blocks, from its header: inside a block exactly the linear layers have a matrix as weight
 * (norms have vectors, the modulation is no weight). Empty when the file is not a Wan transformer.
 */
export function loraModulesFromTensors(
  tensors: Readonly<Record<string, { readonly shape: readonly number[] }>>,
): readonly LoraModule[] {
  const modules: LoraModule[] = [];
  for (const [tensor, { shape }] of Object.entries(tensors)) {
    const name = /^(?:model\.diffusion_model\.)?(blocks\.\d+\..+)\.weight$/.exec(tensor)?.[1];
    const [outFeatures, inFeatures] = shape;
    if (name === undefined || shape.length !== 2 || outFeatures === undefined || inFeatures === undefined) continue;
    modules.push({ name, inFeatures, outFeatures });
  }
  return modules;
}

/** The layers that `network_args` leave, and the patterns in it that could not be read here. */
export interface SelectedModules {
  readonly modules: readonly LoraModule[];
  readonly unreadable: readonly string[];
}

/** What `lora_wan` leaves out by itself; none of it stands in a block of Wan 2.2, but a custom pattern may meet it. */
const ALWAYS_EXCLUDED = /patch_embedding|text_embedding|time_embedding|time_projection|norm|head/;

/**
 * Applies `exclude_patterns` and `include_patterns` of `network_args` (`key=value` words). A layer is left out when an
 * exclude pattern matches its whole name and no include pattern does.
 */
export function selectModules(modules: readonly LoraModule[], networkArgs: readonly string[]): SelectedModules {
  const unreadable: string[] = [];
  const patternsOf = (key: string): readonly PythonPattern[] =>
    networkArgs
      .filter((word) => word.startsWith(`${key}=`))
      .slice(-1)
      .flatMap((word) => {
        const list = readPatterns(word.slice(key.length + 1));
        if (list === undefined) unreadable.push(word);
        return list ?? [];
      })
      .flatMap((pattern) => {
        const read = readPythonPattern(pattern);
        if (read === undefined) unreadable.push(pattern);
        return read ?? [];
      });
  const included = patternsOf("include_patterns");
  const excluded = patternsOf("exclude_patterns");
  const matches = (patterns: readonly PythonPattern[], name: string) =>
    patterns.some((pattern) => pattern.matchesWhole(name));
  const kept = modules.filter(
    ({ name }) => !(ALWAYS_EXCLUDED.test(name) || matches(excluded, name)) || matches(included, name),
  );
  return { modules: kept, unreadable };
}

/** The patterns in a network argument's value; undefined where it is no collection of texts. `None` is none. */
function readPatterns(text: string): readonly string[] | undefined {
  const value = readPythonLiteral(text);
  if (value === null) return [];
  const patterns = itemsOf(value);
  return patterns?.every((pattern) => typeof pattern === "string") ? patterns : undefined;
}

/** Patterns of `network_args` that the trainer would match the layers' names with for longer than anybody waits. */
export function endlessPatterns(modules: readonly LoraModule[], networkArgs: readonly string[]): readonly string[] {
  const longest = modules.map(({ name }) => name).sort((a, b) => b.length - a.length);
  const patterns = networkArgs.flatMap((word) => {
    const [, value = ""] = /^(?:exclude|include)_patterns=(.*)$/s.exec(word) ?? [];
    return readPatterns(value) ?? [];
  });
  return patterns.filter((pattern) => {
    const read = readPythonPattern(pattern);
    return read !== undefined && longest.slice(0, TRIED_NAMES).some(read.isEndless);
  });
}

/** The longest names take the longest. */
const TRIED_NAMES = 10;

/** Groups of parameters that the optimizer gets: LoRA+ gives one of the two matrices a rate of its own (`assemble_params`). */
export function parameterGroups(networkArgs: readonly string[]): number {
  const ratio = networkArgs.findLast((word) => word.startsWith("loraplus_lr_ratio="))?.split("=")[1];
  return ratio === undefined || Number(ratio) === 0 ? 1 : 2;
}

/** `save_precision` to bytes a weight; the trainer saves in float32 where none is given. */
const BYTES_PER_WEIGHT: Readonly<Record<string, number>> = { float: 4, fp32: 4, fp16: 2, bf16: 2 };

/** `networks.lora_wan` without a `network_dim`. */
const DEFAULT_DIM = 4;

export interface LoraSize {
  readonly modules: readonly LoraModule[];
  /** `network_dim`; the trainer's own default if absent. */
  readonly dim?: number | undefined;
  readonly savePrecision?: string | undefined;
}

/** Weights of the two matrices of every layer, without the alphas. */
function weightCount(modules: readonly LoraModule[], dim: number): number {
  return modules.reduce((sum, { inFeatures, outFeatures }) => sum + dim * (inFeatures + outFeatures), 0);
}

/** Bytes of a checkpoint's tensors, exact: both matrices and the alpha of each layer, all in the precision saved. */
export function loraBytes({ modules, dim = DEFAULT_DIM, savePrecision = "float" }: LoraSize): number {
  return (weightCount(modules, dim) + modules.length) * (BYTES_PER_WEIGHT[savePrecision] ?? 4);
}

/** A checkpoint's header beside its tensors, generously: three tensors a layer by name, and the trainer's metadata. */
export function headerBytesAtMost({ modules }: Pick<LoraSize, "modules">): number {
  return modules.length * 3 * 130 + 16_000;
}

export interface TrainingStateSize {
  readonly modules: readonly LoraModule[];
  readonly dim?: number | undefined;
  readonly optimizerType?: string | undefined;
}

/** Bytes that an optimizer keeps for a weight, by the last part of its name in lower case; others like Adam: two float32. */
const OPTIMIZER_BYTES_PER_WEIGHT: Readonly<Record<string, number>> = {
  adamw8bit: 2,
  adam8bit: 2,
  pagedadamw8bit: 2,
  lion: 4,
  lion8bit: 1,
  pagedlion8bit: 1,
  sgd: 0,
  prodigy: 16,
};

/** Headers, zip entries and pickled names of network and optimizer files, for each layer (measured with adamw). */
const OVERHEAD_BYTES_PER_MODULE = 1950;

/** Scheduler, random states and what else a training state holds beside network and optimizer (measured). */
const OTHER_STATE_BYTES = 16_000;

/** Bytes of a training state's folder, an estimate: the network in float32, the optimizer, random states. */
export function trainingStateBytes({ modules, dim = DEFAULT_DIM, optimizerType = "adamw" }: TrainingStateSize): number {
  const weights = weightCount(modules, dim);
  const network = (weights + modules.length) * 4;
  const name = optimizerType.toLowerCase().split(".").at(-1) ?? "";
  // Adafactor keeps a row and a column for each of the two matrices of a layer.
  const factored =
    modules.reduce((sum, { inFeatures, outFeatures }) => sum + inFeatures + outFeatures + 2 * dim, 0) * 4;
  const optimizer = name === "adafactor" ? factored : weights * (OPTIMIZER_BYTES_PER_WEIGHT[name] ?? 8);
  return Math.round(network + optimizer + modules.length * OVERHEAD_BYTES_PER_MODULE + OTHER_STATE_BYTES);
}

/** How far a state of an optimizer that is known stays below its estimate (measured: under 1 %). */
const LEAST_SHARE = 0.95;

/** What a training state takes for certain: of an optimizer that is not known no more than the network. */
export function leastTrainingStateBytes(size: TrainingStateSize): number {
  const { modules, dim = DEFAULT_DIM, optimizerType = "adamw" } = size;
  const name = optimizerType.toLowerCase().split(".").at(-1) ?? "";
  if (name === "adamw" || name === "adam" || Object.hasOwn(OPTIMIZER_BYTES_PER_WEIGHT, name)) {
    return Math.floor(trainingStateBytes(size) * LEAST_SHARE);
  }
  return (weightCount(modules, dim) + modules.length) * 4;
}
