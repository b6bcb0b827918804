import { describe, expect, test } from "vitest";
import { resolve } from "../../../src/core/resolve/resolve.ts";
import { parseSound } from "../spec/sample.ts";
import { factsOf, PRESETS, resolveWith, sha256, valuesOf } from "./sample.ts";

const REHEARSAL = "trainer:\n  backend: rehearsal";

describe("size rules decide what learning needs", () => {
  // [files, rule, epochs, learning rate, rank, save interval, workers], conservative | balanced | aggressive
  test.each([
    [1, 20, [8, 10, 12], [1e-4, 1e-4, 1e-4], [16, 20, 24], [1, 1, 1], [2, 2, 2]],
    [20, 20, [8, 10, 12], [1e-4, 1e-4, 1e-4], [16, 20, 24], [1, 1, 1], [2, 2, 2]],
    [21, 40, [12, 14, 16], [1.5e-4, 1.5e-4, 1.5e-4], [24, 28, 32], [1, 1, 1], [2, 2, 2]],
    [60, 60, [16, 18, 20], [2e-4, 2e-4, 2e-4], [32, 32, 32], [1, 1, 1], [2, 2, 2]],
    [80, 80, [16, 20, 24], [2e-4, 2.25e-4, 2.5e-4], [32, 40, 48], [1, 1, 2], [2, 2, 2]],
    [81, 100, [20, 25, 30], [2e-4, 2.5e-4, 3e-4], [48, 56, 64], [2, 2, 2], [2, 2, 2]],
    [101, 999, [15, 20, 25], [1.5e-4, 2e-4, 2.5e-4], [64, 80, 96], [2, 2, 3], [4, 5, 6]],
    [999, 999, [15, 20, 25], [1.5e-4, 2e-4, 2.5e-4], [64, 80, 96], [2, 2, 3], [4, 5, 6]],
    [1000, 1000, [10, 15, 20], [1e-4, 1.5e-4, 2e-4], [96, 112, 128], [3, 4, 5], [6, 7, 8]],
  ])("%i files: the rule for %i", (files, rule, epochs, rates, ranks, intervals, workers) => {
    const strategies = ["conservative", "balanced", "aggressive"];
    const outcomes = strategies.map((each) => resolveWith(`hardware: professional\nstrategy: ${each}`, { files }));
    expect(outcomes.map(({ resolved }) => resolved.sizeRule)).toEqual(
      strategies.map(() => ({ files: rule, counted: files })),
    );
    expect(outcomes.map(({ train }) => train.max_train_epochs)).toEqual(epochs);
    expect(outcomes.map(({ train }) => train.learning_rate)).toEqual(rates);
    expect(outcomes.map(({ train }) => train.network_dim)).toEqual(ranks);
    expect(outcomes.map(({ train }) => train.network_alpha)).toEqual(ranks);
    expect(outcomes.map(({ train }) => train.save_every_n_epochs)).toEqual(intervals);
    expect(outcomes.map(({ train }) => train.max_data_loader_n_workers)).toEqual(workers);
  });

  test("count files, not items, and not those that yield none", () => {
    const media = factsOf({ files: 25 }).sources[0]?.media ?? [];
    const short = media.map((clip, index) => (index < 5 ? { ...clip, frames: 9 } : clip));
    expect(resolveWith("hardware: entry", { media: short }).resolved.sizeRule).toEqual({ files: 20, counted: 20 });
  });
});

