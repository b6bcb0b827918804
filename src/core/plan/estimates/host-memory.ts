import type { MemoryPreset } from "../../resolve/preset-schema.ts";
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

/** The manual's memory for a number of swapped blocks; of two rows that meet, and between rows, the one that asks for more. */
export function hostMemoryAdvised(memory: MemoryPreset, blocksToSwap: number): number {
  const rows = memory.ram_by_blocks_to_swap.filter(({ blocks: [, to] }) => blocksToSwap <= to);
  const containing = rows.filter(({ blocks: [from] }) => blocksToSwap >= from);
  const chosen = containing.length > 0 ? containing : rows.slice(0, 1);
  const fitting = chosen.length > 0 ? chosen : memory.ram_by_blocks_to_swap.slice(-1);
  return Math.max(0, ...fitting.map(({ ram_gib }) => ram_gib));
}
