import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import type { Facts, GpuFacts, MediaFacts, ModelFacts } from "../../../src/core/facts.ts";
import { type Presets, readPresets } from "../../../src/core/resolve/presets.ts";
import { resolve } from "../../../src/core/resolve/resolve.ts";
import type { Resolved, ResolvedValue } from "../../../src/core/resolve/resolved.ts";
import type { SourceText } from "../../../src/core/spec/spec.ts";
import { parseSound } from "../spec/sample.ts";

const FOLDER = new URL("../../../templates/presets/", import.meta.url);

/** The built-in preset files as they are committed. */
export const PRESET_TEXTS: Readonly<Record<string, SourceText>> = Object.fromEntries(
  readdirSync(FOLDER).map((name) => [
    name,
    { file: `templates/presets/${name}`, text: readFileSync(new URL(name, FOLDER), "utf8") },
  ]),
);

function readBuiltIn(): Presets {
  const { value, diagnostics } = readPresets(PRESET_TEXTS);
  if (value === undefined) throw new Error(diagnostics.map((each) => `${each.file}: ${each.message}`).join("\n"));
  return value;
}

export const PRESETS = readBuiltIn();

export function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}

/** Clips of 1280x720 and 25 frames, all fit to train. */
export function clips(count: number, fps = 16): readonly MediaFacts[] {
  return Array.from({ length: count }, (_, index) => {
    const stem = `clip-${String(index).padStart(5, "0")}`;
    return {
      kind: "video",
      file: `data/fox/${stem}.mp4`,
      name: `${stem}.mp4`,
      stem,
      bytes: 1000,
      width: 1280,
      height: 720,
      frames: 25,
      fps,
      caption: { file: `data/fox/${stem}.txt`, text: "a fox" },
    };
  });
}

/** A DiT's header as far as its dtype is read from it. */
export function dit(dtype: string, file = "models/low.safetensors"): ModelFacts {
  return {
    file,
    bytes: 1,
    format: "safetensors",
    tensors: { "blocks.0.cross_attn.k.weight": { dtype, shape: [5120, 5120] } },
    blocksSha256: "",
  };
}

export interface Situation {
  readonly files?: number;
  readonly media?: readonly MediaFacts[];
  readonly gpus?: readonly GpuFacts[];
  readonly gpuPool?: readonly number[];
  readonly ramGiB?: number;
  readonly models?: Facts["models"];
  readonly project?: string;
  readonly presets?: Presets;
}

/** What would be observed: as many clips as asked for, no card, no model files. */
export function factsOf({ files = 60, media, gpus = [], ramGiB, models = {} }: Situation): Facts {
  return {
    sources: [{ media: media ?? clips(files) }],
    models,
    gpus,
    ...(ramGiB === undefined ? {} : { ramGiB }),
    trainer: { missingModules: [] },
    miniature: false,
  };
}

export interface Outcome {
  readonly resolved: Resolved;
  readonly diagnostics: readonly Diagnostic[];
  /** Train parameters of the first stage, as values. */
  readonly train: Readonly<Record<string, unknown>>;
  /** Where a train parameter of the first stage came from, as shown. */
  readonly sourceOf: (name: string) => string | undefined;
  readonly codes: readonly string[];
}

export function valuesOf(parameters: Readonly<Record<string, ResolvedValue>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(parameters).map(([name, { value }]) => [name, value]));
}

/** Resolves a pipeline of one folder of clips; `lines` stand below its `dataset`. */
export function resolveWith(lines: string, situation: Situation = {}): Outcome {
  const text = `version: 1
name: fox
task: ${/^task:/m.test(lines) ? "" : "t2v-A14B"}
dataset:
  resolution: 1280x720
  sources:
    - videos: data/fox
      target_frames: [25]
${lines}
`.replace(/^task: \n/m, "");
  const spec = parseSound(text, situation.project);
  const { resolved } = resolve({
    spec,
    presets: situation.presets ?? PRESETS,
    facts: factsOf(situation),
    gpuPool: situation.gpuPool,
    sha256,
  });
  const first = resolved.trainStages[0]?.parameters ?? {};
  return {
    resolved,
    diagnostics: resolved.diagnostics,
    train: valuesOf(first),
    sourceOf: (name) => first[name]?.source.text,
    codes: resolved.diagnostics.map((each) => each.code),
  };
}
