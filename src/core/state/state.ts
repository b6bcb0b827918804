import * as z from "zod";
import { BACKENDS, DRIVERS, STAGE_IDS } from "../vocabulary.ts";

/** What is known to have happened to a pipeline (design §6): one file, the fold of journals and events. */

export const STATE_VERSION = 1;

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);
const count = z.number().int().nonnegative();

const stageRecordSchema = z.strictObject({
  status: z
    .enum(["running", "finished", "stopped", "failed", "lost"])
    .describe("How far it is; lost is a process that ended without a word"),
  backend: z.enum(BACKENDS).describe("Who trained"),
  driver: z
    .enum(DRIVERS)
    .optional()
    .describe("What ran its last process; absent in records from before there was a choice"),
  fingerprint: z.string().describe("Of everything that shapes the result, epochs aside"),
  inputs: z
    .record(z.string(), value)
    .describe("The values behind the fingerprint, so that a later plan can name what changed"),
  identities: z
    .record(z.string(), z.string())
    .describe("Digests of the dataset and of each model behind the fingerprint"),
  run: z.string().describe("The run that last worked on it"),
  segment: count.describe("Trainer processes so far, in this lineage"),
  action: z.string().optional().describe("The plan's action that the last process carried out"),
  plan_digest: z
    .string()
    .optional()
    .describe("The plan that its last process was started by: what that plan asks for is not done twice"),
  begun: z
    .boolean()
    .optional()
    .describe("Whether its process was started: what was to be archived, renamed or removed first is done then"),
  started: z.string().optional().describe("When the last process was to start, ISO 8601"),
  process: z
    .strictObject({
      pid: z.number().int().positive().describe("Its process id"),
      boot_id: z.string().describe("The start of the machine that the id belongs to"),
      start_time: z.string().describe("When it started, by the system: ids are used again"),
    })
    .optional()
    .describe("The trainer, while the status is running"),
  total_epochs: count.optional().describe("Epochs that were wanted"),
  steps_per_epoch: count.optional().describe("Optimizer steps an epoch"),
  done_epochs: count.optional().describe("Epochs done"),
  done_steps: count.optional().describe("Steps taken; what of them a resume keeps, the training states say"),
  from_steps: count.optional().describe("Steps done when the last process started"),
  measured: z
    .strictObject({
      steps: count.describe("How many"),
      seconds: z.number().nonnegative().describe("How long all of them took"),
    })
    .optional()
    .describe("Steps that were timed for this fingerprint, each process's first left out, and how long they took"),
  vram_peak_bytes: count.optional().describe("The most GPU memory that a step reported, for this fingerprint"),
  gpus: z
    .array(count)
    .optional()
    .describe("Devices that its last process was started on, where the pipeline named them"),
  output_dir: z.string().optional().describe("Folder of the checkpoints"),
  output_name: z.string().optional().describe("What their names begin with"),
  caches: z
    .record(z.string(), z.string())
    .optional()
    .describe("Caching: cache file to the digest of what it was made from"),
  message: z.string().optional().describe("Why it failed"),
});

const checkpointRecordSchema = z.strictObject({
  stage: z.enum(STAGE_IDS).describe("The stage that made it"),
  file: z.string().describe("Relative to the root where inside it"),
  epoch: count.describe("Epochs trained when it was saved"),
  step: count.describe("Steps trained when it was saved"),
  bytes: count.describe("Of the whole file"),
  sha256: z.string().optional().describe("Of the whole file"),
});

const trainingStateRecordSchema = z.strictObject({
  stage: z.enum(STAGE_IDS).describe("The stage that made it"),
  dir: z.string().describe("Relative to the root where inside it"),
  done_epochs: count.describe("Whole epochs in it"),
  done_steps: count.describe("Steps in it"),
  done_batches: count.optional().describe("Batches done of the epoch in progress"),
});

const historySchema = z.strictObject({
  run: z.string().describe("The run that it was part of"),
  stage: z.enum(STAGE_IDS).describe("The stage that was worked on"),
  action: z.string().describe("The plan's action that was carried out"),
  outcome: z.enum(["finished", "stopped", "failed", "lost"]).describe("How it ended"),
  started: z.string().describe("When, ISO 8601"),
  ended: z.string().describe("When, ISO 8601"),
  done_steps: count.optional().describe("Steps done by then"),
  message: z.string().optional().describe("Why it failed"),
});

export const stateSchema = z
  .strictObject({
    version: z.literal(STATE_VERSION).describe("Version of this format"),
    pipeline: z.string().describe("The pipeline's name"),
    file: z.string().describe("The pipeline file, relative to the root"),
    lineage: z.string().describe("A UUID: this history, told apart from another of the same name"),
    serial: count.describe("Entries folded into it so far: grows with every write"),
    host: z.string().describe("The machine whose disk it speaks of"),
    run: z.string().optional().describe("The last run"),
    plan_digest: z.string().optional().describe("The plan being carried out, or last carried out"),
    stages: z.partialRecord(z.enum(STAGE_IDS), stageRecordSchema).describe("What is known of each stage"),
    checkpoints: z.array(checkpointRecordSchema).describe("Checkpoints that were made and are kept"),
    training_states: z.array(trainingStateRecordSchema).describe("Training states that were made and are kept"),
    history: z.array(historySchema).describe("What was done to each stage, the oldest first"),
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
