import { type Diagnostic, diagnose, type Place } from "../diagnostic.ts";
import type { Facts, SourceFacts } from "../facts.ts";
import { baseName } from "../paths.ts";
import { CAPTION_EXTENSION } from "../spec/caption-extension.ts";
import type { DatasetSettings, SourceSpec, Spec } from "../spec/spec.ts";
import type { ParameterValue } from "../vocabulary.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { sourceOfPlace } from "./provenance.ts";
import type { ResolvedParameters, ResolvedSource, ResolvedValue } from "./resolved.ts";

/** What the trainer takes for keys that a dataset leaves out (trainer facts §3; `caption_extension` it cannot do without, T21). */
const DEFAULTS = {
  resolution: [960, 544],
  enable_bucket: false,
  bucket_no_upscale: false,
  batch_size: 1,
  num_repeats: 1,
  caption_extension: CAPTION_EXTENSION,
  target_frames: [1],
  frame_extraction: "head",
  frame_stride: 1,
  frame_sample: 1,
  max_frames: 129,
} as const;

const GENERAL_KEYS = [
  "resolution",
  "enable_bucket",
  "bucket_no_upscale",
  "batch_size",
  "num_repeats",
  "caption_extension",
] as const satisfies readonly (keyof DatasetSettings)[];

const VIDEO_KEYS = [
  "target_frames",
  "frame_extraction",
  "frame_stride",
  "frame_sample",
  "max_frames",
] as const satisfies readonly (keyof SourceSpec)[];

/** Frame rates that differ by less are one: 29.97 and 30000/1001. */
const SAME_RATE = 0.01;