describe("tiers decide what memory needs", () => {
  test.each([
    [
      "professional",
      {
        fp8_base: false,
        fp8_t5: false,
        fp8_scaled: false,
        vae_cache_cpu: false,
        blocks_to_swap: 0,
        offload_inactive_dit: true,
      },
    ],
    [
      "high-end",
      {
        fp8_base: true,
        fp8_t5: true,
        fp8_scaled: false,
        vae_cache_cpu: true,
        blocks_to_swap: 15,
        offload_inactive_dit: false,
      },
    ],
    [
      "mid",
      {
        fp8_base: true,
        fp8_t5: true,
        fp8_scaled: true,
        vae_cache_cpu: true,
        blocks_to_swap: 25,
        offload_inactive_dit: false,
      },
    ],
    [
      "entry",
      {
        fp8_base: true,
        fp8_t5: true,
        fp8_scaled: true,
        vae_cache_cpu: true,
        blocks_to_swap: 35,
        offload_inactive_dit: undefined,
      },
    ],
  ])("%s", (tier, expected) => {
    const { train, resolved } = resolveWith(`hardware: ${tier}`);
    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, train[name]]))).toEqual(expected);
    expect(valuesOf(resolved.cacheText).fp8_t5).toBe(expected.fp8_t5);
    expect(valuesOf(resolved.cacheLatents).vae_cache_cpu).toBe(expected.vae_cache_cpu);
    expect(resolved.noise).toBe(tier === "entry" ? "low" : "dual");
  });

  test.each([
    ["high-end", [20, 15, 10]],
    ["mid", [30, 25, 20]],
    ["entry", [39, 35, 30]],
  ])("%s: conservative is the end that needs least GPU memory", (tier, blocks) => {
    const chosen = ["conservative", "balanced", "aggressive"].map(
      (strategy) => resolveWith(`hardware: ${tier}\nstrategy: ${strategy}`).train.blocks_to_swap,
    );
    expect(chosen).toEqual(blocks);
  });

  // The rank of the size rule (60 files: 32, 100: 64, 1000: 128 under aggressive) against the tier's upper end.
  test.each([
    ["entry", 60, 32, "size rule ≤60 files: 32"],
    ["entry", 100, 32, "tier entry caps 64 at 32"],
    ["mid", 100, 48, "tier mid caps 64 at 48"],
    ["high-end", 100, 64, "size rule ≤100 files, aggressive in 48–64: 64"],
    ["high-end", 1000, 64, "tier high-end caps 128 at 64"],
    ["professional", 1000, 128, "size rule ≥1000 files, aggressive in 96–128: 128"],
    ["professional", 20, 24, "size rule ≤20 files, aggressive in 16–24: 24"],
  ])("%s with %i files: rank %i", (tier, files, rank, text) => {
    const { train, sourceOf } = resolveWith(`hardware: ${tier}\nstrategy: aggressive`, { files });
    expect(train.network_dim).toBe(rank);
    expect(train.network_alpha).toBe(rank);
    expect(sourceOf("network_dim")).toBe(text);
  });

  test("workers are the smaller of size rule and tier", () => {
    const entry = resolveWith("hardware: entry", { files: 1000 });
    expect(entry.train.max_data_loader_n_workers).toBe(1);
    expect(entry.sourceOf("max_data_loader_n_workers")).toBe("tier entry caps 7 at 1");
    expect(resolveWith("hardware: high-end", { files: 1000 }).train.max_data_loader_n_workers).toBe(7);
  });

  test("the size rule's memory figures are advice, not values", () => {
    const { train } = resolveWith("hardware: professional", { files: 1000 });
    expect([train.blocks_to_swap, train.fp8_base, train.fp8_t5]).toEqual([0, false, false]);
  });
});

describe("the default column lies above the trainer's own defaults", () => {
  test("with the figures of the manual, and a training state to resume from", () => {
    const { train } = resolveWith("hardware: entry\nnoise: dual");
    expect(train).toMatchObject({
      timestep_sampling: "shift",
      weighting_scheme: "none",
      optimizer_type: "adamw8bit",
      seed: 42,
      persistent_data_loader_workers: false,
      attention: "sdpa",
      gradient_checkpointing: true,
      min_timestep: 0,
      max_timestep: 1000,
      log_with: "tensorboard",
      logging_dir: "logs",
      save_state: true,
      save_last_n_epochs_state: 2,
      // The trainer's own, which shape the result.
      lr_scheduler: "constant",
      gradient_accumulation_steps: 1,
      max_grad_norm: 1,
    });
  });

  test.each([
    ["t2v-A14B", 12, 875],
    ["i2v-A14B", 5, 900],
  ])("%s", (task, shift, boundary) => {
    const { train, sourceOf } = resolveWith(`task: ${task}\nhardware: professional`);
    expect([train.discrete_flow_shift, train.timestep_boundary]).toEqual([shift, boundary]);
    expect(sourceOf("discrete_flow_shift")).toBe(`task ${task}: ${shift}`);
  });

  test("says where each value came from", () => {
    const { sourceOf } = resolveWith("hardware: mid\ntrain:\n  seed: 7", { files: 30 });
    expect(sourceOf("optimizer_type")).toBe("default (manual)");
    expect(sourceOf("save_state")).toBe("default (wan22)");
    expect(sourceOf("lr_scheduler")).toBe("trainer default");
    expect(sourceOf("max_train_epochs")).toBe("size rule ≤40 files, balanced in 12–16: 14");
    expect(resolveWith("hardware: mid", { files: 80 }).sourceOf("learning_rate")).toBe(
      "size rule ≤80 files, balanced in 2e-4–2.5e-4: 2.25e-4",
    );
    expect(sourceOf("fp8_base")).toBe("tier mid: true");
    expect(sourceOf("network_alpha")).toBe("follows network_dim");
    expect(sourceOf("seed")).toBe("pipelines/fox.yaml:11");
  });
});

