/** Prompts as the trainer reads and samples them; every line was tried on it. */
import { describe, expect, test } from "vitest";
import { namedPromptImages } from "../../../src/core/check/input-files.ts";
import type { Facts } from "../../../src/core/facts.ts";
import { PRESETS } from "../resolve/sample.ts";
import { ditFacts, findings, SOUND_MODELS } from "./judge.ts";

const SAMPLED = "  sample_every_n_epochs: 1";

/** Severity and code of each finding about a prompts file of this name and text. */
function found(file: string, text: string): readonly string[] {
  const pipeline = [`train:\n  sample_prompts: ${file}\n${SAMPLED}`];
  const facts = { inputFiles: { [`pipelines/${file}`]: { text } } };
  return findings({ pipeline, facts }).map(({ severity, code }) => `${severity} ${code}`);
}

describe("a text file", () => {
  test.each([
    "a fox --w 72 --h 48",
    "a fox --w 1920 --h 1080",
    "a fox --w 8 --h 8",
    "a fox --w 0",
    "a fox --f 0",
    "a fox --d 18446744073709551616",
    "a fox\na hare --h 40",
    "a fox --s 76",
    "a fox --s 92 --fs 12",
    "a fox --s 2 --fs 0",
    "a fox --fs 0",
    "a fox --s 1000 --fs 3",
  ])("with %j stops the training", (text) => {
    expect(found("p.txt", text)).toEqual(["error T26"]);
  });

  test.each([
    "a fox",
    "a fox --w 64 --h 48 --f 4 --s 0",
    "a fox --w 65 --h 49",
    "a fox --w x --h y --g 1.2.3 --unknown 3",
    "a fox --d 9223372036854775808",
    "a fox --s 75",
    "a fox --s 91 --fs 12",
    "a fox --s 1000 --fs 2",
    "a fox --s 1 --fs 0 --cn missing.mp4 --i missing.png",
    "# a comment\na fox --n bad --g 5 --l 2",
  ])("with %j is sampled", (text) => {
    expect(found("p.txt", text)).toEqual([]);
  });

  test("has the prompt and its setting named", () => {
    const pipeline = [`train:\n  sample_prompts: ["a fox --w 1920 --h 1080"]\n${SAMPLED}`];
    expect(findings({ pipeline })[0]?.detail).toBe(
      'Training would stop at its first samples, at "a fox" (its height is 1080 and has to be a multiple of 16 pixels). Correct the prompt.',
    );
  });
});

test("steps beyond what the sampler can tell apart are named with the most that it can", () => {
  const pipeline = [`train:\n  sample_prompts: ["a fox --s 100", "a hare --s 300 --fs 5"]\n${SAMPLED}`];
  const [finding] = findings({ pipeline });
  expect(finding?.detail).toContain(
    '"a fox" (its 100 steps are too many for the shift of 14.5 that counts where none is given, at which the sampler fails from 76 steps on: use 75 at most)',
  );
  expect(finding?.detail).toContain("a shift of 5, at which the sampler fails from 251 steps on: use 250 at most");
});

describe("a JSON file", () => {
  test.each([
    '[{"prompt": "a", "width": 64.0}]',
    '[{"prompt": "a", "frame_count": 5e0}]',
    '[{"prompt": "a", "sample_steps": 1001}]',
    '[{"prompt": "a", "sample_steps": -2}]',
    '[{"prompt": "a", "sample_steps": 1001, "discrete_flow_shift": 2.0}]',
    '[{"prompt": "a", "width": "64"}]',
    '[{"prompt": "a", "height": null}]',
    '[{"prompt": "a", "frame_count": "5"}]',
    '[{"prompt": "a", "seed": 1.5}]',
    '[{"prompt": 5}]',
    '[{"prompt": "a", "negative_prompt": 3}]',
    '[{"prompt": "a", "cfg_scale": "2"}]',
    '[{"prompt": "a", "sample_steps": "1"}]',
    '[{"prompt": "a", "discrete_flow_shift": "3"}]',
    '["a fox --w 72"]',
    '[{"prompt": "a", "cfg_scale": 01.5}]',
    '[{"prompt": "a", "width": NaN}]',
  ])("%s stops the training", (text) => {
    expect(found("p.json", text)).toEqual(["error T26"]);
  });

  test.each([
    '[{"width": 64, "height": 48}]',
    '[{"prompt": "a", "negative_prompt": null, "seed": -1, "sample_steps": 0, "cfg_scale": 2, "enum": 7, "foo": [1]}]',
    '["a fox", {"prompt": "a"}]',
    '[{"prompt": "a", "cfg_scale": NaN}]',
    '[{"prompt": "64.0 \\" 5.0", "cfg_scale": 5.0, "discrete_flow_shift": 3.5}]',
    '[{"prompt": "a", "sample_steps": 1000, "discrete_flow_shift": 2.0}]',
  ])("%s is sampled", (text) => {
    expect(found("p.json", text)).toEqual([]);
  });
});

