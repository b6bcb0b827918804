/** The pieces of a clip that become training items (`VideoDataset.retrieve_latent_cache_batches`; trainer facts §4). */
import type { FrameExtraction } from "./dataset.ts";
import { roundFrames, roundTargetFrames } from "./frames.ts";

/** Counted in frames used, that is after `source_fps`. */
export interface Crop {
  readonly firstFrame: number;
  readonly frames: number;
}

export interface Extraction {
  readonly frameExtraction: FrameExtraction;
  readonly targetFrames: readonly number[];
  readonly frameStride: number;
  readonly frameSample: number;
  readonly maxFrames: number;
}

/** The extraction that the trainer really does: one uniform sample is a head, and reads no further than one. */
export function effectiveExtraction({ frameExtraction, frameSample }: Extraction): FrameExtraction {
  return frameExtraction === "uniform" && frameSample === 1 ? "head" : frameExtraction;
}

/** Where reading a clip ends: at the largest target under `head`, else at the clip's end (undefined). */
export function readingLimit(extraction: Extraction): number | undefined {
  return effectiveExtraction(extraction) === "head"
    ? Math.max(...roundTargetFrames(extraction.targetFrames))
    : undefined;
}

/** Frames that a clip needs to give any item at all: the smallest target, or one under `full`. */
export function smallestTarget(extraction: Extraction): number {
  return extraction.frameExtraction === "full" ? 1 : Math.min(...roundTargetFrames(extraction.targetFrames));
}

/**
 * First frames from 0 to `last` as `numpy.linspace(0, last, samples, dtype=int)` gives them: the step is computed once
 * and multiplied, the last position is exact, fractions are cut off. Positions may repeat.
 */
export function uniformPositions(last: number, samples: number): readonly number[] {
  if (samples < 1) return [];
  if (samples === 1) return [0];
  const step = last / (samples - 1);
  return Array.from({ length: samples }, (_, index) => (index === samples - 1 ? last : Math.floor(index * step)));
}

function firstFramesOf(target: number, clipFrames: number, extraction: Extraction): readonly number[] {
  const last = clipFrames - target;
  if (last < 0 || target < 1) return [];
  switch (effectiveExtraction(extraction)) {
    case "head":
    case "full":
      return [0];
    case "chunk":
      return steppedPositions(last, target);
    case "slide":
      return steppedPositions(last, extraction.frameStride);
    case "uniform":
      // With more samples than places each place is taken, most of them again and again.
      return extraction.frameSample > last ? steppedPositions(last, 1) : uniformPositions(last, extraction.frameSample);
  }
}

function steppedPositions(last: number, step: number): readonly number[] {
  // The trainer's range() refuses a step below 1; the checks report it, and here it must not go round for ever.
  if (!(step >= 1)) return [];
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, index) => index * step);
}

/**
 * The crops of a clip of `clipFrames` frames used, in the trainer's order. Crops at equal positions become one cache file,
 * so each is named once. Empty when the clip is shorter than every target.
 */
export function cropsOf(clipFrames: number, extraction: Extraction): readonly Crop[] {
  if (clipFrames < 1) return [];
  if (extraction.frameExtraction === "full") {
    const frames = roundFrames(Math.min(clipFrames, extraction.maxFrames));
    return frames < 1 ? [] : [{ firstFrame: 0, frames }];
  }
  return roundTargetFrames(extraction.targetFrames).flatMap((frames) =>
    [...new Set(firstFramesOf(frames, clipFrames, extraction))].map((firstFrame) => ({ firstFrame, frames })),
  );
}

/** How many crops `cropsOf` would name at most, without naming them: a long clip can hold millions. */
export function countCrops(clipFrames: number, extraction: Extraction): number {
  if (extraction.frameExtraction === "full") return 1;
  return roundTargetFrames(extraction.targetFrames).reduce(
    (sum, target) => sum + countFirstFrames(clipFrames - target, target, extraction),
    0,
  );
}

function countFirstFrames(last: number, target: number, extraction: Extraction): number {
  if (last < 0 || target < 1) return 0;
  switch (effectiveExtraction(extraction)) {
    case "head":
    case "full":
      return 1;
    case "chunk":
      return Math.floor(last / target) + 1;
    case "slide":
      return extraction.frameStride >= 1 ? Math.floor(last / extraction.frameStride) + 1 : 0;
    case "uniform":
      return Math.min(extraction.frameSample, last + 1);
  }
}
