import { expect, test } from "vitest";
import { pathFrom } from "../../../src/core/paths.ts";
import { boundSpec } from "../../../src/core/plan/saved/binding.ts";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";

test.each([
  ["/home/me/project", "/home/me/project/data/a.mp4", "data/a.mp4"],
  ["/home/me/project", "/home/me/models/a", "../models/a"],
  ["/home/me/project", "/home/me", ".."],
  ["/home/me/project", "/mnt/a", "../../../mnt/a"],
  ["/", "/mnt/a", "mnt/a"],
  ["C:/project", "D:/models/a", "D:/models/a"],
])("from %s, %s is %s", (root, path, seen) => {
  expect(pathFrom(root, path)).toBe(seen);
});

test("What a plan binds is the same wherever the project lies, though it names what lies beside it", () => {
  const text = `version: 1
name: fox
task: t2v-A14B
dataset:
  sources:
    - videos: ../data
      target_frames: [1]
models:
  dit: ../../models/dit.safetensors
  vae: /mnt/vae.safetensors
train:
  network_weights: ../../loras/start.safetensors
trainer:
  path: ../../musubi
`;
  const bound = (root: string) => {
    const [{ value }] = parsePipelines({ pipeline: { file: "pipelines/fox.yaml", text }, root, environment: {} });
    return value === undefined ? undefined : boundSpec(value);
  };
  expect(bound("/home/me/project")).toMatchObject({
    "dataset.sources.0.videos": "data",
    "models.dit": "../models/dit.safetensors",
    // Whoever writes an absolute path means that place.
    "models.vae": "/mnt/vae.safetensors",
    "train.network_weights": "../loras/start.safetensors",
    "trainer.path": "../musubi",
  });
  expect(bound("/srv/checkout/project")).toEqual(bound("/home/me/project"));
});
