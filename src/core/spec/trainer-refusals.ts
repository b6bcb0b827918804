import type { DiagnosticKind } from "../diagnostic.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import type { KeyPath } from "./yaml-tree.ts";

/** Bounds that are one of the trainer's own refusals keep its code: who looks T5 up finds why there is a bound. */
const REFUSALS: Readonly<Record<string, (value: number) => DiagnosticKind | undefined>> = {
  blocks_to_swap: (value) => (value > 0 ? TRAINER_CODES.tooManyBlocksToSwap : undefined),
  block_swap_ring_size: () => TRAINER_CODES.blockSwapOptions,
};

/** The trainer's refusal behind a number that is out of bounds; undefined where the bound is only ours. */
export function trainerRefusal(path: KeyPath, value: number): DiagnosticKind | undefined {
  const [section, name] = path;
  if (section !== "train" || typeof name !== "string" || !Object.hasOwn(REFUSALS, name)) return undefined;
  return REFUSALS[name]?.(value);
}
