import type { Diagnostic } from "../diagnostic.ts";
import {
  batchesHaveOneShape,
  bucketsCanBeMade,
  cacheFoldersAreDistinct,
  cacheFoldersAreNoPatterns,
  captionsHaveAnExtension,
  chunksAreLongerThanAFrame,
  logHasItsFolder,
  persistentWorkersExist,
  targetFramesAreLegal,
} from "./data.ts";
import { checkDataset } from "./dataset.ts";
import {
  fp8WeightsAreUsable,
  halvesBelongTogether,
  precisionFitsTheWeights,
  weightsAreFloats,
  weightsFitTheTask,
} from "./dit.ts";
import { foldersCanBeMade, logFolderCanBeMade } from "./folders.ts";
import { inputFilesAreThere } from "./input-files.ts";
import {
  learningRateIsAboveZero,
  modulesAreInstalled,
  optimizerArgumentsFit,
  optimizerIsKnown,
  shiftHasAnEffect,
} from "./learning.ts";
import { anEpochCanBeListed, savesCanBeListed, stepsCanBeCounted } from "./length.ts";
import {
  baseWeightsFit,
  baseWeightsReachBothHalves,
  dimIsGiven,
  networkArgumentsFit,
  networkWeightsFit,
} from "./lora.ts";
import {
  attentionCanSplit,
  attentionIsChosen,
  blockSwapOptionsFit,
  compilerIsKnown,
  scaledNeedsBase,
  someBlockStays,
  streamsServeOneHalf,
  swapExcludesOffload,
} from "./memory.ts";
import { eachModelHasItsFile, modelFilesAreReadable, modelsAreNamed, t5IsLoadable, vaeIsWan21 } from "./models.ts";
import type { Judged, Rule, StageRule } from "./rule.ts";
import { promptsCanBeSampled, samplesAreMade } from "./samples.ts";
import {
  bucketsSuitTheHalves,
  checkpointsAreSavedBetween,
  retentionKeepsSomething,
  runsCanBeResumed,
  timestepsCanBeDrawn,
  timestepsFitEachOther,
} from "./schedule.ts";
import { schedulerOptionsFit } from "./scheduler.ts";
import { bridgeFitsTheTrainer, trainerCanRun, trainerIsTheVersionKnown } from "./trainer.ts";

/** Asked once a pipeline, in this order. */
const RULES: readonly Rule[] = [
  modelsAreNamed,
  modelFilesAreReadable,
  eachModelHasItsFile,
  halvesBelongTogether,
  vaeIsWan21,
  t5IsLoadable,
  chunksAreLongerThanAFrame,
  targetFramesAreLegal,
  captionsHaveAnExtension,
  bucketsCanBeMade,
  cacheFoldersAreNoPatterns,
  cacheFoldersAreDistinct,
  batchesHaveOneShape,
  checkDataset,
  anEpochCanBeListed,
  foldersCanBeMade,
  trainerCanRun,
  trainerIsTheVersionKnown,
  bridgeFitsTheTrainer,
];

/** Asked for each train stage. */
const STAGE_RULES: readonly StageRule[] = [
  weightsFitTheTask,
  weightsAreFloats,
  fp8WeightsAreUsable,
  precisionFitsTheWeights,
  swapExcludesOffload,
  scaledNeedsBase,
  someBlockStays,
  attentionIsChosen,
  attentionCanSplit,
  blockSwapOptionsFit,
  streamsServeOneHalf,
  compilerIsKnown,
  optimizerIsKnown,
  modulesAreInstalled,
  optimizerArgumentsFit,
  networkArgumentsFit,
  dimIsGiven,
  learningRateIsAboveZero,
  schedulerOptionsFit,
  shiftHasAnEffect,
  timestepsFitEachOther,
  timestepsCanBeDrawn,
  bucketsSuitTheHalves,
  persistentWorkersExist,
  logHasItsFolder,
  logFolderCanBeMade,
  inputFilesAreThere,
  networkWeightsFit,
  baseWeightsFit,
  baseWeightsReachBothHalves,
  promptsCanBeSampled,
  samplesAreMade,
  checkpointsAreSavedBetween,
  retentionKeepsSomething,
  runsCanBeResumed,
  stepsCanBeCounted,
  savesCanBeListed,
];

/** Both halves of `noise: separate` are told nearly the same; what is wrong with both is said once. */
function withoutRepeats(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter((diagnostic) => {
    const key = JSON.stringify(diagnostic);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/**
 * Judges a resolved pipeline by everything that the trainer refuses or spoils (trainer facts §2), and by what its files
 * show. What is not seen (a model that is elsewhere, a trainer that is not installed) is not judged.
 */
export function check(judged: Judged): readonly Diagnostic[] {
  const { trainStages } = judged.resolved;
  return withoutRepeats([
    ...RULES.flatMap((rule) => rule(judged)),
    ...STAGE_RULES.flatMap((rule) => trainStages.flatMap((stage) => rule(stage, judged))),
  ]);
}