export interface ResolvedDataset {
  readonly parameters: ResolvedParameters;
  readonly sources: readonly ResolvedSource[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Decides every key of every source, and where its caches lie. */
export function resolveDataset(spec: Spec, facts: Facts, sha256: (text: string) => string): ResolvedDataset {
  const diagnostics: Diagnostic[] = [];
  const parameters: Record<string, ResolvedValue> = {};
  for (const key of GENERAL_KEYS) parameters[key] = generalValue(spec, key);

  const folders = cacheFolders(spec, sha256);
  const sources = spec.dataset.sources.map((source, index): ResolvedSource => {
    const rate = resolveRate(source, index, facts.sources[index], spec);
    diagnostics.push(...rate.diagnostics);
    for (const key of [...GENERAL_KEYS, ...VIDEO_KEYS]) {
      const value = source[key];
      if (value === undefined) continue;
      parameters[`sources.${index}.${key}`] = sourceValue(spec, source, index, key, shownSetting(key, value));
    }
    if (rate.fps !== undefined) {
      const own = sourceValue(spec, source, index, "source_fps", rate.fps);
      const text = source.source_fps === "auto" ? `${own.source.text}: the clips' own rate` : own.source.text;
      parameters[`sources.${index}.source_fps`] = { ...own, source: { ...own.source, text } };
    }
    const general = { ...DEFAULTS, ...defined(spec.dataset.settings), ...defined(source) };
    return {
      kind: source.kind,
      input: source.input,
      cacheDir: folders[index] ?? spec.cacheDir,
      ...(source.cache_directory === undefined ? {} : { importFrom: source.cache_directory }),
      resolution: general.resolution,
      enableBucket: general.enable_bucket,
      bucketNoUpscale: general.bucket_no_upscale,
      batchSize: general.batch_size,
      numRepeats: general.num_repeats,
      captionExtension: general.caption_extension,
      targetFrames: general.target_frames,
      frameExtraction: general.frame_extraction,
      frameStride: general.frame_stride,
      frameSample: general.frame_sample,
      maxFrames: general.max_frames,
      ...(rate.fps === undefined ? {} : { sourceFps: rate.fps }),
      place: source.place,
    };
  });
  return { parameters, sources, diagnostics };
}

/** Without the keys that are there but undefined, so that they do not hide a default. */
function defined<T extends object>(settings: T): T {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as T;
}

/** A value as a plan shows and compares it: `1280x720` for a resolution, a word each for another list. */
function shownSetting(key: string, value: string | number | boolean | readonly number[]): ParameterValue {
  if (typeof value !== "object") return value;
  return key === "resolution" ? value.join("x") : value.map(String);
}

function generalValue(spec: Spec, key: (typeof GENERAL_KEYS)[number]): ResolvedValue {
  const written = spec.dataset.settings[key];
  const value = shownSetting(key, written ?? DEFAULTS[key]);
  if (written === undefined) return { value, source: { layer: "trainer", text: "trainer default" } };
  const place = spec.places.get(`dataset.${key}`) ?? { file: spec.file };
  return { value, source: sourceOfPlace(spec, place), place };
}

function sourceValue(spec: Spec, source: SourceSpec, index: number, key: string, value: ParameterValue): ResolvedValue {
  const place: Place = spec.places.get(`dataset.sources.${index}.${key}`) ?? source.place;
  return { value, source: sourceOfPlace(spec, place), place };
}

/** One folder a source: `{cache_dir}/{name}/{slug}-{8 hex}`, the hash over kind, path as written and ordinal among equals. */
export function cacheFolders(spec: Spec, sha256: (text: string) => string): readonly string[] {
  const seen = new Map<string, number>();
  return spec.dataset.sources.map((source) => {
    const identity = `${source.kind}\n${source.input.written}`;
    const ordinal = seen.get(identity) ?? 0;
    seen.set(identity, ordinal + 1);
    const hash = sha256(`${identity}\n${ordinal}`).slice(0, 8);
    return `${spec.cacheDir}/${spec.name}/${slugOf(source)}-${hash}`;
  });
}

/** The name that all pipelines of a file share, and what is kept for all of them. */
export function fileNameOf({ name, cell }: Pick<Spec, "name" | "cell">): string {
  return cell?.pipeline ?? name;
}

/** Letters and digits of the folder's or file's name; nothing that the trainer's unescaped globs could read as a pattern (T23). */
function slugOf(source: SourceSpec): string {
  const slug = baseName(source.input.written.replace(/[\\/]+$/, "").replaceAll("\\", "/"))
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 40);
  return slug === "" ? source.kind.replaceAll("_", "-") : slug;
}

interface ResolvedRate {
  readonly fps?: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** Replaces `auto` by the rate that all clips of the source share. */
function resolveRate(source: SourceSpec, index: number, facts: SourceFacts | undefined, spec: Spec): ResolvedRate {
  if (source.source_fps === undefined) return { diagnostics: [] };
  if (source.source_fps !== "auto") return { fps: source.source_fps, diagnostics: [] };
  const key = `dataset.sources.${index}.source_fps`;
  const options = { at: spec.places.get(key) ?? source.place, path: key };
  const videos = (facts?.media ?? []).filter((media) => media.kind === "video" && media.problem === undefined);
  const rated = videos.flatMap((media) => (media.fps === undefined ? [] : [{ file: media.file, fps: media.fps }]));
  const [first] = rated;
  if (first === undefined) {
    // A folder that could not be read, or holds nothing to read, is reported by the scan.
    if (videos.length === 0) return { diagnostics: [] };
    return {
      diagnostics: [
        diagnose(
          RESOLVE_CODES.unknownRate,
          `${videos.length === 1 ? "The clip" : `None of the ${videos.length} clips`} of ${source.input.written} says its frame rate. Write it, for example \`source_fps: 24\`.`,
          options,
        ),
      ],
    };
  }
  const rates = groupRates(rated);
  if (rates.length === 1) return { fps: first.fps, diagnostics: [] };
  const listed = rates
    .map(({ fps, files }) => {
      const more = files.length > 3 ? ` and ${files.length - 3} more` : "";
      return `${fpsText(fps)}: ${files.slice(0, 3).join(", ")}${more}`;
    })
    .join("; ");
  return {
    diagnostics: [
      diagnose(
        RESOLVE_CODES.differingRates,
        `The clips of ${source.input.written} have ${rates.length} frame rates, and one source has one. ${listed}. Put them into a folder for each rate and list each as a source, or convert them to one rate.`,
        options,
      ),
    ],
  };
}

interface RateGroup {
  readonly fps: number;
  readonly files: string[];
}

/** Clips by rate, the slowest first; neighbours within the tolerance of a group's slowest are one group. */
function groupRates(rated: readonly { readonly file: string; readonly fps: number }[]): readonly RateGroup[] {
  const groups: RateGroup[] = [];
  for (const { file, fps } of [...rated].sort((a, b) => a.fps - b.fps)) {
    const last = groups.at(-1);
    if (last !== undefined && fps - last.fps <= SAME_RATE) last.files.push(file);
    else groups.push({ fps, files: [file] });
  }
  return groups;
}

function fpsText(fps: number): string {
  return `${Number(fps.toFixed(3))} fps`;
}
