import * as z from "zod";
import { applyOutcomeSchema } from "../apply-event.ts";
import { STAGE_IDS } from "../vocabulary.ts";
import { isoTime } from "./iso-time.ts";
import type { JournalEntry } from "./journal.ts";

/** What `wan22 runs` tells: the runs of each pipeline, and the archive folders that they left. */

const bytes = z.number().int().nonnegative();

const runSchema = z.strictObject({
  run: z.string().describe("RUN_ID"),
  folder: z.string().describe("Its folder, relative to the root where inside it"),
  started: z.string().optional().describe("When, ISO 8601"),
  ended: z.string().optional().describe("When its last stage ended, ISO 8601"),
  outcome: z
    .enum([...applyOutcomeSchema.options, "running", "unfinished"])
    .describe("How it ended; running while a stage's process lives, unfinished where nobody saw an end"),
  stages: z
    .array(
      z.strictObject({
        id: z.enum(STAGE_IDS).describe("A stage that it worked on"),
        action: z.string().describe("The plan's action"),
        outcome: z.enum(["finished", "stopped", "failed", "lost", "running", "unfinished"]).describe("How that ended"),
      }),
    )
    .describe("In the order they began"),
  bytes: bytes.describe("Of its folder"),
  history: z.enum(["living", "given-up"]).describe("Whether it belongs to the history that the state goes on with"),
});

const archiveSchema = z.strictObject({
  folder: z.string().describe("Relative to the root where inside it"),
  run: z.string().describe("The run that moved its files there"),
  files: z.array(z.string()).describe("Checkpoints and training states in it"),
  bytes: bytes.describe("Of all of them"),
});

export const runListSchema = z
  .strictObject({
    format_version: z.literal("1.0").describe("Version of this format"),
    pipelines: z.array(
      z.strictObject({
        name: z.string().describe("The pipeline's name"),
        file: z.string().optional().describe("Its file; absent where only the record is left"),
        renamed: z.string().optional().describe("The pipeline that its file is by now, which was given another name"),
        runs: z.array(runSchema).describe("The oldest first"),
        archives: z.array(archiveSchema).describe("The oldest first"),
      }),
    ),
  })
  .describe("What `wan22 runs --format json` prints");

export type RunList = z.infer<typeof runListSchema>;
export type ListedRun = z.infer<typeof runSchema>;
export type ListedArchive = z.infer<typeof archiveSchema>;
type RunStory = Pick<ListedRun, "started" | "ended" | "outcome" | "stages">;

export interface RunStoryInput {
  readonly entries: readonly JournalEntry[];
  /** What `result.json` says. */
  readonly result: z.infer<typeof applyOutcomeSchema> | undefined;
  /** Whether a stage's process of this run was found alive. */
  readonly standing: "running" | "ended";
}

/** What became of a run, by its journal. */
export function tellRun({ entries, result, standing }: RunStoryInput): RunStory {
  const stages = new Map<string, RunStory["stages"][number]>();
  let started: number | undefined;
  let ended: number | undefined;
  for (const entry of entries) {
    if (entry.type === "run") started ??= entry.t;
    if (entry.type === "stage") {
      const outcome = standing === "running" ? "running" : "unfinished";
      stages.set(entry.stage, { id: entry.stage, action: entry.action, outcome });
    }
    const begun = entry.type === "end" ? stages.get(entry.stage) : undefined;
    if (entry.type === "end" && begun !== undefined) {
      stages.set(entry.stage, { ...begun, outcome: entry.outcome });
      ended = entry.t;
    }
  }
  const told = [...stages.values()];
  return {
    ...(started === undefined ? {} : { started: isoTime(started) }),
    ...(ended === undefined ? {} : { ended: isoTime(ended) }),
    outcome: standing === "running" ? "running" : (result ?? outcomeOf(told)),
    stages: told,
  };
}

/** A run whose result nobody wrote: its stages tell, the one that needs attention first. */
function outcomeOf(stages: RunStory["stages"]): ListedRun["outcome"] {
  const has = (outcome: RunStory["stages"][number]["outcome"]) => stages.some((stage) => stage.outcome === outcome);
  if (stages.length === 0 || has("unfinished")) return "unfinished";
  if (has("failed") || has("lost")) return "failed";
  return has("stopped") ? "stopped" : "finished";
}
