// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import * as z from "zod";
import { DEFAULT_NOTIFICATION_EVENTS, NOTIFICATION_EVENTS } from "../notification.ts";
import { BACKENDS, NOISES, ON_NAN, STRATEGIES, TASKS, TIERS } from "../vocabulary.ts";
import { type FieldWords, field } from "./field.ts";
import { boundsText, pathText, sectionShape } from "./parameter-shape.ts";
import { policyShape } from "./policy-shape.ts";
import type { SourceKind } from "./spec.ts";
import { stateShape } from "./state-shape.ts";
import { watchShape } from "./watch-shape.ts";

/** The shape of the two files. Parsing, the JSON Schemas and the known keys all come from here. */

/** The version of the pipeline file that this program reads. */
export const FILE_VERSION = 1;

/** One of these keys makes a dataset source. */
export const SOURCE_KINDS = ["videos", "images", "video_jsonl", "image_jsonl"] as const satisfies readonly SourceKind[];

export const FRAME_EXTRACTIONS = ["head", "chunk", "slide", "uniform", "full"] as const;

/** `1280x720`, with a `×` and with spaces too. */
export const RESOLUTION_PATTERN = /^\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*$/;

/** Smaller than one 16-pixel step has no bucket. */
export const MIN_SIDE = 16;

/** Far beyond what any GPU trains; bounds the search for buckets. */
export const MAX_SIDE = 16_384;

function path(doc: string, example: string, defaultValue?: string) {
  const variables = " Relative to this file; `${VAR}`, `${VAR:-default}` and `~/` are replaced.";
  return field(pathText(), {
    wants: "path",
    expected: "a path",
    example,
    doc: `${doc}${variables}`,
    ...(defaultValue === undefined ? {} : { defaultValue }),
  }).optional();
}

function flag(doc: string) {
  return field(z.boolean(), { wants: "flag", expected: "true or false", example: "true", doc }).optional();
}

function whole(doc: string, min: number, example: string) {
  return field(z.int().min(min), {
    wants: "number",
    expected: `a whole number${boundsText({ min })}`,
    example,
    doc,
  }).optional();
}

function choice<const T extends readonly [string, ...string[]]>(choices: T, doc: string, defaultValue?: string) {
  return field(z.enum(choices), {
    wants: "choice",
    expected: `one of ${choices.join(", ")}`,
    choices,
    doc,
    ...(defaultValue === undefined ? {} : { defaultValue }),
  });
}

function map<T extends z.ZodType>(schema: T, words: { readonly expected: string; readonly doc: string }) {
  return field(schema, { wants: "map", ...words });
}

const sideShape = z.int().min(MIN_SIDE).max(MAX_SIDE);
const sideWords: FieldWords = {
  wants: "number",
  expected: `a whole number of pixels from ${MIN_SIDE} to ${MAX_SIDE}`,
  example: "720",
};

