import type { Diagnostic } from "../../diagnostic.ts";
import type { DiskFacts, Facts } from "../../facts.ts";
import type { Presets } from "../../resolve/presets.ts";
import type { Resolved, ResolvedTrainStage } from "../../resolve/resolved.ts";
import type { State } from "../../state/state.ts";
import type { DatasetItems } from "../../trainer/dataset.ts";
import type { LoraModule } from "../../trainer/lora.ts";
import type { StageId } from "../../vocabulary.ts";
import type { CheckpointPlan, Estimate, StagePlan } from "../plan.ts";

/** What estimates are made from, and how they are written. */

export interface EstimateInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly facts: Facts;
  readonly presets: Presets;
  readonly state: State | undefined;
  /** Absent where the state speaks of another machine. */
  readonly disk: DiskFacts | undefined;
  readonly stages: readonly StagePlan[];
  readonly checkpoints: readonly CheckpointPlan[];
  /** The layers that each train stage's LoRA holds. */
  readonly modulesOf: Readonly<Partial<Record<StageId, readonly LoraModule[]>>>;
}

export interface Estimates {
  readonly estimates: Readonly<Record<string, Estimate>>;
  /** What there may be too little of. */
  readonly diagnostics: readonly Diagnostic[];
}

export function exactly(value: number, unit: string, basis: string): Estimate {
  return { low: value, high: value, unit, basis };
}

/** Three digits are more than any of these figures has. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

export function between(low: number, high: number, unit: string, basis: string): Estimate {
  return { low: rounded(low), high: rounded(high), unit, basis };
}

/** A train stage as resolved and as planned. */
export interface PlannedTraining {
  readonly stage: ResolvedTrainStage;
  readonly plan: StagePlan;
}

export function trainStages({ stages, resolved }: EstimateInput): readonly PlannedTraining[] {
  return resolved.trainStages.flatMap((stage) => {
    const plan = stages.find(({ id }) => id === stage.id);
    return plan === undefined ? [] : [{ stage, plan }];
  });
}

/** The file of the model that a stage trains; for both halves the low-noise one, which is as large as the other. */
export function modelOf({ facts }: EstimateInput, stage: ResolvedTrainStage) {
  return stage.half === "high" ? facts.models.dit_high_noise : facts.models.dit;
}
