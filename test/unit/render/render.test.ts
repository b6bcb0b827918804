import { describe, expect, test } from "vitest";
import { withResume } from "../../../src/core/render/arguments.ts";
import { renderSound, stageOf } from "./sample.ts";

const train = (...lines: readonly string[]) => `train:\n${lines.map((line) => `  ${line}`).join("\n")}`;

/** The arguments of the train stage that stand behind a name, up to the next name. */
function given(argv: readonly string[], name: string): readonly string[] | undefined {
  const at = argv.indexOf(name);
  if (at < 0) return undefined;
  const rest = argv.slice(at + 1);
  const end = rest.findIndex((word) => word.startsWith("--"));
  return end < 0 ? rest : rest.slice(0, end);
}

function trained(...lines: readonly string[]) {
  return stageOf(renderSound({ pipeline: [train(...lines)] }), "train").argv;
}

describe("a pipeline of text to video", () => {
  const stages = renderSound({ pipeline: ["noise: dual"] });

  test("becomes three stages, each with its script and one argument a value", () => {
    expect(stages.map(({ id, argv }) => [id, argv[0]])).toEqual([
      ["cache-latents", "wan_cache_latents.py"],
      ["cache-text", "wan_cache_text_encoder_outputs.py"],
      ["train", "wan_train_network.py"],
    ]);
    expect(stageOf(stages, "cache-latents").argv).toEqual([
      "wan_cache_latents.py",
      ...["--vae", "pipelines/models/vae.safetensors"],
      ...["--dataset_config", ".wan22/work/fox/dataset.toml"],
      "--skip_existing",
      "--vae_cache_cpu",
    ]);
    expect(stageOf(stages, "cache-text").argv).toEqual([
      "wan_cache_text_encoder_outputs.py",
      ...["--t5", "pipelines/models/t5.pth"],
      ...["--dataset_config", ".wan22/work/fox/dataset.toml"],
      "--skip_existing",
      "--fp8_t5",
    ]);
  });

  test("is told everything that follows from its keys", () => {
    const { argv } = stageOf(stages, "train");
    expect(given(argv, "--task")).toEqual(["t2v-A14B"]);
    expect(given(argv, "--dit")).toEqual(["pipelines/models/low.safetensors"]);
    expect(given(argv, "--dit_high_noise")).toEqual(["pipelines/models/high.safetensors"]);
    expect(given(argv, "--timestep_boundary")).toEqual(["875"]);
    expect(given(argv, "--network_module")).toEqual(["networks.lora_wan"]);
    expect(given(argv, "--output_dir")).toEqual(["output/fox"]);
    expect(given(argv, "--output_name")).toEqual(["fox"]);
    expect(given(argv, "--log_with")).toEqual(["tensorboard"]);
    expect(given(argv, "--logging_dir")).toEqual(["logs"]);
    expect(argv).not.toContain("--i2v");
  });

  test("has the dataset as the trainer reads it", () => {
    for (const { files } of stages) {
      expect(files).toEqual({
        "dataset.toml": `# What all sources share; sizes are [width, height].
[general]
resolution = [1280, 720]
caption_extension = ".txt"
batch_size = 1
num_repeats = 1
enable_bucket = false
bucket_no_upscale = false

[[datasets]]
video_directory = "pipelines/data/fox"
cache_directory = ".wan22/cache/fox/fox-e0fcd146"
target_frames = [25]
frame_extraction = "head"
frame_stride = 1
frame_sample = 1
max_frames = 129
`,
      });
    }
  });
});

test("image to video tells only the caching of latents so", () => {
  const stages = renderSound({ pipeline: ["task: i2v-A14B"] });
  expect(stages.filter(({ argv }) => argv.includes("--i2v")).map(({ id }) => id)).toEqual(["cache-latents"]);
  expect(given(stageOf(stages, "train").argv, "--timestep_boundary")).toEqual(["900"]);
});

describe("halves", () => {
  const models = (noise: string) =>
    renderSound({ pipeline: [`noise: ${noise}`] })
      .filter(({ id }) => id.startsWith("train"))
      .map(({ id, argv }) => ({
        id,
        dit: given(argv, "--dit"),
        high: given(argv, "--dit_high_noise"),
        name: given(argv, "--output_name"),
        range: [given(argv, "--min_timestep"), given(argv, "--max_timestep")].flat(),
        cut: argv.includes("--preserve_distribution_shape"),
      }));
  const low = ["pipelines/models/low.safetensors"];
  const high = ["pipelines/models/high.safetensors"];

  test("alone are trained as `--dit` in their range", () => {
    expect(models("low")).toEqual([
      { id: "train", dit: low, high: undefined, name: ["fox"], range: ["0", "875"], cut: true },
    ]);
    expect(models("high")).toEqual([
      { id: "train", dit: high, high: undefined, name: ["fox"], range: ["875", "1000"], cut: true },
    ]);
  });

  test("apart are two stages of two names", () => {
    expect(models("separate")).toEqual([
      { id: "train-low", dit: low, high: undefined, name: ["fox-low"], range: ["0", "875"], cut: true },
      { id: "train-high", dit: high, high: undefined, name: ["fox-high"], range: ["875", "1000"], cut: true },
    ]);
  });
});

