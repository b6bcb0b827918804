import { describe, expect, test } from "vitest";
import { dit, resolveWith, valuesOf } from "./sample.ts";

const MODELS = "models:\n  dit: models/low.safetensors\n  dit_high_noise: models/high.safetensors";

function stagesOf(lines: string) {
  return resolveWith(`${lines}\n${MODELS}`).resolved.trainStages.map((stage) => ({
    id: stage.id,
    half: stage.half,
    outputName: stage.outputName,
    dit: stage.dit?.path,
    ditHighNoise: stage.ditHighNoise?.path,
    values: valuesOf(stage.parameters),
  }));
}

const SHAPE = { preserve_distribution_shape: true };

describe("noise decides the train stages", () => {
  test("dual: both models in one run", () => {
    const [stage, ...more] = stagesOf("hardware: professional\nnoise: dual");
    expect(more).toEqual([]);
    expect(stage).toMatchObject({
      id: "train",
      half: "dual",
      outputName: "fox",
      dit: "pipelines/models/low.safetensors",
      ditHighNoise: "pipelines/models/high.safetensors",
      values: { timestep_boundary: 875, min_timestep: 0, max_timestep: 1000, preserve_distribution_shape: false },
    });
  });

  test.each([
    ["t2v-A14B", "low", "low", 0, 875],
    ["t2v-A14B", "high", "high", 875, 1000],
    ["i2v-A14B", "low", "low", 0, 900],
    ["i2v-A14B", "high", "high", 900, 1000],
  ])("%s, %s alone: its model as dit, its timesteps, nothing that is for two", (task, noise, model, min, max) => {
    const [stage, ...more] = stagesOf(`task: ${task}\nnoise: ${noise}\nhardware: professional`);
    expect(more).toEqual([]);
    expect(stage).toMatchObject({
      id: "train",
      half: noise,
      outputName: "fox",
      dit: `pipelines/models/${model}.safetensors`,
    });
    expect(stage?.ditHighNoise).toBeUndefined();
    expect(stage?.values).toMatchObject({ min_timestep: min, max_timestep: max, ...SHAPE });
    expect(stage?.values).not.toHaveProperty("timestep_boundary");
    expect(stage?.values).not.toHaveProperty("offload_inactive_dit");
  });

  test("separate: a stage and a name for each half", () => {
    const stages = stagesOf("noise: separate\nhardware: mid");
    expect(stages.map(({ id, outputName, dit: model }) => [id, outputName, model])).toEqual([
      ["train-low", "fox-low", "pipelines/models/low.safetensors"],
      ["train-high", "fox-high", "pipelines/models/high.safetensors"],
    ]);
    expect(stages.map(({ values }) => [values.min_timestep, values.max_timestep])).toEqual([
      [0, 875],
      [875, 1000],
    ]);
  });

  test("a boundary that is written cuts the halves there", () => {
    const stages = stagesOf("noise: separate\nhardware: mid\ntrain:\n  timestep_boundary: 900");
    expect(stages.map(({ values }) => [values.min_timestep, values.max_timestep])).toEqual([
      [0, 900],
      [900, 1000],
    ]);
  });

  test("timesteps that are written are one half's own, and narrow two", () => {
    const lines = "hardware: mid\ntrain:\n  min_timestep: 100\n  max_timestep: 950";
    const rangeOf = (noise: string) =>
      stagesOf(`noise: ${noise}\n${lines}`).map(({ values }) => [values.min_timestep, values.max_timestep]);
    expect(rangeOf("low")).toEqual([[100, 950]]);
    expect(rangeOf("separate")).toEqual([
      [100, 875],
      [875, 950],
    ]);
  });

  test("a half that is left without timesteps is an error", () => {
    const { diagnostics } = resolveWith("noise: separate\nhardware: mid\ntrain:\n  max_timestep: 500");
    expect(diagnostics.find((each) => each.code === "R21")).toMatchObject({ severity: "error", range: { line: 12 } });
  });

  test.each(["dual", "low", "high"])("a range that is none by itself is left to the rules: %s", (noise) => {
    const { diagnostics } = resolveWith(
      `noise: ${noise}\nhardware: mid\ntrain:\n  min_timestep: 500\n  max_timestep: 400`,
    );
    expect(diagnostics.map(({ code }) => code)).not.toContain("R21");
  });

  test("the shape of the distribution is given up when asked to", () => {
    const [stage] = stagesOf("noise: low\nhardware: mid\ntrain:\n  preserve_distribution_shape: false");
    expect(stage?.values.preserve_distribution_shape).toBe(false);
  });

  test("a setting for two models is pointed out where there is one", () => {
    const { diagnostics } = resolveWith("noise: low\nhardware: mid\ntrain:\n  offload_inactive_dit: true");
    expect(diagnostics.find((each) => each.code === "R20")).toMatchObject({ severity: "warning", range: { line: 12 } });
  });
});

