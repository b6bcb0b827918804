import { describe, expect, test } from "vitest";
import { cacheFoldersAreDistinct, captionsHaveAnExtension, logHasItsFolder } from "../../../src/core/check/data.ts";
import { learningRateIsAboveZero, optimizerIsKnown } from "../../../src/core/check/learning.ts";
import { dimIsGiven, networkArgumentsFit } from "../../../src/core/check/lora.ts";
import { attentionIsChosen, someBlockStays } from "../../../src/core/check/memory.ts";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import { TRAINER_CODES } from "../../../src/core/trainer/refusal-codes.ts";
import type { ParameterValue } from "../../../src/core/vocabulary.ts";
import { clips } from "../resolve/sample.ts";
import { type Case, codes, ditFacts, findings, resolveCase, SOUND_MODELS } from "./judge.ts";

/** A rule about train parameters: the values that break it, and the words that its finding has to hold. */
interface ParameterRule {
  readonly code: string;
  readonly values: Readonly<Record<string, string>>;
  readonly says: readonly string[];
  readonly pipeline?: readonly string[];
  /** Why no preset can bring these values. */
  readonly notInPresets?: string;
}

const A_LIST = "a preset's value is never a list";

const RULES: readonly ParameterRule[] = [
  { code: "T1", values: { mixed_precision: "bf16" }, says: ["fp16 weights", "mixed_precision"] },
  {
    code: "T2",
    values: { blocks_to_swap: "20", offload_inactive_dit: "true" },
    says: ["`blocks_to_swap` is 20", "`offload_inactive_dit` is true"],
    notInPresets: "block swap wins there, with a note",
  },
  {
    code: "T3",
    values: { fp8_scaled: "true", fp8_base: "false" },
    says: ["`fp8_scaled` is true", "`fp8_base` is false"],
    notInPresets: "the preset gives way, with a note",
  },
  { code: "T7", values: { optimizer_type: "adamv" }, says: ["Did you mean", "adamw"] },
  {
    code: "T8",
    values: { max_data_loader_n_workers: "0", persistent_data_loader_workers: "true" },
    says: ["no workers to keep"],
  },
  { code: "T15", values: { timestep_sampling: "uniform", discrete_flow_shift: "12" }, says: ["does not use it"] },
  { code: "T18", values: { lr_scheduler: "constant", lr_warmup_steps: "100" }, says: ["constant_with_warmup"] },
  { code: "T18", values: { lr_scheduler: "piecewise_constant" }, says: ["step_rules"] },
  { code: "T18", values: { lr_scheduler: "cosine_with_min_lr" }, says: ["lr_scheduler_min_lr_ratio"] },
  { code: "T18", values: { lr_scheduler: "reduce_lr_on_plateau" }, says: ["always fails"] },
  { code: "T18", values: { lr_scheduler: "cosine_warmup_with_min_lr" }, says: ["always fails"] },
  { code: "T18", values: { lr_scheduler: '"adafactor:1e-3"' }, says: ["optimizer_type: adafactor"] },
  { code: "T18", values: { optimizer_type: "adafactor", lr_warmup_steps: "10" }, says: ["relative_step=False"] },
  {
    code: "T25",
    values: {
      blocks_to_swap: "20",
      offload_inactive_dit: "false",
      block_swap_h2d_only: "true",
      gradient_checkpointing: "false",
    },
    says: ["`block_swap_h2d_only` is true", "`gradient_checkpointing` is false"],
  },
  { code: "T47", values: { compile: "true", compile_backend: "inducter" }, says: ["Did you mean inductor?"] },
  {
    code: "T43",
    values: { blocks_to_swap: "20", offload_inactive_dit: "false", block_swap_h2d_only: "true" },
    says: ["`block_swap_h2d_only` is true", "`blocks_to_swap` is 20", "noise: separate"],
  },
  { code: "T26", values: { sample_prompts: "prompts.md" }, says: ["prompts.md", ".txt, .toml, .json"] },
  {
    code: "T29",
    values: { optimizer_type: "adamw", optimizer_args: "[momentum=0.9]" },
    says: ["momentum=0.9"],
    notInPresets: A_LIST,
  },
  { code: "T31", values: { attention: "flash3", split_attn: "true" }, says: ["`attention` is flash3"] },
  {
    code: "T34",
    values: { max_train_epochs: "8", save_every_n_epochs: "8" },
    says: ["only checkpoint is that of the last epoch"],
  },
  { code: "T35", values: { save_state: "false" }, says: ["starts again from its first epoch"] },
  {
    code: "T36",
    values: { min_timestep: "900", max_timestep: "100" },
    says: ["no range is left"],
  },
  { code: "T37", values: { sample_prompts: "[a fox]" }, says: ["no moment to sample at"], notInPresets: A_LIST },
  { code: "T38", values: { num_timestep_buckets: "4" }, says: ["noise: separate"] },
];

