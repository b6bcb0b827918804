import { describe, expect, test } from "vitest";
import type { DiskFacts } from "../../../src/core/facts.ts";
import { type GpuMemoryOptions, gpuMemory } from "../../../src/core/plan/estimates/gpu-memory.ts";
import { peakTflops } from "../../../src/core/plan/estimates/gpu-throughput.ts";
import { modelShape, WAN_14B } from "../../../src/core/plan/estimates/model-shape.ts";
import { stepSeconds, tokensOf } from "../../../src/core/plan/estimates/training-time.ts";
import type { Bucket, DatasetItems } from "../../../src/core/trainer/dataset.ts";
import { loraBytes, WAN_14B_MODULES } from "../../../src/core/trainer/lora.ts";
import { applied, modelFacts, PIPELINE, planInput, planWorld, runPlan } from "./world.ts";

const MUSUBI = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
const GPU = { index: 0, name: "NVIDIA GeForce RTX 4090", vramGiB: 24 };

/** An empty disk for output, caches and state alike. */
function diskWith(freeBytes: number): DiskFacts {
  const folders = ["output/fox", ".wan22", ...planInput({}).resolved.dataset.sources.map(({ cacheDir }) => cacheDir)];
  const fileSystem = { mount: "/data", freeBytes, totalBytes: 1e12, folders };
  return { caches: {}, outputFolders: [], outputs: {}, states: [], fileSystems: [fileSystem] };
}

function itemsOf(bucket: Bucket, items: number, batches: number): DatasetItems {
  const source = { items: [], texts: [], buckets: [{ ...bucket, items, batches }], batches, dropped: [] };
  return { sources: [source], files: items, items, batches };
}

/** Memory of Wan 14B in fp8 with rank 32, as most of the figures seen in public. */
function wan(options: Partial<GpuMemoryOptions> & { readonly bucket: Bucket }): readonly [number, number] {
  const { low, high } = gpuMemory({
    model: WAN_14B,
    half: "low",
    fp8: true,
    activationBytes: 2,
    blocksToSwap: 0,
    offloadInactive: false,
    gradientCheckpointing: true,
    checkpointsOnHost: false,
    tokens: tokensOf(options.bucket),
    modules: WAN_14B_MODULES,
    dim: 32,
    optimizerType: "adamw8bit",
    taskGiB: [0, 0],
    ...options,
  });
  return [low, high];
}

/** Seconds a step, one item a batch. */
function pace(card: string, bucket: Bucket, blocksToSwap: number, batchSize = 1): readonly [number, number] {
  return stepSeconds({
    items: itemsOf(bucket, batchSize, 1),
    sources: [],
    model: WAN_14B,
    stepsPerEpoch: 1,
    processes: 1,
    gradientCheckpointing: true,
    blocksToSwap,
    tenBlocksCostPercent: [10, 15],
    peakTflops: peakTflops(card, "mid"),
  });
}

describe("the time of a step encloses what was seen in public (trainer facts §8)", () => {
  test.each([
    ["A5500, T2V 512x768, 33 frames, swap 30", "RTX A5500", { width: 512, height: 768, frames: 33 }, 30, 1, 29],
    ["A5500, I2V 480x832, 33 frames, swap 30", "RTX A5500", { width: 480, height: 832, frames: 33 }, 30, 1, 28],
    ["RTX 4090, 512x512 images, batch 4, swap 29", "RTX 4090", { width: 512, height: 512, frames: 1 }, 29, 4, 8],
    ["H200, 480p, 81 frames", "H200", { width: 832, height: 480, frames: 81 }, 0, 1, 10],
  ])("%s", (_what, card, bucket, swap, batch, seen) => {
    const [low, high] = pace(card, bucket, swap, batch);
    expect(low).toBeLessThan(seen);
    expect(high).toBeGreaterThan(seen);
    expect(high / low).toBeLessThan(3);
  });
});

