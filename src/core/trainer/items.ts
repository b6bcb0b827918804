/** Training items, cache file names, buckets and batches of a dataset (trainer facts §4 and §5). Linear in the files. */
import type { MediaFacts, SourceFacts } from "../facts.ts";
import { bucketSelector, type Size, videoCachingSelector } from "./buckets.ts";
import { type Crop, countCrops, cropsOf, readingLimit, smallestTarget } from "./crops.ts";
import type {
  Bucket,
  BucketCount,
  DatasetItems,
  DroppedFile,
  Item,
  SourceItems,
  SourceSettings,
  TextItem,
} from "./dataset.ts";
import { type FrameReading, framesUsed, readsBeyond } from "./frames.ts";

/** The trainer's name for Wan in cache files. */
const ARCHITECTURE = "wan";

/** Items that a plan holds in memory: a gigabyte of them. An epoch of so many takes a GPU days. */
export const MAX_ITEMS = 250_000;

/** What file systems allow a name, in bytes of UTF-8 (`NAME_MAX`). */
const MAX_NAME_BYTES = 255;
/** A cache is written under its name with as many more, `.1234567.tmp` at most, and renamed when it is whole. */
const TEMPORARY_BYTES = 12;

/** What a cache's base name may take. */
export const MAX_CACHE_NAME_BYTES = MAX_NAME_BYTES - TEMPORARY_BYTES;

function digits(value: number, width: number): string {
  return String(value).padStart(width, "0");
}

function sizeText({ width, height }: Size): string {
  return `${digits(width, 4)}x${digits(height, 4)}`;
}

/** A video's latent cache: the name holds the crop and the bucket. */
function videoCacheName(stem: string, { firstFrame, frames }: Crop, bucket: Size): string {
  return `${stem}_${digits(firstFrame, 5)}-${digits(frames, 3)}_${sizeText(bucket)}_${ARCHITECTURE}.safetensors`;
}

/** An image's latent cache: the name holds the image's own size, not the bucket. */
function imageCacheName(stem: string, size: Size): string {
  return `${stem}_${sizeText(size)}_${ARCHITECTURE}.safetensors`;
}

/** The text cache of every item of one stem. */
function textCacheName(stem: string): string {
  return `${stem}_${ARCHITECTURE}_te.safetensors`;
}

/** What one file gives: its items, or why it gives none. */
type Yield = { readonly items: readonly Item[] } | { readonly dropped: DroppedFile };

interface Usable {
  readonly media: MediaFacts;
  readonly size: Size;
  /** Frames that decoding yields. */
  readonly frames: number;
  readonly caption: string;
}

/** A file that the trainer could make something of. Files that it would fail on, and images without a caption, are not. */
function usable(media: MediaFacts): Usable | undefined {
  const { width, height, frames, caption } = media;
  if (media.problem !== undefined || caption.text === undefined) return undefined;
  if (width === undefined || height === undefined || width < 1 || height < 1) return undefined;
  if (frames === undefined && media.kind === "video") return undefined;
  return { media, size: { width, height }, frames: frames ?? 1, caption: caption.text };
}

/** Items that there is still room for, of all sources together. */
interface Room {
  left: number;
}

/** Whether there is room for as many items; then it is taken. */
function takes(room: Room, items: number): boolean {
  if (items > room.left) return false;
  room.left -= items;
  return true;
}

/** Whether a clip is read as far as its damage, where the decoder may fail. */
function meetsDamage({ damage }: MediaFacts, reading: Omit<FrameReading, "decodedFrames">): boolean {
  return damage?.intactFrames !== undefined && readsBeyond({ ...reading, decodedFrames: damage.intactFrames });
}

/** Makes the function that turns a video of this source into items. */
function videoItems(source: SourceSettings, index: number, room: Room): (file: Usable) => Yield {
  const cached = videoCachingSelector(source.resolution);
  const trained = bucketSelector(source);
  const limit = readingLimit(source);
  const usedOf = new Map<number, number>();
  return ({ media, size, frames: decodedFrames, caption }) => {
    const used = usedOf.get(decodedFrames) ?? framesUsed({ decodedFrames, sourceFps: source.sourceFps, limit });
    usedOf.set(decodedFrames, used);
    const drop = (reason: DroppedFile["reason"]): Yield => ({
      dropped: { source: index, file: media.file, framesUsed: used, smallestTarget: smallestTarget(source), reason },
    });
    if (media.stem.startsWith(".")) return drop("hidden");
    if (meetsDamage(media, { sourceFps: source.sourceFps, limit })) return drop("damaged");
    if (!takes(room, countCrops(used, source))) return drop("too-many");
    const crops = cropsOf(used, source);
    if (crops.length === 0) return drop("too-short");
    const bucket = cached(size);
    const trainingBucket = bucket === undefined ? undefined : trained(bucket);
    if (bucket === undefined || trainingBucket === undefined) return drop("too-small");
    const items = crops.map(
      (crop): Item => ({
        source: index,
        kind: "video",
        sourceFile: media.file,
        stem: media.stem,
        caption,
        firstFrame: crop.firstFrame,
        frames: crop.frames,
        width: bucket.width,
        height: bucket.height,
        bucket: { ...trainingBucket, frames: crop.frames },
        latentCache: videoCacheName(media.stem, crop, bucket),
        textCache: textCacheName(media.stem),
      }),
    );
    return { items };
  };
}

