import * as z from "zod";
import { eventSchema } from "./event.ts";
import { STAGE_IDS } from "./vocabulary.ts";

/**
 * What `wan22 apply` does, as it happens: the one stream from which the terminal, the plain lines and
 * `--format json` are made. A trainer's own events (`event.ts`) travel inside `trainer`.
 */

const base = {
  v: z.literal(1),
  t: z.number().describe("Unix time in seconds"),
  pipeline: z.string().describe("Name of the pipeline"),
};
const count = z.number().int().nonnegative();
const stage = z.enum(STAGE_IDS);
const move = z.strictObject({ from: z.string(), to: z.string() });

export const stageOutcomeSchema = z.enum(["finished", "stopped", "failed", "lost", "detached"]);
export const applyOutcomeSchema = z.enum(["finished", "stopped", "failed", "interrupted", "detached"]);

export const applyEventSchema = z
  .discriminatedUnion("type", [
    z
      .strictObject({
        ...base,
        type: z.literal("run-started"),
        run: z.string().describe("RUN_ID"),
        folder: z.string().describe("The run's folder, relative to the project root where inside it"),
        plan_digest: z.string(),
        stages: z
          .array(
            z.strictObject({
              id: stage,
              action: z.string(),
              turn: count.describe("From 0; stages of one turn run at the same time"),
            }),
          )
          .describe("What will be done, in order"),
      })
      .describe("A plan is being carried out"),
    z
      .strictObject({
        ...base,
        type: z.literal("stage-started"),
        stage,
        action: z.string(),
        unit: z.enum(["items", "steps"]).describe("What `done` and `total` count"),
        done: count.describe("Done before this stage started"),
        total: count,
        pid: count.optional(),
        gpus: z.array(count).optional().describe("Devices that it runs on, where it was given any"),
        log: z.string().describe("File with the trainer's own words"),
        attached: z.boolean().describe("Whether a trainer that was already running was found and followed"),
      })
      .describe("A stage's process runs"),
    z
      .strictObject({ ...base, type: z.literal("trainer"), stage, event: eventSchema })
      .describe("What the stage's process says"),
    z
      .strictObject({
        ...base,
        type: z.literal("moved"),
        stage,
        reason: z.enum(["archive", "rename"]),
        files: z.array(move),
      })
      .describe("Finished files were moved out of the way, or got the name of their epoch"),
    z
      .strictObject({
        ...base,
        type: z.literal("unlinked"),
        stage,
        stale: z.array(z.string()).describe("Stale or broken, and made anew by this stage"),
        leftover: z.array(z.string()).describe("Nothing in the dataset makes them any more"),
      })
      .describe("Cache files were removed"),
    z
      .strictObject({
        ...base,
        type: z.literal("note"),
        stage: stage.optional(),
        severity: z.enum(["warning", "note"]),
        text: z.string().describe("Full sentences"),
      })
      .describe("Something a user should know"),
    z
      .strictObject({
        ...base,
        type: z.literal("stage-ended"),
        stage,
        outcome: stageOutcomeSchema,
        done: count,
        total: count,
        seconds: z.number().nonnegative(),
        message: z.string().optional().describe("Why, where it did not finish"),
        log: z.string(),
      })
      .describe("A stage's process ended"),
    z
      .strictObject({
        ...base,
        type: z.literal("run-ended"),
        run: z.string(),
        outcome: applyOutcomeSchema,
        checkpoints: z.array(z.string()).describe("Checkpoints of this pipeline that exist now"),
        seconds: z.number().nonnegative(),
      })
      .describe("Nothing more will be done for this pipeline"),
  ])
  .describe("A line of what `wan22 apply --format json` prints");

export type ApplyEvent = z.infer<typeof applyEventSchema>;
export type StageOutcome = z.infer<typeof stageOutcomeSchema>;
export type ApplyOutcome = z.infer<typeof applyOutcomeSchema>;
