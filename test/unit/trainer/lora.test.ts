import { describe, expect, test } from "vitest";
import {
  loraBytes,
  loraModulesFromTensors,
  selectModules,
  trainingStateBytes,
  WAN_14B_MODULES,
} from "../../../src/core/trainer/lora.ts";

describe("a LoRA on Wan 14B", () => {
  test("has 400 modules and 4,792,320 weights a rank", () => {
    expect(WAN_14B_MODULES).toHaveLength(400);
    expect(loraBytes({ modules: WAN_14B_MODULES, dim: 1, savePrecision: "fp32" })).toBe((4_792_320 + 400) * 4);
  });

  test("of rank 32 is 613 MB in float32, the default, and 307 MB in bf16", () => {
    expect(loraBytes({ modules: WAN_14B_MODULES, dim: 32 })).toBe(613_418_560);
    expect(loraBytes({ modules: WAN_14B_MODULES, dim: 32, savePrecision: "float" })).toBe(613_418_560);
    expect(loraBytes({ modules: WAN_14B_MODULES, dim: 32, savePrecision: "bf16" })).toBe(306_709_280);
    expect(loraBytes({ modules: WAN_14B_MODULES, dim: 32, savePrecision: "fp16" })).toBe(306_709_280);
  });

  test("has rank 4 where no network_dim is given", () => {
    expect(loraBytes({ modules: WAN_14B_MODULES })).toBe(loraBytes({ modules: WAN_14B_MODULES, dim: 4 }));
  });
});

describe("modules of a model file", () => {
  const tensors = {
    "blocks.0.self_attn.q.weight": { shape: [32, 24] },
    "blocks.0.self_attn.q.bias": { shape: [32] },
    "blocks.0.self_attn.norm_q.weight": { shape: [32] },
    "blocks.0.modulation": { shape: [1, 6, 32] },
    "blocks.0.ffn.0.weight": { shape: [80, 32] },
    "patch_embedding.weight": { shape: [32, 16, 1, 2, 2] },
    "text_embedding.0.weight": { shape: [32, 4096] },
    "head.head.weight": { shape: [64, 32] },
  };

  test("are the linear layers inside the blocks", () => {
    expect(loraModulesFromTensors(tensors)).toEqual([
      { name: "blocks.0.self_attn.q", inFeatures: 24, outFeatures: 32 },
      { name: "blocks.0.ffn.0", inFeatures: 32, outFeatures: 80 },
    ]);
  });

  test("are the same under the prefix of the 1.3B model and of other exporters", () => {
    const prefixed = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [`model.diffusion_model.${name}`, tensor]),
    );
    expect(loraModulesFromTensors(prefixed)).toEqual(loraModulesFromTensors(tensors));
  });

  test("give exact bytes: two matrices and an alpha each", () => {
    const modules = loraModulesFromTensors(tensors);
    expect(loraBytes({ modules, dim: 4, savePrecision: "fp32" })).toBe((4 * (24 + 32) + 1 + 4 * (32 + 80) + 1) * 4);
  });
});

describe("network_args", () => {
  function kept(...networkArgs: string[]): { count: number; unreadable: readonly string[] } {
    const { modules, unreadable } = selectModules(WAN_14B_MODULES, networkArgs);
    return { count: modules.length, unreadable };
  }

  test("leave all modules where they hold no patterns", () => {
    expect(kept()).toEqual({ count: 400, unreadable: [] });
    expect(kept("verbose=True", "loraplus_lr_ratio=4")).toEqual({ count: 400, unreadable: [] });
  });

  test("exclude what a pattern matches whole", () => {
    expect(kept("exclude_patterns=['.*ffn.*']").count).toBe(320);
    expect(kept("exclude_patterns=['ffn']").count).toBe(400);
    expect(kept(`exclude_patterns=[r'blocks\\.([0-9]|1\\d)\\..*', ".*cross_attn.*"]`).count).toBe(120);
  });

  test("include what is excluded by another pattern", () => {
    expect(kept("exclude_patterns=['.*']", "include_patterns=['.*self_attn.*']").count).toBe(160);
  });

  test("say what cannot be read here", () => {
    expect(kept("exclude_patterns=['(?i).*FFN.*']")).toEqual({ count: 400, unreadable: ["(?i).*FFN.*"] });
    expect(kept("exclude_patterns=ffn")).toEqual({ count: 400, unreadable: ["exclude_patterns=ffn"] });
  });
});

describe("a training state", () => {
  const network = (4_792_320 * 32 + 400) * 4;

  test.each([
    ["adamw", network * 3],
    ["AdamW8bit", network * 1.5],
    ["SGD", network],
    ["bitsandbytes.optim.Lion8bit", network * 1.25],
    ["prodigyopt.Prodigy", network * 5],
  ])("with %s is about %i bytes", (optimizerType, bytes) => {
    const estimate = trainingStateBytes({ modules: WAN_14B_MODULES, dim: 32, optimizerType });
    expect(Math.abs(estimate / bytes - 1)).toBeLessThan(0.01);
  });

  test("with adafactor is little more than the network: a row and a column for each matrix", () => {
    const estimate = trainingStateBytes({ modules: WAN_14B_MODULES, dim: 32, optimizerType: "adafactor" });
    expect(estimate / network).toBeGreaterThan(1.02);
    expect(estimate / network).toBeLessThan(1.05);
  });
});
