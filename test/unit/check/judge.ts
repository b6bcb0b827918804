import { check } from "../../../src/core/check/check.ts";
import { A14B, ditLayout, INPUT_CHANNELS } from "../../../src/core/check/dit-layout.ts";
import type { Judged } from "../../../src/core/check/rule.ts";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import type { Facts, ModelFacts } from "../../../src/core/facts.ts";
import { type Presets, readPresets } from "../../../src/core/resolve/presets.ts";
import { resolve } from "../../../src/core/resolve/resolve.ts";
import { MODEL_ROLES, type ModelRole, type Task } from "../../../src/core/vocabulary.ts";
import { clips, PRESET_TEXTS, PRESETS, sha256 } from "../resolve/sample.ts";
import { parseSound } from "../spec/sample.ts";

/** A sound pipeline for the real trainer; every line of it can be replaced by a line of the same key. */
const LINES: Readonly<Record<string, string>> = {
  version: "version: 1",
  name: "name: fox",
  task: "task: t2v-A14B",
  noise: "noise: dual",
  hardware: "hardware: high-end",
  dataset: "dataset:\n  resolution: 1280x720\n  sources:\n    - videos: data/fox\n      target_frames: [25]",
  models:
    "models:\n  dit: models/low.safetensors\n  dit_high_noise: models/high.safetensors\n  vae: models/vae.safetensors\n  t5: models/t5.pth",
  trainer: "trainer:\n  backend: musubi\n  path: musubi-tuner",
};

export interface Case {
  /** Top-level blocks of the pipeline; one of the same key replaces the sound one. */
  readonly pipeline?: readonly string[];
  /** The whole of wan22.yaml. */
  readonly project?: string;
  /** Values that a replaced preset brings, in YAML. */
  readonly preset?: Readonly<Record<string, string>>;
  readonly facts?: Partial<Facts>;
}

/** A DiT whose header is that of Wan2.2 A14B. `content` tells files apart. */
export function ditFacts(file: string, dtype = "F16", task: Task = "t2v-A14B", content = file): ModelFacts {
  const layout = ditLayout(A14B, INPUT_CHANNELS[task]);
  const tensors = Object.fromEntries([...layout].map(([name, shape]) => [name, { dtype, shape }]));
  return {
    file,
    bytes: 1,
    format: "safetensors",
    tensors,
    headerSha256: sha256(content),
    blocksSha256: sha256(content),
  };
}

export function vaeFacts(channels = 16): ModelFacts {
  const shapes: Readonly<Record<string, readonly number[]>> = {
    "encoder.conv1.weight": [96, 3, 3, 3, 3],
    "conv1.weight": [2 * channels, 2 * channels, 1, 1, 1],
    "conv2.weight": [channels, channels, 1, 1, 1],
    "decoder.conv1.weight": [384, channels, 3, 3, 3],
    "decoder.head.2.weight": [3, 96, 3, 3, 3],
  };
  const tensors = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { dtype: "BF16", shape }]));
  return { file: "models/vae.safetensors", bytes: 1, format: "safetensors", tensors, blocksSha256: "vae" };
}

export const SOUND_MODELS: Readonly<Record<ModelRole, ModelFacts>> = {
  dit: ditFacts("models/low.safetensors"),
  dit_high_noise: ditFacts("models/high.safetensors"),
  vae: vaeFacts(),
  t5: { file: "models/t5.pth", bytes: 1, format: "other", blocksSha256: "t5" },
};

/** Presets whose every tier, the last layer before a user's own files, brings these values. */
function presetsWith(values: Readonly<Record<string, string>>): Presets {
  const tiers = PRESET_TEXTS["tiers.yaml"];
  if (tiers === undefined) throw new Error("There is no tiers.yaml.");
  let { text } = tiers;
  for (const [name, value] of Object.entries(values)) {
    const block = new RegExp(`(?<!    advice:\\n)^      ${name}:\\n(?:        .*\\n)+`, "gm");
    const replaced = `      ${name}:\n        value: ${value}\n        reason:\n          en: A test wants it.\n          zh: 测试。\n`;
    text = text.replaceAll(block, "").replaceAll("\n    parameters:\n", `\n    parameters:\n${replaced}`);
  }
  const { value, diagnostics } = readPresets({ ...PRESET_TEXTS, "tiers.yaml": { file: tiers.file, text } });
  if (value === undefined) throw new Error(diagnostics.map((each) => each.message).join("\n"));
  return value;
}

/** A pipeline resolved, with the facts it was resolved with. */
export function resolveCase({ pipeline = [], project, preset, facts: given = {} }: Case): Judged {
  const replaced = Object.fromEntries(pipeline.map((block) => [block.slice(0, block.indexOf(":")), block]));
  const text = `${Object.values({ ...LINES, ...replaced }).join("\n")}\n`;
  const spec = parseSound(text, project);
  const facts: Facts = {
    sources: spec.dataset.sources.map(() => ({ media: clips(60) })),
    models: Object.fromEntries(MODEL_ROLES.flatMap((role) => (spec.models[role] ? [[role, SOUND_MODELS[role]]] : []))),
    gpus: [],
    trainer: { missingModules: [] },
    miniature: false,
    ...given,
  };
  const presets = preset === undefined ? PRESETS : presetsWith(preset);
  const { resolved, items } = resolve({ spec, presets, facts, sha256 });
  return { resolved, items, facts };
}

/** What checking says about a pipeline, without those about the clips themselves, which are not what these tests are about. */
export function findings(given: Case): readonly Diagnostic[] {
  return check(resolveCase(given)).filter(({ code }) => !code.startsWith("D"));
}

export function codes(given: Case): readonly string[] {
  return findings(given).map(({ code }) => code);
}