const datasetSettings = {
  resolution: field(
    z.union([
      z.string().regex(RESOLUTION_PATTERN),
      z.tuple([field(sideShape, sideWords), field(sideShape, sideWords)]),
    ]),
    {
      wants: "text",
      expected: "WIDTHxHEIGHT in pixels, or [width, height]",
      example: "1280x720",
      doc: "Width and height in pixels, as 1280x720 or [1280, 720]. With `enable_bucket` it is the area that buckets keep.",
    },
  ).optional(),
  enable_bucket: flag("Lets files of other shapes keep their aspect ratio, in buckets of about the same area."),
  bucket_no_upscale: flag("With `enable_bucket`: files smaller than the resolution are not enlarged."),
  batch_size: whole("Items a step takes at once; more need more GPU memory.", 1, "1"),
  num_repeats: whole("How often an epoch takes each item.", 1, "1"),
  // The trainer looks for images' captions with a pattern that this is a part of: it may hold none of a pattern's characters.
  caption_extension: field(z.string().regex(/^[^/\\\r\n\t*?[]+$/), {
    wants: "text",
    expected: "a file extension, with its dot, without *, ? and [",
    example: ".txt",
    doc: "Extension of the caption file beside each clip or image.",
    defaultValue: ".txt",
  }).optional(),
};

const sourceFields = {
  videos: path("A folder of video clips, read without its subfolders.", "data/fox"),
  images: path("A folder of images, read without its subfolders.", "data/stills"),
  video_jsonl: path("A JSONL file of clips and captions.", "data/fox.jsonl"),
  image_jsonl: path("A JSONL file of images and captions.", "data/stills.jsonl"),
  cache_directory: path("A folder to take whole caches from; it is only read.", "../old/cache"),
  ...datasetSettings,
  target_frames: field(
    z
      .array(field(z.int().min(1), { wants: "number", expected: "a whole number of frames, 1 or more", example: "25" }))
      .min(1),
    {
      wants: "list",
      expected: "a list of frame counts",
      example: "[1, 25, 45]",
      doc: "Frames of the crops taken from each clip; each a multiple of 4, plus 1.",
    },
  ).optional(),
  frame_extraction: choice(
    FRAME_EXTRACTIONS,
    "Which crops are taken: the clip's head, all chunks one after the other, a sliding window, uniform samples, or the clip in full.",
  ).optional(),
  frame_stride: whole("With `frame_extraction: slide`: frames between one crop and the next.", 1, "8"),
  frame_sample: whole("With `frame_extraction: uniform`: crops a clip.", 1, "2"),
  max_frames: whole("With `frame_extraction: full`: frames taken of a clip at most.", 1, "129"),
  source_fps: field(z.union([z.literal("auto"), z.number().gt(0)]), {
    wants: "number",
    expected: "a number of frames a second above 0, or auto",
    example: "auto",
    choices: ["auto"],
    doc: "Frame rate of the clips, brought to the model's 16 a second; auto is the clips' own. Without it every frame counts as one of 16 a second.",
  }).optional(),
} satisfies Readonly<Record<string, z.ZodType>> & Readonly<Record<SourceKind, z.ZodType>>;

/** Keys of a source that only clips have. */
export const VIDEO_KEYS = [
  "target_frames",
  "frame_extraction",
  "frame_stride",
  "frame_sample",
  "max_frames",
  "source_fps",
] as const satisfies readonly (keyof typeof sourceFields)[];

/** The keys of a dataset source. */
export const SOURCE_KEYS: ReadonlySet<string> = new Set(Object.keys(sourceFields));

/** Images have one frame: what is about more of them has no place beside them. */
const ofImages = { not: { anyOf: VIDEO_KEYS.map((key) => ({ required: [key] })) } };
const oneKind = SOURCE_KINDS.map((kind) => ({ required: [kind], ...(kind.startsWith("image") ? ofImages : {}) }));

const source = field(z.strictObject(sourceFields).meta({ oneOf: oneKind }), {
  wants: "map",
  expected: `a map with one of ${SOURCE_KINDS.join(", ")}`,
  example: "videos: data/fox",
});

const models = map(
  z
    .strictObject({
      dit: path("Wan2.2 14B weights of the low-noise half.", "models/wan2.2_t2v_low_noise_14B_fp16.safetensors"),
      dit_high_noise: path(
        "Wan2.2 14B weights of the high-noise half.",
        "models/wan2.2_t2v_high_noise_14B_fp16.safetensors",
      ),
      vae: path("The Wan2.1 VAE, which Wan2.2 14B uses too.", "models/wan_2.1_vae.safetensors"),
      t5: path("The UMT5-XXL text encoder.", "models/models_t5_umt5-xxl-enc-bf16.pth"),
    })
    .nullable(),
  { expected: "a map of dit, dit_high_noise, vae and t5", doc: "Model files." },
).optional();

/** No card and no machine has more; what is above is a figure in MiB, as `nvidia-smi` shows them. */
const MAX_VRAM_GIB = 1024;
const MAX_RAM_GIB = 15_000;

function gibibytes(max: number, example: string, doc: string) {
  return field(z.number().gt(0).max(max), {
    wants: "number",
    expected: `a number of GiB${boundsText({ above: 0, max })}`,
    example,
    doc,
    unit: "GiB",
  });
}

const hardware = field(
  z.union([
    z.string().min(1),
    z
      .strictObject({
        gpu: field(z.string().min(1), {
          wants: "text",
          expected: "a GPU's name",
          example: "RTX 4090",
          doc: "The GPU's name.",
        }).optional(),
        vram_gb: gibibytes(MAX_VRAM_GIB, "24", "GPU memory in GiB.").optional(),
        ram_gb: gibibytes(MAX_RAM_GIB, "64", "Host memory in GiB.").optional(),
      })
      .meta({ minProperties: 1 }),
  ]),
  {
    wants: "text",
    expected: "a tier, a GPU's name, auto, or a map of gpu, vram_gb and ram_gb",
    example: "RTX 4090",
    doc: `What the training runs on: a tier (${TIERS.join(", ")}), a GPU's name, auto (ask the machine), or {gpu, vram_gb, ram_gb}.`,
    defaultValue: "auto",
  },
).optional();

/** A variable may stand for all of it, and for any part. */
const URL_PATTERN = /^(?:https?:\/\/|\$\{[A-Za-z_]\w*(?::-[^${}]*)?\})\S*$/;

const hook = field(
  z
    .strictObject({
      command: field(
        z
          .array(
            field(z.string(), {
              wants: "text",
              isFreeText: true,
              expected: "a text",
              example: "notify-send",
            }),
          )
          .min(1),
        {
          wants: "list",
          expected: "a list of a program and its arguments",
          example: "[notify-send, wan22]",
          doc: "A program and its arguments, started without a shell in the project's root; it gets the notification as JSON on its standard input.",
        },
      ).optional(),
      url: field(z.string().regex(URL_PATTERN), {
        wants: "text",
        takesVariables: true,
        expected: "an http or https URL; `${VAR}` in it is replaced when it is used",
        example: "${HOOK_URL}",
        doc: "Where the notification is posted to as JSON. `${VAR}` in it is taken from the environment when it is used, and never written down: keep secrets there.",
      }).optional(),
      on: field(
        z
          .array(
            field(z.enum(NOTIFICATION_EVENTS), {
              wants: "choice",
              expected: `one of ${NOTIFICATION_EVENTS.join(", ")}`,
              choices: NOTIFICATION_EVENTS,
            }),
          )
          .min(1),
        {
          wants: "list",
          expected: `a list of ${NOTIFICATION_EVENTS.join(", ")}`,
          example: "[failed, finished]",
          doc: `What to tell of: ${NOTIFICATION_EVENTS.join(", ")}. Left out: ${DEFAULT_NOTIFICATION_EVENTS.join(", ")}.`,
        },
      ).optional(),
    })
    .meta({ oneOf: [{ required: ["command"] }, { required: ["url"] }] }),
  { wants: "map", expected: "a map with `command` or `url`", example: "command: [notify-send, wan22]" },
);

const shared = {
  hardware,
  strategy: choice(
    STRATEGIES,
    "Where to stand in a recommended range: learning at its low end, middle or high end; conservative needs least memory.",
    "balanced",
  ).optional(),
  models,
  train: sectionShape("train", "Parameters of the training script, by the trainer's own names."),
  cache_latents: sectionShape("cache-latents", "Parameters of the script that caches latents."),
  cache_text: sectionShape("cache-text", "Parameters of the script that caches text encoder outputs."),
  trainer: map(
    z
      .strictObject({
        backend: choice(
          BACKENDS,
          "Who trains: musubi, or the embedded rehearsal trainer that runs anywhere in seconds. Left out: musubi where `path` is set.",
        ).optional(),
        path: path("The Musubi Tuner checkout.", "../musubi-tuner"),
        python: field(pathText(), {
          wants: "path",
          expected: "the path of a Python, or a command's name",
          example: "../musubi-tuner/.venv/bin/python",
          doc: "The Python that has the trainer's packages: a path relative to this file, or a command's name.",
        }).optional(),
        on_nan: choice(
          ON_NAN,
          "What a loss that is not a number does once it has reached the weights: stop ends training and keeps what was saved before, warn goes on.",
          "stop",
        ).optional(),
      })
      .nullable(),
    { expected: "a map of backend, path, python and on_nan", doc: "Which trainer runs, and where it is." },
  ).optional(),
  notify: field(z.array(hook), {
    wants: "list",
    expected: "a list of hooks, each with `command` or `url`",
    example: "[{url: '${HOOK_URL}'}]",
    doc: "Who is told when a run starts, stops, fails or finishes. A hook that fails harms no run. A pipeline's list takes the place of the project's.",
  }).optional(),
  gpus: field(
    z
      .array(field(z.int().min(0), { wants: "number", expected: "a device id, 0 or more", example: "0" }))
      .min(1)
      .meta({ uniqueItems: true }),
    {
      wants: "list",
      expected: "a list of device ids",
      example: "[0]",
      doc: "GPUs to run on, by device id. Two or more with noise: separate train both halves at the same time.",
    },
  ).optional(),
  state: stateShape,
};

const version = field(z.literal(FILE_VERSION), {
  wants: "number",
  expected: "the number 1",
  example: "1",
  doc: "Version of this file's format.",
});

/** What an editor can see of `whyNoFileName`. */
const fileNameSchema = { pattern: '^(?![\\s.])[^/\\\\:*?"<>|\\r\\n\\t]*(?<![\\s.])$', maxLength: 200 };

/** A pipeline's name: also a folder's, and part of file names. */
export const NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,99}$/;

