import type { Facts } from "../facts.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { Resolved, ResolvedTrainStage } from "../resolve/resolved.ts";
import type { CheckpointOptions } from "../trainer/checkpoints.ts";
import { type LoraModule, loraModulesFromTensors, selectModules, WAN_14B_MODULES } from "../trainer/lora.ts";
import { REHEARSAL_MODULES } from "../trainer/rehearsal.ts";
import { scheduleAllowsExtend } from "../trainer/schedules.ts";
import { stepsPerEpoch } from "../trainer/steps.ts";
import type { ParameterValue } from "../vocabulary.ts";

/** How long a train stage is, and what its parameters say about what it saves. */

/** What the trainer counts in where no epochs are given (`--max_train_steps`). */
const DEFAULT_TRAIN_STEPS = 1600;

export interface StageLength {
  readonly epochs: number;
  readonly stepsPerEpoch: number;
}

function resolvedValue(stage: ResolvedTrainStage, name: string): ParameterValue | undefined {
  return stage.parameters[name]?.value;
}

export function numberOf(stage: ResolvedTrainStage, name: string): number | undefined {
  const value = resolvedValue(stage, name);
  return typeof value === "number" ? value : undefined;
}

export function textOf(stage: ResolvedTrainStage, name: string): string | undefined {
  const value = resolvedValue(stage, name);
  return typeof value === "string" ? value : undefined;
}

export function isSet(stage: ResolvedTrainStage, name: string): boolean {
  return resolvedValue(stage, name) === true;
}

function wordsOf(stage: ResolvedTrainStage, name: string): readonly string[] {
  const value = resolvedValue(stage, name);
  return typeof value === "object" ? value : [];
}

/** Epochs wanted, and steps of each (trainer facts §4). */
export function stageLength(stage: ResolvedTrainStage, resolved: Resolved, batches: number): StageLength {
  const steps = stepsPerEpoch({
    batches,
    processes: processesOf(deviceChoice(resolved)),
    accumulation: numberOf(stage, "gradient_accumulation_steps") ?? 1,
  });
  const epochs = numberOf(stage, "max_train_epochs") ?? Math.ceil(DEFAULT_TRAIN_STEPS / Math.max(1, steps));
  return { epochs, stepsPerEpoch: steps };
}

/** The layers that get a LoRA: the rehearsal's miniature ones, the model file's, or Wan 14B's where there is no file. */
export function trainedModules(
  stage: ResolvedTrainStage,
  resolved: Resolved,
  models: Facts["models"],
): readonly LoraModule[] {
  if (resolved.spec.trainer.backend === "rehearsal") return REHEARSAL_MODULES;
  const tensors = (stage.half === "high" ? models.dit_high_noise : models.dit)?.tensors;
  const inFile = tensors === undefined ? [] : loraModulesFromTensors(tensors);
  const modules = inFile.length === 0 ? WAN_14B_MODULES : inFile;
  return selectModules(modules, wordsOf(stage, "network_args")).modules;
}

export interface ScheduleInput extends StageLength {
  readonly modules: readonly LoraModule[];
  /** What the trainer saves in where `save_precision` is not given. */
  readonly savesIn: SavesIn;
}

/** Musubi Tuner before 0.3.2 has no `save_precision` and saves in the precision that it trains in (`save_dtype = dit_dtype`). */
export type SavesIn = "float32" | "trained-precision";

function savePrecision(stage: ResolvedTrainStage, savesIn: SavesIn): string | undefined {
  const trained = textOf(stage, "mixed_precision");
  return textOf(stage, "save_precision") ?? (savesIn === "float32" || trained === "no" ? undefined : trained);
}

/** What `scheduleCheckpoints` needs to know of a stage. */
export function checkpointOptions(
  stage: ResolvedTrainStage,
  { epochs, stepsPerEpoch: steps, modules, savesIn }: ScheduleInput,
): CheckpointOptions {
  return {
    name: stage.outputName,
    epochs,
    stepsPerEpoch: steps,
    saveEveryEpochs: numberOf(stage, "save_every_n_epochs"),
    saveEverySteps: numberOf(stage, "save_every_n_steps"),
    saveState: isSet(stage, "save_state"),
    saveStateOnTrainEnd: isSet(stage, "save_state_on_train_end"),
    keepLastEpochs: numberOf(stage, "save_last_n_epochs"),
    keepLastEpochsState: numberOf(stage, "save_last_n_epochs_state"),
    keepLastSteps: numberOf(stage, "save_last_n_steps"),
    keepLastStepsState: numberOf(stage, "save_last_n_steps_state"),
    modules,
    dim: numberOf(stage, "network_dim"),
    savePrecision: savePrecision(stage, savesIn),
    optimizerType: textOf(stage, "optimizer_type"),
  };
}

/** Whether more epochs can follow finished ones as if they had been planned so. */
export function allowsExtend(stage: ResolvedTrainStage): boolean {
  const warmup = resolvedValue(stage, "lr_warmup_steps");
  return scheduleAllowsExtend({
    lrScheduler: textOf(stage, "lr_scheduler"),
    lrSchedulerType: textOf(stage, "lr_scheduler_type"),
    lrWarmupSteps: typeof warmup === "number" || typeof warmup === "string" ? warmup : undefined,
    optimizerType: textOf(stage, "optimizer_type"),
    optimizerArgs: wordsOf(stage, "optimizer_args"),
  });
}
