import { describe, expect, test } from "vitest";
import { PRESETS } from "./sample.ts";

/** The manual's tables, written out once more: every figure of theirs must be in the presets. */

type Figures = Readonly<Record<string, unknown>>;

function figures(recommendations: Readonly<Record<string, { value: unknown; manual?: unknown }>>): Figures {
  return Object.fromEntries(Object.entries(recommendations).map(([name, { value }]) => [name, value]));
}

test("the default column", () => {
  const { parameters, keys } = PRESETS.defaults;
  expect(figures(parameters)).toEqual({
    mixed_precision: "auto",
    timestep_sampling: "shift",
    weighting_scheme: "none",
    discrete_flow_shift: 12.0,
    timestep_boundary: 875,
    min_timestep: 0,
    max_timestep: 1000,
    optimizer_type: "adamw8bit",
    learning_rate: 2e-4,
    network_dim: 32,
    network_alpha: 32,
    max_train_epochs: 16,
    save_every_n_epochs: 1,
    seed: 42,
    max_data_loader_n_workers: 2,
    persistent_data_loader_workers: false,
    attention: "sdpa",
    gradient_checkpointing: true,
    fp8_base: true,
    fp8_t5: false,
    fp8_scaled: false,
    vae_cache_cpu: false,
    offload_inactive_dit: true,
    blocks_to_swap: 0,
    logging_dir: "./logs",
    log_with: "tensorboard",
    // The manual says nothing of these two.
    save_state: true,
    save_last_n_epochs_state: 2,
  });
  expect(parameters.mixed_precision?.manual).toBe("fp16");
  expect(Object.entries(parameters).flatMap(([name, { by }]) => (by === "wan22" ? [name] : []))).toEqual([
    "save_state",
    "save_last_n_epochs_state",
  ]);
  expect(figures(keys)).toEqual({
    task: "t2v-A14B",
    "models.dit": "./model/diffusion_models/wan2.2_t2v_low_noise_14B_fp16.safetensors",
    "models.dit_high_noise": "./model/diffusion_models/wan2.2_t2v_high_noise_14B_fp16.safetensors",
    "models.vae": "./model/vae/wan_2.1_vae.safetensors",
    "models.t5": "./model/text_encoders/models_t5_umt5-xxl-enc-bf16.pth",
    "output.dir": "./output",
    "output.name": "wan22-lora",
  });
});

describe("recommendations by number of training files", () => {
  const ALWAYS = { gradient_checkpointing: true, mixed_precision: "bf16", optimizer_type: "adamw8bit" };
  const TABLES: readonly (readonly [string, number, Figures, Figures])[] = [
    [
      "≤20",
      20,
      {
        max_train_epochs: [8, 12],
        learning_rate: 1e-4,
        network_dim: [16, 24],
        network_alpha: [16, 24],
        save_every_n_epochs: 1,
      },
      {},
    ],
    [
      "≤40",
      40,
      {
        max_train_epochs: [12, 16],
        learning_rate: 1.5e-4,
        network_dim: [24, 32],
        network_alpha: [24, 32],
        save_every_n_epochs: 1,
      },
      {},
    ],
    [
      "≤60",
      60,
      { max_train_epochs: [16, 20], learning_rate: 2e-4, network_dim: 32, network_alpha: 32, save_every_n_epochs: 1 },
      {},
    ],
    [
      "≤80",
      80,
      {
        max_train_epochs: [16, 24],
        learning_rate: [2e-4, 2.5e-4],
        network_dim: [32, 48],
        network_alpha: [32, 48],
        save_every_n_epochs: [1, 2],
      },
      {},
    ],
    [
      "≤100",
      100,
      {
        max_train_epochs: [20, 30],
        learning_rate: [2e-4, 3e-4],
        network_dim: [48, 64],
        network_alpha: [48, 64],
        save_every_n_epochs: 2,
      },
      {},
    ],
    [
      "≤1000",
      999,
      {
        max_train_epochs: [15, 25],
        learning_rate: [1.5e-4, 2.5e-4],
        network_dim: [64, 96],
        network_alpha: [64, 96],
        save_every_n_epochs: [2, 3],
        max_data_loader_n_workers: [4, 6],
      },
      { blocks_to_swap: [10, 20] },
    ],
    [
      "≥1000",
      1000,
      {
        max_train_epochs: [10, 20],
        learning_rate: [1e-4, 2e-4],
        network_dim: [96, 128],
        network_alpha: [96, 128],
        save_every_n_epochs: [3, 5],
        max_data_loader_n_workers: [6, 8],
      },
      { blocks_to_swap: [20, 40], fp8_base: true, fp8_t5: true, vae_cache_cpu: true, offload_inactive_dit: true },
    ],
  ];

  test.each(TABLES.map((table, index) => [...table, index] as const))(
    "%s files",
    (label, files, parameters, advice, index) => {
      const rule = PRESETS.sizeRules.rules[index];
      expect([rule?.label, rule?.files ?? rule?.from]).toEqual([label, files]);
      expect(figures(rule?.parameters ?? {})).toEqual(parameters);
      expect(figures(rule?.advice ?? {})).toEqual({ ...ALWAYS, ...advice });
    },
  );

  test("are seven", () => {
    expect(PRESETS.sizeRules.rules).toHaveLength(7);
  });
});

