import { describe, expect, test } from "vitest";
import { bucketSelector, bucketSizes, videoCachingSelector } from "../../../src/core/trainer/buckets.ts";

function select(
  width: number,
  height: number,
  options: { resolution: [number, number]; enableBucket?: boolean; bucketNoUpscale?: boolean },
): string {
  const size = bucketSelector({ enableBucket: true, bucketNoUpscale: false, ...options })({ width, height });
  return size === undefined ? "none" : `${size.width}x${size.height}`;
}

describe("the buckets of a resolution", () => {
  test("96x64: areas below 6144, in steps of 16, both ways round", () => {
    // The square root is 78; widths run from 32 to 93 in sixteens, and heights are the area's rest rounded down.
    expect(bucketSizes([96, 64]).map(({ width, height }) => `${width}x${height}`)).toEqual([
      "32x192",
      "48x128",
      "64x80",
      "64x96",
      "80x64",
      "96x64",
      "128x48",
      "192x32",
    ]);
  });

  test("the trainer divides by zero below 32x32, and there are none", () => {
    expect(bucketSizes([31, 33])).toEqual([]);
    expect(bucketSizes([32, 32])).not.toEqual([]);
    expect(select(100, 100, { resolution: [31, 33] })).toBe("none");
  });
});

describe("the bucket of a size", () => {
  test("is the one of the nearest shape, whatever the size", () => {
    expect(select(1920, 1080, { resolution: [1280, 720] })).toBe("1280x720");
    expect(select(192, 108, { resolution: [1280, 720] })).toBe("1280x720");
    expect(select(1080, 1920, { resolution: [1280, 720] })).toBe("720x1280");
  });

  test("is the first of two equally near ones", () => {
    // 11:8 is as far from 80x64 as from 96x64.
    expect(select(88, 64, { resolution: [96, 64] })).toBe("80x64");
  });

  test("is the resolution itself without enable_bucket", () => {
    expect(select(1080, 1920, { resolution: [1000, 700], enableBucket: false })).toBe("1000x700");
  });

  test("is the size itself, rounded down, with bucket_no_upscale where it is not larger", () => {
    expect(select(500, 300, { resolution: [1280, 720], bucketNoUpscale: true })).toBe("496x288");
    expect(select(1920, 1080, { resolution: [1280, 720], bucketNoUpscale: true })).toBe("1280x720");
    expect(select(15, 300, { resolution: [1280, 720], bucketNoUpscale: true })).toBe("none");
  });

  test("bucket_no_upscale counts for nothing without enable_bucket", () => {
    expect(select(500, 300, { resolution: [1280, 720], enableBucket: false, bucketNoUpscale: true })).toBe("1280x720");
  });

  test("a bucket maps to itself, so caching and training agree", () => {
    for (const resolution of [
      [96, 64],
      [832, 480],
      [1280, 720],
      [333, 777],
    ] as const) {
      const cached = videoCachingSelector(resolution);
      for (const size of bucketSizes(resolution)) expect(cached(cached(size) ?? size)).toEqual(cached(size));
    }
  });
});
