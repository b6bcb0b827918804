import type { Diagnostic } from "../diagnostic.ts";
import type { DiskFacts, Facts } from "../facts.ts";
import type { Presets } from "../resolve/presets.ts";
import type { Resolved } from "../resolve/resolved.ts";
import type { State } from "../state/state.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import type { LoraModule } from "../trainer/lora.ts";
import type { StageId } from "../vocabulary.ts";
import type { CheckpointPlan, Estimate, StagePlan } from "./plan.ts";

export interface EstimateInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly facts: Facts;
  readonly presets: Presets;
  readonly state: State | undefined;
  readonly disk: DiskFacts | undefined;
  readonly stages: readonly StagePlan[];
  readonly checkpoints: readonly CheckpointPlan[];
  /** The layers that each train stage's LoRA holds. */
  readonly modulesOf: Readonly<Partial<Record<StageId, readonly LoraModule[]>>>;
}

export interface PipelineEstimates {
  readonly estimates: Readonly<Record<string, Estimate>>;
  /** What there may be too little of. */
  readonly diagnostics: readonly Diagnostic[];
}

export function estimatePipeline(_input: EstimateInput): PipelineEstimates {
  return { estimates: {}, diagnostics: [] };
}