describe("detailed configurations", () => {
  const ALWAYS = { gradient_checkpointing: true, attention: "sdpa" };
  test.each([
    [
      "professional",
      "dual",
      { from: 1000 },
      [96, 128],
      { offload_inactive_dit: true, fp8_base: false, fp8_t5: false, blocks_to_swap: 0 },
      [{ value: [45, 50] }],
    ],
    [
      "high-end",
      "dual",
      { from: 100, to: 1000 },
      [48, 64],
      { offload_inactive_dit: true, fp8_base: true, fp8_t5: true, vae_cache_cpu: true, blocks_to_swap: [10, 20] },
      [
        { card: "RTX 4090", value: [20, 24] },
        { card: "A6000", value: [30, 35] },
      ],
    ],
    [
      "mid",
      "dual",
      { from: 40, to: 200 },
      [32, 48],
      {
        offload_inactive_dit: true,
        fp8_base: true,
        fp8_t5: true,
        fp8_scaled: true,
        vae_cache_cpu: true,
        blocks_to_swap: [20, 30],
      },
      [{ value: [18, 22] }],
    ],
    [
      "entry",
      "low",
      { from: 20, to: 100 },
      [16, 32],
      {
        fp8_base: true,
        fp8_t5: true,
        fp8_scaled: true,
        vae_cache_cpu: true,
        blocks_to_swap: [30, 40],
        max_data_loader_n_workers: 1,
      },
      [{ value: [14, 18] }],
    ],
  ] as const)("%s", (name, noise, suits, rank, parameters, vram) => {
    const tier = PRESETS.tiers.tiers[name];
    expect(tier.noise.value).toBe(noise);
    expect(tier.suits).toEqual(suits);
    expect(figures(tier.caps)).toEqual({ network_dim: rank, network_alpha: rank });
    expect(figures(tier.parameters)).toEqual({ ...ALWAYS, ...parameters });
    expect(figures(tier.advice)).toEqual({ mixed_precision: "bf16" });
    expect(tier.vram_gib).toEqual(vram);
  });

  test("memory thresholds and host memory", () => {
    const { tiers, smallest_gib } = PRESETS.tiers;
    const rows = Object.entries(tiers).map(([name, tier]) => [name, tier.memory_from_gib, tier.ram_gib]);
    expect(rows).toEqual([
      ["professional", 64, 128],
      ["high-end", 28, 64],
      ["mid", 20, 64],
      ["entry", 0, 64],
    ]);
    expect(smallest_gib.value).toBe(16);
  });

  test("cards that the manual names", () => {
    const named = PRESETS.tiers.cards.filter((card) => card.by === "manual");
    expect(named.map(({ name, vram_gib, tier }) => [name, vram_gib, tier])).toEqual([
      ["A100", 80, "professional"],
      ["H100", 80, "professional"],
      ["RTX 4090", 24, "high-end"],
      ["A6000", 48, "high-end"],
      ["RTX 3090", 24, "mid"],
      ["RTX 4080", 16, "mid"],
      ["RTX 4060 Ti", 16, "entry"],
      ["RTX 3080 Ti", 12, "entry"],
      ["RTX 4070 Ti", 12, "entry"],
    ]);
  });
});

test("tasks", () => {
  const { tasks } = PRESETS.tasks;
  expect(figures(tasks["t2v-A14B"].parameters)).toEqual({ discrete_flow_shift: 12.0, timestep_boundary: 875 });
  expect(figures(tasks["i2v-A14B"].parameters)).toEqual({ discrete_flow_shift: 5.0, timestep_boundary: 900 });
  expect(tasks["i2v-A14B"].extra_vram_gib.value).toEqual([2, 4]);
  // Musubi's own table for training one half alone (trainer facts §2).
  expect(tasks["t2v-A14B"].halves).toEqual({
    low: { min_timestep: 0, max_timestep: 875 },
    high: { min_timestep: 875, max_timestep: 1000 },
  });
  expect(tasks["i2v-A14B"].halves).toEqual({
    low: { min_timestep: 0, max_timestep: 900 },
    high: { min_timestep: 900, max_timestep: 1000 },
  });
});

