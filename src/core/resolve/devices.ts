import type { Spec } from "../spec/spec.ts";
import { type Noise, type StageId, scriptOf } from "../vocabulary.ts";
import type { Resolved } from "./resolved.ts";

/** Which GPUs each stage runs on, and with how many processes. */

/** What decides it: the devices named, and whether the halves are trained apart. */
export interface DeviceChoice {
  readonly gpus: Spec["gpus"];
  readonly noise: Noise;
}

export function deviceChoice({ spec, noise }: Pick<Resolved, "spec" | "noise">): DeviceChoice {
  return { gpus: spec.gpus, noise };
}

/** Whether the halves of `noise: separate` are trained at the same time, each on its share of the devices. */
function halvesRunTogether({ gpus = [], noise }: DeviceChoice): boolean {
  return noise === "separate" && gpus.length >= 2;
}

/** The devices of a stage; undefined where none is named, and it takes what it finds. Caching is one process on the first. */
export function devicesOf(stage: StageId, choice: DeviceChoice): readonly number[] | undefined {
  const { gpus } = choice;
  if (gpus === undefined) return undefined;
  if (scriptOf(stage) !== "train") return gpus.slice(0, 1);
  if (!halvesRunTogether(choice)) return gpus;
  const share = processesOf(choice);
  return stage === "train-high" ? gpus.slice(share, 2 * share) : gpus.slice(0, share);
}

/** Devices that are named and that no train stage runs on. */
export function unusedDevices(choice: DeviceChoice): readonly number[] {
  const { gpus = [] } = choice;
  return halvesRunTogether(choice) ? gpus.slice(2 * processesOf(choice)) : [];
}

/** The trainer's processes in each train stage: one for each of its devices, one where none is named. */
export function processesOf(choice: DeviceChoice): number {
  const { gpus = [] } = choice;
  return Math.max(1, halvesRunTogether(choice) ? Math.floor(gpus.length / 2) : gpus.length);
}