describe("GPU memory encloses what was seen in public (trainer facts §8)", () => {
  const I2V = [2, 4] as const;
  test.each([
    [
      "A5500, 33 frames, swap 30: about 21 GB",
      { bucket: { width: 512, height: 768, frames: 33 }, blocksToSwap: 30 },
      21,
    ],
    [
      "A5500, 33 frames, swap 20: 0.3 GB short of 24",
      { bucket: { width: 512, height: 768, frames: 33 }, blocksToSwap: 20 },
      24.3,
    ],
    [
      "RTX 4070, I2V images, swap 30: 11.9 GB",
      { bucket: { width: 512, height: 512, frames: 1 }, blocksToSwap: 30, taskGiB: I2V },
      11.9,
    ],
    [
      "24 GB, 512x512, 81 frames, swap 32: fits",
      { bucket: { width: 512, height: 512, frames: 81 }, blocksToSwap: 32 },
      23.9,
    ],
    [
      "H200, I2V 480p, 81 frames, rank 64, 16 bits: about 73 GB",
      { bucket: { width: 832, height: 480, frames: 81 }, fp8: false, dim: 64, taskGiB: I2V },
      73,
    ],
  ])("%s", (_what, options, seenGiB) => {
    const [low, high] = wan(options);
    expect(low).toBeLessThan(seenGiB);
    expect(high).toBeGreaterThan(seenGiB);
  });

  test("and knows what ran out of memory", () => {
    const a5500 = wan({ bucket: { width: 480, height: 832, frames: 77 }, blocksToSwap: 39, taskGiB: I2V });
    expect(a5500[0]).toBeGreaterThan(24);
    const pro6000 = wan({ bucket: { width: 1280, height: 720, frames: 81 }, blocksToSwap: 39, taskGiB: I2V });
    expect(pro6000[1]).toBeGreaterThan(96);
  });

  test("both models stay on the GPU with block swap; one goes without it where that is asked for", () => {
    const bucket = { width: 512, height: 512, frames: 1 };
    const one = wan({ bucket, blocksToSwap: 20 })[0];
    const dual = wan({ bucket, blocksToSwap: 20, half: "dual" })[0];
    expect(dual - one).toBeGreaterThan(7);
    expect(wan({ bucket, half: "dual", offloadInactive: true })[0]).toBeCloseTo(wan({ bucket })[0], 5);
  });
});

describe("a model's shape", () => {
  test("is read from its header: blocks, width, weights, whether they have 8 bits", () => {
    const tensors = {
      "blocks.0.cross_attn.k.weight": { dtype: "F8_E4M3", shape: [64, 64] },
      "blocks.0.ffn.0.weight": { dtype: "F8_E4M3", shape: [128, 64] },
      "blocks.1.cross_attn.k.weight": { dtype: "F8_E4M3", shape: [64, 64] },
      "blocks.1.ffn.0.weight": { dtype: "F8_E4M3", shape: [128, 64] },
      "head.head.weight": { dtype: "F16", shape: [10, 64] },
    };
    expect(modelShape({ ...modelFacts("m"), tensors })).toEqual({
      blocks: 2,
      width: 64,
      blockWeights: 64 * 64 + 128 * 64,
      otherWeights: 640,
      isFp8: true,
    });
    expect(modelShape(undefined)).toBe(WAN_14B);
    expect(modelShape({ ...modelFacts("m"), tensors: { "encoder.weight": { dtype: "F32", shape: [3] } } })).toBe(
      WAN_14B,
    );
  });
});

