import type { ModelShape } from "./model-shape.ts";

/** How much of the machine's own memory training takes. */

export interface HostMemoryOptions {
  readonly model: ModelShape;
  readonly half: "dual" | "low" | "high";
  readonly fp8: boolean;
  readonly blocksToSwap: number;
  readonly offloadInactive: boolean;
  readonly workers: number;
}

const GIB = 2 ** 30;

/** Python with PyTorch and CUDA, and a data loader process. */
const PROCESS_GIB = 5;
const WORKER_GIB = 1;

/** GiB that must be there: swapped blocks of each model, and the model that is not on the GPU. */
export function hostMemoryNeeded(options: HostMemoryOptions): number {
  const { model, half, fp8, blocksToSwap, offloadInactive, workers } = options;
  const models = half === "dual" ? 2 : 1;
  const bytesEach = fp8 ? 1 : 2;
  const swapped = models * Math.min(blocksToSwap, model.blocks) * model.blockWeights * bytesEach;
  const idle = models === 2 && offloadInactive ? model.blocks * model.blockWeights * bytesEach : 0;
  return PROCESS_GIB + WORKER_GIB * workers + (swapped + idle) / GIB;
}
