import type { ModelFacts } from "../facts.ts";
import type { Task } from "../vocabulary.ts";

/** The tensors that the trainer's strict load of a Wan2.2 A14B DiT wants (`WanModel` in its `wan/modules/model.py`). */

export type TensorFacts = NonNullable<ModelFacts["tensors"]>;

/** Sizes of the model: width, inner width of the feed-forward layers, width of the time embedding, blocks. */
export interface DitSizes {
  readonly dim: number;
  readonly ffnDim: number;
  readonly freqDim: number;
  readonly blocks: number;
}

/** Wan2.2 A14B (`wan/configs/wan_t2v_A14B.py`, `wan_i2v_A14B.py`). */
export const A14B: DitSizes = { dim: 5120, ffnDim: 13_824, freqDim: 256, blocks: 40 };

const TEXT_DIM = 4096;

/** Channels of the input: the latent's 16, and for an image's latent and mask 20 more. */
export const INPUT_CHANNELS: Readonly<Record<Task, number>> = { "t2v-A14B": 16, "i2v-A14B": 36 };

/** Some model files have this in front of every name; the trainer takes it off. */
const PREFIX = "model.diffusion_model.";

/** The name without what the trainer takes off. */
export function bareName(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

function linear(name: string, outputs: number, inputs: number): [string, readonly number[]][] {
  return [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
}

function block(index: number, { dim, ffnDim }: DitSizes): [string, readonly number[]][] {
  const attention = (name: string) => [
    ...["q", "k", "v", "o"].flatMap((part) => linear(`blocks.${index}.${name}.${part}`, dim, dim)),
    [`blocks.${index}.${name}.norm_q.weight`, [dim]] as [string, readonly number[]],
    [`blocks.${index}.${name}.norm_k.weight`, [dim]] as [string, readonly number[]],
  ];
  return [
    ...attention("self_attn"),
    ...attention("cross_attn"),
    ...linear(`blocks.${index}.ffn.0`, ffnDim, dim),
    ...linear(`blocks.${index}.ffn.2`, dim, ffnDim),
    [`blocks.${index}.norm3.weight`, [dim]],
    [`blocks.${index}.norm3.bias`, [dim]],
    [`blocks.${index}.modulation`, [1, 6, dim]],
  ];
}

/** Name to shape of every tensor of a DiT of these sizes. */
export function ditLayout(sizes: DitSizes, inputChannels: number): ReadonlyMap<string, readonly number[]> {
  const { dim, freqDim, blocks } = sizes;
  return new Map([
    ["patch_embedding.weight", [dim, inputChannels, 1, 2, 2]],
    ["patch_embedding.bias", [dim]],
    ...linear("text_embedding.0", dim, TEXT_DIM),
    ...linear("text_embedding.2", dim, dim),
    ...linear("time_embedding.0", dim, freqDim),
    ...linear("time_embedding.2", dim, dim),
    ...linear("time_projection.1", 6 * dim, dim),
    ...Array.from({ length: blocks }, (_, index) => block(index, sizes)).flat(),
    ...linear("head.head", 64, dim),
    ["head.modulation", [1, 2, dim]],
  ]);
}

function sizeAt(tensors: TensorFacts, name: string, axis: number): number | undefined {
  return (tensors[name] ?? tensors[`${PREFIX}${name}`])?.shape[axis];
}

/** The sizes that a header itself tells; undefined where it tells none, and is no Wan DiT at all. */
export function readDitSizes(tensors: TensorFacts): DitSizes | undefined {
  const dim = sizeAt(tensors, "patch_embedding.weight", 0);
  const ffnDim = sizeAt(tensors, "blocks.0.ffn.0.weight", 0);
  const freqDim = sizeAt(tensors, "time_embedding.0.weight", 1);
  if (dim === undefined || ffnDim === undefined || freqDim === undefined) return undefined;
  let last = 0;
  for (const name of Object.keys(tensors)) {
    const index = /^blocks\.(\d+)\./.exec(bareName(name))?.[1];
    if (index !== undefined) last = Math.max(last, Number(index));
  }
  return { dim, ffnDim, freqDim, blocks: last + 1 };
}

/** Channels of the input as the header tells them. */
export function readInputChannels(tensors: TensorFacts): number | undefined {
  return sizeAt(tensors, "patch_embedding.weight", 1);
}

/** The dtype by which the trainer decides, of the tensor that it asks (`detect_wan_sd_dtype`). */
export function ditDtype(tensors: TensorFacts): string | undefined {
  const name = "blocks.0.cross_attn.k.weight";
  return (tensors[`${PREFIX}${name}`] ?? tensors[name])?.dtype;
}
