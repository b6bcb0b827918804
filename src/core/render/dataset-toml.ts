import type { Resolved, ResolvedSource } from "../resolve/resolved.ts";
import type { SourceKind } from "../spec/spec.ts";
import type { TomlValue } from "./toml-literal.ts";
import type { DatasetToml, TomlTable } from "./toml-proof.ts";

/** What the dataset TOML is to say (trainer facts §3), before any template writes it down. */

/** The trainer's key for each kind of source. */
const INPUT_KEYS = {
  videos: "video_directory",
  images: "image_directory",
  video_jsonl: "video_jsonl_file",
  image_jsonl: "image_jsonl_file",
} as const satisfies Record<SourceKind, string>;

const text = (value: string): TomlValue => ({ type: "string", value });
const integer = (value: number): TomlValue => ({ type: "integer", value });
const flag = (value: boolean): TomlValue => ({ type: "boolean", value });

/** The keys that [general] takes too. */
function generalKeys(source: ResolvedSource): TomlTable {
  return {
    resolution: { type: "integers", value: source.resolution },
    caption_extension: text(source.captionExtension),
    batch_size: integer(source.batchSize),
    num_repeats: integer(source.numRepeats),
    enable_bucket: flag(source.enableBucket),
    bucket_no_upscale: flag(source.bucketNoUpscale),
  };
}

/** The keys that only [[datasets]] takes. An image has no frames to choose from. */
function ownKeys(source: ResolvedSource): TomlTable {
  const paths = { [INPUT_KEYS[source.kind]]: text(source.input.path), cache_directory: text(source.cacheDir) };
  if (source.kind === "images" || source.kind === "image_jsonl") return paths;
  return {
    ...paths,
    target_frames: { type: "integers", value: source.targetFrames },
    frame_extraction: text(source.frameExtraction),
    frame_stride: integer(source.frameStride),
    frame_sample: integer(source.frameSample),
    max_frames: integer(source.maxFrames),
    // A float by construction: the trainer refuses an integer here (T9).
    ...(source.sourceFps === undefined ? {} : { source_fps: { type: "float", value: source.sourceFps } }),
  };
}

/** Everything explicit: in [general] what all sources share, and with each source what is its own. */
export function datasetToml({ dataset }: Pick<Resolved, "dataset">): DatasetToml {
  const tables = dataset.sources.map(generalKeys);
  const [first = {}] = tables;
  const isShared = (key: string) => tables.every((table) => JSON.stringify(table[key]) === JSON.stringify(first[key]));
  const general = Object.fromEntries(Object.entries(first).filter(([key]) => isShared(key)));
  const datasets = dataset.sources.map((source) => ({
    ...ownKeys(source),
    ...Object.fromEntries(Object.entries(generalKeys(source)).filter(([key]) => !Object.hasOwn(general, key))),
  }));
  return { general, datasets };
}
