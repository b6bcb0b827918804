import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { ResolvedSource } from "../resolve/resolved.ts";
import { lacksBuckets } from "../trainer/buckets.ts";
import type { Item } from "../trainer/dataset.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { cite, isOn, type Judged, list, numberOf, pointAt, type Rule, type StageRule, textOf } from "./rule.ts";

/** Rules about how the dataset is cut, cached and loaded: T8, T9, T12, T16, T17, T19, T21, T23. */

/** T8 */
export const persistentWorkersExist: StageRule = ({ parameters }) => {
  const workers = numberOf(parameters, "max_data_loader_n_workers");
  if (workers !== 0 || !isOn(parameters, "persistent_data_loader_workers")) return [];
  const detail = `${cite(parameters, "persistent_data_loader_workers")}, and ${cite(parameters, "max_data_loader_n_workers")}: there are no workers to keep. Set \`max_data_loader_n_workers: 1\` or more, or leave the other out.`;
  const options = pointAt(parameters, "persistent_data_loader_workers", "max_data_loader_n_workers");
  return [diagnose(TRAINER_CODES.persistentWorkersWithoutWorkers, detail, options)];
};

/** T12: rendered together, so that this can only be a preset or a pipeline that takes the folder away. */
export const logHasItsFolder: StageRule = ({ parameters }) => {
  const log = textOf(parameters, "log_with");
  if ((log !== "tensorboard" && log !== "all") || (textOf(parameters, "logging_dir") ?? "") !== "") return [];
  const detail = `${cite(parameters, "log_with")}, and ${cite(parameters, "logging_dir")}. Set \`logging_dir: logs\`.`;
  return [diagnose(TRAINER_CODES.logWithoutFolder, detail, pointAt(parameters, "log_with", "logging_dir"))];
};

interface NumberedSource {
  readonly source: ResolvedSource;
  readonly index: number;
}

function eachSource(judged: Judged, judge: (numbered: NumberedSource) => readonly Diagnostic[]): readonly Diagnostic[] {
  return judged.resolved.dataset.sources.flatMap((source, index) => judge({ source, index }));
}

/** Where a key of a source stands: with the source, with the dataset, or the source itself. */
function keyOf({ source, index }: NumberedSource, { resolved }: Judged, key: string) {
  const path = `dataset.sources.${index}.${key}`;
  const { places } = resolved.spec;
  return { at: places.get(path) ?? places.get(`dataset.${key}`) ?? source.place, path };
}

function isVideo({ kind }: ResolvedSource): boolean {
  return kind === "videos" || kind === "video_jsonl";
}

/** T16 */
export const chunksAreLongerThanAFrame: Rule = (judged) =>
  eachSource(judged, (numbered) => {
    const { source } = numbered;
    if (!isVideo(source) || source.frameExtraction !== "chunk" || !source.targetFrames.includes(1)) return [];
    const detail = `\`frame_extraction\` of ${source.input.written} is chunk, and \`target_frames\` [${source.targetFrames.join(", ")}] holds 1: every frame of every clip would become an item. Take 1 out, or use \`frame_extraction: head\`.`;
    return [diagnose(TRAINER_CODES.chunkOfOneFrame, detail, keyOf(numbered, judged, "target_frames"))];
  });

/** The legal numbers of frames on both sides of one that is not. */
function nearestLegal(frames: number): string {
  if (!(frames > 1)) return "1";
  const below = Math.floor((frames - 1) / 4) * 4 + 1;
  return `${below} or ${below + 4}`;
}

/** T17 */
export const targetFramesAreLegal: Rule = (judged) =>
  eachSource(judged, (numbered) => {
    const { source } = numbered;
    if (!isVideo(source)) return [];
    const wrong = source.targetFrames.flatMap((frames, index) =>
      !Number.isInteger(frames) || frames < 1 || frames % 4 !== 1 ? [{ frames, index }] : [],
    );
    const [first] = wrong;
    if (first === undefined) return [];
    const mends = wrong.map(({ frames }) => `${nearestLegal(frames)} instead of ${frames}`);
    const detail = `\`target_frames\` of ${source.input.written} holds ${list(wrong.map(({ frames }) => String(frames)))}, and the VAE takes 1, 5, 9, 13 … frames. Use ${list(mends)}.`;
    const whole = keyOf(numbered, judged, "target_frames");
    const at = judged.resolved.spec.places.get(`${whole.path}.${first.index}`) ?? whole.at;
    return [diagnose(TRAINER_CODES.targetFrames, detail, { ...whole, at })];
  });

