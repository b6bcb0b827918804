// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { expect, test } from "vitest";
import { SPEC_CODES } from "../../../src/core/spec/codes.ts";
import { marked, parse, pipelineWith } from "./sample.ts";

interface Case {
  readonly when: string;
  readonly text: string;
  readonly project?: string;
  /** `CODE marked text`, for every diagnostic. */
  readonly finds: readonly string[];
  /** What the details say, in the same order; a part of each. */
  readonly saying: readonly string[];
}

const CASES: readonly Case[] = [
  // Reading the text.
  {
    when: "a quote is not closed",
    text: 'name: "fox\ntask: t2v-A14B\n',
    finds: ['S1 "fox'],
    saying: ['A text begins with " and never ends. Add the closing ".'],
  },
  {
    when: "a colon is missing",
    text: "version: 1\nname fox\ntask: t2v-A14B\n",
    finds: ["S1 name fox"],
    saying: ["Something is missing in line `name fox`: each line is `key: value`, with a colon and a space between."],
  },
  {
    when: "a text holds a colon",
    text: pipelineWith("train:\n  training_comment: fox: red"),
    finds: ["S1 f"],
    saying: ["Put a text that holds a colon in quotes"],
  },
  {
    when: "a bracket is not closed",
    text: pipelineWith("gpus: [0, 1\ntrainer:\n  backend: rehearsal"),
    finds: ["S1 t"],
    saying: ["A bracket is opened and not closed before this line. Close it with `]`."],
  },
  {
    when: "a line is indented unlike its neighbours",
    text: pipelineWith("train:\n   network_dim: 16\n  network_alpha: 16"),
    finds: ["S1 n"],
    saying: ["This line is not indented like the lines it belongs to."],
  },
  {
    when: "a Windows path stands in double quotes",
    text: pipelineWith('models:\n  vae: "C:\\Models\\vae.safetensors"'),
    finds: ["S1 \\M"],
    saying: ["`\\M` is not an escape that YAML knows"],
  },
  {
    when: "a text begins with a reserved character",
    text: pipelineWith("train:\n  training_comment: @fox"),
    finds: ["S1 @"],
    saying: ["A text cannot begin with `@` unless it is in quotes."],
  },
  {
    when: "a tab indents",
    text: pipelineWith("train:\n\tnetwork_dim: 16"),
    finds: ["S2 \t"],
    saying: ["This line is indented with a tab."],
  },
  {
    when: "a key is given twice",
    text: pipelineWith("train:\n  network_dim: 16\n  network_dim: 32"),
    finds: ["S3 network_dim"],
    saying: ["`network_dim` stands in line 9 already. Keep one of the two."],
  },
  {
    when: "a file holds two documents",
    text: `${pipelineWith("")}---\nname: hare\n`,
    finds: ["S4 ---"],
    saying: ["A second YAML document begins here."],
  },
  { when: "a file is empty", text: "", finds: ["S5 "], saying: ["pipelines/fox.yaml holds no key."] },
  { when: "a file holds comments only", text: "# fox\n", finds: ["S5 #"], saying: ["holds no key"] },
  {
    when: "a file is a list",
    text: "- name: fox\n",
    finds: ["S6 - name: fox"],
    saying: ["pipelines/fox.yaml is a list."],
  },
  {
    when: "the project file is one word",
    text: pipelineWith(""),
    project: "fox\n",
    finds: ["S6 fox"],
    saying: ["wan22.yaml is a single value. Write `key: value` lines at the top level, such as `hardware: RTX 4090`."],
  },
  { when: "a file is one word", text: "fox\n", finds: ["S6 fox"], saying: ["pipelines/fox.yaml is a single value."] },
  {
    when: "a file holds a NUL byte",
    text: "version: 1\nname: fo\u0000x\n",
    finds: ["S7 \u0000"],
    saying: ["Line 2, column 9 holds the control character U+0000"],
  },
  {
    when: "an escape brings in a NUL",
    text: pipelineWith('output:\n  dir: "out\\0put"'),
    finds: ['S7 "out\\0put"'],
    saying: ["This text holds the control character U+0000"],
  },
  {
    when: "a file is larger than a quarter of a million characters",
    text: `# ${"x".repeat(600_000)}\nversion: 1\n`,
    finds: ["S8 "],
    saying: ["holds 600,014 characters; more than 262,144 are not read."],
  },
  {
    when: "values are nested too deeply",
    text: pipelineWith(`gpus: ${"[".repeat(40)}0${"]".repeat(40)}`),
    finds: [`S20 ${"[".repeat(39)}0${"]".repeat(39)}`, "S9 [[[[[[[[0]]]]]]]]"],
    saying: ["must be a device id, 0 or more, not a list", "Values are nested more than 32 levels deep here"],
  },
  {
    when: "an alias points at nothing",
    text: pipelineWith("train:\n  network_dim: *rank"),
    finds: ["S10 *rank"],
    saying: ["No value before it is marked `&rank`."],
  },
  {
    when: "an alias stands inside its own value",
    text: pipelineWith("gpus: &all [*all]"),
    finds: ["S10 *all"],
    saying: ["It stands inside the value marked `&all` itself."],
  },
  {
    when: "aliases of aliases explode",
    text: `a: &a [x,x,x,x,x,x,x,x,x,x]\n${[..."abcdefgh"].map((name, index) => `${"bcdefghi"[index]}: &${"bcdefghi"[index]} [${`*${name},`.repeat(10)}]`).join("\n")}\n`,
    finds: ["S11 x"],
    saying: ["The file holds more than 20,000 values once its aliases are written out."],
  },
  {
    when: "a merge key is used",
    text: pipelineWith("train:\n  <<: {network_dim: 16}"),
    finds: ["S12 <<"],
    saying: ["`<<` merges one map into another in YAML 1.1 only."],
  },
  {
    when: "a tag is used",
    text: pipelineWith("train:\n  training_comment: !secret fox"),
    finds: ["S12 !secret"],
    saying: ["`!secret` is a tag, and tags have no meaning here."],
  },
  {
    when: "a file asks for YAML 1.1",
    text: `%YAML 1.1\n---\n${pipelineWith("")}`,
    finds: ["S12 %YAML 1.1"],
    saying: ["A `%YAML` line changes how values are read."],
  },
  {
    when: "a key is a list",
    text: pipelineWith("? [a, b]\n: c"),
    finds: ["S12 ["],
    saying: ["A key is a single word here, not a list or map."],
  },

  // Keys.
  {
    when: "a key is misspelt",
    text: pipelineWith("train:\n  learning_rat: 2e-4"),
    finds: ["S13 learning_rat"],
    saying: ["`learning_rat` is no key of `train`. Did you mean `learning_rate`?"],
  },
  {
    when: "a key is nothing known",
    text: pipelineWith("output:\n  zebra: 1"),
    finds: ["S13 zebra"],
    saying: ["`zebra` is no key of `output`. The keys are dir, name."],
  },
  {
    when: "keys are named like parts of every object",
    text: pipelineWith("__proto__: 1\nconstructor: 2\nhasOwnProperty: 3"),
    finds: ["S13 __proto__", "S13 constructor", "S13 hasOwnProperty"],
    saying: ["`__proto__` is no key", "`constructor` is no key", "`hasOwnProperty` is no key"],
  },
  {
    when: "a parameter stands at the top level",
    text: pipelineWith("learning_rate: 2e-4"),
    finds: ["S14 learning_rate"],
    saying: ["`learning_rate` is no key of the top level: it belongs under `train:`. Move the line there."],
  },
  {
    when: "a key of the project file stands in a pipeline",
    text: pipelineWith("state_dir: .state"),
    finds: ["S14 state_dir"],
    saying: ["`state_dir` belongs in wan22.yaml. Move the line there."],
  },
  {
    when: "a key of a pipeline stands in the project file",
    text: pipelineWith(""),
    project: "task: t2v-A14B\n",
    finds: ["S14 task"],
    saying: ["`task` belongs in a pipeline file. Move the line there."],
  },
  {
    when: "a key is the manual's",
    text: "version: 1\nname: fox\ntask: t2v-A14B\ndataset:\n  sources:\n    - video_dir: data/fox\n",
    finds: ["S15 video_dir"],
    saying: ["`video_dir` is not read. Write `videos:` instead."],
  },
  {
    when: "attention is asked for by the trainer's flag",
    text: pipelineWith("train:\n  sdpa: true"),
    finds: ["S15 sdpa"],
    saying: ["`sdpa` is not read. Write `attention: sdpa` instead."],
  },
  {
    when: "a key is written with dashes",
    text: pipelineWith("train:\n  learning-rate: 2e-4"),
    finds: ["S13 learning-rate"],
    saying: ["`learning-rate` is spelled `learning_rate` here."],
  },
  {
    when: "a name known from elsewhere is only written wrong",
    text: pipelineWith("train:\n  max_train_epoch: 8\n  epochs: 8"),
    finds: ["S13 max_train_epoch", "S15 epochs"],
    saying: ["Did you mean `max_train_epochs`?", "Write `max_train_epochs:` instead."],
  },
  {
    when: "an argument follows from other keys",
    text: pipelineWith("train:\n  network_module: networks.lora_wan"),
    finds: ["S16 network_module"],
    saying: ["It is always networks.lora_wan, the LoRA made for Wan. Remove the line."],
  },
  {
    when: "an argument is left out on purpose",
    text: pipelineWith("train:\n  dim_from_weights: true\n  max_train_steps: 100"),
    finds: ["T24 dim_from_weights", "S17 max_train_steps"],
    saying: ["It always ends in a TypeError"],
  },
  {
    when: "required keys are missing",
    text: "version: 1\nname: fox\n",
    finds: ["S18 version: 1", "S18 version: 1"],
    saying: ["The file lacks `task`, one of t2v-A14B, i2v-A14B.", "The file lacks `dataset`"],
  },
  {
    when: "a dataset has no sources",
    text: "version: 1\nname: fox\ntask: t2v-A14B\ndataset:\n  resolution: 1280x720\n",
    finds: ["S18 dataset"],
    saying: [
      "`dataset` lacks `sources`, a list of at least one source. Add it. For example `sources: [{videos: data/fox}]`.",
    ],
  },

  // Values.
  {
    when: "a value is empty",
    text: pipelineWith("train:\n  learning_rate:"),
    finds: ["S19 learning_rate"],
    saying: ["`train.learning_rate` has no value. Write a number"],
  },
  {
    when: "hardware is an empty map",
    text: pipelineWith("hardware: {}"),
    finds: ["S19 hardware: {}"],
    saying: ["`hardware` is an empty map."],
  },
  {
    when: "a number is quoted",
    text: pipelineWith('train:\n  network_dim: "32"'),
    finds: ['S20 "32"'],
    saying: [
      "must be a whole number of 1 or more, not the text `32`. Quotes make it a text: remove the quotes around 32.",
    ],
  },
  {
    when: "a truth value is YAML 1.1's",
    text: pipelineWith("train:\n  fp8_base: yes\n  save_state: off"),
    finds: ["S20 yes", "S20 off"],
    saying: [
      "In YAML 1.2 `yes` is a text, not a truth value: write true.",
      "`off` is a text, not a truth value: write false.",
    ],
  },
  {
    when: "a number holds separators or a unit",
    text: pipelineWith("train:\n  max_train_epochs: 1_000\n  seed: 42s"),
    finds: ["S20 1_000", "S20 42s"],
    saying: ["Write the digits without separators: 1000.", "Write the number alone: 42."],
  },
  {
    when: "a list is written as one value, and one value as a list",
    text: pipelineWith("gpus: 0\ntrain:\n  network_dim: [32]"),
    finds: ["S20 0", "S20 [32]"],
    saying: ["Put it in brackets: `gpus: [0]`.", "Remove the brackets or the dash: 32."],
  },
  {
    when: "a name is a number",
    text: pipelineWith("output:\n  name: 2024"),
    finds: ["S20 2024"],
    saying: ['If a text is meant, put it in quotes: "2024".'],
  },
  {
    when: "numbers are out of bounds",
    text: pipelineWith("train:\n  blocks_to_swap: 40\n  network_dim: 0\n  learning_rate: .nan"),
    finds: ["T5 40", "S21 0", "S21 .nan"],
    saying: ["must be a whole number from 0 to 39, not `40`", "a whole number of 1 or more", "must be a number"],
  },
  {
    when: "a resolution is too small",
    text: pipelineWith("").replace("1280x720", "8x720"),
    finds: ["S21 resolution: 8x720"],
    saying: ["must be from 16 to 16384 pixels each way"],
  },
  {
    when: "a choice is misspelt",
    text: pipelineWith("train:\n  mixed_precision: bf61"),
    finds: ["S22 bf61"],
    saying: ["must be one of auto, no, fp16, bf16, not the text `bf61`. Did you mean `bf16`?"],
  },
  {
    when: "values have another form",
    text: pipelineWith("").replace("1280x720", "720p").replace("name: fox", "name: Fox"),
    finds: ["S23 Fox", "S23 720p"],
    saying: [
      "must be a name of small letters, digits and dashes",
      "must be WIDTHxHEIGHT in pixels, or [width, height]",
    ],
  },
  {
    when: "a scheduler is misspelt",
    text: pipelineWith("train:\n  lr_scheduler: cosin"),
    finds: ["S23 cosin"],
    saying: ["Did you mean `cosine`?"],
  },
  {
    when: "a text is longer than an argument can be",
    text: pipelineWith(`train:\n  lr_scheduler: "${"1".repeat(200_000)}"\n  seed: "${"1".repeat(20_000)}x"`),
    finds: [`S21 "${"1".repeat(200_000)}"`, `S20 "${"1".repeat(20_000)}x"`],
    saying: ["is 200,000 characters long", "must be a whole number"],
  },
  {
    when: "a file is of a newer version",
    text: pipelineWith("").replace("version: 1", "version: 2"),
    finds: ["S24 2"],
    saying: ["This file says `version: 2`; this wan22 reads version 1. Update wan22"],
  },

  // Rules.
  {
    when: "a source names no files",
    text: "version: 1\nname: fox\ntask: t2v-A14B\ndataset:\n  sources:\n    - target_frames: [1]\n",
    finds: ["S25 target_frames: [1]"],
    saying: ["Add exactly one of videos, images, video_jsonl, image_jsonl"],
  },
  {
    when: "a source names videos and images",
    text: pipelineWith("      images: data/first"),
    finds: ["S26 images: data/first"],
    saying: ["I2V needs no images: the first frame of each clip is used."],
  },
  {
    when: "a source of images has a key for videos",
    text: pipelineWith("    - images: data/stills\n      target_frames: [1]"),
    finds: ["S27 target_frames: [1]"],
    saying: ["`target_frames` is for videos; this source holds images"],
  },
  {
    when: "an output name is no file name",
    text: pipelineWith("output:\n  name: fox/t2v"),
    finds: ["S28 name: fox/t2v"],
    saying: ["`output.name` holds a slash; the folder belongs in `output.dir`."],
  },
  {
    when: "a variable stands in a text",
    text: pipelineWith("train:\n  training_comment: by ${USER}"),
    finds: ["S29 training_comment: by ${USER}"],
    saying: ["`train.training_comment` is not a path, so `${USER}` in it is taken literally."],
  },
  {
    when: "a variable stands in a name",
    text: pipelineWith("hardware: ${GPU}"),
    finds: ["S29 hardware: ${GPU}"],
    saying: ["`hardware` is not a path, and `${VAR}` works in paths only"],
  },
  {
    when: "a text holds braces that are no variable",
    text: pipelineWith('train:\n  training_comment: costs ${5}\n  sample_prompts: ["${a fox}"]'),
    finds: [],
    saying: [],
  },
  {
    when: "a default holds a variable",
    text: pipelineWith("models:\n  vae: ${D:-${E:-small}}/vae"),
    finds: ["S30 vae: ${D:-${E:-small}}/vae"],
    saying: [
      "`${D:-${E:-small}}` in `models.vae` is neither `${NAME}` nor `${NAME:-default}`. Write a default without",
    ],
  },
  {
    when: "a space is missing after a colon",
    text: pipelineWith("train:\n  network_dim:32\n  network_alpha: 16"),
    finds: ["S1 network_dim:32"],
    saying: ["A space is missing after the colon: write `network_dim: 32`."],
  },
  {
    when: "a space is missing after a section's only colon",
    text: pipelineWith("train:\n  network_dim:32"),
    finds: ["S20 network_dim:32"],
    saying: ["A space is missing after the colon: write `network_dim: 32`."],
  },
  {
    when: "memory is given in MiB",
    text: pipelineWith("hardware: {vram_gb: 24564, ram_gb: 65536}"),
    finds: ["S21 24564", "S21 65536"],
    saying: [
      "must be a number of GiB above 0 and at most 1024, not `24564`. If it is in MiB, it is 24 GiB.",
      "it is 64 GiB.",
    ],
  },
  {
    when: "a number is larger than any",
    text: pipelineWith("train:\n  learning_rate: 1e999"),
    finds: ["S21 1e999"],
    saying: ["must be a number above 0, not `1e999`, which is more than any number can be."],
  },
  {
    when: "a resolution has one side",
    text: pipelineWith("").replace("1280x720", "960"),
    finds: ["S20 960"],
    saying: [
      "must be WIDTHxHEIGHT in pixels, or [width, height], not `960`. Change it. For example `resolution: 1280x720`.",
    ],
  },
  {
    when: "a resolution has one side in brackets",
    text: pipelineWith("").replace("1280x720", "[960]"),
    finds: ["S20 [960]"],
    saying: ["must be WIDTHxHEIGHT in pixels, or [width, height], not a list. Change it."],
  },
  {
    when: "an argument is a number",
    text: pipelineWith("train:\n  optimizer_args: [3]"),
    finds: ["S20 3"],
    saying: [
      "must be name=value with a Python literal as the value, such as weight_decay=0.01 or betas=0.9,0.999, not `3`. Change it.",
    ],
  },
  {
    when: "an attention is switched off",
    text: pipelineWith("train:\n  sdpa: false"),
    finds: ["S15 sdpa"],
    saying: ["`sdpa` is not read. Remove the line: `attention:` says which is used."],
  },
  {
    when: "a caption extension holds a space, which is nothing wrong",
    text: pipelineWith("").replace("resolution:", 'caption_extension: ".my cap"\n  resolution:'),
    finds: [],
    saying: [],
  },
  {
    when: "a variable is not closed",
    text: pipelineWith("models:\n  vae: ${MODELS/vae.safetensors"),
    finds: ["S30 vae: ${MODELS/vae.safetensors"],
    saying: ["is neither `${NAME}` nor `${NAME:-default}`"],
  },
  {
    when: "variables are unset or empty",
    text: pipelineWith("models:\n  vae: ${NOWHERE}/vae\n  t5: ${EMPTY}/t5"),
    finds: ["S31 vae: ${NOWHERE}/vae", "S31 t5: ${EMPTY}/t5"],
    saying: ["needs the environment variable NOWHERE, which is not set.", "EMPTY, which is empty."],
  },
  {
    when: "a variable has no braces",
    text: pipelineWith("models:\n  vae: $MODELS/vae"),
    finds: ["S32 vae: $MODELS/vae"],
    saying: ["Write `${MODELS}` if the variable is meant."],
  },
  {
    when: "a key waits for another frame extraction",
    text: pipelineWith("      frame_stride: 8"),
    finds: ["S33 frame_stride: 8"],
    saying: ["`frame_stride` counts with `frame_extraction: slide` only; here it is head."],
  },
  {
    when: "the backend is musubi and nobody says where it is",
    text: pipelineWith("trainer:\n  backend: musubi"),
    project: "trainer:\n  python: python3\n",
    finds: ["S34 backend: musubi"],
    saying: ["`trainer.path` is set neither in the pipeline nor in wan22.yaml."],
  },
  {
    when: "a GPU is listed twice",
    text: pipelineWith("gpus: [0, 1, 0]"),
    finds: ["S35 0"],
    saying: ["Device 0 is listed already."],
  },
  {
    when: "prompts would be skipped or torn",
    text: pipelineWith('train:\n  sample_prompts: ["# fox", "a\\nb", " "]'),
    finds: ['S36 "# fox"', 'S36 "a\\nb"', 'S36 " "'],
    saying: ["which the trainer takes for a comment", "one prompt a line", "the trainer skips empty lines"],
  },
  {
    when: "a file extends itself",
    text: `${pipelineWith("")}extends: fox.yaml`,
    finds: ["S80 fox.yaml"],
    saying: ["pipelines/fox.yaml extends itself. Remove the line"],
  },
  {
    when: "a file extends one that is one too many",
    text: `${pipelineWith("")}extends: [base.yaml]`,
    finds: ["S82 base.yaml"],
    saying: ["a pipeline is read over 32 others at most"],
  },
  {
    when: "a matrix has a value where a list belongs",
    text: pipelineWith("matrix:\n  network_dim: 16\n  include: [1]"),
    finds: ["S83 network_dim", "S83 include"],
    saying: ["such as `network_dim: [1e-4, 2e-4]`", "no list of maps"],
  },
  {
    when: "a matrix gives more pipelines than anybody reads",
    text: pipelineWith(
      `matrix:\n  seed: [${Array.from({ length: 17 }, (_, at) => at)}]\n  network_dim: [${Array.from({ length: 17 }, (_, at) => at + 1)}]`,
    ),
    finds: ["S84 matrix"],
    saying: ["This matrix gives 289 pipelines; more than 256 are not planned."],
  },
  {
    when: "two pipelines of a matrix would have one name",
    text: pipelineWith("matrix:\n  seed: [1, 1]"),
    finds: ["S85 matrix"],
    saying: ["Two pipelines of this matrix would be named `fox-seed-1`"],
  },
  {
    when: "a matrix varies what can't vary",
    text: pipelineWith("matrix:\n  output.name: [a, b]"),
    finds: ["S86 output.name"],
    saying: ["each cell has its own, made of its values"],
  },
  {
    when: "a matrix varies one key twice, or what is not there",
    text: pipelineWith(
      "matrix:\n  seed: [1, 2]\n  train.seed: [3]\n  dataset.sources.3.num_repeats: [1]\n  train.__proto__: [1]",
    ),
    finds: ["S83 seed", "S83 train.seed", "S13 dataset.sources.3.num_repeats", "S13 train.__proto__"],
    saying: ["`train.seed` is varied twice", "", "Entries of a list are counted from 0", "names nothing of this file"],
  },
  {
    when: "a matrix excludes what it doesn't have",
    text: pipelineWith("matrix:\n  seed: [1, 2]\n  exclude: [{ seed: 3 }]"),
    finds: ["S87 { seed: 3 }"],
    saying: ["No combination of the matrix has all these values."],
  },
  {
    when: "a matrix has a key that doesn't exist",
    text: pipelineWith("matrix:\n  network_dmi: [16, 32]"),
    finds: ["S13 network_dmi"],
    saying: ["Did you mean `network_dim`?"],
  },
  {
    when: "a notification goes nowhere, or two ways at once",
    text: pipelineWith("notify:\n  - on: [failed]\n  - { url: https://a.example/b, command: [mail] }"),
    finds: ["S70 on: [failed]", "S70 { url: https://a.example/b, command: [mail] }"],
    saying: ["names neither a `command` nor a `url`", "names both"],
  },
  {
    when: "a notification's variables are not set, are empty or are none",
    text: pipelineWith(
      "notify:\n  - url: https://${HOST_A}/s3cret\n  - url: ${EMPTY}\n  - url: https://h/${HOOK-URL}\n  - url: ${B:-http://b}",
    ),
    project: "version: 1\nnotify:\n  - url: ${OVERRIDDEN}",
    finds: ["P81 url: https://${HOST_A}/s3cret", "P81 url: ${EMPTY}", "S30 url: https://h/${HOOK-URL}"],
    saying: [
      "`notify[0].url` needs the environment variable HOST_A, which is not set: nobody would be told.",
      "EMPTY, which is empty",
      "A variable in `notify[2].url` is neither",
    ],
  },
];

