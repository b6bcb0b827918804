import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../../src/core/plan/canonical.ts";
import { planPipeline } from "../../../src/core/plan/plan-pipeline.ts";
import { applied, modelFacts, PIPELINE, planInput, planWorld } from "./world.ts";

const MODELS = { dit: modelFacts("dit"), vae: modelFacts("vae"), t5: modelFacts("t5") };

describe("canonical JSON", () => {
  test("sorts keys, leaves undefined entries out, and writes equal numbers alike", () => {
    expect(canonicalJson({ b: 1, a: [2e-4, 0.0002, -0, 1e21], é: null, c: undefined })).toBe(
      '{"a":[0.0002,0.0002,0,1e+21],"b":1,"é":null}',
    );
    expect(canonicalJson({ B: 1, a: 1, A: 1 })).toBe('{"A":1,"B":1,"a":1}');
    expect(canonicalJson([Number.NaN, undefined])).toBe("[null,null]");
  });
});

describe("a fingerprint", () => {
  test("is stable: work finished today must still be known tomorrow", () => {
    const { plan } = planWorld({ models: MODELS });
    expect(plan.stages.map(({ id, fingerprint }) => [id, fingerprint.slice(0, 16)])).toMatchInlineSnapshot(`
      [
        [
          "cache-latents",
          "4d7777158380c48a",
        ],
        [
          "cache-text",
          "ebd34d2a92123e26",
        ],
        [
          "train",
          "d0adb1e1129e9292",
        ],
      ]
    `);
    expect(plan.stages[2]?.inputs).toMatchInlineSnapshot(`
      {
        "cache-text.fp8_t5": true,
        "dataset.sources.0.batch_size": 1,
        "dataset.sources.0.bucket_no_upscale": false,
        "dataset.sources.0.enable_bucket": true,
        "dataset.sources.0.frame_extraction": "head",
        "dataset.sources.0.num_repeats": 1,
        "dataset.sources.0.resolution": [
          256,
          144,
        ],
        "dataset.sources.0.target_frames": [
          1,
          25,
        ],
        "discrete_flow_shift": 12,
        "fp8_base": true,
        "fp8_scaled": true,
        "half": "low",
        "learning_rate": 0.0002,
        "max_timestep": 875,
        "min_timestep": 0,
        "mixed_precision": "bf16",
        "network_alpha": 20,
        "network_dim": 20,
        "optimizer_type": "adamw8bit",
        "preserve_distribution_shape": true,
        "seed": 42,
        "task": "t2v-A14B",
        "timestep_sampling": "shift",
      }
    `);
    expect(Object.keys(plan.stages[2]?.identities ?? {})).toEqual([
      "dit",
      "vae",
      "t5",
      "clip 0/a",
      "clip 0/b",
      "clip 0/c",
      "clip 0/d",
    ]);
  });

  test("does not hold the epochs", () => {
    const more = planWorld({ yaml: PIPELINE.replace("max_train_epochs: 4", "max_train_epochs: 9") });
    expect(more.stage("train").fingerprint).toBe(planWorld({}).stage("train").fingerprint);
  });

  test("of latents does not hold captions, and of texts nothing but captions and encoder", () => {
    const clips = ["a", "b", "c", "d"].map((stem) => ({ stem, caption: "same" }));
    const other = planWorld({ clips });
    expect(other.stage("cache-latents").fingerprint).toBe(planWorld({}).stage("cache-latents").fingerprint);
    expect(other.stage("cache-text").fingerprint).not.toBe(planWorld({}).stage("cache-text").fingerprint);
    const resized = planWorld({ yaml: PIPELINE.replace("256x144", "320x192") });
    expect(resized.stage("cache-text").fingerprint).toBe(planWorld({}).stage("cache-text").fingerprint);
    expect(resized.stage("cache-latents").fingerprint).not.toBe(planWorld({}).stage("cache-latents").fingerprint);
  });
});

describe("a plan", () => {
  test("is the same bytes for the same input, whatever was planned between", () => {
    const world = { models: MODELS, ...applied({ models: MODELS }) };
    const first = JSON.stringify(planPipeline(planInput(world)));
    planWorld({});
    expect(JSON.stringify(planPipeline(planInput(world)))).toBe(first);
  });

  test("has another digest as soon as anything in it differs", () => {
    const digest = (yaml: string) => planWorld({ yaml }).plan.digest;
    expect(digest(PIPELINE)).toBe(digest(`${PIPELINE}\n# a remark\n`));
    expect(digest(PIPELINE.replace("max_train_epochs: 4", "max_train_epochs: 5"))).not.toBe(digest(PIPELINE));
    expect(digest(PIPELINE.replace("train:", "train:\n  log_prefix: x"))).not.toBe(digest(PIPELINE));
  });

  test("names values that differ between the halves with their stage", () => {
    const { plan } = planWorld({ yaml: PIPELINE.replace("hardware: entry", "hardware: entry\nnoise: separate") });
    expect(plan.parameters["train-low.max_timestep"]?.value).toBe(875);
    expect(plan.parameters["train-high.max_timestep"]?.value).toBe(1000);
    expect(plan.parameters.learning_rate?.value).toBe(2e-4);
    expect(plan.parameters.max_timestep).toBeUndefined();
    expect(plan.parameters["dataset.resolution"]?.value).toBe("256x144");
    expect(plan.parameters["cache-latents.vae_cache_cpu"]?.value).toBe(true);
  });
});
