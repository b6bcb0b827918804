import type { GpuFacts } from "../../core/facts.ts";
import type { Backend } from "../../core/vocabulary.ts";
import { observeDriver } from "../gpu.ts";

/** What of this machine has a part in what a training comes to. */
export interface TrainingMachine {
  /** Such as `linux-x64`. */
  readonly platform: string;
  /** None for the rehearsal, which uses none. */
  readonly gpus: readonly GpuFacts[];
  /** Version of the cards' driver. */
  readonly driver: string | undefined;
}

export async function observeTrainingMachine(backend: Backend, gpus: readonly GpuFacts[]): Promise<TrainingMachine> {
  const used = backend === "rehearsal" ? [] : gpus;
  const driver = used.length === 0 ? undefined : await observeDriver();
  return { platform: `${process.platform}-${process.arch}`, gpus: used, driver };
}