describe("T2: swapped blocks and an offloaded model exclude each other", () => {
  function decided(lines: string) {
    const { train, codes } = resolveWith(lines);
    return [train.blocks_to_swap, train.offload_inactive_dit, codes.filter((code) => code === "R12").length];
  }

  test.each([
    ["both recommended: block swap wins, with a note", "hardware: high-end", [15, false, 1]],
    ["only one recommended: no note", "hardware: professional", [0, true, 0]],
    ["swap written: it wins", "hardware: professional\ntrain:\n  blocks_to_swap: 4", [4, false, 1]],
    ["swap switched off: the model is offloaded", "hardware: mid\ntrain:\n  blocks_to_swap: 0", [0, true, 0]],
    ["offload written: it wins", "hardware: mid\ntrain:\n  offload_inactive_dit: true", [0, true, 1]],
    ["offload switched off", "hardware: mid\ntrain:\n  offload_inactive_dit: false", [25, false, 0]],
    [
      "both written: left for checking",
      "hardware: mid\ntrain:\n  blocks_to_swap: 5\n  offload_inactive_dit: true",
      [5, true, 0],
    ],
    ["one half alone: nothing to decide", "hardware: mid\nnoise: low", [25, undefined, 0]],
  ])("%s", (_, lines, expected) => {
    expect(decided(lines)).toEqual(expected);
  });
});

describe("T5: 40 blocks to swap are 39", () => {
  test("with a note where the recommendation says more", () => {
    const { train, diagnostics } = resolveWith("hardware: entry\nstrategy: conservative");
    expect(train.blocks_to_swap).toBe(39);
    expect(diagnostics.find((each) => each.code === "R13")).toMatchObject({ severity: "note" });
  });

  test.each(["hardware: entry", "hardware: entry\nstrategy: conservative\ntrain:\n  blocks_to_swap: 20"])(
    "without one where it does not matter: %j",
    (lines) => {
      expect(resolveWith(lines).codes).not.toContain("R13");
    },
  );
});

describe("T7: the manual's short names of optimizers", () => {
  test.each([
    ["lion", "bitsandbytes.optim.Lion"],
    ["sgd", "SGD"],
    ["adamw", undefined],
    ["adamw8bit", undefined],
    ["SGD", undefined],
    ["prodigyopt.Prodigy", undefined],
  ])("%s is noted as %s", (name, noted) => {
    const { diagnostics } = resolveWith(`noise: separate\nhardware: mid\ntrain:\n  optimizer_type: ${name}`);
    const notes = diagnostics.filter(({ code }) => code === "R25");
    expect(notes.map(({ severity, detail }) => [severity, detail.includes(`as \`${noted}\``)])).toEqual(
      noted === undefined ? [] : [["note", true]],
    );
  });
});

