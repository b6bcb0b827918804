import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import type { MediaFacts, SourceFacts } from "../../core/facts.ts";
import { joinPath } from "../../core/paths.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { trainedModules } from "../../core/plan/schedule.ts";
import { deviceChoice, processesOf } from "../../core/resolve/devices.ts";
import type { Resolved } from "../../core/resolve/resolved.ts";
import type { ItemLine, TrainerContext } from "../../core/trainer/context.ts";
import type { DatasetItems } from "../../core/trainer/dataset.ts";
import { type StageId, scriptOf } from "../../core/vocabulary.ts";
import { removeLeftBehind, writeWholeFile } from "../../host/atomic-file.ts";
import { musubiFolder } from "./command.ts";

/** What a stage's process reads: dataset, prompts, context and items, in the work folder, with a copy in the run's. */

export interface WorkInput {
  readonly stage: StagePlan;
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly sources: readonly SourceFacts[];
  /** Absolute. */
  readonly root: string;
  readonly workDir: string;
  readonly runDir: string;
  readonly run: string;
  readonly segment: number;
  readonly eventsFile: string;
  readonly stopFile: string;
}

function contextFileName(stage: StageId): string {
  return `${stage}.context.json`;
}

/** The items that a stage caches, or trains on: training reads the latents' list. */
function itemsFileName(stage: StageId): string {
  return `${stage === "cache-text" ? "cache-text" : "cache-latents"}.items.ndjson`;
}

/** Writes everything that a stage reads. Each file is whole or the one from before. */
export async function writeWorkFiles(input: WorkInput): Promise<void> {
  const { stage, workDir, runDir } = input;
  const itemsFile = itemsFileName(stage.id);
  const lines = stage.id === "cache-text" ? textLines(input) : latentLines(input);
  const files: Readonly<Record<string, string>> = {
    ...stage.files,
    [itemsFile]: lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
    [contextFileName(stage.id)]: `${JSON.stringify(stageContext(input, join(workDir, itemsFile)), null, 2)}\n`,
  };
  for (const [name, text] of Object.entries(files)) {
    await removeLeftBehind(join(workDir, name));
    await writeWholeFile(join(workDir, name), text);
    await copyFile(join(workDir, name), join(runDir, name));
  }
}

function stageContext(input: WorkInput, itemsFile: string): TrainerContext {
  const { stage, resolved, root, run, segment } = input;
  const { backend } = resolved.spec.trainer;
  return {
    version: 1,
    backend,
    trainer_path: backend === "musubi" ? musubiFolder(root, resolved.spec) : "",
    pipeline: resolved.spec.name,
    run,
    stage: stage.id,
    segment,
    fingerprint: stage.fingerprint,
    ...(scriptOf(stage.id) === "train" ? trainContext(input) : {}),
    events: input.eventsFile,
    stop_file: input.stopFile,
    ...(stage.resume_from === undefined ? {} : { resume: stage.resume_from }),
    items: itemsFile,
    modules: contextModules(input),
  };
}

function trainContext({ stage, resolved, items }: WorkInput): Partial<TrainerContext> {
  const { total_epochs: totalEpochs = 0, steps_per_epoch: stepsPerEpoch = 0 } = stage;
  const processes = processesOf(deviceChoice(resolved));
  return {
    total_epochs: totalEpochs,
    steps_per_epoch: stepsPerEpoch,
    total_steps: stage.total_steps ?? totalEpochs * stepsPerEpoch,
    batches_per_epoch: Math.ceil(items.batches / processes),
    done_epochs: stage.done_epochs ?? 0,
    done_steps: stage.done_steps ?? 0,
    done_batches: stage.done_batches ?? 0,
    on_nan: resolved.spec.trainer.onNan,
  };
}

/** Only the rehearsal builds its model from the list; Musubi finds its layers in the weights. */
function contextModules({ stage, resolved }: WorkInput): TrainerContext["modules"] {
  const trained = resolved.trainStages.find(({ id }) => id === stage.id);
  if (trained === undefined || resolved.spec.trainer.backend !== "rehearsal") return [];
  return trainedModules(trained, resolved, {}).map(({ name, inFeatures, outFeatures }) => ({
    name,
    in_features: inFeatures,
    out_features: outFeatures,
  }));
}

/** A source's media by file name. */
function mediaByFile(sources: readonly SourceFacts[], position: number): ReadonlyMap<string, MediaFacts> {
  return new Map(sources[position]?.media.map((media) => [media.file, media]));
}

function latentLines({ items, resolved }: WorkInput): readonly ItemLine[] {
  return items.sources.flatMap((source, position) => {
    const folder = resolved.dataset.sources[position]?.cacheDir ?? ".";
    return source.items.map((item) => ({
      cache_file: joinPath(folder, item.latentCache),
      source_file: item.sourceFile,
      first_frame: item.firstFrame,
      frames: item.frames,
      width: item.width,
      height: item.height,
      caption: item.caption,
      text_cache_file: joinPath(folder, item.textCache),
    }));
  });
}

function textLines({ items, resolved, sources }: WorkInput): readonly ItemLine[] {
  return items.sources.flatMap((source, position) => {
    const media = mediaByFile(sources, position);
    const folder = resolved.dataset.sources[position]?.cacheDir ?? ".";
    return source.texts.map((text) => ({
      cache_file: joinPath(folder, text.textCache),
      source_file: text.sourceFile,
      first_frame: 0,
      frames: media.get(text.sourceFile)?.frames ?? 1,
      width: media.get(text.sourceFile)?.width ?? 0,
      height: media.get(text.sourceFile)?.height ?? 0,
      caption: text.caption,
    }));
  });
}

/** The context as the process is told it: relative to the root where inside it. */
export function contextPath(workPath: string, stage: StageId): string {
  return joinPath(workPath, contextFileName(stage));
}