function section(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `  ${name}: ${value}`);
  return `train:\n${lines.join("\n")}`;
}

function withCode(given: Case, code: string): Diagnostic | undefined {
  return findings(given).find((finding) => finding.code === code);
}

describe("of a list the entry is marked that is wrong", () => {
  const marked = (lines: readonly string[], code: string, project?: string) => {
    const finding = withCode({ pipeline: lines, ...(project === undefined ? {} : { project }) }, code);
    return [finding?.file, finding?.path, finding?.range?.line, finding?.range?.column];
  };

  test("of arguments, however it is written", () => {
    const lines = "train:\n  optimizer_type: adamw\n  optimizer_args:\n    - weight_decay=0.1\n    - momentum=0.9";
    expect(marked([lines], "T29")).toEqual(["pipelines/fox.yaml", "train.optimizer_args.1", 23, 7]);
    const flow = "train:\n  optimizer_type: adamw\n  optimizer_args: [weight_decay=0.1, momentum=0.9]";
    expect(marked([flow], "T29")).toEqual(["pipelines/fox.yaml", "train.optimizer_args.1", 21, 38]);
    const scheduler = "train:\n  lr_scheduler: cosine\n  lr_scheduler_args:\n    - num_cycles=2\n    - foo=1";
    expect(marked([scheduler], "T18")).toEqual(["pipelines/fox.yaml", "train.lr_scheduler_args.1", 23, 7]);
    const network = "train:\n  network_args:\n    - verbose=True\n    - conv_dim=x";
    expect(marked([network], "T30")).toEqual(["pipelines/fox.yaml", "train.network_args.1", 22, 7]);
  });

  test("of prompts and of frames", () => {
    const prompts = "train:\n  sample_every_n_epochs: 1\n  sample_prompts:\n    - a fox\n    - a hare --w 60";
    expect(marked([prompts], "T26")).toEqual(["pipelines/fox.yaml", "train.sample_prompts.1", 23, 7]);
    const dataset = "dataset:\n  sources:\n    - videos: data/fox\n      target_frames:\n        - 1\n        - 24";
    expect(marked([dataset], "T17")).toEqual(["pipelines/fox.yaml", "dataset.sources.0.target_frames", 11, 11]);
  });

  test("of the file whose list counts", () => {
    const project = "train:\n  network_args:\n    - verbose=True\n    - rank_dropout=0.1\n    - conv_dim=4\n";
    const own = "train:\n  network_args: [conv_dim=x]";
    expect(marked([own], "T30", project)).toEqual(["pipelines/fox.yaml", "train.network_args.0", 20, 18]);
    expect(marked([], "T30", "train:\n  network_args:\n    - conv_dim=x\n")).toEqual([
      "wan22.yaml",
      "train.network_args.0",
      3,
      7,
    ]);
  });
});

test("T23 is told where the folder is named, with the key that names it", () => {
  const found = findings({ project: 'state_dir: "st[1]"\n' });
  expect(found).toMatchObject([{ code: "T23", file: "wan22.yaml", path: "state_dir", range: { line: 1 } }]);
  expect(found[0]?.detail).toContain("Use a `state_dir` without");
});

test("a backend counts only where blocks are compiled", () => {
  expect(codes({ pipeline: [section({ compile_backend: "inducter" })] })).toEqual([]);
  expect(codes({ pipeline: [section({ compile: "true", compile_backend: "cudagraphs" })] })).toEqual([]);
});

test("a sound pipeline has no findings, whichever halves it trains", () => {
  for (const noise of ["dual", "low", "high", "separate"]) expect(codes({ pipeline: [`noise: ${noise}`] })).toEqual([]);
});

describe.each(RULES)("$code $values", ({ code, values, says }) => {
  test("written in the pipeline, it is found at its line", () => {
    const finding = withCode({ pipeline: [section(values)] }, code);
    expect(finding?.file).toBe("pipelines/fox.yaml");
    expect(finding?.range).toBeDefined();
    expect(finding?.path).toMatch(/^train\./);
    for (const words of says) expect(finding?.detail).toContain(words);
  });

  test("written in the project file, it is found there", () => {
    const finding = withCode({ project: `${section(values)}\n` }, code);
    expect(finding?.file).toBe("wan22.yaml");
    for (const words of says) expect(finding?.detail).toContain(words);
  });
});

