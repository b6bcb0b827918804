import * as z from "zod";

/** How a plan differs from that of the commit that a change started from (`plan --changed-since REF`). */

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);

export const differenceSchema = z.strictObject({
  subject: z
    .enum(["setting", "parameter", "item", "model", "amount", "stage", "estimate", "policy", "file", "arguments"])
    .describe(
      "What differs: a key of the file, a parameter, a clip, a model file, a count of the plan, a stage's action, an estimate, a rule of the policy, a file that the trainer reads, or its arguments",
    ),
  name: z.string().describe("Which one; parameters by their plan name"),
  how: z.enum(["added", "removed", "changed"]).describe("Seen from the base"),
  from: value.optional().describe("Its value in the base's plan; of an estimate both ends"),
  to: value.optional().describe("Its value in this plan"),
  unit: z.string().optional().describe("Of an estimate"),
  part: z.string().optional().describe("What of a clip differs: content, caption, or both; of arguments, which"),
  file: z.string().optional().describe("Where the new value stands"),
  line: z.number().int().optional().describe("Its line in that file, from 1"),
});

const basePipelineSchema = z.strictObject({
  name: z.string().describe("The pipeline's name"),
  file: z.string().describe("Its file; of a removed one, the file that it had"),
  change: z
    .enum(["new", "changed", "same", "removed", "unknown"])
    .describe(
      "Seen from the base; same where no file that shapes the plan says otherwise, unknown where one side can't be planned",
    ),
  problem: z.string().optional().describe("Why it is unknown"),
  differences: z.array(differenceSchema).describe("What differs, the most telling first"),
});

export const baseSchema = z.strictObject({
  ref: z.string().describe("What was asked to be compared with"),
  commit: z.string().describe("The commit that it and HEAD come from"),
  pipelines: z.array(basePipelineSchema).describe("One for each pipeline of the plan, and the removed ones"),
});

export type Difference = z.infer<typeof differenceSchema>;
export type BasePipeline = z.infer<typeof basePipelineSchema>;
export type PlanBase = z.infer<typeof baseSchema>;
