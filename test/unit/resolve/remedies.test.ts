import { describe, expect, test } from "vitest";
import { findRemedies, remedyLines } from "../../../src/core/resolve/remedies.ts";
import { dit, PRESETS, resolveWith, type Situation } from "./sample.ts";

type Problem = Parameters<typeof findRemedies>[0];

function patches(problem: Problem, lines: string, situation: Situation = {}) {
  const { resolved } = resolveWith(lines, situation);
  return findRemedies(problem, resolved, PRESETS).map(({ id, patch }) => [id, ...patch]);
}

describe("a full GPU: what the pipeline does not do yet, in the manual's order", () => {
  test("a professional card, dual", () => {
    expect(patches("out-of-memory", "hardware: professional", { files: 1000 })).toEqual([
      ["fp8", "train:", "  fp8_base: true", "  fp8_scaled: true", "cache_text:", "  fp8_t5: true"],
      ["block-swap", "train:", "  blocks_to_swap: 20", "  offload_inactive_dit: false"],
      ["smaller-lora", "train:", "  network_dim: 24"],
      ["cpu-cache", "cache_latents:", "  vae_cache_cpu: true"],
      ["single-model", "noise: low"],
    ]);
  });

  test("what only samples use is set where there are samples", () => {
    const lines = "hardware: professional\ntrain:\n  sample_prompts: [a fox]";
    expect(patches("out-of-memory", lines)[0]).toContain("  fp8_t5: true");
    expect(patches("out-of-memory", lines)[0]?.filter((line) => line === "  fp8_t5: true")).toHaveLength(2);
  });

  test("an entry card that does nearly everything", () => {
    expect(patches("out-of-memory", "hardware: entry")).toEqual([
      ["block-swap", "train:", "  blocks_to_swap: 39"],
      ["smaller-lora", "train:", "  network_dim: 24"],
    ]);
  });

  test("a pipeline with nothing left to do", () => {
    const lines = "hardware: entry\nstrategy: conservative\ntrain:\n  network_dim: 16";
    expect(patches("out-of-memory", lines)).toEqual([]);
  });

  test("a written alpha goes down with the rank", () => {
    const lines = "hardware: entry\nstrategy: conservative\ntrain:\n  network_dim: 32\n  network_alpha: 32";
    expect(patches("out-of-memory", lines)).toEqual([
      ["smaller-lora", "train:", "  network_dim: 24", "  network_alpha: 24"],
    ]);
  });

  test("weights in 8 bits are not scaled", () => {
    const [first] = patches("out-of-memory", "hardware: mid", { models: { dit: dit("F8_E4M3") } });
    expect(first?.[0]).toBe("block-swap");
  });
});

test("full host memory: the opposite", () => {
  expect(patches("host-memory", "hardware: mid", { files: 500 })).toEqual([
    ["fewer-workers", "train:", "  max_data_loader_n_workers: 2"],
    ["less-swap", "train:", "  blocks_to_swap: 20"],
    ["system"],
  ]);
});

test("unstable training: a lower rate, never a higher one", () => {
  expect(patches("unstable", "hardware: mid", { files: 60 })[0]).toEqual([
    "lower-rate",
    "train:",
    "  learning_rate: 0.0001",
  ]);
  expect(patches("unstable", "hardware: mid", { files: 20 })[0]).toEqual(["check-data"]);
});

test("two models: the task's boundary", () => {
  const wrong = "task: i2v-A14B\nhardware: professional\ntrain:\n  timestep_boundary: 875";
  expect(patches("dual-model", wrong)).toEqual([["check-paths"], ["boundary", "train:", "  timestep_boundary: 900"]]);
});

test("as text to print", () => {
  const { resolved } = resolveWith("hardware: entry");
  expect(remedyLines(findRemedies("out-of-memory", resolved, PRESETS))).toEqual([
    "# 1. Swap blocks to host memory. Choose the number by host memory, of which 64 GB or more are needed; the trainer takes 39 at most.",
    "#    Costs 10 to 15 % of speed for every ten blocks.",
    "train:",
    "  blocks_to_swap: 39",
    "# 2. Lower the LoRA's rank. A lower rank has fewer parameters, gradients and optimizer states.",
    "#    Costs quality where there is much data, to which the manual gives 64 to 128.",
    "train:",
    "  network_dim: 24",
  ]);
});