describe.each(RULES.filter(({ notInPresets }) => notInPresets === undefined))(
  "$code $values brought by a preset",
  ({ code, values, says }) => {
    test("is found", () => {
      const finding = withCode({ preset: values }, code);
      for (const words of says) expect(finding?.detail).toContain(words);
    });
  },
);

describe("T4: fp8 weights", () => {
  const dit = ditFacts("models/low.safetensors", "F8_E4M3");
  const scaledKey = { ...dit.tensors, "blocks.0.cross_attn.k.scale_weight": { dtype: "F32", shape: [1] } };

  test("cannot be scaled to fp8 again", () => {
    const facts = { models: { ...SOUND_MODELS, dit } };
    const pipeline = ["noise: low", section({ fp8_base: "true", fp8_scaled: "true" })];
    const finding = withCode({ pipeline, facts }, "T4");
    expect(finding?.detail).toContain("fp8_e4m3fn");
    expect(finding?.detail).toContain("`fp8_scaled` is true (pipelines/fox.yaml");
  });

  test("stored scaled cannot be loaded at all", () => {
    const facts = { models: { ...SOUND_MODELS, dit: { ...dit, tensors: scaledKey } } };
    expect(withCode({ pipeline: ["noise: low"], facts }, "T4")?.detail).toContain("scaled fp8 weights");
  });

  test("stored plain are fine with fp8_base", () => {
    const facts = { models: { ...SOUND_MODELS, dit } };
    expect(codes({ pipeline: ["noise: low"], facts })).toEqual([]);
  });
});

describe("T1: the dtype decides", () => {
  test.each([
    ["F16", "fp16", undefined],
    ["F16", "bf16", "T1"],
    ["F16", '"no"', "T1"],
    ["BF16", "bf16", undefined],
    ["BF16", "fp16", "T1"],
    ["BF16", '"no"', "T1"],
    ["F32", "bf16", undefined],
    ["F32", "fp16", undefined],
    ["F8_E4M3", '"no"', "T1"],
    ["F8_E4M3", "fp16", undefined],
  ])("%s weights with mixed_precision %s: %s", (dtype, precision, code) => {
    const facts = { models: { ...SOUND_MODELS, dit: ditFacts("models/low.safetensors", dtype) } };
    const found = codes({ pipeline: ["noise: low", section({ mixed_precision: precision })], facts });
    expect(found).toEqual(code === undefined ? [] : [code]);
  });

  test("float32 weights train without mixed precision, unless fp8_base makes fp8 of them", () => {
    const facts = { models: { ...SOUND_MODELS, dit: ditFacts("models/low.safetensors", "F32") } };
    const precise = (fp8: string, scaled: string) =>
      codes({
        pipeline: ["noise: low", section({ mixed_precision: '"no"', fp8_base: fp8, fp8_scaled: scaled })],
        facts,
      });
    expect(precise("false", "false")).toEqual([]);
    expect(precise("true", "false")).toEqual(["T1"]);
    expect(precise("true", "true")).toEqual([]);
  });

  test("of one half trained alone, its own weights decide", () => {
    const facts = { models: { ...SOUND_MODELS, dit_high_noise: ditFacts("models/high.safetensors", "BF16") } };
    const pipeline = ["noise: high", section({ mixed_precision: "fp16" })];
    expect(withCode({ pipeline, facts }, "T1")?.detail).toContain("models/high.safetensors");
  });
});

