import type { GpuFacts } from "../../core/facts.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import type { Backend } from "../../core/vocabulary.ts";

/** Which GPUs a stage's process gets to see on this machine. */

export interface DeviceInput {
  readonly stage: Pick<StagePlan, "gpus">;
  readonly backend: Backend;
  /** Those of this machine. */
  readonly gpus: readonly GpuFacts[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** What `CUDA_VISIBLE_DEVICES` has to say; undefined where it is left as it is. Ids are nvidia-smi's. */
export function devicesToShow({ stage, backend, gpus, environment }: DeviceInput): readonly string[] | undefined {
  if (stage.gpus !== undefined) return stage.gpus.map(String);
  // The rehearsal uses none; whoever says which the trainer shall see is obeyed.
  if (backend === "rehearsal" || environment.CUDA_VISIBLE_DEVICES !== undefined) return undefined;
  const [first] = gpus;
  return first === undefined ? undefined : [String(first.index)];
}

/** Those that the process will use: nobody else may meanwhile. */
export function devicesInUse(input: DeviceInput): readonly string[] {
  if (input.backend === "rehearsal") return [];
  const shown = devicesToShow(input);
  if (shown !== undefined) return [...shown].sort();
  // One process, on the first that it sees. CUDA takes what follows an invalid id, such as -1, for not there.
  const [first = ""] = (input.environment.CUDA_VISIBLE_DEVICES ?? "").split(",").map((id) => id.trim());
  return first === "" || first.startsWith("-") || /^NoDevFiles$/i.test(first) ? [] : [first];
}
