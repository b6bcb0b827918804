import type { Diagnostic } from "../diagnostic.ts";
import { diagnose, hasErrors } from "../diagnostic.ts";
import { groupDigits } from "../digits.ts";
import type { Facts } from "../facts.ts";
import type { Resolved, ResolvedSource } from "../resolve/resolved.ts";
import type { Spec } from "../spec/spec.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import { MAX_ITEMS } from "../trainer/items.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import type { CheckedSource } from "./checked-source.ts";
import { checkCaptions } from "./dataset-captions.ts";
import { DATASET_CODES } from "./dataset-codes.ts";
import { checkFiles, checkSource } from "./dataset-files.ts";
import { checkFrames } from "./dataset-frames.ts";
import { checkNames } from "./dataset-names.ts";
import { checkSizes } from "./dataset-sizes.ts";
import { countOf, listNames } from "./listing.ts";

/** A dataset as resolved, found and computed: the parts of the whole that count here. */
export interface DatasetToCheck {
  readonly resolved: {
    readonly spec: Pick<Spec, "task" | "places">;
    readonly dataset: Pick<Resolved["dataset"], "sources">;
  };
  readonly items: DatasetItems;
  readonly facts: Pick<Facts, "sources">;
}

const sameSettings = (a: ResolvedSource, b: ResolvedSource) =>
  JSON.stringify([a.resolution, a.targetFrames, a.frameExtraction, a.frameStride, a.frameSample, a.maxFrames]) ===
    JSON.stringify([b.resolution, b.targetFrames, b.frameExtraction, b.frameStride, b.frameSample, b.maxFrames]) &&
  a.sourceFps === b.sourceFps;

/** The same folder with other settings is common and right: each resolution or length takes a source of its own. */
function checkRepeatedSources(sources: readonly CheckedSource[]): readonly Diagnostic[] {
  const seen = new Map<string, CheckedSource[]>();
  return sources.flatMap((checked) => {
    const { source } = checked;
    const key = `${source.kind} ${source.input.path}`;
    const earlier = seen.get(key) ?? [];
    seen.set(key, [...earlier, checked]);
    const same = earlier.find((other) => sameSettings(other.source, source));
    if (same === undefined) return [];
    const detail = `${source.input.written} is given before, with the same resolution and frames, so its files are cached twice and trained twice as often. Take this source out; \`num_repeats: ${same.source.numRepeats + source.numRepeats}\` there says the same.`;
    const related = [{ ...same.source.input.place, message: "given here first" }];
    return [diagnose(DATASET_CODES.sourceTwice, detail, { ...checked.at, related })];
  });
}

/** What there is too much of was not cut into items: nothing else that is said of it would be true. */
function checkNumber({ source, made, at }: CheckedSource): readonly Diagnostic[] {
  const left = made.dropped.filter(({ reason }) => reason === "too-many").map(({ file }) => file);
  if (left.length === 0) return [];
  const isVideo = source.kind === "videos" || source.kind === "video_jsonl";
  const cut = isVideo
    ? `\`frame_extraction\` is ${source.frameExtraction} with ${countOf(source.targetFrames.length, "target")}${source.frameExtraction === "slide" ? ` and a \`frame_stride\` of ${source.frameStride}` : ""}. Take fewer crops of each clip: \`frame_stride: 8\`, say, fewer \`target_frames\`, or \`frame_extraction: chunk\`.`
    : "Train on fewer images.";
  const detail = `The dataset makes more than ${groupDigits(MAX_ITEMS)} items; there is no room left for ${countOf(left.length, isVideo ? "clip" : "image")} of ${source.input.written}: ${listNames(left)}. ${cut}`;
  return [diagnose(DATASET_CODES.tooManyItems, detail, at)];
}

/** T11, unless a worse finding already explains why nothing is left. */
function checkAnythingLeft(
  { resolved, items }: DatasetToCheck,
  sources: readonly CheckedSource[],
): readonly Diagnostic[] {
  if (items.items > 0) return [];
  const dropped = sources.flatMap(({ made }) => made.dropped).filter(({ reason }) => reason === "too-short");
  const shortest = dropped.map(({ file, framesUsed }) => `${file} (${countOf(framesUsed, "frame")})`);
  const targets = dropped.map(({ smallestTarget }) => smallestTarget);
  const reason =
    dropped.length === 0
      ? "None of the sources holds a file with a caption that could be trained on."
      : `Every clip has fewer frames than the smallest target, which is ${Math.min(...new Set(targets))}: ${listNames(shortest)}. Add a smaller number to \`target_frames\`, or longer clips.`;
  const place = resolved.spec.places.get("dataset.sources") ?? sources[0]?.source.place;
  return [diagnose(TRAINER_CODES.noTrainingItems, reason, { at: place, path: "dataset.sources" })];
}

/** Judges what was found in the dataset's sources: each finding once a source, with its files named. Linear in the files. */
export function checkDataset({ resolved, items, facts }: DatasetToCheck): readonly Diagnostic[] {
  const sources = resolved.dataset.sources.map(
    (source, index): CheckedSource => ({
      source,
      facts: facts.sources[index] ?? { media: [] },
      made: items.sources[index] ?? { items: [], texts: [], buckets: [], batches: 0, dropped: [] },
      task: resolved.spec.task,
      at: { at: source.input.place, path: `dataset.sources.${index}.${source.kind}` },
    }),
  );
  const found = [
    ...checkRepeatedSources(sources),
    ...sources.flatMap((checked) =>
      checked.facts.problem === undefined
        ? [checkSource, checkFiles, checkNames, checkNumber, checkCaptions, checkFrames, checkSizes].flatMap((rule) =>
            rule(checked),
          )
        : checkSource(checked),
    ),
  ];
  const known = sources.every(
    ({ source, facts: found }) => source.input.unset.length === 0 || found.problem === undefined,
  );
  return hasErrors(found) || !known ? found : [...found, ...checkAnythingLeft({ resolved, items, facts }, sources)];
}
