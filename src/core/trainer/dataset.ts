/** What the trainer makes of a dataset: items, buckets, batches, cache names. Types only; the arithmetic is beside it. */

/** Which frames of a clip become items (trainer facts §4). */
export type FrameExtraction = "head" | "chunk" | "slide" | "uniform" | "full";

/** Everything that a source tells the trainer of how its files are sized, cut, counted and cached. */
export interface SourceSettings {
  readonly kind: "videos" | "images" | "video_jsonl" | "image_jsonl";
  /** [width, height] in pixels. */
  readonly resolution: readonly [number, number];
  readonly enableBucket: boolean;
  readonly bucketNoUpscale: boolean;
  readonly batchSize: number;
  readonly numRepeats: number;
  readonly targetFrames: readonly number[];
  readonly frameExtraction: FrameExtraction;
  readonly frameStride: number;
  readonly frameSample: number;
  readonly maxFrames: number;
  /** Frames a second; absent where the trainer is to take every frame. */
  readonly sourceFps?: number;
}

/** A training item: one latent cache file and its text cache. */
export interface Item {
  /** Index of the dataset source. */
  readonly source: number;
  readonly kind: "video" | "image";
  /** Media file, as in the facts. */
  readonly sourceFile: string;
  readonly stem: string;
  readonly caption: string;
  /** First frame of the crop, in frames used (after `source_fps`), and their number. */
  readonly firstFrame: number;
  readonly frames: number;
  /** Size that the cache's name holds: the bucket of a video, an image's own size. */
  readonly width: number;
  readonly height: number;
  /** The bucket that training puts it into. */
  readonly bucket: Bucket;
  /** Base names inside the source's cache folder. */
  readonly latentCache: string;
  readonly textCache: string;
}

export interface Bucket {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
}

export interface BucketCount extends Bucket {
  readonly items: number;
  readonly batches: number;
}

/** A file that yields no item, and why. */
export interface DroppedFile {
  readonly source: number;
  readonly file: string;
  readonly framesUsed: number;
  readonly smallestTarget: number;
  /**
   * `too-short`: fewer frames than every target; it drops out silently. `too-small`: no bucket can be made of it, and the
   * trainer would fail. `hidden`: its stem starts with a dot; it would be cached, but training's globs pass over it.
   * `too-many`: there are more items than a plan can hold. `damaged`: the decoder may fail before as many frames are read.
   */
  readonly reason: "too-short" | "too-small" | "hidden" | "too-many" | "damaged";
}

/** A caption's cache file. The trainer makes one for every file that it can caption, whether items come of it or not. */
export interface TextItem {
  readonly source: number;
  readonly sourceFile: string;
  readonly stem: string;
  readonly caption: string;
  readonly textCache: string;
}

export interface SourceItems {
  readonly items: readonly Item[];
  /** What caching captions makes: one for each stem, also of clips too short for any item. */
  readonly texts: readonly TextItem[];
  readonly buckets: readonly BucketCount[];
  readonly batches: number;
  readonly dropped: readonly DroppedFile[];
}

export interface DatasetItems {
  readonly sources: readonly SourceItems[];
  /** Clips, images and rows that yield an item, without repeats: what the size rule counts. */
  readonly files: number;
  readonly items: number;
  /** One pass over everything, repeats counted. */
  readonly batches: number;
}