describe("a TOML file", () => {
  test.each([
    "",
    "x = = 1",
    'prompt = "a"',
    '[[prompt]]\nprompt = "a"',
    "[prompt]\nwidth = 64",
    '[prompt]\n[prompt.subset]\nprompt = "a"',
    '[prompt]\nsubset = ["a"]',
    '[prompt]\nwidth = 64\n[[prompt.subset]]\nwidth = 48\nprompt = "a"',
    '[prompt]\nwidth = 72\n[[prompt.subset]]\nprompt = "a"',
    '[prompt]\nwidth = 64.0\n[[prompt.subset]]\nprompt = "a"',
    '[prompt]\nfoo = [1, "a"]\n[[prompt.subset]]\nprompt = "a"',
    '[prompt]\nfoo = [1, 2.0]\n[[prompt.subset]]\nprompt = "a"',
  ])("of %j stops the training", (text) => {
    expect(found("p.toml", text)).toEqual(["error T26"]);
  });

  test("of a shared table and a prompt each is sampled; of none nothing is", () => {
    expect(found("p.toml", '[prompt]\nwidth = 64\nfoo = [[1], ["a"]]\n[[prompt.subset]]\nprompt = "a"\n')).toEqual([]);
    expect(found("p.toml", "[prompt]\nsubset = []\n")).toEqual(["warning T37"]);
  });
});

describe("an image to video prompt", () => {
  const models = {
    ...SOUND_MODELS,
    dit: ditFacts("models/low.safetensors", "F16", "i2v-A14B"),
    dit_high_noise: ditFacts("models/high.safetensors", "F16", "i2v-A14B"),
  };

  test("whose image is not there stops the training", () => {
    const pipeline = ["task: i2v-A14B", `train:\n  sample_prompts: ["a fox --i fox.png"]\n${SAMPLED}`];
    const judged = (inputFiles: NonNullable<Facts["inputFiles"]>) =>
      findings({ pipeline, facts: { models, inputFiles } }).map(({ detail }) => detail);
    const problem = { kind: "missing", text: "there is no such file" } as const;
    expect(judged({ "fox.png": { problem } })).toEqual([
      expect.stringContaining("its image fox.png: there is no such"),
    ]);
    expect(judged({ "fox.png": {} })).toEqual([]);
  });

  test("has its image looked at, in a list and in a file", () => {
    const override = (value: string | readonly string[]) => ({
      section: "train" as const,
      name: "sample_prompts",
      value,
      layer: "pipeline" as const,
      place: { file: "fox.yaml" },
    });
    const images = (value: string | readonly string[], task: "i2v-A14B" | "t2v-A14B" = "i2v-A14B") =>
      namedPromptImages({ task, overrides: [override(value)] }, PRESETS, {
        "p.json": { text: '[{"image_path": "b.png"}]' },
      });
    expect(images(["a --i a b.png --w 64", "b --I a b.png", "c"])).toEqual(["a b.png"]);
    expect(images("p.json")).toEqual(["b.png"]);
    expect(images("q.txt")).toEqual([]);
    expect(images(["a --i a.png"], "t2v-A14B")).toEqual([]);
  });
});

test("T32: a tracker's settings that are no TOML", () => {
  const pipeline = ["train:\n  log_tracker_config: t.toml"];
  const codes = (text: string) =>
    findings({ pipeline, facts: { inputFiles: { "pipelines/t.toml": { text } } } }).map(({ code }) => code);
  for (const text of [
    ...["x = = 1", "x = [1, 'a']", "tensorboard = 3", "[tensorboard]\nfoo = 1", "[tensorboard]\nmax_queue = 'x'"],
    ...["[tensorboard]\nlog_dir = 'x'", "[tensorboard]\npurge_step = 1.5", "[tensorboard]\nfilename_suffix = '/x'"],
  ]) {
    expect(codes(text)).toEqual(["T32"]);
  }
  for (const text of [
    ...["", "x = 3", '[wandb]\nname = "x"', "wandb = 3", "[tensorboard]\nmax_queue = 20\nflush_secs = 1.5"],
    "[tensorboard]\ncomment = 3\npurge_step = 4\nfilename_suffix = 'x'",
  ]) {
    expect(codes(text)).toEqual([]);
  }
});
