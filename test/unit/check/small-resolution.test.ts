import { describe, expect, test } from "vitest";
import { check } from "../../../src/core/check/check.ts";
import { clips } from "../resolve/sample.ts";
import { resolveCase } from "./judge.ts";

/** Clips of four frames: too short for the targets below, so that no bucket is ever asked for. */
function found(source: string): readonly string[] {
  const media = clips(2).map((clip) => ({ ...clip, frames: 4 }));
  const pipeline = [`dataset:\n  resolution: 1280x720\n  sources:\n    - ${source}`];
  return check(resolveCase({ pipeline, facts: { sources: [{ media }] } })).flatMap(({ code, path }) =>
    code === "D30" || code === "D22" ? [`${code} ${path}`] : [],
  );
}

describe("D30: a resolution below the trainer's smallest buckets, whatever lies in the source", () => {
  test.each([
    "videos: data/fox\n      resolution: 16x32\n      target_frames: [81]",
    "videos: data/fox\n      resolution: 31x33\n      enable_bucket: false",
    "images: data/fox\n      resolution: 16x16\n      enable_bucket: true",
  ])("%j is refused", (source) => {
    expect(found(source)).toEqual(["D30 dataset.sources.0.resolution"]);
  });

  test.each([
    "videos: data/fox\n      resolution: 32x32",
    "images: data/fox\n      resolution: 16x16\n      enable_bucket: false",
  ])("%j is taken", (source) => {
    expect(found(source)).toEqual([]);
  });
});
