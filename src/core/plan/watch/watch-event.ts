import * as z from "zod";
import { differenceSchema } from "../base.ts";
import { diagnosticSchema, pipelinePlanSchema, planSchema } from "../plan.ts";
import { STANDINGS } from "./reconcile.ts";

/** What `wan22 watch` says, as it happens: the one stream from which its lines and `--format json` are made. */

const pipelineNewsSchema = z.strictObject({
  name: z.string().describe("The pipeline's name"),
  file: z.string().describe("Its file; of a removed one, the file that it had"),
  change: z
    .enum(["new", "changed", "removed", "broken", "mended"])
    .describe("Broken is one that can't be planned any more, mended one that can be planned again"),
  differences: z
    .array(differenceSchema)
    .describe("What its plan differs in from the last one that was shown, the most telling first"),
  plan: pipelinePlanSchema.optional().describe("The plan itself, where none was shown before"),
});

const planNewsSchema = z.strictObject({
  pipelines: z.array(pipelineNewsSchema).describe("Those of which something changed"),
  appeared: z.array(diagnosticSchema).describe("Findings that were not there before"),
  gone: z.array(diagnosticSchema).describe("Findings that are there no more"),
});

const base = { v: z.literal(1), t: z.number().describe("Unix time in seconds") };

export const watchEventSchema = z
  .discriminatedUnion("type", [
    z
      .strictObject({ ...base, type: z.literal("plan"), plan: planSchema })
      .describe("The whole plan, once, to begin with"),
    z
      .strictObject({ ...base, type: z.literal("news"), ...planNewsSchema.shape })
      .describe("What changed since what was told last"),
    z
      .strictObject({
        ...base,
        type: z.literal("commit"),
        branch: z.string().describe("As it was named: `origin/main`"),
        commit: z.string().describe("What is checked out now"),
        before: z.string().optional().describe("What was before"),
        how: z.enum(["first", "forward", "rewritten"]).describe("How it comes after that; rewritten does not hold it"),
        commits: z.number().int().describe("That it has and the one before has not"),
        subject: z.string().describe("The first line of its message"),
      })
      .describe("With `--apply`: another commit of the branch is checked out"),
    z
      .strictObject({
        ...base,
        type: z.literal("pipeline"),
        name: z.string().describe("The pipeline's name"),
        file: z.string().describe("Its file"),
        standing: z.enum(["begun", "finished", ...STANDINGS]).describe("What became of it, or why it is left alone"),
        text: z.string().describe("In a sentence after its name"),
        pid: z.number().int().optional().describe("The runner that was begun"),
        log: z.string().optional().describe("What that says"),
      })
      .describe("With `--apply`: what is done with a pipeline, or why it is left alone; once as long as that stays"),
    z
      .strictObject({ ...base, type: z.literal("problem"), diagnostic: diagnosticSchema })
      .describe("With `--apply`: something is in the way; once as long as that stays"),
    z
      .strictObject({ ...base, type: z.literal("solved"), code: z.string().describe("Its code"), text: z.string() })
      .describe("With `--apply`: what was in the way is no more"),
  ])
  .describe("A line of what `wan22 watch --format json` prints");

export type PipelineNews = z.infer<typeof pipelineNewsSchema>;
export type PlanNews = z.infer<typeof planNewsSchema>;
export type WatchEvent = z.infer<typeof watchEventSchema>;
