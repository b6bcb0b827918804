import * as z from "zod";

/** What `wan22 list` tells: pipelines by what their files say, fit to be the matrix of a workflow's jobs. */

const listedPipelineSchema = z.strictObject({
  name: z.string().describe("The pipeline's name; its file's where that can't be read"),
  address: z
    .string()
    .describe("What `wan22 plan` and `apply` take, seen from where the list was made: a file, or one cell of it"),
  file: z.string().describe("The pipeline file, seen from the same folder"),
  project: z.string().describe("Its project's folder in the repository; . for the top"),
  valid: z.boolean().describe("Whether its files are without an error in themselves; what they name was not looked at"),
  task: z.string().describe("What the LoRA is for; empty where that can't be read, as all below"),
  noise: z.string().describe("Which halves are trained; empty where the tier decides"),
  hardware: z.string().describe("As written: a tier, a GPU, its memory, or auto"),
  gpus: z.array(z.number().int()).describe("Devices that it names; empty where it names none"),
});

export const pipelineListSchema = z
  .strictObject({ include: z.array(listedPipelineSchema).describe("One for each pipeline, each cell of a matrix too") })
  .describe("What `wan22 list --json` prints, in one line: the value of `strategy.matrix`");

export type PipelineList = z.infer<typeof pipelineListSchema>;
export type ListedPipeline = z.infer<typeof listedPipelineSchema>;
