import { describe, expect, test } from "vitest";
import { check } from "../../../src/core/check/check.ts";
import { clips } from "../resolve/sample.ts";
import { resolveCase } from "./judge.ts";

/** Images of the size of the resolution, so that nothing is said about enlarging them. */
function found(kind: "images" | "videos", resolution: string, enableBucket: boolean): readonly string[] {
  const [width = 0, height = 0] = resolution.split("x").map(Number);
  const media = clips(2).map((clip) =>
    kind === "images" ? { ...clip, kind: "image" as const, frames: 1, width, height } : { ...clip, width, height },
  );
  const dataset = `dataset:\n  resolution: ${resolution}\n  enable_bucket: ${enableBucket}\n  sources:\n    - ${kind}: data/fox`;
  return check(resolveCase({ pipeline: [dataset], facts: { sources: [{ media }] } }))
    .filter(({ severity }) => severity === "error")
    .map(({ code }) => code);
}

describe("D25: images without buckets are trained at the resolution itself, whose latents come in pairs", () => {
  test.each(["100x60", "104x64", "96x72", "1000x16", "24x16"])("%s is refused", (resolution) => {
    expect(found("images", resolution, false)).toEqual(["D25"]);
  });

  // Tried on the trainer: the VAE takes eighths, rounded down.
  test.each(["96x64", "100x68", "16x16", "33x33"])("%s is taken", (resolution) => {
    expect(found("images", resolution, false)).toEqual([]);
  });

  test("buckets are multiples of 16, and so is what clips are cached at", () => {
    expect(found("images", "100x60", true)).toEqual([]);
    expect(found("videos", "100x60", false)).toEqual([]);
  });
});