describe("T14: the weights' header", () => {
  const judged = (dit: typeof SOUND_MODELS.dit, more: Case = {}) =>
    withCode({ pipeline: ["noise: low"], ...more, facts: { models: { ...SOUND_MODELS, dit }, ...more.facts } }, "T14");

  test("of the other task is named", () => {
    const finding = judged(ditFacts("models/low.safetensors", "F16", "i2v-A14B"));
    expect(finding?.detail).toContain("takes 36 input channels, as image-to-video weights do");
    expect(finding?.detail).toContain("needs 16");
    expect(finding?.path).toBe("models.dit");
  });

  test("with a tensor missing or too many is refused, as the trainer's strict load does", () => {
    const sound = ditFacts("models/low.safetensors");
    const { "blocks.39.ffn.2.bias": _, ...less } = sound.tensors ?? {};
    const more = { ...sound.tensors, "img_emb.proj.0.weight": { dtype: "F16", shape: [1280] } };
    expect(judged({ ...sound, tensors: less })?.detail).toContain("blocks.39.ffn.2.bias is missing");
    expect(judged({ ...sound, tensors: more })?.detail).toContain("Wan2.1's image-to-video weights");
  });

  test("with the prefix of some model files is the same", () => {
    const sound = ditFacts("models/low.safetensors");
    const prefixed = Object.entries(sound.tensors ?? {}).map(([name, tensor]) => [
      `model.diffusion_model.${name}`,
      tensor,
    ]);
    expect(judged({ ...sound, tensors: Object.fromEntries(prefixed) })).toBeUndefined();
  });

  test("of a smaller model is refused, and allowed where miniatures are", () => {
    const small = Object.fromEntries(
      Object.entries(ditFacts("models/low.safetensors").tensors ?? {})
        .filter(([name]) => !/^blocks\.(?:[2-9]|\d\d)\./.test(name))
        .map(([name, { dtype, shape }]) => [
          name,
          {
            dtype,
            shape: shape.map(
              (size) => (({ 5120: 32, 13824: 64, 30720: 192, 256: 16 }) as Record<number, number>)[size] ?? size,
            ),
          },
        ]),
    );
    const miniature = { ...ditFacts("models/low.safetensors"), tensors: small };
    expect(judged(miniature)?.detail).toContain("is not a Wan2.2 A14B model");
    expect(judged(miniature, { facts: { miniature: true } })).toBeUndefined();
  });
});

describe("rules about the dataset", () => {
  const dataset = (lines: string) => `dataset:\n  resolution: 1280x720\n  sources:\n    - videos: data/fox\n${lines}`;

  test("T16: chunks of one frame", () => {
    const pipeline = [dataset("      target_frames: [1, 25]\n      frame_extraction: chunk")];
    expect(withCode({ pipeline }, "T16")?.path).toBe("dataset.sources.0.target_frames");
    expect(codes({ pipeline: [dataset("      target_frames: [25]\n      frame_extraction: chunk")] })).toEqual([]);
  });

  test.each([
    ["[24]", "21 or 25 instead of 24"],
    ["[1, 26, 30]", "25 or 29 instead of 26, 29 or 33 instead of 30"],
  ])("T17: target_frames %s has the nearest legal values named", (frames, words) => {
    expect(withCode({ pipeline: [dataset(`      target_frames: ${frames}`)] }, "T17")?.detail).toContain(words);
  });

  test("T23: a cache folder that is a pattern", () => {
    const finding = withCode({ project: 'cache_dir: "cache[1]"\n' }, "T23");
    expect(finding?.file).toBe("wan22.yaml");
    expect(finding?.detail).toContain("holds `[`");
  });
});

test("T22: a module that trainer.python lacks", () => {
  const facts = { trainer: { missingModules: ["prodigyopt"], python: "/venv/bin/python" } };
  const finding = withCode({ pipeline: [section({ optimizer_type: "prodigyopt.Prodigy" })], facts }, "T22");
  expect(finding?.detail).toContain("pip install prodigyopt");
  expect(codes({ pipeline: [section({ optimizer_type: "prodigyopt.Prodigy" })] })).toEqual([]);
});

describe("T26: prompts", () => {
  const sampled = (value: string) => section({ sample_prompts: value, sample_every_n_epochs: "1" });
  const i2v = ["task: i2v-A14B"];
  const models = {
    ...SOUND_MODELS,
    dit: ditFacts("models/low.safetensors", "F16", "i2v-A14B"),
    dit_high_noise: ditFacts("models/high.safetensors", "F16", "i2v-A14B"),
  };

  test("of image to video need an image each", () => {
    const pipeline = [...i2v, sampled('["a fox --i fox.png", "a hare"]')];
    const finding = withCode({ pipeline, facts: { models } }, "T26");
    expect(finding?.severity).toBe("warning");
    expect(finding?.detail).toContain('1 of 2 sample prompts name no image: "a hare"');
    expect(codes({ pipeline: [...i2v, sampled('["a fox --i fox.png"]')], facts: { models } })).toEqual([]);
  });

  test.each([
    ["prompts.txt", "# nothing\n\n", "T37"],
    ["prompts.txt", "a fox\n", undefined],
    ["prompts.json", '["a fox", {"prompt": "a hare"}]', undefined],
    ["prompts.json", '{"prompt": "a fox"}', "T26"],
    ["prompts.json", "[1]", "T26"],
    ["prompts.json", "a fox", "T26"],
    ["prompts.TXT", "a fox", "T26"],
  ])("in %s with %j: %s", (file, text, code) => {
    // Paths are relative to the file they stand in, and the pipeline stands in pipelines/.
    const facts = { inputFiles: { [`pipelines/${file}`]: { text } } };
    expect(codes({ pipeline: [sampled(file)], facts })).toEqual(code === undefined ? [] : [code]);
  });

  test("in a file that is not there", () => {
    const problem = { kind: "missing", text: "there is no such file" } as const;
    const facts = { inputFiles: { "pipelines/prompts.txt": { problem } } };
    expect(withCode({ pipeline: [sampled("prompts.txt")], facts }, "T26")?.detail).toContain("there is no such file");
  });
});