/** The trainer divides by zero while it makes its buckets, before it looks at a file. */
export const bucketsCanBeMade: Rule = (judged) =>
  eachSource(judged, (numbered) => {
    const { source } = numbered;
    if (!lacksBuckets(source)) return [];
    const detail = `\`resolution\` of ${source.input.written} is ${source.resolution.join("x")}, and the trainer makes no buckets for less than 32x32 pixels in all. Set a larger \`resolution\`.`;
    return [diagnose(DATASET_CODES.noBuckets, detail, keyOf(numbered, judged, "resolution"))];
  });

/** Clips of one training bucket whose cached sizes differ: one of each. */
function differentShapes(items: readonly Item[]): readonly [Item, Item] | undefined {
  const first = new Map<string, Item>();
  for (const item of items) {
    if (item.kind !== "video") continue;
    const bucket = `${item.bucket.width}x${item.bucket.height}x${item.bucket.frames}`;
    const other = first.get(bucket);
    if (other === undefined) first.set(bucket, item);
    else if (other.width !== item.width || other.height !== item.height) return [other, item];
  }
  return undefined;
}

/** T19 */
export const batchesHaveOneShape: Rule = (judged) =>
  eachSource(judged, (numbered) => {
    const { source, index } = numbered;
    if (source.enableBucket || source.batchSize <= 1) return [];
    const pair = differentShapes(judged.items.sources[index]?.items ?? []);
    if (pair === undefined) return [];
    const [a, b] = pair.map((item) => `${item.sourceFile} (${item.width}x${item.height})`);
    const detail = `\`enable_bucket\` of ${source.input.written} is false and \`batch_size\` is ${source.batchSize}, but ${a} and ${b} are cached in different shapes, which cannot share a batch. Set \`enable_bucket: true\`, or \`batch_size: 1\`.`;
    return [diagnose(TRAINER_CODES.mixedShapes, detail, keyOf(numbered, judged, "enable_bucket"))];
  });

/** T21: the default is `.txt`; an empty one would look for captions without a name. */
export const captionsHaveAnExtension: Rule = (judged) =>
  eachSource(judged, (numbered) => {
    const { source } = numbered;
    if (source.captionExtension !== "" || source.kind.endsWith("jsonl")) return [];
    const detail = `\`caption_extension\` of ${source.input.written} is empty. Set \`caption_extension: .txt\`.`;
    return [diagnose(TRAINER_CODES.captionExtensionMissing, detail, keyOf(numbered, judged, "caption_extension"))];
  });

/** T23: `glob` takes these as patterns; a `]` alone means nothing to it. Only the folder of all caches can hold any. */
export const cacheFoldersAreNoPatterns: Rule = ({ resolved }) => {
  const { cacheDir, places, file } = resolved.spec;
  const found = [...new Set(cacheDir.match(/[[*?]/g) ?? [])];
  if (found.length === 0) return [];
  // Without a `cache_dir` of their own caches lie in the state's folder.
  const key = places.has("cache_dir") ? "cache_dir" : "state_dir";
  const detail = `The folder of the caches is ${cacheDir} and holds ${found.map((character) => `\`${character}\``).join(" and ")}, which the trainer takes for a pattern: it finds no caches in it. Use a \`${key}\` without [, * and ?.`;
  return [diagnose(TRAINER_CODES.globInPath, detail, { at: places.get(key) ?? { file }, path: key })];
};

/** T9: each source has a cache folder of its own by its name; the trainer refuses two of one folder. */
export const cacheFoldersAreDistinct: Rule = (judged) => {
  const first = new Map<string, ResolvedSource>();
  return eachSource(judged, ({ source }) => {
    const other = first.get(source.cacheDir);
    if (other === undefined) {
      first.set(source.cacheDir, source);
      return [];
    }
    const detail = `The sources ${other.input.written} and ${source.input.written} share the cache folder ${source.cacheDir}, which the trainer refuses. Give one of them another \`cache_directory\`.`;
    return [diagnose(TRAINER_CODES.datasetToml, detail, { at: source.place })];
  });
};
