import * as z from "zod";
import { BACKENDS, DRIVERS, STAGE_IDS } from "../vocabulary.ts";

/** What is known to have happened to a pipeline (design §6): one file, the fold of journals and events. */

export const STATE_VERSION = 1;

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);
const count = z.number().int().nonnegative();

const stageRecordSchema = z.strictObject({
  status: z.enum(["running", "finished", "stopped", "failed", "lost"]),
  backend: z.enum(BACKENDS),
  driver: z
    .enum(DRIVERS)
    .optional()
    .describe("What ran its last process; absent in records from before there was a choice"),
  fingerprint: z.string().describe("Of everything that shapes the result, epochs aside"),
  inputs: z
    .record(z.string(), value)
    .describe("The values behind the fingerprint, so that a later plan can name what changed"),
  identities: z.record(z.string(), z.string()),
  run: z.string().describe("The run that last worked on it"),
  segment: count.describe("Trainer processes so far, in this lineage"),
  action: z.string().optional().describe("The plan's action that the last process carried out"),
  begun: z
    .boolean()
    .optional()
    .describe("Whether its process was started: what was to be archived, renamed or removed first is done then"),
  started: z.string().optional().describe("When the last process was to start, ISO 8601"),
  process: z
    .strictObject({ pid: count, boot_id: z.string(), start_time: z.string() })
    .optional()
    .describe("The trainer, while the status is running"),
  total_epochs: count.optional(),
  steps_per_epoch: count.optional(),
  done_epochs: count.optional(),
  done_steps: count.optional().describe("Steps taken; what of them a resume keeps, the training states say"),
  from_steps: count.optional().describe("Steps done when the last process started"),
  measured: z
    .strictObject({ steps: count, seconds: z.number().nonnegative() })
    .optional()
    .describe("Steps that were timed for this fingerprint, each process's first left out, and how long they took"),
  vram_peak_bytes: count.optional().describe("The most GPU memory that a step reported, for this fingerprint"),
  output_dir: z.string().optional(),
  output_name: z.string().optional(),
  caches: z
    .record(z.string(), z.string())
    .optional()
    .describe("Caching: cache file to the digest of what it was made from"),
  message: z.string().optional().describe("Why it failed"),
});

const checkpointRecordSchema = z.strictObject({
  stage: z.enum(STAGE_IDS),
  file: z.string().describe("Relative to the root where inside it"),
  epoch: count,
  step: count,
  bytes: count,
  sha256: z.string().optional(),
});

const trainingStateRecordSchema = z.strictObject({
  stage: z.enum(STAGE_IDS),
  dir: z.string().describe("Relative to the root where inside it"),
  done_epochs: count,
  done_steps: count,
  done_batches: count.optional().describe("Batches done of the epoch in progress"),
});

const historySchema = z.strictObject({
  run: z.string(),
  stage: z.enum(STAGE_IDS),
  action: z.string(),
  outcome: z.enum(["finished", "stopped", "failed", "lost"]),
  started: z.string(),
  ended: z.string(),
  done_steps: count.optional(),
  message: z.string().optional(),
});

export const stateSchema = z
  .strictObject({
    version: z.literal(STATE_VERSION),
    pipeline: z.string(),
    file: z.string().describe("The pipeline file, relative to the root"),
    lineage: z.string().describe("A UUID: this history, told apart from another of the same name"),
    serial: count.describe("Entries folded into it so far: grows with every write"),
    host: z.string().describe("The machine whose disk it speaks of"),
    run: z.string().optional().describe("The last run"),
    plan_digest: z.string().optional().describe("The plan being carried out, or last carried out"),
    stages: z.partialRecord(z.enum(STAGE_IDS), stageRecordSchema),
    checkpoints: z.array(checkpointRecordSchema),
    training_states: z.array(trainingStateRecordSchema),
    history: z.array(historySchema),
  })
  .describe("The record of one pipeline, `.wan22/state/NAME.json`");

export type State = z.infer<typeof stateSchema>;
export type StageRecord = z.infer<typeof stageRecordSchema>;
export type CheckpointRecord = z.infer<typeof checkpointRecordSchema>;
export type TrainingStateRecord = z.infer<typeof trainingStateRecordSchema>;

/** Who a state belongs to; fixed for its life, but for the file and the host. */
export interface StateOwner {
  readonly pipeline: string;
  readonly file: string;
  /** A UUID. */
  readonly lineage: string;
  readonly host: string;
}

/** The state of a pipeline that nothing has happened to. */
export function emptyState({ pipeline, file, lineage, host }: StateOwner): State {
  return {
    version: STATE_VERSION,
    pipeline,
    file,
    lineage,
    serial: 0,
    host,
    stages: {},
    checkpoints: [],
    training_states: [],
    history: [],
  };
}
