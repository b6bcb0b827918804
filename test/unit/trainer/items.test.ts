import { describe, expect, test } from "vitest";
import type { MediaFacts } from "../../../src/core/facts.ts";
import type { ResolvedSource } from "../../../src/core/resolve/resolved.ts";
import { computeItems } from "../../../src/core/trainer/items.ts";
import { relativeGrowth } from "../../rig/growth.ts";

const PLACE = { file: "fox.yaml" };

function source(options: Partial<ResolvedSource> = {}): ResolvedSource {
  return {
    kind: "videos",
    input: { written: "data", path: "data", place: PLACE, unset: [] },
    cacheDir: ".wan22/cache/fox/data-12345678",
    resolution: [96, 64],
    enableBucket: true,
    bucketNoUpscale: false,
    batchSize: 1,
    numRepeats: 1,
    captionExtension: ".txt",
    targetFrames: [5],
    frameExtraction: "head",
    frameStride: 1,
    frameSample: 1,
    maxFrames: 129,
    place: PLACE,
    ...options,
  };
}

function media(name: string, options: Partial<MediaFacts> = {}): MediaFacts {
  return {
    kind: "video",
    file: `data/${name}`,
    name,
    stem: name.replace(/\.[^.]*$/, ""),
    bytes: 1000,
    width: 96,
    height: 64,
    frames: 20,
    caption: { text: "a fox" },
    ...options,
  };
}

function image(name: string, options: Partial<MediaFacts> = {}): MediaFacts {
  return media(name, { kind: "image", frames: 1, ...options });
}

function one(files: readonly MediaFacts[], options: Partial<ResolvedSource> = {}) {
  const dataset = computeItems([source(options)], [{ media: files }]);
  const [result] = dataset.sources;
  if (result === undefined) throw new Error("no source");
  return { dataset, ...result };
}

describe("a damaged video", () => {
  const damaged = (intactFrames?: number) =>
    media("a.mp4", { damage: { text: "…", ...(intactFrames === undefined ? {} : { intactFrames }) } });

  test("gives its items where reading ends before the damage", () => {
    expect(one([damaged(6)], { targetFrames: [1, 5] }).items).toHaveLength(2);
  });

  test("gives none where it doesn't", () => {
    expect(one([damaged(5)], { targetFrames: [1, 5] }).dropped).toMatchObject([{ reason: "damaged" }]);
    expect(one([damaged(19)], { targetFrames: [5], frameExtraction: "full" }).dropped).toMatchObject([
      { reason: "damaged" },
    ]);
  });

  test("gives all where the decoder doesn't mind", () => {
    expect(one([damaged()], { targetFrames: [5], frameExtraction: "full" }).items).toMatchObject([{ frames: 17 }]);
  });
});

describe("a video", () => {
  test("has a latent cache named after crop and bucket, and a caption cache named after its stem", () => {
    const { items } = one([media("the.fox_1.mp4", { width: 1920, height: 1080 })], {
      frameExtraction: "chunk",
      targetFrames: [13, 5],
      resolution: [832, 480],
    });
    expect(items.map((item) => item.latentCache)).toEqual([
      "the.fox_1_00000-005_0832x0480_wan.safetensors",
      "the.fox_1_00005-005_0832x0480_wan.safetensors",
      "the.fox_1_00010-005_0832x0480_wan.safetensors",
      "the.fox_1_00015-005_0832x0480_wan.safetensors",
      "the.fox_1_00000-013_0832x0480_wan.safetensors",
    ]);
    expect(new Set(items.map((item) => item.textCache))).toEqual(new Set(["the.fox_1_wan_te.safetensors"]));
    expect(items[4]).toMatchObject({
      source: 0,
      sourceFile: "data/the.fox_1.mp4",
      caption: "a fox",
      firstFrame: 0,
      frames: 13,
      width: 832,
      height: 480,
      bucket: { width: 832, height: 480, frames: 13 },
    });
  });

  test("too short for every target is dropped with its frames, and its caption is cached all the same", () => {
    const { items, texts, dropped } = one([media("short.mp4", { frames: 4 })]);
    expect(items).toEqual([]);
    expect(dropped).toEqual([
      { source: 0, file: "data/short.mp4", framesUsed: 4, smallestTarget: 5, reason: "too-short" },
    ]);
    expect(texts).toEqual([
      {
        source: 0,
        sourceFile: "data/short.mp4",
        stem: "short",
        caption: "a fox",
        textCache: "short_wan_te.safetensors",
      },
    ]);
  });

  test("is thinned out to 16 frames a second before it is cut", () => {
    expect(one([media("a.mp4", { frames: 9 })], { sourceFps: 32 }).items).toHaveLength(1);
    expect(one([media("a.mp4", { frames: 8 })], { sourceFps: 32 }).dropped[0]).toMatchObject({ framesUsed: 4 });
  });

  test("is cached in its bucket even without enable_bucket, and trained in the one bucket there is", () => {
    const { items } = one([media("tall.mp4", { width: 64, height: 96 })], { enableBucket: false });
    expect(items[0]).toMatchObject({ width: 64, height: 96, bucket: { width: 96, height: 64, frames: 5 } });
  });

  test("with a problem, without a caption, or not looked into gives nothing", () => {
    const unknown = media("unknown.mp4");
    const { frames: _, ...unread } = unknown;
    const { items, dropped, texts } = one([
      media("broken.mp4", { problem: { kind: "unreadable", text: "it ends in the middle" } }),
      media("silent.mp4", { caption: { problem: "missing" } }),
      unread,
    ]);
    expect({ items, dropped, texts }).toEqual({ items: [], dropped: [], texts: [] });
  });

  test("whose stem starts with a dot is cached but never found by training", () => {
    expect(one([media(".mp4", { stem: ".mp4" })], { kind: "video_jsonl" }).dropped[0]?.reason).toBe("hidden");
  });
});

