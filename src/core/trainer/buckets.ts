/** Resolution buckets (`BucketSelector` in the trainer's `dataset/bucket.py`; trainer facts §4). Sizes in pixels. */
import type { SourceSettings } from "./dataset.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Bucketing {
  /** [width, height]; its area is what every bucket stays below. */
  readonly resolution: readonly [number, number];
  readonly enableBucket: boolean;
  readonly bucketNoUpscale: boolean;
}

/** Wan's latents are 8 times smaller and taken in pairs. */
const BUCKET_STEP = 16;

/**
 * Below this area the trainer divides by zero while it makes its buckets: the narrowest would be no pixel wide.
 * It makes them for every video, and for images under `enable_bucket`.
 */
const SMALLEST_BUCKETED_AREA = 32 * 32;

function roundDown(length: number): number {
  return length - (length % BUCKET_STEP);
}

/** Every bucket for a resolution, ordered by width, then height. Empty below `SMALLEST_BUCKETED_AREA`. */
export function bucketSizes([width, height]: readonly [number, number]): readonly Size[] {
  const area = width * height;
  if (area < SMALLEST_BUCKETED_AREA) return [];
  const side = Math.floor(Math.sqrt(area));
  const sizes = new Map<string, Size>();
  for (let short = roundDown(Math.floor(side / 2)); short < side + BUCKET_STEP; short += BUCKET_STEP) {
    const long = roundDown(Math.floor(area / short));
    sizes.set(`${short}x${long}`, { width: short, height: long });
    sizes.set(`${long}x${short}`, { width: long, height: short });
  }
  return [...sizes.values()].sort((a, b) => a.width - b.width || a.height - b.height);
}

/** Whether the trainer fails while it makes a source's buckets, whatever files there are: for videos it always makes them. */
export function lacksBuckets({
  kind,
  resolution: [width, height],
  enableBucket,
}: Pick<SourceSettings, "kind" | "resolution" | "enableBucket">): boolean {
  const makes = enableBucket || kind === "videos" || kind === "video_jsonl";
  return makes && width * height < SMALLEST_BUCKETED_AREA;
}

/** The bucket whose shape is nearest, the first of equals. Shapes are compared as quotients, as the trainer does. */
function nearest(buckets: readonly Size[], ratio: number): Size | undefined {
  let best: Size | undefined;
  let smallestError = Number.POSITIVE_INFINITY;
  for (const bucket of buckets) {
    const error = Math.abs(bucket.width / bucket.height - ratio);
    if (error < smallestError) {
      best = bucket;
      smallestError = error;
    }
  }
  return best;
}

/** Gives sizes their buckets; undefined where the trainer would have nothing left of the picture. */
export type BucketSelector = (size: Size) => Size | undefined;

/** A selector that remembers every size it has seen: datasets have many files of few sizes. */
export function bucketSelector({ resolution, enableBucket, bucketNoUpscale }: Bucketing): BucketSelector {
  const [width, height] = resolution;
  const area = width * height;
  const buckets = enableBucket ? bucketSizes(resolution) : [{ width, height }];
  const known = new Map<string, Size | undefined>();
  const select = (size: Size): Size | undefined => {
    if (enableBucket && bucketNoUpscale && size.width * size.height <= area) {
      const own = { width: roundDown(size.width), height: roundDown(size.height) };
      return own.width > 0 && own.height > 0 ? own : undefined;
    }
    return nearest(buckets, size.width / size.height);
  };
  return (size) => {
    const key = `${size.width}x${size.height}`;
    if (!known.has(key)) known.set(key, select(size));
    return known.get(key);
  };
}

/** The selector that caching uses for videos: always all buckets, whatever the dataset's options say. */
export function videoCachingSelector(resolution: readonly [number, number]): BucketSelector {
  return bucketSelector({ resolution, enableBucket: true, bucketNoUpscale: false });
}