describe("T1: mixed_precision follows the weights", () => {
  test.each([
    ["F16", "fp16", true],
    ["BF16", "bf16", false],
    ["F32", "bf16", false],
    ["F8_E4M3", "bf16", false],
  ])("%s: %s", (dtype, expected, noted) => {
    const { train, sourceOf, codes } = resolveWith(`hardware: professional\n${MODELS}`, {
      models: { dit: dit(dtype) },
    });
    expect(train.mixed_precision).toBe(expected);
    expect(sourceOf("mixed_precision")).toMatch(/^auto: the weights of low\.safetensors are /);
    expect(codes.includes("R14")).toBe(noted);
  });

  test("each half its own", () => {
    const models = { dit: dit("F16"), dit_high_noise: dit("BF16", "models/high.safetensors") };
    const { resolved } = resolveWith(`noise: separate\nhardware: mid\n${MODELS}`, { models });
    expect(resolved.trainStages.map((stage) => stage.parameters.mixed_precision?.value)).toEqual(["fp16", "bf16"]);
  });

  test("where the file is not here its name decides, else bf16", () => {
    const named = "models:\n  dit: wan2.2_t2v_low_noise_14B_fp16.safetensors";
    const { train, sourceOf } = resolveWith(`hardware: entry\n${named}`);
    expect(train.mixed_precision).toBe("fp16");
    expect(sourceOf("mixed_precision")).toContain("the name of wan2.2_t2v_low_noise_14B_fp16.safetensors says fp16");
    expect(resolveWith("hardware: entry").train.mixed_precision).toBe("bf16");
  });

  test("what is written stays, for checking to judge; auto written is auto", () => {
    const models = { dit: dit("F16") };
    expect(resolveWith("hardware: entry\ntrain:\n  mixed_precision: bf16", { models }).train.mixed_precision).toBe(
      "bf16",
    );
    expect(resolveWith("hardware: entry\ntrain:\n  mixed_precision: auto", { models }).train.mixed_precision).toBe(
      "fp16",
    );
  });
});

describe("T3 and T4: fp8 settings fit one another and the weights", () => {
  function decided(lines: string, dtype = "F16") {
    const { train, codes } = resolveWith(lines, { models: { dit: dit(dtype) } });
    return [train.fp8_base, train.fp8_scaled, codes.filter((code) => code === "R15").length];
  }

  test.each([
    ["16-bit weights: as recommended", "hardware: mid", "F16", [true, true, 0]],
    ["8-bit weights are not scaled again", "hardware: mid", "F8_E4M3", [true, false, 1]],
    ["8-bit weights need fp8_base", "hardware: professional", "F8_E4M3", [true, false, 1]],
    [
      "fp8_base switched off takes fp8_scaled with it",
      "hardware: mid\ntrain:\n  fp8_base: false",
      "F16",
      [false, false, 1],
    ],
    ["fp8_scaled chosen brings fp8_base", "hardware: professional\ntrain:\n  fp8_scaled: true", "F16", [true, true, 1]],
    [
      "fp8_scaled written stays on 8-bit weights, for checking",
      "hardware: mid\ntrain:\n  fp8_scaled: true",
      "F8_E4M3",
      [true, true, 0],
    ],
    ["both written stay", "hardware: mid\ntrain:\n  fp8_base: false\n  fp8_scaled: true", "F16", [false, true, 0]],
  ])("%s", (_, lines, dtype, expected) => {
    expect(decided(lines, dtype)).toEqual(expected);
  });

  test("in dual training the other half's 8-bit weights are not scaled either, and its file is named", () => {
    const models = { dit: dit("F16"), dit_high_noise: dit("F8_E4M3", "models/high.safetensors") };
    const lines = "noise: dual\nhardware: mid\nmodels:\n  dit_high_noise: models/high.safetensors";
    const { train, diagnostics } = resolveWith(lines, { models });
    expect([train.fp8_base, train.fp8_scaled]).toEqual([true, false]);
    expect(diagnostics.find(({ code }) => code === "R15")?.detail).toContain("high.safetensors are in 8 bits already");
    expect(resolveWith(lines.replace("dual", "low"), { models }).train.fp8_scaled).toBe(true);
  });
});
