import { describe, expect, test } from "vitest";
import {
  countCrops,
  cropsOf,
  type Extraction,
  readingLimit,
  smallestTarget,
  uniformPositions,
} from "../../../src/core/trainer/crops.ts";

const HEAD: Extraction = {
  frameExtraction: "head",
  targetFrames: [5, 13],
  frameStride: 1,
  frameSample: 1,
  maxFrames: 129,
};

function crops(frames: number, extraction: Partial<Extraction>): readonly (readonly [number, number])[] {
  return cropsOf(frames, { ...HEAD, ...extraction }).map((crop) => [crop.firstFrame, crop.frames]);
}

describe("crops of a clip", () => {
  test("head: one at the start for each target that fits", () => {
    expect(crops(30, {})).toEqual([
      [0, 5],
      [0, 13],
    ]);
    expect(crops(12, {})).toEqual([[0, 5]]);
    expect(crops(4, {})).toEqual([]);
  });

  test("chunk: end to end while they fit", () => {
    expect(crops(14, { frameExtraction: "chunk" })).toEqual([
      [0, 5],
      [5, 5],
      [0, 13],
    ]);
    expect(crops(15, { frameExtraction: "chunk", targetFrames: [5] })).toEqual([
      [0, 5],
      [5, 5],
      [10, 5],
    ]);
  });

  test("slide: every stride", () => {
    expect(crops(10, { frameExtraction: "slide", targetFrames: [5], frameStride: 2 })).toEqual([
      [0, 5],
      [2, 5],
      [4, 5],
    ]);
    expect(crops(5, { frameExtraction: "slide", targetFrames: [5], frameStride: 10 })).toEqual([[0, 5]]);
  });

  test("uniform: evenly spread from the first to the last place, cut to whole frames", () => {
    expect(crops(16, { frameExtraction: "uniform", targetFrames: [5], frameSample: 4 })).toEqual([
      [0, 5],
      [3, 5],
      [7, 5],
      [11, 5],
    ]);
  });

  test("uniform: equal places are one crop", () => {
    expect(crops(7, { frameExtraction: "uniform", targetFrames: [5], frameSample: 5 })).toEqual([
      [0, 5],
      [1, 5],
      [2, 5],
    ]);
  });

  test("uniform with one sample is head", () => {
    const extraction: Extraction = { ...HEAD, frameExtraction: "uniform", frameSample: 1 };
    expect(cropsOf(30, extraction)).toEqual(cropsOf(30, HEAD));
    expect(readingLimit(extraction)).toBe(13);
  });

  test("full: one of all frames up to max_frames, rounded down to N*4+1; targets do not count", () => {
    expect(crops(30, { frameExtraction: "full" })).toEqual([[0, 29]]);
    expect(crops(200, { frameExtraction: "full" })).toEqual([[0, 129]]);
    expect(crops(3, { frameExtraction: "full" })).toEqual([[0, 1]]);
  });

  test("a clip without frames gives none", () => {
    expect(crops(0, {})).toEqual([]);
    expect(crops(0, { frameExtraction: "full" })).toEqual([]);
  });

  test("a stride below 1, which the trainer refuses, ends", () => {
    expect(crops(10, { frameExtraction: "slide", frameStride: 0 })).toEqual([]);
  });
});

test("places of numpy.linspace(0, 10, 4, dtype=int)", () => {
  expect(uniformPositions(10, 4)).toEqual([0, 3, 6, 10]);
  expect(uniformPositions(0, 3)).toEqual([0, 0, 0]);
  expect(uniformPositions(10, 0)).toEqual([]);
});

test("reading ends at the largest target under head only", () => {
  expect(readingLimit(HEAD)).toBe(13);
  expect(readingLimit({ ...HEAD, frameExtraction: "slide" })).toBeUndefined();
});

test("the smallest target is what a clip needs at least", () => {
  expect(smallestTarget(HEAD)).toBe(5);
  expect(smallestTarget({ ...HEAD, frameExtraction: "full" })).toBe(1);
});

test("more samples than places take every place, however many they are", () => {
  const extraction: Extraction = { ...HEAD, frameExtraction: "uniform", targetFrames: [5], frameSample: 1_000_000_000 };
  expect(cropsOf(8, extraction).map(({ firstFrame }) => firstFrame)).toEqual([0, 1, 2, 3]);
  const samples = (frameSample: number) => cropsOf(60, { ...extraction, frameSample });
  for (const frameSample of [56, 57, 58, 100, 1000]) {
    const distinct = [...new Set(uniformPositions(55, frameSample))];
    expect(samples(frameSample).map(({ firstFrame }) => firstFrame)).toEqual(distinct);
  }
});

test("crops are counted without being named, and never too few", () => {
  for (const frameExtraction of ["head", "chunk", "slide", "uniform", "full"] as const) {
    for (let frames = 0; frames < 70; frames++) {
      for (const [frameStride, frameSample] of [
        [1, 1],
        [3, 2],
        [50, 9],
        [7, 500],
      ] as const) {
        const extraction: Extraction = { ...HEAD, frameExtraction, frameStride, frameSample };
        const counted = countCrops(frames, extraction);
        expect(counted).toBeGreaterThanOrEqual(cropsOf(frames, extraction).length);
      }
    }
  }
  expect(countCrops(57_600, { ...HEAD, frameExtraction: "slide" })).toBe(57_596 + 57_588);
});
