import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import { type ParsedPipeline, parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import type { Spec } from "../../../src/core/spec/spec.ts";

/** A pipeline with every section and nothing wrong. */
export const SOUND = `version: 1
name: fox-t2v
task: t2v-A14B
noise: dual
hardware: high-end
strategy: balanced
dataset:
  resolution: 1280x720
  enable_bucket: true
  sources:
    - videos: data/fox
      target_frames: [1, 25, 45]
      frame_extraction: head
      source_fps: auto
    - images: data/stills
      num_repeats: 2
models:
  dit: models/low.safetensors
  dit_high_noise: models/high.safetensors
  vae: models/vae.safetensors
  t5: models/t5.pth
train:
  learning_rate: 2e-4
  network_dim: 32
  attention: sdpa
  sample_prompts:
    - a fox --w 832 --h 480
cache_latents:
  vae_cache_cpu: true
cache_text:
  fp8_t5: true
output:
  dir: output/fox
  name: fox-t2v
trainer:
  backend: rehearsal
gpus: [0]
`;

const ENVIRONMENT = { HOME: "/home/fox", MODELS: "/models", EMPTY: "" };

/** Parses texts as `pipelines/fox.yaml` and `wan22.yaml` of the project in /project. */
export function parse(pipeline: string, project?: string): ParsedPipeline {
  return parsePipelines({
    pipeline: { file: "pipelines/fox.yaml", text: pipeline },
    ...(project === undefined ? {} : { project: { file: "wan22.yaml", text: project } }),
    root: "/project",
    environment: ENVIRONMENT,
  })[0];
}

/** Parses what must be sound. */
export function parseSound(pipeline: string, project?: string): Spec {
  const { value, diagnostics } = parse(pipeline, project);
  if (value === undefined) throw new Error(diagnostics.map((diagnostic) => diagnostic.message).join("\n"));
  return value;
}

/** The part of a text that a diagnostic marks; its first line. */
export function marked(text: string, diagnostic: Diagnostic): string {
  const range = diagnostic.range;
  if (range === undefined) return "";
  const line = text.split(/\r?\n/)[range.line - 1] ?? "";
  return line.slice(range.column - 1, range.end_line === range.line ? range.end_column - 1 : undefined);
}

/** A smallest pipeline with lines of one section in it, for tests about those lines. */
export function pipelineWith(lines: string): string {
  return `version: 1\nname: fox\ntask: t2v-A14B\ndataset:\n  resolution: 1280x720\n  sources:\n    - videos: data/fox\n${lines}\n`;
}