describe("a plan's estimates", () => {
  test("count steps exactly: in all, an epoch, from file to file", () => {
    const yaml = PIPELINE.replace("train:", "train:\n  save_every_n_epochs: 2\n  gradient_accumulation_steps: 3");
    expect(planWorld({ yaml }).plan.estimates).toMatchObject({
      steps: { low: 12, high: 12, unit: "steps", basis: "exact: 4 epochs of 3 steps" },
      steps_per_epoch: { low: 3, high: 3, basis: "exact: 8 batches / 3 accumulated" },
      steps_per_checkpoint: { low: 6, high: 6, basis: "exact: the save interval" },
    });
  });

  test("count both halves' steps where they are trained apart", () => {
    const yaml = PIPELINE.replace("hardware: entry", "hardware: entry\nnoise: separate");
    const { estimates, dataset } = planWorld({ yaml }).plan;
    expect(dataset.total_steps).toBe(32);
    expect(estimates.steps).toMatchObject({
      low: 64,
      basis: "exact: train-low 4 epochs of 8 steps, train-high 4 epochs of 8 steps",
    });
  });

  test("say what they are based on, and what there is", () => {
    const { estimates } = planWorld({ yaml: MUSUBI.replace("entry", "auto"), gpus: [GPU] }).plan;
    expect(estimates.time?.basis).toMatch(/^formula: .* s a step on NVIDIA GeForce RTX 4090 \(165 TFLOP\/s/);
    expect(estimates.vram).toMatchObject({ unit: "GiB", available: 24 });
    expect(estimates.vram?.basis).toMatch(/^formula: .* of weights, .*the manual's figure for the tier high-end/);
    expect(estimates.ram?.basis).toContain("the manual's figure");
    for (const { low, high, basis } of Object.values(estimates)) {
      expect(low).toBeLessThanOrEqual(high);
      expect(basis).not.toBe("");
    }
  });

  test("of a rehearsal promise no GPU", () => {
    expect(planWorld({}).plan.estimates.vram).toMatchObject({ low: 0, high: 0, basis: "the rehearsal uses no GPU" });
  });

  test("take what was measured for the same fingerprint, and only that", () => {
    const planned = planWorld({});
    const state = runPlan(planned, { untilStep: 19, stopState: true, secondsPerStep: 2.5 });
    const { estimates } = planWorld({ state, host: "elsewhere" }).plan;
    expect(estimates.time).toMatchObject({ low: 29.3, high: 39, unit: "s" });
    expect(estimates.time?.basis).toContain("measured here: 2.5 s a step over 18 steps");
    const other = planWorld({ state, host: "elsewhere", yaml: PIPELINE.replace("2e-4", "1e-4") });
    expect(other.plan.estimates.time?.basis).toMatch(/^formula/);
  });

  test("count only what is still to be trained", () => {
    expect(planWorld(applied()).plan.estimates.time).toMatchObject({ low: 0, high: 0, basis: "nothing to train" });
  });

  test("of the disk hold caches and what the run leaves, and at most what it has at any one time", () => {
    const yaml = MUSUBI.replace("train:", "train:\n  network_dim: 32\n  save_last_n_epochs: 1\n  save_state: false");
    const { estimates, checkpoints } = planWorld({ yaml }).plan;
    const each = loraBytes({ modules: WAN_14B_MODULES, dim: 32 });
    expect(checkpoints.map(({ action }) => action)).toEqual(["prune", "prune", "create", "create"]);
    expect(estimates.disk?.low).toBeCloseTo((2 * each) / 2 ** 30, 1);
    // The second goes when the third is there, and only then comes the last: there are never three.
    expect(estimates.disk?.high).toBeCloseTo((2 * each) / 2 ** 30, 1);
  });

  test("warn when the card or the disk has too little", () => {
    const large = MUSUBI.replace("hardware: entry", "hardware: { gpu: RTX 4090 }").replace("256x144", "1280x720");
    const clips = [{ stem: "a", frames: 100, size: [1280, 720] as const }];
    const { codes, diagnostics } = planWorld({ yaml: large.replace("[1, 25]", "[81]"), clips });
    expect(codes).toEqual(["P8"]);
    expect(diagnostics[0]).toMatchObject({ severity: "warning" });
    expect(diagnostics[0]?.detail).toContain("there are 24 GiB");
    const codesWith = (freeBytes: number) => planWorld({ yaml: MUSUBI, disk: diskWith(freeBytes) }).codes;
    expect([1e9, 1e11].map(codesWith)).toEqual([["P9"], []]);
  });

  test("do not contradict their own basis where the rehearsal caps its caches", () => {
    const clips = [{ stem: "a", frames: 200, size: [1280, 720] as const }];
    const yaml = PIPELINE.replace("256x144", "1280x720").replace("[1, 25]", "[161]");
    const { disk } = planWorld({ yaml, clips }).plan.estimates;
    expect(disk?.basis).toContain("caches 0.571 MiB at most");
    expect(disk?.high).toBeLessThan(2);
  });

  test("advise nothing that is done already", () => {
    const large = MUSUBI.replace("hardware: entry", "hardware: { gpu: RTX 4090 }").replace("256x144", "1280x720");
    const clips = [{ stem: "a", frames: 100, size: [1280, 720] as const }];
    const advice = (train: string) =>
      planWorld({
        yaml: large.replace("[1, 25]", "[81]").replace("train:", `train:\n${train}`),
        clips,
      }).diagnostics[0]?.detail.split("What would help: ")[1];
    expect(advice("  fp8_base: true\n  blocks_to_swap: 39")).toBe(
      "train the two halves apart with noise: separate, take fewer target_frames, or take a smaller resolution.",
    );
    expect(advice("  fp8_base: false\n  fp8_scaled: false\n  blocks_to_swap: 20")).toMatch(
      /^raise blocks_to_swap \(to 39 at most\), use fp8_base, /,
    );
  });

  test("are made for a dataset without a single item too", () => {
    expect(() => planWorld({ clips: [], yaml: MUSUBI })).not.toThrow();
    expect(planInput({ clips: [] }).items.items).toBe(0);
  });

  test("are no part of what names a plan: free space changes, and nothing that is planned", () => {
    const digests = [1e9, 2e9].map((freeBytes) => planWorld({ disk: diskWith(freeBytes) }).plan.digest);
    expect(new Set(digests).size).toBe(1);
  });
});