describe("what the user writes wins", () => {
  test("over every preset, the pipeline over the project file", () => {
    const project = "version: 1\ntrain:\n  network_dim: 8\n  seed: 1";
    const { train, resolved } = resolveWith("hardware: entry\ntrain:\n  seed: 2", { project, files: 1000 });
    expect([train.network_dim, train.seed]).toEqual([8, 2]);
    const parameters = resolved.trainStages[0]?.parameters;
    expect(parameters?.network_dim?.source).toEqual({
      layer: "project",
      text: "wan22.yaml:3",
      file: "wan22.yaml",
      line: 3,
    });
    expect(parameters?.seed?.source.layer).toBe("pipeline");
    expect(parameters?.seed?.place?.file).toBe("pipelines/fox.yaml");
  });

  test("a rank above the tier's cap is used, alpha follows it, a note says so", () => {
    const { train, codes } = resolveWith("hardware: entry\ntrain:\n  network_dim: 64");
    expect([train.network_dim, train.network_alpha]).toEqual([64, 64]);
    expect(codes).toContain("R24");
  });

  test("alpha does not follow when it is written", () => {
    const { train } = resolveWith("hardware: entry\ntrain:\n  network_alpha: 1");
    expect([train.network_dim, train.network_alpha]).toEqual([32, 1]);
  });

  test("keeps the recommended range beside it", () => {
    const { resolved } = resolveWith("hardware: mid\ntrain:\n  max_train_epochs: 5", { files: 40 });
    expect(resolved.trainStages[0]?.parameters.max_train_epochs).toMatchObject({ value: 5, recommended: [12, 16] });
  });

  test("each section is its own script's", () => {
    const { train, resolved } = resolveWith("hardware: professional\ncache_text:\n  fp8_t5: true");
    expect(valuesOf(resolved.cacheText).fp8_t5).toBe(true);
    expect(train.fp8_t5).toBe(false);
  });

  test.each([
    ["network_dim: 256", "R10"],
    ["max_train_epochs: 101", "R10"],
    ["learning_rate: 0.01", "R10"],
    ["save_every_n_epochs: 11", "R10"],
  ])("%s is outside the manual's range: a warning at its line", (line, code) => {
    const { diagnostics } = resolveWith(`hardware: professional\ntrain:\n  ${line}`);
    const found = diagnostics.filter((each) => each.code === code);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ severity: "warning", file: "pipelines/fox.yaml", range: { line: 11 } });
  });
});

describe("resolving is pure", () => {
  test("the same input gives the same bytes, and the input stays as it was", () => {
    const text = `version: 1\nname: fox\ntask: t2v-A14B\nnoise: separate\ndataset:\n  sources:\n    - videos: data/fox\n      target_frames: [25]\n${REHEARSAL}\n`;
    const spec = parseSound(text);
    const facts = factsOf({ files: 5 });
    const before = JSON.stringify([PRESETS, facts, spec]);
    const once = resolve({ spec, presets: PRESETS, facts, sha256 });
    const twice = resolve({ spec, presets: PRESETS, facts, sha256 });
    expect(JSON.stringify(once)).toBe(JSON.stringify(twice));
    expect(JSON.stringify([PRESETS, facts, spec])).toBe(before);
  });
});