describe("memory", () => {
  test("host memory by swapped blocks", () => {
    expect(PRESETS.memory.ram_by_blocks_to_swap.map(({ blocks, ram_gib }) => [blocks, ram_gib])).toEqual([
      [[0, 0], 16],
      [[10, 20], 32],
      [[20, 30], 64],
      [[30, 40], 128],
    ]);
  });

  test("factors in percent", () => {
    const { factors } = PRESETS.memory;
    expect(Object.entries(factors).map(([name, { percent }]) => [name, percent])).toEqual([
      ["fp8_base_saves_vram", [30, 40]],
      ["fp8_t5_saves_vram", [10, 15]],
      ["fp8_scaled_saves_vram", [5, 10]],
      ["dual_costs_vram", [20, 30]],
      ["ten_swapped_blocks_cost_time", [10, 15]],
    ]);
  });

  test("the basic table", () => {
    expect(
      PRESETS.memory.configurations.map((row) => [row.name.zh, row.vram_gib, row.cards, row.ram_gib, row.files_to]),
    ).toEqual([
      ["基础双模型配置", { from: 48 }, ["A100 80GB", "H100"], 128, undefined],
      ["优化双模型配置", { from: 32, to: 40 }, ["RTX 4090 24GB", "A6000 48GB"], 64, 1000],
      ["高度优化配置", { from: 24, to: 28 }, ["RTX 3090 24GB", "RTX 4080 16GB"], 64, 500],
      ["极限优化配置", { from: 16, to: 20 }, ["RTX 4060 Ti 16GB", "RTX 3080 Ti"], 32, 100],
      ["单模型配置", { from: 20, to: 24 }, ["RTX 4070 Ti", "RTX 3080 Ti"], 32, undefined],
    ]);
  });
});

describe("remedies in the manual's order", () => {
  test.each([
    [
      "out-of-memory",
      [
        { fp8_base: true, fp8_t5: true, fp8_scaled: true },
        { blocks_to_swap: [20, 40] },
        { network_dim: [16, 24], network_alpha: [16, 24] },
        { vae_cache_cpu: true, offload_inactive_dit: true },
        undefined,
      ],
    ],
    [
      "slow",
      [
        { attention: "sdpa", mixed_precision: "auto", optimizer_type: "adamw8bit" },
        { max_data_loader_n_workers: [2, 4], persistent_data_loader_workers: false },
        undefined,
      ],
    ],
    [
      "unstable",
      [{ learning_rate: 1e-4 }, undefined, { gradient_checkpointing: true, mixed_precision: "auto", seed: 42 }],
    ],
    ["dual-model", [undefined, { offload_inactive_dit: true }]],
    ["estimate", [undefined, { max_train_epochs: 16, save_every_n_epochs: 1 }]],
    ["host-memory", [{ max_data_loader_n_workers: [1, 2] }, { blocks_to_swap: [10, 20] }, undefined]],
    ["tensorboard", [undefined, undefined]],
  ] as const)("%s", (problem, parameters) => {
    const { remedies } = PRESETS.remedies.problems[problem];
    expect(remedies.map((remedy) => remedy.parameters)).toEqual(parameters);
  });

  test("with what they need and save", () => {
    const { remedies } = PRESETS.remedies.problems["out-of-memory"];
    expect(remedies.find((remedy) => remedy.id === "block-swap")?.ram_gib).toBe(64);
    expect(remedies.at(-1)).toMatchObject({ keys: { noise: "low" }, saves_vram_percent: [20, 30] });
    expect(PRESETS.remedies.problems["dual-model"].remedies[1]?.by_task).toEqual({
      "t2v-A14B": { timestep_boundary: 875 },
      "i2v-A14B": { timestep_boundary: 900 },
    });
  });
});

test("buying advice", () => {
  expect(PRESETS.advice.buying.map((row) => [row.cards, row.ram_gib, row.storage_tb])).toEqual([
    [["A100 80GB", "H100"], { from: 128 }, { from: 2 }],
    [["RTX 4090 24GB"], { from: 64 }, { from: 1 }],
    [["RTX 4060 Ti 16GB", "RTX 3090"], { from: 32, to: 64 }, { from: 0.5 }],
  ]);
});

test("general hints", () => {
  const hints = PRESETS.advice.hints.flatMap((hint) => hint.parameters ?? []);
  expect(hints.map((hint) => [hint.when.zh, hint.name, hint.value])).toEqual([
    ["小数据集", "max_data_loader_n_workers", 2],
    ["大数据集", "max_data_loader_n_workers", [4, 8]],
    ["始终", "persistent_data_loader_workers", false],
    ["必须", "attention", "sdpa"],
    ["始终", "gradient_checkpointing", true],
    ["始终（以权重精度为准）", "mixed_precision", "auto"],
    ["小数据集", "learning_rate", 1e-4],
    ["大数据集", "learning_rate", 2e-4],
    ["海量数据", "learning_rate", 1.5e-4],
    ["数据少", "network_dim", [16, 24]],
    ["数据多", "network_dim", [64, 128]],
    ["小数据集", "max_train_epochs", [8, 12]],
    ["大数据集", "max_train_epochs", [20, 30]],
    ["海量数据", "max_train_epochs", [10, 20]],
  ]);
});
