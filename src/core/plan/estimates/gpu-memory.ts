import { type LoraModule, loraBytes, trainingStateBytes } from "../../trainer/lora.ts";
import type { ModelShape } from "./model-shape.ts";

/** How much of a GPU's memory training takes: weights, activations, the LoRA with its gradients and optimizer. */

export interface GpuMemoryOptions {
  readonly model: ModelShape;
  readonly half: "dual" | "low" | "high";
  readonly fp8: boolean;
  /** Bytes of a value in the forward pass: 2, or 4 without mixed precision. */
  readonly activationBytes: number;
  readonly blocksToSwap: number;
  readonly offloadInactive: boolean;
  readonly gradientCheckpointing: boolean;
  /** Kept activations lie in host memory. */
  readonly checkpointsOnHost: boolean;
  /** Of the largest batch. */
  readonly tokens: number;
  readonly modules: readonly LoraModule[];
  readonly dim: number | undefined;
  readonly optimizerType: string | undefined;
  /** GiB that the task needs beyond the manual's figures for T2V. */
  readonly taskGiB: readonly [number, number];
}

export interface GpuMemory {
  readonly low: number;
  readonly high: number;
  readonly weights: number;
  readonly lora: number;
  readonly activations: readonly [number, number];
}

/** An fp8 block of Wan is about 385 MB on the GPU (trainer facts §8), a tenth more than its weights alone. */
const ALLOCATION_FACTOR = 1.096;

/**
 * Bytes a token and feature that one block's forward and backward pass hold at once, and that a block keeps for its backward
 * pass without checkpointing; for 2-byte values. Fitted to the figures of trainer facts §8, which they enclose.
 */
const WORKING_BYTES = [78, 176] as const;
const KEPT_BYTES = [32, 68] as const;

/** CUDA's own, and what the allocator holds without using it. */
const RUNTIME_BYTES = [0.5e9, 1.5e9] as const;

const GIB = 2 ** 30;

/** Bytes of one model's weights that stay on the GPU. */
function residentBytes({ model, fp8, activationBytes, blocksToSwap }: GpuMemoryOptions): number {
  const onGpu = Math.max(0, model.blocks - blocksToSwap);
  return (
    onGpu * model.blockWeights * (fp8 ? 1 : activationBytes) * ALLOCATION_FACTOR + model.otherWeights * activationBytes
  );
}

/** In GiB. */
export function gpuMemory(options: GpuMemoryOptions): GpuMemory {
  const { model, half, offloadInactive, tokens, modules, dim, optimizerType, activationBytes, taskGiB } = options;
  // Both models keep their unswapped blocks on the GPU; only without block swap can the idle one go (T2).
  const models = half === "dual" && !offloadInactive ? 2 : 1;
  const weights = models * residentBytes(options);
  const lora = trainingStateBytes({ modules, dim, optimizerType }) + loraBytes({ modules, dim });
  const tokenFeatures = tokens * model.width * (activationBytes / 2);
  const activations = ([0, 1] as const).map((end) => {
    const kept = options.gradientCheckpointing
      ? options.checkpointsOnHost
        ? 0
        : model.blocks * 2
      : model.blocks * KEPT_BYTES[end];
    return tokenFeatures * (kept + WORKING_BYTES[end]);
  });
  const [least = 0, most = 0] = activations;
  return {
    low: (weights + lora + least + RUNTIME_BYTES[0]) / GIB + taskGiB[0],
    high: (weights + lora + most + RUNTIME_BYTES[1]) / GIB + taskGiB[1],
    weights: weights / GIB,
    lora: lora / GIB,
    activations: [least / GIB, most / GIB],
  };
}