describe("an image", () => {
  test("has a cache named after its own size, and is trained in its bucket", () => {
    const { items } = one([image("a.png", { width: 1000, height: 333 })], { kind: "images" });
    expect(items[0]).toMatchObject({
      kind: "image",
      latentCache: "a_1000x0333_wan.safetensors",
      textCache: "a_wan_te.safetensors",
      width: 1000,
      height: 333,
      firstFrame: 0,
      frames: 1,
      bucket: { width: 128, height: 48, frames: 1 },
    });
  });

  test("without a caption is left out", () => {
    expect(one([image("a.png", { caption: { problem: "missing" } })], { kind: "images" }).items).toEqual([]);
  });

  test("of which bucket_no_upscale leaves nothing is dropped, for the trainer fails on it", () => {
    const { dropped } = one([image("dot.png", { width: 12, height: 40 })], { kind: "images", bucketNoUpscale: true });
    expect(dropped[0]?.reason).toBe("too-small");
  });
});

describe("buckets and batches", () => {
  const files = [
    media("a.mp4"),
    media("b.mp4"),
    media("c.mp4", { width: 64, height: 96 }),
    media("d.mp4", { frames: 30 }),
  ];

  test("each bucket is filled up on its own, repeats counted", () => {
    const { buckets, batches } = one(files, { targetFrames: [5, 25], batchSize: 2, numRepeats: 3 });
    expect(buckets).toEqual([
      { width: 64, height: 96, frames: 5, items: 1, batches: 2 },
      { width: 96, height: 64, frames: 5, items: 3, batches: 5 },
      { width: 96, height: 64, frames: 25, items: 1, batches: 2 },
    ]);
    expect(batches).toBe(9);
  });

  test("files count once, however many items they give and however often they repeat", () => {
    const { dataset } = one([...files, media("short.mp4", { frames: 1 })], { targetFrames: [5, 25], numRepeats: 3 });
    expect({ files: dataset.files, items: dataset.items }).toEqual({ files: 4, items: 5 });
  });

  test("two files of one stem are one item where their cache has one name", () => {
    const { dataset, items } = one([media("a.mp4"), media("a.webm"), media("a.mov", { width: 64, height: 96 })]);
    expect(items.map((item) => item.latentCache)).toEqual([
      "a_00000-005_0096x0064_wan.safetensors",
      "a_00000-005_0064x0096_wan.safetensors",
    ]);
    expect(dataset.files).toBe(2);
  });

  test("sources are counted on their own and added up", () => {
    const dataset = computeItems(
      [source({ batchSize: 2 }), source({ kind: "images" }), source()],
      [{ media: files }, { media: [image("a.png")] }],
    );
    expect(dataset.sources.map(({ batches }) => batches)).toEqual([3, 1, 0]);
    expect(dataset).toMatchObject({ files: 5, items: 5, batches: 4 });
  });
});

test("ten times as many clips of many sizes take about ten times as long", () => {
  const growth = relativeGrowth({
    from: 10_000,
    to: 100_000,
    prepare: (count) =>
      Array.from({ length: count }, (_, index) =>
        media(`clip${index}.mp4`, {
          width: 320 + (index % 500),
          height: 240 + (index % 300),
          frames: 40 + (index % 100),
        }),
      ),
    work: (clips) => {
      const { items } = computeItems(
        [source({ targetFrames: [5, 25], resolution: [1280, 720], sourceFps: 30 })],
        [{ media: clips }],
      );
      expect(items).toBeGreaterThan(clips.length);
    },
  });
  expect(growth).toBeLessThan(4);
}, 120_000);

test("Clips that would make more items than a plan can hold are left out, and nothing is made of them", () => {
  const sliding = source({ frameExtraction: "slide", frameStride: 1, targetFrames: [5] });
  const clips = [media("a.mp4", { frames: 1000 }), media("day.mp4", { frames: 1_382_400 }), media("b.mp4")];
  const { items, sources } = computeItems([sliding], [{ media: clips }]);
  expect(items).toBe(996 + 16);
  expect(sources[0]?.dropped).toMatchObject([{ file: "data/day.mp4", reason: "too-many" }]);
});
