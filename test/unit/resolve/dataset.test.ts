import { describe, expect, test } from "vitest";
import type { MediaFacts } from "../../../src/core/facts.ts";
import { resolveDataset } from "../../../src/core/resolve/dataset.ts";
import { parseSound } from "../spec/sample.ts";
import { clips, factsOf, sha256 } from "./sample.ts";

function resolveSources(dataset: string, media: readonly (readonly MediaFacts[])[] = []) {
  const spec = parseSound(
    `version: 1\nname: fox\ntask: t2v-A14B\ndataset:\n${dataset}\ntrainer:\n  backend: rehearsal\n`,
  );
  const facts = { ...factsOf({}), sources: media.map((each) => ({ media: each })) };
  return resolveDataset(spec, facts, sha256);
}

describe("keys of a source", () => {
  test("are the trainer's defaults where nothing is written", () => {
    const { sources, parameters } = resolveSources("  sources:\n    - images: data/stills");
    expect(sources[0]).toMatchObject({
      resolution: [960, 544],
      enableBucket: false,
      bucketNoUpscale: false,
      batchSize: 1,
      numRepeats: 1,
      captionExtension: ".txt",
      targetFrames: [1],
      frameExtraction: "head",
      frameStride: 1,
      frameSample: 1,
      maxFrames: 129,
    });
    expect(parameters.resolution).toEqual({ value: "960x544", source: { layer: "trainer", text: "trainer default" } });
  });

  test("come from the source, then from all sources", () => {
    const { sources, parameters } = resolveSources(
      "  resolution: 1280x720\n  batch_size: 2\n  sources:\n    - videos: data/fox\n      target_frames: [1, 25]\n      resolution: 640x352\n    - images: data/stills",
    );
    expect(sources.map((source) => [source.resolution, source.batchSize])).toEqual([
      [[640, 352], 2],
      [[1280, 720], 2],
    ]);
    expect(parameters.batch_size).toMatchObject({
      value: 2,
      source: { layer: "pipeline", text: "pipelines/fox.yaml:6" },
    });
    expect(parameters["sources.0.resolution"]).toMatchObject({
      value: "640x352",
      source: { text: "pipelines/fox.yaml:10" },
    });
    expect(parameters["sources.0.target_frames"]).toMatchObject({
      value: ["1", "25"],
      source: { text: "pipelines/fox.yaml:9" },
    });
    expect(Object.keys(parameters).filter((name) => name.startsWith("sources.1."))).toEqual([]);
  });
});

describe("cache folders", () => {
  const foldersOf = (sources: string) =>
    resolveSources(`  sources:\n${sources}`).sources.map((source) => source.cacheDir);

  test("are named after the source, with a hash of how it is written", () => {
    const [folder] = foldersOf("    - images: data/My Stills");
    expect(folder).toMatch(/^\.wan22\/cache\/fox\/my-stills-[0-9a-f]{8}$/);
    expect(foldersOf("    - images: data/My Stills")).toEqual([folder]);
  });

  test("differ for two sources of one folder, and for other kinds and paths", () => {
    const folders = foldersOf(
      "    - images: a\n    - images: a\n    - image_jsonl: a\n    - images: ./a\n    - images: b/a",
    );
    expect(new Set(folders).size).toBe(5);
  });

  test("stay what they are when a source is added", () => {
    const [first] = foldersOf("    - images: a");
    expect(foldersOf("    - images: a\n    - images: b")[0]).toBe(first);
    expect(foldersOf("    - images: b\n    - images: a")[1]).toBe(first);
  });

  test.each(["数据", "🦊", "[fox]*?", "a/b/"])("hold nothing but letters, digits and dashes: %s", (path) => {
    expect(foldersOf(`    - images: "${path}"`)[0]).toMatch(/^\.wan22\/cache\/fox\/[a-z0-9][a-z0-9-]*-[0-9a-f]{8}$/);
  });
});

describe("source_fps: auto", () => {
  const AUTO = "  sources:\n    - videos: data/fox\n      target_frames: [25]\n      source_fps: auto";

  test("is the clips' own rate", () => {
    const { sources, parameters, diagnostics } = resolveSources(AUTO, [clips(3, 24)]);
    expect(sources[0]?.sourceFps).toBe(24);
    expect(parameters["sources.0.source_fps"]?.source.text).toBe("pipelines/fox.yaml:8: the clips' own rate");
    expect(diagnostics).toEqual([]);
  });

  test("takes rates for one that differ by a hundredth", () => {
    const media = [...clips(1, 29.97), ...clips(1, 30000 / 1001)];
    expect(resolveSources(AUTO, [media])).toMatchObject({ sources: [{ sourceFps: 29.97 }], diagnostics: [] });
  });

  test("lists the clips where they differ", () => {
    const media = clips(4).map((clip, index) => ({ ...clip, fps: index < 3 ? 24 : 29.97 }));
    const { sources, diagnostics } = resolveSources(AUTO, [media]);
    expect(sources[0]?.sourceFps).toBeUndefined();
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatchObject({ code: "R18", severity: "error", range: { line: 8 } });
    expect(diagnostics[0]?.detail).toContain("24 fps: data/fox/clip-00000.mp4");
    expect(diagnostics[0]?.detail).toContain("29.97 fps: data/fox/clip-00003.mp4");
  });

  test("is an error where no clip says its rate, and silent where there is none to say it", () => {
    const silent = clips(2).map(({ fps: _, ...clip }) => clip);
    expect(resolveSources(AUTO, [silent]).diagnostics.map((each) => each.code)).toEqual(["R19"]);
    expect(resolveSources(AUTO, [[]]).diagnostics).toEqual([]);
    const broken = clips(1).map((clip) => ({ ...clip, problem: { kind: "empty" as const, text: "is empty" } }));
    expect(resolveSources(AUTO, [broken]).diagnostics).toEqual([]);
  });
});