for (const { when, text, project, finds, saying } of CASES) {
  test(`When ${when}: ${finds.map((find) => find.split(" ")[0]).join(", ")}`, () => {
    const { diagnostics } = parse(text, project);
    const texts = { "pipelines/fox.yaml": text, "wan22.yaml": project ?? "" } as Readonly<Record<string, string>>;
    expect(diagnostics.map((found) => `${found.code} ${marked(texts[found.file ?? ""] ?? "", found)}`)).toEqual(finds);
    for (const [index, part] of saying.entries()) expect(diagnostics[index]?.detail).toContain(part);
  });
}

/** Findings about the file as such, made while reading it from disk. */
const FOUND_BY_HOST = new Set(["S81", "S88", "S37", "S38", "S39", "S40", "S41"]);

test("When a file has more findings than anybody reads, their number is said: S50", () => {
  const keys = Array.from({ length: 150 }, (_, index) => `  zebra${index}: 1`).join("\n");
  const { diagnostics } = parse(pipelineWith(`train:\n${keys}`));
  expect(diagnostics).toHaveLength(101);
  expect(diagnostics.at(-1)).toMatchObject({ code: "S50", severity: "note", file: "pipelines/fox.yaml" });
  expect(diagnostics.at(-1)?.detail).toContain("has 50 more findings.");
});

test("Every code of this chapter is shown by a case above, and numbered upward", () => {
  const shown = new Set(CASES.flatMap((one) => one.finds.map((find) => find.split(" ")[0])));
  const codes = Object.values(SPEC_CODES).map((kind) => kind.code);
  expect(codes).toEqual([...new Set(codes)].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
  expect(codes.filter((code) => !shown.has(code) && !FOUND_BY_HOST.has(code) && code !== "S50")).toEqual([]);
});

test("A duplicate key names the place of the first", () => {
  const text = pipelineWith("train:\n  network_dim: 16\n  network_dim: 32");
  const [finding] = parse(text).diagnostics;
  expect(finding?.related).toEqual([
    {
      file: "pipelines/fox.yaml",
      range: { line: 9, column: 3, end_line: 9, end_column: 14 },
      message: "`network_dim` is given here first",
    },
  ]);
});