describe("rules that the shape of a pipeline keeps already hold whatever brings a value in", () => {
  const source = { layer: "tier", text: "tier entry" } as const;

  /** A sound stage in which one parameter has another value, as from a preset of another version. */
  function stageWith(name: string, value: ParameterValue | undefined) {
    const judged = resolveCase({});
    const [stage] = judged.resolved.trainStages;
    if (stage === undefined) throw new Error("There is no train stage.");
    const { [name]: _, ...rest } = stage.parameters;
    return {
      judged,
      stage: { ...stage, parameters: value === undefined ? rest : { ...rest, [name]: { value, source } } },
    };
  }

  test.each([
    ["T5", someBlockStays, "blocks_to_swap", 40, "from 0 to 39"],
    ["T6", attentionIsChosen, "attention", "sage_attn", "`attention: sdpa`"],
    ["T6", attentionIsChosen, "attention", undefined, "not set"],
    ["T7", optimizerIsKnown, "optimizer_type", undefined, "adamw8bit"],
    ["T12", logHasItsFolder, "logging_dir", undefined, "`logging_dir: logs`"],
    ["T24", dimIsGiven, "dim_from_weights", true, "tier entry"],
    ["T30", networkArgumentsFit, "network_args", ["rank_dropout=1"], "below 1"],
    ["T30", networkArgumentsFit, "network_args", ["conv_dim=x"], "whole number"],
    ["T30", networkArgumentsFit, "network_args", ["include_patterns=.*"], "Python list"],
    ["T28", learningRateIsAboveZero, "learning_rate", 0, "above 0"],
  ] as const)("%s %o: %s %s", (code, rule, name, value, words) => {
    const { judged, stage } = stageWith(name, value);
    expect(rule(stage, judged)).toMatchObject([{ code, detail: expect.stringContaining(words) }]);
  });

  test("T21: a folder of clips without a caption extension", () => {
    const judged = resolveCase({});
    const sources = judged.resolved.dataset.sources.map((each) => ({ ...each, captionExtension: "" }));
    const resolved = { ...judged.resolved, dataset: { ...judged.resolved.dataset, sources } };
    expect(captionsHaveAnExtension({ ...judged, resolved })).toMatchObject([{ code: "T21" }]);
    expect(captionsHaveAnExtension(judged)).toEqual([]);
  });

  test("T9: two sources with one cache folder", () => {
    const judged = resolveCase({});
    const sources = [...judged.resolved.dataset.sources, ...judged.resolved.dataset.sources];
    const resolved = { ...judged.resolved, dataset: { ...judged.resolved.dataset, sources } };
    expect(cacheFoldersAreDistinct({ ...judged, resolved })).toMatchObject([{ code: "T9" }]);
  });
});

describe("T19: without buckets, a batch of clips cached in different shapes", () => {
  const sized = (width: number, height: number, name: string) =>
    clips(1).map((clip) => ({ ...clip, name, stem: name, file: `data/fox/${name}`, width, height }));
  const sources = [{ media: [...sized(1280, 720, "wide"), ...sized(720, 1280, "tall")] }];
  const dataset = (bucket: boolean, batch: number) =>
    `dataset:\n  resolution: 1280x720\n  enable_bucket: ${bucket}\n  batch_size: ${batch}\n  sources:\n    - videos: data/fox\n      target_frames: [25]`;

  test("is an error that names one of each", () => {
    const finding = withCode({ pipeline: [dataset(false, 2)], facts: { sources } }, "T19");
    expect(finding?.detail).toContain("data/fox/wide (1280x720) and data/fox/tall (720x1280)");
    expect(finding?.path).toBe("dataset.sources.0.enable_bucket");
  });

  test("cannot come with buckets, or with batches of one", () => {
    expect(codes({ pipeline: [dataset(true, 2)], facts: { sources } })).toEqual([]);
    expect(codes({ pipeline: [dataset(false, 1)], facts: { sources } })).toEqual([]);
  });
});

test("each code from T1 to T27 exists once, and no other", () => {
  const numbers = Object.values(TRAINER_CODES).map(({ code }) => code);
  expect(numbers).toEqual(Array.from({ length: 27 }, (_, index) => `T${index + 1}`));
});
