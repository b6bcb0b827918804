import * as z from "zod";
import { MODEL_ROLES, SCRIPTS, TIERS } from "../vocabulary.ts";
import { LOCK_FORMAT, LOCK_VERSION } from "./lock-file.ts";

/** The lock file as data: what a plan wants to know of data, models, trainer and cards, so that it can be made without them (design §5). */

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "64 hex digits");
const count = z.number().int().min(0);

const problemSchema = z.strictObject({
  kind: z.enum(["missing", "empty", "broken", "unreadable", "needs-ffprobe", "unsupported", "name-not-utf8"]),
  text: z.string(),
});

const itemSchema = z.strictObject({
  name: z.string().min(1).describe("Base name in the folder; of a JSONL row its path as the row writes it"),
  line: z.number().int().min(1).optional().describe("Line of the JSONL row, from 1, where it is not the next one"),
  bytes: count,
  sha256: sha256.optional().describe("Of the file's bytes; absent where it could not be read"),
  width: count.optional().describe("In pixels, unturned"),
  height: count.optional().describe("In pixels, unturned"),
  frames: count.optional().describe("Decoded frames, counted"),
  fps: z.number().min(0).optional().describe("Average frames a second"),
  header_frames: z.number().optional().describe("Frames by the container's header, where it says something else"),
  rotation: z.number().optional().describe("Degrees that players turn it by and the trainer does not"),
  damage: z
    .strictObject({ text: z.string(), intact_frames: count.optional() })
    .optional()
    .describe("What of it cannot be decoded"),
  problem: problemSchema.optional().describe("Why nothing is made of it"),
  caption: z.string().optional().describe("As the trainer reads it"),
  caption_problem: z
    .enum(["left-out", "missing", "not-utf8", "unreadable", "too-large"])
    .optional()
    .describe("Why there is no caption"),
});

const sourceSchema = z.strictObject({
  kind: z.enum(["videos", "images", "video_jsonl", "image_jsonl"]),
  path: z.string().describe("The folder or JSONL file as the pipeline writes it, seen from the project's root"),
  caption_extension: z.string().optional().describe("Of the caption files of a folder"),
  passed_over: z.array(z.string()).optional().describe("Names that the trainer passes over, for their extension"),
  rows: z
    .array(z.strictObject({ line: z.number().int().min(1), text: z.string() }))
    .optional()
    .describe("Rows that cannot be used"),
  items: z.array(itemSchema).describe("In the trainer's order"),
});

const tensorSchema = z
  .array(
    z.union([
      z.tuple([z.string(), z.string(), z.array(count)]),
      z.tuple([z.string(), z.string(), z.array(count), z.string().regex(/^\d+(-\d+)?(,\d+(-\d+)?)*$/, "0-39")]),
    ]),
  )
  .describe("Name, dtype and shape; with a fourth entry, a tensor for each of these numbers in place of the `*`");

const identitySchema = {
  bytes: count.optional(),
  format: z.enum(["safetensors", "other"]).optional(),
  header_sha256: sha256.optional().describe("Of the header of a file in safetensors"),
  blocks_sha256: sha256.optional().describe("Of 64 blocks of 64 KiB, spread evenly over the file"),
  tensors: tensorSchema.optional(),
};

const modelSchema = z.strictObject({
  path: z.string().describe("As the files write it, seen from the project's root"),
  ...identitySchema,
  bytes: count,
  format: z.enum(["safetensors", "other"]),
  blocks_sha256: sha256,
});

const hardwareSchema = z.strictObject({
  tier: z.enum(TIERS).describe("What `hardware: auto` came to"),
  ram_gib: z.number().min(0).optional(),
  gpus: z.array(z.strictObject({ index: count, name: z.string(), vram_gib: z.number().positive() })),
});

const argumentsSchema = z
  .strictObject({
    lacks: z.array(z.string()).optional(),
    more: z.array(z.string()).optional(),
    choices: z.record(z.string(), z.array(z.string())).optional().describe("Where they are others"),
  })
  .describe("How what a script takes differs from Musubi Tuner 0.3.4");

const trainerSchema = z.strictObject({
  version: z.string().optional().describe("Musubi Tuner's"),
  commit: z.string().optional().describe("The checkout's"),
  bridge: z.enum(["fits", "does-not-fit"]).optional(),
  arguments: z.partialRecord(z.enum(SCRIPTS), argumentsSchema).describe("A script that is not here could not be read"),
  missing_modules: z.array(z.string()).optional().describe("Optimizer modules that its Python lacks"),
});

export const lockSchema = z
  .strictObject({
    format: z.literal(LOCK_FORMAT).describe("What this file is, whatever its name"),
    version: z.literal(LOCK_VERSION).describe("Version of this format"),
    tool: z.string().describe("The wan22 that wrote it"),
    pipeline: z.string().describe("The name of the pipeline that it belongs to"),
    hardware: hardwareSchema.optional().describe("Where the pipeline asks for whatever the machine has"),
    trainer: trainerSchema.optional().describe("The Musubi Tuner that was found"),
    models: z.partialRecord(z.enum(MODEL_ROLES), modelSchema).describe("Model files that were found, by role"),
    files: z
      .record(z.string(), z.strictObject(identitySchema))
      .describe("Other files that parameters name and Git does not keep: LoRA weights, images of prompts; by path"),
    sources: z.array(sourceSchema).describe("The dataset's, in order"),
  })
  .describe("NAME.lock.json, which `wan22 lock` writes beside a pipeline");

export type Lock = z.infer<typeof lockSchema>;
export type LockedSource = Lock["sources"][number];
export type LockedItem = LockedSource["items"][number];
export type LockedModel = z.infer<typeof modelSchema>;
export type LockedFile = Lock["files"][string];
export type LockedTensors = z.infer<typeof tensorSchema>;
export type LockedTrainer = z.infer<typeof trainerSchema>;
export type LockedHardware = z.infer<typeof hardwareSchema>;
