import type { ResolvedSource } from "../../resolve/resolved.ts";
import type { Bucket, DatasetItems } from "../../trainer/dataset.ts";
import { latentFrames } from "../../trainer/frames.ts";
import type { ModelShape } from "./model-shape.ts";

/** How long a step takes, from its arithmetic and the card's speed (trainer facts §8). */

/** Tokens of an item: latent frames times the 2×2 patches of latents that are an eighth of the picture. */
export function tokensOf({ width, height, frames }: Bucket): number {
  return latentFrames(frames) * Math.floor(height / 16) * Math.floor(width / 16);
}

/** Floating-point operations of one forward pass over one item: the weights, and attention of every token to every other. */
function forwardFlops(tokens: number, { blocks, width, blockWeights, otherWeights }: ModelShape): number {
  return 2 * (blocks * blockWeights + otherWeights) * tokens + blocks * 4 * width * tokens ** 2;
}

/** Forward passes that a step is worth: measured with gradient checkpointing, which computes one of them again. */
const FORWARDS_WITH_CHECKPOINTING = 3.9;
const FORWARDS_WITHOUT = 2.9;

/** What part of the peak is reached: the lowest and highest of the figures seen in public, swapping taken out (trainer facts §8). */
const EFFICIENCY = { best: 0.85, worst: 0.35 } as const;

export interface StepTimeOptions {
  readonly items: DatasetItems;
  readonly sources: readonly ResolvedSource[];
  readonly model: ModelShape;
  /** Of an epoch, over all processes. */
  readonly stepsPerEpoch: number;
  readonly processes: number;
  readonly gradientCheckpointing: boolean;
  readonly blocksToSwap: number;
  /** Percent of time that ten swapped blocks cost (the manual). */
  readonly tenBlocksCostPercent: readonly [number, number];
  readonly peakTflops: readonly [number, number];
}

/** Seconds of an average step: the quickest and the slowest to be expected. */
export function stepSeconds(options: StepTimeOptions): readonly [number, number] {
  const { items, sources, model, stepsPerEpoch, processes, blocksToSwap, tenBlocksCostPercent } = options;
  const forwards = options.gradientCheckpointing ? FORWARDS_WITH_CHECKPOINTING : FORWARDS_WITHOUT;
  const epochFlops = items.sources
    .flatMap(({ buckets }, source) =>
      buckets.map((bucket) => {
        const repeats = sources[source]?.numRepeats ?? 1;
        return bucket.items * repeats * forwardFlops(tokensOf(bucket), model) * forwards;
      }),
    )
    .reduce((sum, flops) => sum + flops, 0);
  const stepFlops = epochFlops / Math.max(1, stepsPerEpoch) / Math.max(1, processes);
  const slowDown = (percent: number) => 1 + (percent / 100) * (blocksToSwap / 10);
  const [slowPeak, fastPeak] = options.peakTflops;
  return [
    (stepFlops / (fastPeak * 1e12 * EFFICIENCY.best)) * slowDown(tenBlocksCostPercent[0]),
    (stepFlops / (slowPeak * 1e12 * EFFICIENCY.worst)) * slowDown(tenBlocksCostPercent[1]),
  ];
}
