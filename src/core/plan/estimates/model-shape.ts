import type { ModelFacts } from "../../facts.ts";

/** The size of a diffusion transformer, as far as estimates need it. */
export interface ModelShape {
  readonly blocks: number;
  /** Features of a token. */
  readonly width: number;
  /** Weights of one block, and of everything outside the blocks. */
  readonly blockWeights: number;
  readonly otherWeights: number;
  /** Whether the file's weights have 8 bits already. */
  readonly isFp8: boolean;
}

/** Wan 14B: q, k, v, o twice and the feed-forward of 40 blocks; embeddings, time projection and head outside them. */
export const WAN_14B: ModelShape = {
  blocks: 40,
  width: 5120,
  blockWeights: 8 * 5120 ** 2 + 2 * 5120 * 13_824,
  otherWeights: 233_000_000,
  isFp8: false,
};

const TENSOR = /^(?:model\.diffusion_model\.)?(?:blocks\.(?<block>\d+)\.)?(?<rest>.+)$/;

/** The shape of a model file by its header; Wan 14B's where there is none, or where it is no such transformer. */
export function modelShape(model: ModelFacts | undefined): ModelShape {
  const blocks = new Set<string>();
  let blockWeights = 0;
  let otherWeights = 0;
  let width = 0;
  let isFp8 = false;
  for (const [name, { dtype, shape }] of Object.entries(model?.tensors ?? {})) {
    const { block, rest } = TENSOR.exec(name)?.groups ?? {};
    const weights = shape.reduce((product, size) => product * size, 1);
    if (block === undefined) {
      otherWeights += weights;
      continue;
    }
    blocks.add(block);
    blockWeights += weights;
    if (rest === "cross_attn.k.weight") {
      width = shape[0] ?? 0;
      isFp8 = dtype.startsWith("F8");
    }
  }
  if (blocks.size === 0 || width === 0) return WAN_14B;
  return { blocks: blocks.size, width, blockWeights: blockWeights / blocks.size, otherWeights, isFp8 };
}