describe("values", () => {
  test("that are true are bare flags, and false ones are left out", () => {
    const argv = trained("split_attn: true", "gradient_checkpointing: false");
    expect(given(argv, "--split_attn")).toEqual([]);
    expect(argv).not.toContain("--gradient_checkpointing");
    expect(argv).not.toContain("false");
  });

  test("of the trainer's own default are left to it", () => {
    expect(trained()).not.toContain("--sigmoid_scale");
    expect(given(trained("sigmoid_scale: 1.0"), "--sigmoid_scale")).toEqual(["1"]);
  });

  test.each([
    ["learning_rate: 2e-4", "--learning_rate", ["0.0002"]],
    ["learning_rate: 3.0e-7", "--learning_rate", ["3e-7"]],
    ["attention: xformers", "--xformers", []],
    ["optimizer_type: lion", "--optimizer_type", ["bitsandbytes.optim.Lion"]],
    ["optimizer_type: sgd", "--optimizer_type", ["SGD"]],
    ["optimizer_type: Lion8bit", "--optimizer_type", ["bitsandbytes.optim.Lion8bit"]],
    ["optimizer_type: AdamW", "--optimizer_type", ["AdamW"]],
    [
      "optimizer_args: [weight_decay=0.1, 'betas=(0.9, 0.99)']",
      "--optimizer_args",
      ["weight_decay=0.1", "betas=(0.9, 0.99)"],
    ],
    ["lr_warmup_steps: 0.1", "--lr_warmup_steps", ["0.1"]],
    ["base_weights_multiplier: [-1e-7, 0.5]", "--base_weights_multiplier", ["-0.0000001", "0.5"]],
    [
      "base_weights: [a.safetensors, b c.safetensors]",
      "--base_weights",
      ["pipelines/a.safetensors", "pipelines/b c.safetensors"],
    ],
    [
      "metadata_title: 'a \"fox\" $HOME; rm -rf {{x}} 狐狸 🦊'",
      "--metadata_title",
      ['a "fox" $HOME; rm -rf {{x}} 狐狸 🦊'],
    ],
  ])("%s becomes %s %j", (line, name, values) => {
    expect(given(trained(line), name)).toEqual(values);
  });

  test("that start with a dash are joined to their name, which argparse would take for options otherwise", () => {
    expect(trained("metadata_title: '--task'")).toContain("--metadata_title=--task");
    expect(trained("logit_mean: -1.0e-7")).toContain("--logit_mean=-1e-7");
  });
});

describe("sample prompts", () => {
  test("written in the pipeline become a file in the work folder", () => {
    const stage = stageOf(renderSound({ pipeline: [train("sample_prompts: [' a fox --w 832 ', 狐狸 🦊]")] }), "train");
    expect(given(stage.argv, "--sample_prompts")).toEqual([".wan22/work/fox/prompts.txt"]);
    expect(stage.files["prompts.txt"]).toBe("a fox --w 832\n狐狸 🦊\n");
  });

  test("in a file of the user's are passed as they are", () => {
    const stage = stageOf(renderSound({ pipeline: [train("sample_prompts: prompts/fox.txt")] }), "train");
    expect(given(stage.argv, "--sample_prompts")).toEqual(["pipelines/prompts/fox.txt"]);
    expect(Object.keys(stage.files)).toEqual(["dataset.toml"]);
  });
});

test("a training state to go on from is one more argument", () => {
  expect(withResume(["wan_train_network.py", "--task", "t2v-A14B"], "output/fox/fox-000004-state")).toEqual([
    "wan_train_network.py",
    ...["--task", "t2v-A14B"],
    ...["--resume", "output/fox/fox-000004-state"],
  ]);
});

test("sources that differ keep their own values, and what they share is said once", () => {
  const dataset = `dataset:
  resolution: 1280x720
  sources:
    - videos: data/fox
      target_frames: [1, 25]
      source_fps: 30
    - images: data/stills
      num_repeats: 2`;
  const { files } = stageOf(renderSound({ pipeline: [dataset] }), "cache-latents");
  expect(files["dataset.toml"]).toBe(`# What all sources share; sizes are [width, height].
[general]
resolution = [1280, 720]
caption_extension = ".txt"
batch_size = 1
enable_bucket = false
bucket_no_upscale = false

[[datasets]]
video_directory = "pipelines/data/fox"
cache_directory = ".wan22/cache/fox/fox-e0fcd146"
target_frames = [1, 25]
frame_extraction = "head"
frame_stride = 1
frame_sample = 1
max_frames = 129
source_fps = 30.0
num_repeats = 1

[[datasets]]
image_directory = "pipelines/data/stills"
cache_directory = "${/cache_directory = "(.*stills.*)"/.exec(files["dataset.toml"] ?? "")?.[1]}"
num_repeats = 2
`);
});