/** Makes the function that turns an image of this source into its item. */
function imageItems(source: SourceSettings, index: number, room: Room): (file: Usable) => Yield {
  const select = bucketSelector(source);
  return ({ media, size, caption }) => {
    const drop = (reason: DroppedFile["reason"]): Yield => ({
      dropped: { source: index, file: media.file, framesUsed: 1, smallestTarget: 1, reason },
    });
    if (media.stem.startsWith(".")) return drop("hidden");
    const bucket = select(size);
    if (bucket === undefined) return drop("too-small");
    if (!takes(room, 1)) return drop("too-many");
    const item: Item = {
      source: index,
      kind: "image",
      sourceFile: media.file,
      stem: media.stem,
      caption,
      firstFrame: 0,
      frames: 1,
      width: size.width,
      height: size.height,
      bucket: { ...bucket, frames: 1 },
      latentCache: imageCacheName(media.stem, size),
      textCache: textCacheName(media.stem),
    };
    return { items: [item] };
  };
}

/** Counts items and batches by bucket, ordered by width, height, frames as the trainer orders them. */
function countBuckets(items: readonly Item[], { batchSize, numRepeats }: SourceSettings): readonly BucketCount[] {
  const counts = new Map<string, { readonly bucket: Bucket; items: number }>();
  for (const { bucket } of items) {
    const key = `${bucket.width}x${bucket.height}x${bucket.frames}`;
    const count = counts.get(key);
    if (count === undefined) counts.set(key, { bucket, items: 1 });
    else count.items++;
  }
  return [...counts.values()]
    .map(({ bucket, items }) => ({ ...bucket, items, batches: Math.ceil((items * numRepeats) / batchSize) }))
    .sort((a, b) => a.width - b.width || a.height - b.height || a.frames - b.frames);
}

function computeSource(source: SourceSettings, index: number, facts: SourceFacts | undefined, room: Room) {
  const itemsOf =
    source.kind === "videos" || source.kind === "video_jsonl"
      ? videoItems(source, index, room)
      : imageItems(source, index, room);
  // Two files of one stem share names, and the trainer's later file overwrites its earlier one: one item, not two.
  const items = new Map<string, Item>();
  const texts = new Map<string, TextItem>();
  const dropped: DroppedFile[] = [];
  let files = 0;
  for (const media of facts?.media ?? []) {
    const file = usable(media);
    if (file === undefined) continue;
    const textCache = textCacheName(media.stem);
    if (!texts.has(textCache)) {
      const { stem, file: sourceFile } = media;
      texts.set(textCache, { source: index, sourceFile, stem, caption: file.caption, textCache });
    }
    const result = itemsOf(file);
    if ("dropped" in result) {
      dropped.push(result.dropped);
      continue;
    }
    const fresh = result.items.filter((item) => !items.has(item.latentCache));
    for (const item of fresh) items.set(item.latentCache, item);
    if (fresh.length > 0) files++;
  }
  const buckets = countBuckets([...items.values()], source);
  const batches = buckets.reduce((sum, bucket) => sum + bucket.batches, 0);
  const result: SourceItems = { items: [...items.values()], texts: [...texts.values()], buckets, batches, dropped };
  return { result, files };
}

/**
 * The items that caching makes of the sources and training takes, in the order of the files. `facts` are in the sources'
 * order. Files with a problem, without a readable caption or without a size give nothing, and neither do those past
 * `MAX_ITEMS` items; the checks report them.
 */
export function computeItems(sources: readonly SourceSettings[], facts: readonly SourceFacts[]): DatasetItems {
  const room: Room = { left: MAX_ITEMS };
  const computed = sources.map((source, index) => computeSource(source, index, facts[index], room));
  return {
    sources: computed.map(({ result }) => result),
    files: computed.reduce((sum, { files }) => sum + files, 0),
    items: computed.reduce((sum, { result }) => sum + result.items.length, 0),
    batches: computed.reduce((sum, { result }) => sum + result.batches, 0),
  };
}
