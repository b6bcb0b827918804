import * as z from "zod";
import { DRIVERS, STAGE_IDS } from "./vocabulary.ts";

/** What `wan22 status --format json` prints: how pipelines stand right now, seen from this machine. */

const count = z.number().int().nonnegative();

const stageStatusSchema = z.strictObject({
  id: z.enum(STAGE_IDS).describe("The stage"),
  status: z
    .enum(["running", "finished", "stopped", "failed", "lost"])
    .describe("By its record and its process; lost is a process that ended without a word"),
  alive: z
    .boolean()
    .nullable()
    .describe("Whether its process runs; null where that can't be seen, since it is one of another machine"),
  unseen: z.boolean().describe("Whether it ended while nobody watched, which the next apply writes down"),
  driver: z.enum(DRIVERS).optional().describe("What runs it"),
  run: z.string().describe("The run that last worked on it"),
  pid: count.optional().describe("Its process, while it runs"),
  started: z.string().optional().describe("When it was started, ISO 8601"),
  unit: z.enum(["items", "steps"]).describe("What done and total count"),
  done: count.optional().describe("Done so far, of the whole stage"),
  total: count.optional().describe("Done in the end"),
  epoch: count.optional().describe("The epoch in progress, from 1"),
  loss: z.number().nullable().optional().describe("Mean over the last steps; null stands for NaN"),
  seconds_per_unit: z.number().nonnegative().optional().describe("Over the last steps or items"),
  eta_seconds: z.number().nonnegative().optional().describe("Until its end at that rate"),
  training_state: z
    .strictObject({
      dir: z.string().describe("Relative to the root where inside it"),
      done_epochs: count.describe("Whole epochs in it"),
      done_steps: count.describe("Steps in it"),
    })
    .optional()
    .describe("The last training state that was saved: where a resume would go on"),
  exit_code: z.number().int().optional().describe("Of its last process, where that left one"),
  message: z.string().optional().describe("Why it did not finish"),
  log: z.string().describe("File with the trainer's own words, relative to the root where inside it"),
});

const lockStatusSchema = z.strictObject({
  kind: z
    .enum(["free", "held", "dead", "unreadable"])
    .describe("Who may write; dead is a lock whose owner is gone, and which the next apply takes over"),
  who: z.string().optional().describe("The owner's user name"),
  host: z.string().optional().describe("The owner's machine"),
  pid: count.optional().describe("The owner's process"),
  since: z.string().optional().describe("When it was taken, ISO 8601"),
});

const pipelineStatusSchema = z.strictObject({
  name: z.string().describe("The pipeline's name"),
  file: z.string().optional().describe("Its file as the caller's folder sees it; absent where only the record is left"),
  renamed: z.string().optional().describe("The pipeline that its file is by now, which was given another name"),
  host: z.string().optional().describe("The machine that the record was written on; absent where nothing was run yet"),
  here: z.boolean().describe("Whether that is this machine: what runs on another can't be seen"),
  run: z.string().optional().describe("The last run"),
  lock: lockStatusSchema.describe("Who is at work on it"),
  waits: z
    .strictObject({
      position: z.number().int().describe("From 1, among those that wait"),
      pid: count.describe("The process that carries the queue out"),
    })
    .optional()
    .describe("Its place in a queue, while it waits in one (`wan22 status --queue`)"),
  stages: z.array(stageStatusSchema).describe("In the order they run, those that were begun"),
});

const watchStatusSchema = z.strictObject({
  branch: z.string().describe("What is followed: `origin/main`"),
  alive: z.boolean().describe("Whether somebody follows it right now"),
  commit: z.string().optional().describe("Its commit that was checked out last"),
  looked: z.number().describe("When it was looked last, Unix time in seconds"),
  pid: count.optional().describe("The process that follows it"),
  since: z.string().optional().describe("Since when it does, ISO 8601"),
});

export const statusSchema = z
  .strictObject({
    format_version: z.literal("1.0").describe("Version of this format"),
    pipelines: z.array(pipelineStatusSchema).describe("In the order asked for"),
    watch: watchStatusSchema
      .optional()
      .describe("Of `wan22 watch --apply` in this checkout; absent where there never was one"),
  })
  .describe("What `wan22 status --format json` prints");

export type WatchStatus = z.infer<typeof watchStatusSchema>;
export type Status = z.infer<typeof statusSchema>;
export type PipelineStatus = z.infer<typeof pipelineStatusSchema>;
export type StageStatus = z.infer<typeof stageStatusSchema>;
export type LockStatus = z.infer<typeof lockStatusSchema>;
