import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import type { CheckpointPlan, PipelinePlan, Plan, StagePlan } from "../../../src/core/plan/plan.ts";

/** Plans made by hand: what the views are given, without anything that makes plans. */

export function aStage(given: Partial<StagePlan> & Pick<StagePlan, "id" | "action">): StagePlan {
  return { reasons: [], driver: "bridge", argv: [], files: {}, fingerprint: "", inputs: {}, identities: {}, ...given };
}

export function aCheckpoint(epoch: number, given: Partial<CheckpointPlan> = {}): CheckpointPlan {
  const file = `output/fox/fox-t2v-${String(epoch).padStart(6, "0")}.safetensors`;
  return {
    stage: "train",
    file,
    kind: "checkpoint",
    action: "create",
    epoch,
    step: epoch * 16,
    bytes: 613_417_760,
    ...given,
  };
}

export function aPipeline(given: Partial<PipelinePlan> = {}): PipelinePlan {
  return {
    name: "fox-t2v",
    file: "pipelines/fox.yaml",
    valid: true,
    task: "t2v-A14B",
    noise: "dual",
    tier: "high-end",
    backend: "musubi",
    parameters: {},
    dataset: { files: 8, items: 16, batches: 16, steps_per_epoch: 16, total_steps: 64, digest: "", buckets: [] },
    stages: [],
    checkpoints: [],
    estimates: {},
    digest: "",
    ...given,
  };
}

export function aPlan(pipelines: readonly PipelinePlan[], diagnostics: readonly Diagnostic[] = []): Plan {
  return {
    format_version: "1.0",
    changes: pipelines.some(({ stages }) => stages.some(({ action }) => action !== "none")),
    pipelines: [...pipelines],
    diagnostics: diagnostics.map((diagnostic) => ({ ...diagnostic, related: [...diagnostic.related] })),
  };
}

export function aDiagnostic(given: Partial<Diagnostic> = {}): Diagnostic {
  const summary = given.summary ?? "Unknown key";
  const detail = given.detail ?? "`learing_rate` is no key of `train`. Did you mean `learning_rate`?";
  return { severity: "error", code: "S3", related: [], ...given, summary, detail, message: `${summary}: ${detail}` };
}

/** A first plan: everything is new. */
export const FIRST_PLAN = aPlan([
  aPipeline({
    stages: [
      aStage({
        id: "cache-latents",
        action: "create",
        reasons: [{ cause: "no-record", text: "nothing is recorded yet" }],
        argv: [
          "wan_cache_latents.py",
          "--dataset_config",
          ".wan22/work/fox-t2v/dataset.toml",
          "--vae",
          "my models/vae.safetensors",
          "--vae_cache_cpu",
        ],
        files: {
          "dataset.toml": '[general]\nresolution = [1280, 720]\n\n[[datasets]]\nvideo_directory = "data/fox"\n',
        },
        cache_files: ["a", "b"],
        pending: ["a", "b"],
      }),
      aStage({
        id: "train",
        action: "create",
        reasons: [{ cause: "no-record", text: "nothing is recorded yet" }],
        argv: [
          "wan_train_network.py",
          "--task",
          "t2v-A14B",
          "--sdpa",
          "--optimizer_args",
          "weight_decay=0.01",
          "betas=0.9,0.999",
        ],
        files: {
          "dataset.toml": '[general]\nresolution = [1280, 720]\n\n[[datasets]]\nvideo_directory = "data/fox"\n',
        },
        total_epochs: 4,
        steps_per_epoch: 16,
        total_steps: 64,
      }),
    ],
    checkpoints: [
      aCheckpoint(1),
      aCheckpoint(2),
      aCheckpoint(3),
      aCheckpoint(4, { file: "output/fox/fox-t2v.safetensors" }),
    ],
    parameters: {
      learning_rate: {
        value: 0.0002,
        source: { layer: "pipeline", text: "pipelines/fox.yaml:17" },
        recommended: [0.0001, 0.0003],
      },
      network_dim: { value: 32, source: { layer: "size-rule", text: "size rule 20 files: 32" }, recommended: [32, 32] },
      blocks_to_swap: { value: 20, source: { layer: "tier", text: "tier high-end" }, recommended: [10, 20] },
      "dataset.resolution": { value: [1280, 720], source: { layer: "pipeline", text: "pipelines/fox.yaml:6" } },
      seed: { value: 42, source: { layer: "defaults", text: "the manual's default" } },
      output_name: { value: "fox-t2v", source: { layer: "derived", text: "output.name" } },
    },
    estimates: {
      time: { low: 46_800, high: 54_000, unit: "s", basis: "table: RTX 4090, 35 to 40 s a step" },
      vram: {
        low: 19,
        high: 21,
        unit: "GiB",
        basis: "formula: 14 B weights in fp8, 20 of 40 blocks swapped",
        available: 24,
      },
    },
  }),
]);
