// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { createHash } from "node:crypto";
import type { Facts, MediaFacts, ModelFacts } from "../../../src/core/facts.ts";
import type { Lock } from "../../../src/core/lock/lock.ts";
import { lockOf } from "../../../src/core/lock/lock-of.ts";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import type { Spec } from "../../../src/core/spec/spec.ts";
import { ARGUMENT_SURFACE } from "../../../src/core/trainer/argument-surface.ts";
import { ditFacts } from "../check/judge.ts";

/** A pipeline with everything in it that can be locked, and what was observed of it. */

export const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

export const ROOT = "/home/somebody/project";

export const PIPELINE = `version: 1
name: fox
task: t2v-A14B
hardware: auto
dataset:
  resolution: 256x144
  caption_extension: .caption
  sources:
    - videos: \${DATA}/fox
      target_frames: [1]
    - video_jsonl: ../rows.jsonl
      target_frames: [1]
models:
  dit: \${MODELS}/low.safetensors
  dit_high_noise: ../../weights/high.safetensors
train:
  network_weights: ../../loras/start.safetensors
  base_weights: ["\${MODELS}/style.safetensors"]
trainer:
  backend: musubi
  path: ../../musubi
`;

export const HERE = { DATA: "/mnt/data", MODELS: "/mnt/models" };

export function specOf(environment: Readonly<Record<string, string>> = HERE, text = PIPELINE): Spec {
  const pipeline = { file: "pipelines/fox.yaml", text };
  const [{ value, diagnostics }] = parsePipelines({ pipeline, root: ROOT, environment });
  if (value === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
  return value;
}

export function clip(name: string, given: Partial<MediaFacts> = {}): MediaFacts {
  const stem = name.replace(/\.\w+$/, "");
  return {
    kind: "video",
    file: `/mnt/data/fox/${name}`,
    name,
    stem,
    bytes: 1000,
    sha256: sha256(name),
    width: 320,
    height: 240,
    frames: 30,
    fps: 16,
    caption: { file: `/mnt/data/fox/${stem}.caption`, text: `A fox, ${stem}` },
    ...given,
  };
}

export function row(written: string, line: number, given: Partial<MediaFacts> = {}): MediaFacts {
  const name = written.slice(written.lastIndexOf("/") + 1);
  const { fps: _, ...media } = clip(name);
  return { ...media, file: written, caption: { text: `Row ${line}` }, line, written, ...given };
}

function weights(file: string, content = file): ModelFacts {
  return {
    file,
    bytes: 10,
    format: "safetensors",
    headerSha256: sha256(`header ${content}`),
    blocksSha256: sha256(content),
    tensors: { "lora_unet_blocks_0.alpha": { dtype: "F32", shape: [] }, "a.*.b": { dtype: "BF16", shape: [4, 4] } },
  };
}

const LORA = "/home/somebody/loras/start.safetensors";
const STYLE = "/mnt/models/style.safetensors";

export const WEIGHTS: Readonly<Record<string, ModelFacts>> = {
  [LORA]: weights(LORA),
  [STYLE]: weights(STYLE),
};

const tensorsOf = (file: string) => {
  const { tensors } = weights(file);
  return tensors === undefined ? {} : { tensors };
};

/** An older trainer: it lacks an argument, has one of its own, and knows other choices. */
const OLDER = new Map([
  ...[...ARGUMENT_SURFACE.train].filter(([name]) => name !== "--save_precision"),
  ["--of_its_own", { kind: "value", type: "string", required: false }] as const,
  ["--log_with", { kind: "value", type: "string", required: false, choices: ["tensorboard"] }] as const,
]);

export const FACTS: Facts = {
  sources: [
    {
      media: [
        clip("a.mp4", { rotation: 90, headerFrames: 31 }),
        clip("b.mp4", { damage: { text: "it ends in the middle of a frame", intactFrames: 29 } }),
        clip("c.mp4", { damage: { text: "some of it is zero" } }),
        clip("狐.mp4", { caption: { file: "/mnt/data/fox/狐.caption", text: 'A fox,\nin "two" lines' } }),
      ],
      passedOver: ["d.Mp4"],
    },
    {
      media: [row("clips/a.mp4", 1), row("/elsewhere/b.mp4", 2), row("clips/a.mp4", 4)],
      rows: [{ line: 3, text: "it is no JSON" }],
    },
  ],
  models: {
    dit: { ...ditFacts("/mnt/models/low.safetensors"), blocksSha256: sha256("low") },
    dit_high_noise: { ...ditFacts("/home/somebody/weights/high.safetensors", "BF16"), blocksSha256: sha256("high") },
  },
  gpus: [{ index: 0, name: "NVIDIA GeForce RTX 4090", vramGiB: 23.99 }],
  ramGiB: 64,
  trainer: {
    version: "0.3.2",
    commit: "30c658c4",
    bridge: "fits",
    arguments: { ...ARGUMENT_SURFACE, train: OLDER, "cache-text": undefined },
    python: "/home/somebody/musubi/.venv/bin/python",
    pythonVersion: "3.11.7",
    missingModules: ["prodigyopt"],
  },
  inputFiles: { [LORA]: tensorsOf(LORA), [STYLE]: tensorsOf(STYLE) },
  folders: {},
  miniature: false,
};

/** The lock of these facts. */
export function lockFrom(facts: Facts = FACTS, given: { readonly spec?: Spec; readonly tool?: string } = {}): Lock {
  const { spec = specOf(), tool = "0.1.0" } = given;
  return lockOf({ spec, facts, weights: WEIGHTS, tier: "high-end", tool });
}
