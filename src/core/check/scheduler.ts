import { diagnose } from "../diagnostic.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import { parameterGroups } from "../trainer/lora.ts";
import { findSchedulerFaults } from "../trainer/lr-scheduler.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { stepsPerEpoch } from "../trainer/steps.ts";
import { type Judged, numberOf, pointAt, pointAtEntry, type StageRule, textOf, wordsOf } from "./rule.ts";

/** Optimizer steps of a stage in all, on all its processes; undefined for a dataset without items. */
export function stepsOf({ parameters }: ResolvedTrainStage, { items, resolved }: Judged) {
  const epochs = numberOf(parameters, "max_train_epochs");
  if (epochs === undefined || items.batches === 0) return undefined;
  const processes = processesOf(deviceChoice(resolved));
  const accumulation = numberOf(parameters, "gradient_accumulation_steps") ?? 1;
  const perEpoch = stepsPerEpoch({ batches: items.batches, processes, accumulation });
  return { epochs, perEpoch, processes, total: epochs * perEpoch };
}

/** T18: the learning-rate scheduler and its options. */
export const schedulerOptionsFit: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const steps = stepsOf(stage, judged);
  const faults = findSchedulerFaults({
    name: textOf(parameters, "lr_scheduler") ?? "constant",
    type: textOf(parameters, "lr_scheduler_type") ?? "",
    warmup: numberOf(parameters, "lr_warmup_steps") ?? 0,
    minLrRatio: numberOf(parameters, "lr_scheduler_min_lr_ratio"),
    words: wordsOf(parameters, "lr_scheduler_args"),
    learningRate: numberOf(parameters, "learning_rate") ?? 0,
    optimizerType: textOf(parameters, "optimizer_type") ?? "",
    optimizerWords: wordsOf(parameters, "optimizer_args"),
    groups: parameterGroups(wordsOf(parameters, "network_args")),
    totalSteps: steps === undefined ? undefined : steps.total * steps.processes,
  });
  return faults.map(({ parameters: names, word, text }) => {
    const [name = "", ...others] = names;
    const at =
      word === undefined
        ? pointAt(parameters, ...names)
        : pointAtEntry(judged, parameters, { name, index: word }, ...others);
    return diagnose(TRAINER_CODES.schedulerOptions, text, at);
  });
};
