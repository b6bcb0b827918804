import { describe, expect, test } from "vitest";
import { framesUsed, readsBeyond, roundFrames, roundTargetFrames } from "../../../src/core/trainer/frames.ts";

describe("frames used of a clip", () => {
  test("without source_fps every decoded frame, up to the limit", () => {
    expect(framesUsed({ decodedFrames: 50 })).toBe(50);
    expect(framesUsed({ decodedFrames: 50, limit: 45 })).toBe(45);
    expect(framesUsed({ decodedFrames: 30, limit: 45 })).toBe(30);
  });

  test("a source of 32 frames a second gives every second frame", () => {
    expect(framesUsed({ decodedFrames: 50, sourceFps: 32 })).toBe(25);
    expect(framesUsed({ decodedFrames: 51, sourceFps: 32 })).toBe(26);
  });

  test("a source of 16 gives every frame", () => {
    expect(framesUsed({ decodedFrames: 50, sourceFps: 16 })).toBe(50);
  });

  test("a slower source gives every frame too, but reading ends when its place in time reaches the limit", () => {
    expect(framesUsed({ decodedFrames: 50, sourceFps: 8 })).toBe(50);
    // Frames stand at 0, 2, 4 … 24: thirteen before 25, so a clip of any length is shorter than its target.
    expect(framesUsed({ decodedFrames: 50, sourceFps: 8, limit: 25 })).toBe(13);
  });

  test("rounding errors of the running sum are the trainer's own", () => {
    // 16/24 = 0.666…: the exact place of frame 3 is 2, its sum 2.0; of frame 6 is 4, its sum 3.9999…, which stays at 3 and is dropped.
    const exact = (frames: number) => new Set(Array.from({ length: frames }, (_, i) => Math.trunc((i * 16) / 24))).size;
    const used = Array.from({ length: 40 }, (_, frames) => framesUsed({ decodedFrames: frames, sourceFps: 24 }));
    expect(used.slice(0, 10)).toEqual([0, 1, 1, 2, 3, 3, 4, 4, 5, 6]);
    expect(used.some((count, frames) => count !== exact(frames))).toBe(true);
  });
});

describe("reading past so many frames", () => {
  test("ends with the frame that shows the limit is reached", () => {
    expect(readsBeyond({ decodedFrames: 17, limit: 17 })).toBe(true);
    expect(readsBeyond({ decodedFrames: 18, limit: 17 })).toBe(false);
  });

  test("goes on to the clip's end without a limit", () => {
    expect(readsBeyond({ decodedFrames: 1_000_000 })).toBe(true);
  });

  test("counts places in time with source_fps", () => {
    // Of 32 frames a second the 35th stands at place 17.
    expect(readsBeyond({ decodedFrames: 34, sourceFps: 32, limit: 17 })).toBe(true);
    expect(readsBeyond({ decodedFrames: 35, sourceFps: 32, limit: 17 })).toBe(false);
    expect(readsBeyond({ decodedFrames: 10, sourceFps: 8, limit: 17 })).toBe(false);
  });
});

test.each([
  [1, 1],
  [4, 1],
  [5, 5],
  [24, 21],
  [25, 25],
  [81, 81],
])("%i frames are rounded down to %i", (frames, rounded) => {
  expect(roundFrames(frames)).toBe(rounded);
});

test("target frames are rounded, sorted, and named once", () => {
  expect(roundTargetFrames([45, 1, 25, 26, 3])).toEqual([1, 25, 45]);
});
