import type { Spec } from "../spec/spec.ts";

/** The trainer's processes in training: one for each GPU that is named, one where none is. */
export function processesOf({ gpus = [] }: Pick<Spec, "gpus">): number {
  return Math.max(1, gpus.length);
}
