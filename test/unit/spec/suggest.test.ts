import { expect, test } from "vitest";
import { editDistance, nearest } from "../../../src/core/spec/suggest.ts";
import { explainUnknownKey } from "../../../src/core/spec/unknown-key.ts";

test.each([
  ["", "", 0],
  ["fox", "fox", 0],
  ["fox", "fx", 1],
  ["fox", "ofx", 1],
  ["learning_rate", "learnign_rate", 1],
  ["kitten", "sitting", 3],
])("From %j to %j are %i edits", (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance);
  expect(editDistance(b, a)).toBe(distance);
});

test("The nearest word is suggested, however it is spelled; a far one never", () => {
  const words = ["conservative", "balanced", "aggressive"];
  expect(nearest("Ballanced", words)).toBe("balanced");
  expect(nearest("AGRESSIVE", words)).toBe("aggressive");
  expect(nearest("fast", words)).toBeUndefined();
  expect(nearest("xy", ["ab", "xz"])).toBe("xz");
});

test.each([
  ["", "lr", "Write `learning_rate:` under `train:` instead."],
  ["train", "rank", "Write `network_dim:` instead."],
  ["train", "dim", "Write `network_dim:` instead."],
  ["train", "epochs", "Write `max_train_epochs:` instead."],
  ["train", "flash_attn", "Write `attention: flash_attn` instead."],
  ["train", "output_name", "Write `name:` under `output:` instead."],
  [
    "train",
    "batch_size",
    "it belongs under `dataset:`, in an entry of `dataset.sources:`, under `cache_latents:` or under `cache_text:`",
  ],
  ["train", "resolution", "it belongs under `dataset:` or in an entry of `dataset.sources:`"],
  ["train", "dit", "It is `models.dit`"],
  ["train", "wandb_api_key", "set WANDB_API_KEY in the environment"],
  ["dataset", "videos", "it belongs in an entry of `dataset.sources:`"],
  ["dataset", "video_directory", "Write `videos:` in an entry of `dataset.sources:` instead."],
  ["dataset.sources.0", "image_directory", "Write `images:` instead."],
  ["dataset.sources.0", "folder", "write `videos:` or `images:`"],
  ["dataset.sources.0", "control_directory", "Wan2.2 A14B takes no control clips"],
  ["models", "text_encoder", "Write `t5:` instead."],
  ["cache_text", "vae_cache_cpu", "it belongs under `train:` or under `cache_latents:`"],
  ["", "network_module", "It is always networks.lora_wan"],
  ["", "learningRate", "it belongs under `train:`"],
  ["train", "max_train_epochz", "Did you mean `max_train_epochs`?"],
  ["hardware", "vram", "Write `vram_gb:` instead."],
] as const)("Under %j the key %j is explained: %s", (map, key, expected) => {
  const path = map === "" ? [] : map.split(".").map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  expect(explainUnknownKey({ file: "pipeline", path, key }).detail).toContain(expected);
});

test("In wan22.yaml what belongs to a source is sent to a pipeline file", () => {
  expect(explainUnknownKey({ file: "project", path: ["dataset"], key: "sources" }).detail).toContain(
    "belongs in a pipeline file",
  );
  expect(explainUnknownKey({ file: "project", path: ["dataset"], key: "video_dir" }).detail).toContain(
    "in a pipeline file",
  );
});
