import * as z from "zod";
import { DRIVERS, STAGE_IDS } from "../vocabulary.ts";
import { PLAN_FORMAT_VERSION } from "./format-version.ts";

/** The plan as data: the contract of `plan --format json` (design §5). Views print it, `execute` walks it. */

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);

const rangeSchema = z.strictObject({
  line: z.number().int().describe("From 1"),
  column: z.number().int().describe("From 1"),
  end_line: z.number().int(),
  end_column: z.number().int().describe("Exclusive"),
});

const diagnosticSchema = z.strictObject({
  severity: z.enum(["error", "warning", "note"]),
  code: z.string().describe("Stable; explained in docs/DIAGNOSTICS.md"),
  summary: z.string().describe("Constant for a code"),
  detail: z.string().describe("What, why, how to mend it"),
  message: z.string().describe("Summary and detail in one"),
  file: z.string().optional(),
  range: rangeSchema.optional(),
  related: z.array(z.strictObject({ message: z.string(), file: z.string(), range: rangeSchema.optional() })),
  path: z.string().optional().describe("Dotted key path of the value"),
});

const sourceSchema = z.strictObject({
  layer: z.enum(["trainer", "defaults", "task", "size-rule", "tier", "project", "pipeline", "derived"]),
  text: z.string().describe("Where the value came from, for people"),
  file: z.string().optional(),
  line: z.number().int().optional(),
});

const parameterSchema = z.strictObject({
  value,
  source: sourceSchema,
  recommended: z.tuple([z.number(), z.number()]).optional().describe("The recommended range for this case"),
});

const reasonSchema = z.strictObject({
  cause: z
    .enum([
      "running",
      "no-record",
      "parameter-changed",
      "dataset-changed",
      "model-changed",
      "backend-changed",
      "unfinished",
      "no-training-state",
      "more-epochs",
      "fewer-epochs",
      "missing",
      "stale",
      "requested",
      "up-to-date",
    ])
    .describe("Why the action was chosen"),
  parameter: z.string().optional(),
  from: value.optional(),
  to: value.optional(),
  text: z.string().describe("The reason as a sentence fragment"),
});

const actionSchema = z.enum(["create", "update", "resume", "extend", "replace", "none", "wait"]);

const stageSchema = z.strictObject({
  id: z.enum(STAGE_IDS),
  action: actionSchema,
  reasons: z.array(reasonSchema),
  driver: z
    .enum(DRIVERS)
    .describe("What runs it: the rehearsal, the bridge to Musubi Tuner, or Musubi's own scripts where no bridge fits"),
  gpus: z
    .array(z.number().int())
    .optional()
    .describe("Devices that it runs on, where the pipeline names them: one process for each in training"),
  argv: z.array(z.string()).describe("Script and arguments, one value each; without Python and --context"),
  files: z.record(z.string(), z.string()).describe("What the trainer reads, by base name in the work folder"),
  cache_files: z.array(z.string()).optional().describe("Caching: every cache file there will be, relative to the root"),
  pending: z
    .array(z.string())
    .optional()
    .describe("Caching: the cache files to be made by this action; those that exist are stale and go first"),
  leftover: z
    .array(z.string())
    .optional()
    .describe("Caching: files that nothing in the dataset makes any more; they go too, as training would take them in"),
  cache_digests: z
    .record(z.string(), z.string())
    .optional()
    .describe("Caching: each cache file's digest of what it is made from, for the record that a later plan compares"),
  fingerprint: z.string(),
  inputs: z
    .record(z.string(), value)
    .describe("The values that shape the result, by plan name; what a later plan is compared with"),
  identities: z
    .record(z.string(), z.string())
    .describe("Digests of the dataset and of each model that shape the result"),
  total_epochs: z.number().int().optional(),
  steps_per_epoch: z.number().int().optional(),
  total_steps: z.number().int().optional(),
  done_epochs: z.number().int().optional().describe("Train: epochs done before this apply"),
  done_steps: z.number().int().optional(),
  done_batches: z.number().int().optional().describe("Batches done of the epoch in progress"),
  resume_from: z.string().optional().describe("Training state to resume from"),
  renames: z
    .array(z.strictObject({ from: z.string(), to: z.string() }))
    .optional()
    .describe("Extend: finished files that get their epoch's name first"),
  archive: z
    .array(z.string())
    .optional()
    .describe("Files and folders moved into an archive folder first, before any is renamed"),
  output_dir: z.string().optional(),
  output_name: z.string().optional(),
});

const checkpointSchema = z.strictObject({
  stage: z.enum(STAGE_IDS),
  file: z.string(),
  kind: z.enum(["checkpoint", "state"]),
  action: z.enum(["create", "keep", "replace", "prune", "orphan"]),
  epoch: z.number().int(),
  step: z.number().int(),
  bytes: z.number().int().describe("Of the tensors; a header that varies with dates comes on top"),
});

const estimateSchema = z.strictObject({
  low: z.number(),
  high: z.number(),
  unit: z.string(),
  basis: z.string().describe("measured here, table or formula; and which"),
  available: z.number().optional().describe("What there is of it on the machine planned for, in the same unit"),
});

const pipelinePlanSchema = z.strictObject({
  name: z.string(),
  file: z.string(),
  valid: z.boolean(),
  task: z.string(),
  noise: z.string(),
  tier: z.string(),
  backend: z.string(),
  parameters: z.record(z.string(), parameterSchema),
  dataset: z.strictObject({
    files: z.number().int(),
    items: z.number().int(),
    batches: z.number().int(),
    steps_per_epoch: z.number().int(),
    total_steps: z.number().int().describe("Of each train stage"),
    digest: z.string(),
    buckets: z.array(
      z.strictObject({
        source: z.number().int(),
        width: z.number().int(),
        height: z.number().int(),
        frames: z.number().int(),
        items: z.number().int(),
        batches: z.number().int(),
      }),
    ),
  }),
  stages: z.array(stageSchema),
  checkpoints: z.array(checkpointSchema),
  estimates: z.record(z.string(), estimateSchema),
  state: z
    .strictObject({ lineage: z.string(), serial: z.number().int() })
    .optional()
    .describe("The state this plan was made from"),
  digest: z.string().describe("Of everything above but the estimates: names this plan"),
});

export const planSchema = z
  .strictObject({
    format_version: z.literal(PLAN_FORMAT_VERSION),
    changes: z.boolean().describe("Whether any action of a valid pipeline is neither none nor keep"),
    pipelines: z.array(pipelinePlanSchema),
    diagnostics: z.array(diagnosticSchema),
  })
  .describe("What `wan22 plan --format json` prints");

export type Plan = z.infer<typeof planSchema>;
export type PipelinePlan = z.infer<typeof pipelinePlanSchema>;
export type StagePlan = z.infer<typeof stageSchema>;
export type CheckpointPlan = z.infer<typeof checkpointSchema>;
export type Reason = z.infer<typeof reasonSchema>;
export type StageAction = z.infer<typeof actionSchema>;
export type ParameterPlan = z.infer<typeof parameterSchema>;
export type Estimate = z.infer<typeof estimateSchema>;