const cellValue = z.union([z.string(), z.number(), z.boolean()]);

export const pipelineShape = field(
  z.strictObject({
    version,
    name: field(z.string().regex(NAME_PATTERN), {
      wants: "text",
      expected: "a name of small letters, digits and dashes, beginning with a letter or digit, at most 100 long",
      example: "fox-t2v",
      doc: "Name of the pipeline, unique in the project: small letters, digits and dashes.",
    }),
    extends: field(
      z.union([
        z.string().min(1),
        z
          .array(field(z.string().min(1), { wants: "text", expected: "the path of a file", example: "base.yaml" }))
          .min(1),
      ]),
      {
        wants: "text",
        expected: "the path of a file, or a list of them",
        example: "base.yaml",
        doc: "A file of the project, or a list of them, that this one is laid over, key by key: a later file wins, lists are replaced whole, `key: null` takes a key away. Relative to this file, as every path in it is to its own.",
      },
    ).optional(),
    task: choice(TASKS, "What the LoRA is for: text to video, or image to video."),
    noise: choice(
      NOISES,
      "Which halves of the model are trained: both into one LoRA (dual), one alone (low, high), or both into a LoRA each (separate). Left out: the tier's choice.",
    ).optional(),
    dataset: map(
      z.strictObject({
        ...datasetSettings,
        sources: field(z.array(source).min(1), {
          wants: "list",
          expected: "a list of at least one source",
          example: "[{videos: data/fox}]",
          doc: "Folders and JSONL files to train on.",
        }),
      }),
      {
        expected: "a map with a list of `sources`",
        doc: "What to train on; keys beside `sources` hold for all of them.",
      },
    ),
    output: map(
      z
        .strictObject({
          dir: path("Folder of the checkpoints. Left out: output/NAME in the project's root.", "output/fox"),
          name: field(z.string().min(1).meta(fileNameSchema), {
            wants: "text",
            expected: "a file name",
            example: "fox-t2v",
            doc: "What checkpoint names begin with. Left out: the pipeline's name.",
          }).optional(),
        })
        .nullable(),
      { expected: "a map of dir and name", doc: "Where checkpoints go." },
    ).optional(),
    matrix: field(z.record(z.string(), z.union([z.array(cellValue), z.array(z.record(z.string(), cellValue))])), {
      wants: "map",
      expected: "a map of keys, each with a list of values",
      example: "{network_dim: [16, 32]}",
      doc: "Values to try: every combination is a pipeline of its own. Keys are dotted (`dataset.resolution`), those of `train` also bare (`network_dim`). `exclude` and `include` are lists of maps: combinations to leave out, and values to add.",
    }).optional(),
    ...shared,
  }),
  { wants: "map", expected: "a map of keys", doc: "A training pipeline of wan22." },
);

/** The keys at the top level of a pipeline file. */
export const PIPELINE_KEYS: ReadonlySet<string> = new Set(Object.keys(pipelineShape.shape));

export const projectShape = field(
  z.strictObject({
    version: version.optional(),
    state_dir: path("Folder of states, runs and caches.", ".wan22", ".wan22"),
    cache_dir: path("Folder of the caches. Left out: `cache` in the state folder.", ".wan22/cache"),
    templates: path("A folder whose templates and presets replace the built-in ones of the same name.", "templates"),
    dataset: map(z.strictObject(datasetSettings).nullable(), {
      expected: "a map of dataset settings",
      doc: "Dataset settings for all pipelines; sources belong in the pipelines.",
    }).optional(),
    policy: policyShape,
    watch: watchShape,
    ...shared,
  }),
  { wants: "map", expected: "a map of keys", doc: "What the pipelines of a wan22 project share." },
);

export type PipelineFile = z.infer<typeof pipelineShape>;
export type ProjectFile = z.infer<typeof projectShape>;
