import * as z from "zod";
import { BACKENDS, ON_NAN, STAGE_IDS } from "../vocabulary.ts";

/** The trainer contract (design §7): what a backend is told beside the trainer's own arguments, by `--context FILE`. */

const count = z.number().int().nonnegative();

export const contextSchema = z.strictObject({
  version: z.literal(1),
  backend: z.enum(BACKENDS),
  trainer_path: z.string().describe("Musubi's folder; empty for the rehearsal"),
  pipeline: z.string(),
  run: z.string(),
  stage: z.enum(STAGE_IDS),
  segment: count.describe("Which process of this stage and lineage it is, from 1"),
  fingerprint: z.string(),
  total_epochs: count.optional(),
  steps_per_epoch: count.optional(),
  total_steps: count.optional(),
  batches_per_epoch: count.optional().describe("Before gradient accumulation, over all datasets"),
  done_epochs: count.optional(),
  done_steps: count.optional(),
  done_batches: count.optional().describe("Batches done of the epoch in progress"),
  events: z.string().describe("File to append events to"),
  stop_file: z.string().describe("A stop is requested when this file exists"),
  resume: z.string().optional().describe("The training state that `--resume` names too"),
  items: z.string().describe("One line for each cache file to exist, or to train on"),
  on_nan: z
    .enum(ON_NAN)
    .optional()
    .describe("What a loss that has ruined the weights does: end training, or a warning"),
  modules: z.array(z.strictObject({ name: z.string(), in_features: count, out_features: count })),
});

export type TrainerContext = z.infer<typeof contextSchema>;

/** A line of the items file: one cache file, and what it is made from. Sizes in pixels. */
export interface ItemLine {
  readonly cache_file: string;
  readonly source_file: string;
  readonly first_frame: number;
  readonly frames: number;
  /** That a cache's name and header hold: a video's bucket, an image's own size. */
  readonly width: number;
  readonly height: number;
  readonly caption: string;
  /** For latents: the text cache that belongs to it. */
  readonly text_cache_file?: string;
}
