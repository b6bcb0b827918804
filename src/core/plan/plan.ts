import * as z from "zod";
import { NOTIFICATION_EVENTS } from "../notification.ts";
import { DRIVERS, STAGE_IDS } from "../vocabulary.ts";
import { baseSchema } from "./base.ts";
import { PLAN_FORMAT_VERSION } from "./format-version.ts";

/** The plan as data: the contract of `plan --format json` (design §5). Views print it, `execute` walks it. */

const value = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);

const rangeSchema = z.strictObject({
  line: z.number().int().describe("From 1"),
  column: z.number().int().describe("From 1"),
  end_line: z.number().int().describe("The last line marked"),
  end_column: z.number().int().describe("Exclusive"),
});

export const diagnosticSchema = z.strictObject({
  severity: z
    .enum(["error", "warning", "note"])
    .describe("Whether it stops the pipeline, should be looked at, or is worth knowing"),
  code: z.string().describe("Stable; explained in docs/DIAGNOSTICS.md"),
  summary: z.string().describe("Constant for a code"),
  detail: z.string().describe("What, why, how to mend it"),
  message: z.string().describe("Summary and detail in one"),
  file: z.string().optional().describe("The file it is about, relative to the root where inside it"),
  range: rangeSchema.optional().describe("What to mark in that file"),
  related: z
    .array(
      z.strictObject({
        message: z.string().describe("What this place has to do with it"),
        file: z.string().describe("Relative to the root where inside it"),
        range: rangeSchema.optional().describe("What to mark in that file"),
      }),
    )
    .describe("Other places that have to do with it"),
  path: z.string().optional().describe("Dotted key path of the value"),
});

const sourceSchema = z.strictObject({
  layer: z
    .enum(["trainer", "defaults", "task", "size-rule", "tier", "project", "pipeline", "derived"])
    .describe("The layer that decided the value, lowest to highest; derived follows from other values"),
  text: z.string().describe("Where the value came from, for people"),
  file: z.string().optional().describe("The project's own file that it stands in"),
  line: z.number().int().optional().describe("Its line in that file, from 1"),
});

const parameterSchema = z.strictObject({
  value: value.describe("What the trainer will use"),
  source: sourceSchema.describe("Who decided it"),
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
      "stored",
      "up-to-date",
    ])
    .describe("Why the action was chosen"),
  parameter: z.string().optional().describe("The parameter that changed, by its plan name"),
  from: value.optional().describe("Its value in the record"),
  to: value.optional().describe("Its value in this plan"),
  text: z.string().describe("The reason as a sentence fragment"),
});

const actionSchema = z.enum(["create", "update", "resume", "extend", "replace", "none", "wait"]);

const writesSchema = z.strictObject({
  folder: z.string().describe("Relative to the root where inside it"),
  low: z.number().int().describe("Bytes that the stage cannot do without"),
  high: z.number().int().describe("Bytes at most"),
});

const stageSchema = z.strictObject({
  id: z.enum(STAGE_IDS).describe("The stage"),
  action: actionSchema.describe("What apply would do with it"),
  reasons: z.array(reasonSchema).describe("Why, the decisive reason first"),
  driver: z
    .enum(DRIVERS)
    .describe("What runs it: the rehearsal, the bridge to Musubi Tuner, or Musubi's own scripts where no bridge fits"),
  gpus: z
    .array(z.number().int())
    .optional()
    .describe("Devices that it runs on, where the pipeline names them: one process for each in training"),
  gpu_pool: z
    .array(z.number().int())
    .optional()
    .describe("Devices of which it gets one, the first that is free, where the pipeline names none (`--gpus`)"),
  argv: z.array(z.string()).describe("Script and arguments, one value each; without Python and --context"),
  files: z.record(z.string(), z.string()).describe("What the trainer reads, by base name in the work folder"),
  cache_files: z.array(z.string()).optional().describe("Caching: every cache file there will be, relative to the root"),
  pending: z
    .array(z.string())
    .optional()
    .describe("Caching: the cache files to be made by this action; those that exist are stale and go first"),
  store: z
    .string()
    .optional()
    .describe("Caching: folder of the items that pipelines share, by what they are made from; new ones are put there"),
  stored: z
    .array(z.string())
    .optional()
    .describe("Caching: those of `pending` that are taken from the store; the others are encoded"),
  leftover: z
    .array(z.string())
    .optional()
    .describe("Caching: files that nothing in the dataset makes any more; they go too, as training would take them in"),
  cache_digests: z
    .record(z.string(), z.string())
    .optional()
    .describe("Caching: each cache file's digest of what it is made from, for the record that a later plan compares"),
  fingerprint: z.string().describe("SHA-256 of everything that shapes the result, epochs aside"),
  inputs: z
    .record(z.string(), value)
    .describe("The values that shape the result, by plan name; what a later plan is compared with"),
  identities: z
    .record(z.string(), z.string())
    .describe("Digests of the dataset and of each model that shape the result"),
  total_epochs: z.number().int().optional().describe("Train: epochs in all"),
  steps_per_epoch: z.number().int().optional().describe("Train: optimizer steps an epoch"),
  total_steps: z.number().int().optional().describe("Train: optimizer steps in all"),
  done_epochs: z.number().int().optional().describe("Train: epochs done before this apply"),
  done_steps: z.number().int().optional().describe("Train: steps done before this apply"),
  done_batches: z.number().int().optional().describe("Batches done of the epoch in progress"),
  resume_from: z.string().optional().describe("Training state to resume from"),
  renames: z
    .array(
      z.strictObject({
        from: z.string().describe("The name it has"),
        to: z.string().describe("The name it gets"),
      }),
    )
    .optional()
    .describe("Extend: finished files that get their epoch's name first"),
  archive: z
    .array(z.string())
    .optional()
    .describe("Files and folders moved into an archive folder first, before any is renamed"),
  writes: z
    .array(writesSchema)
    .optional()
    .describe(
      "Bytes that it adds to its folders, at any one time at most: an older file goes when a newer one is whole",
    ),
  output_dir: z.string().optional().describe("Train: folder of the checkpoints"),
  output_name: z.string().optional().describe("Train: what the checkpoints' names begin with"),
});

const checkpointSchema = z.strictObject({
  stage: z.enum(STAGE_IDS).describe("The stage that makes it"),
  file: z.string().describe("Relative to the root where inside it"),
  kind: z.enum(["checkpoint", "state"]).describe("A LoRA, or a training state to resume from"),
  action: z.enum(["create", "keep", "replace", "prune", "orphan"]).describe("What becomes of it"),
  epoch: z.number().int().describe("Epochs trained when it is saved"),
  step: z.number().int().describe("Steps trained when it is saved"),
  bytes: z.number().int().describe("Of the tensors; a header that varies with dates comes on top"),
});

const estimateSchema = z.strictObject({
  low: z.number().describe("At least"),
  high: z.number().describe("At most"),
  unit: z.string().describe("Of all figures here"),
  basis: z.string().describe("measured here, table or formula; and which"),
  available: z.number().optional().describe("What there is of it on the machine planned for, in the same unit"),
});

/** Rules of a policy, in the order they are shown. */
const POLICY_RULES = [
  "max_hours",
  "max_gpu_hours",
  "max_disk_gb",
  "vram_headroom_gb",
  "input_roots",
  "output_roots",
  "tasks",
  "require_lock",
] as const;

const policyVerdictSchema = z.strictObject({
  rule: z.enum(POLICY_RULES).describe("Its key under `policy` in wan22.yaml"),
  verdict: z
    .enum(["kept", "broken", "unknown"])
    .describe("Whether the plan keeps it; apply refuses what is not kept, also where that is unknown"),
  limit: z.union([z.number(), z.boolean(), z.array(z.string())]).describe("What wan22.yaml says; paths as written"),
  found: z
    .union([z.number(), z.boolean(), z.string(), z.array(z.string())])
    .optional()
    .describe("What the plan comes to, in the limit's unit; of roots what lies outside. Absent where it is unknown"),
});

export const pipelinePlanSchema = z.strictObject({
  name: z.string().describe("The pipeline's name"),
  file: z.string().describe("Its file, relative to the root"),
  valid: z.boolean().describe("Whether it has no error; without it there are no stages"),
  task: z.string().describe("What the LoRA is for"),
  noise: z.string().describe("Which halves of the model are trained"),
  tier: z.string().describe("The hardware preset that counts"),
  backend: z.string().describe("Who trains"),
  parameters: z
    .record(z.string(), parameterSchema)
    .describe(
      "Every value: train parameters by bare name, others as dataset.NAME, cache-latents.NAME, cache-text.NAME",
    ),
  dataset: z
    .strictObject({
      files: z.number().int().describe("Clips, images and rows that yield an item"),
      items: z.number().int().describe("What is cached and trained on, without repeats"),
      batches: z.number().int().describe("Batches an epoch, with repeats"),
      steps_per_epoch: z.number().int().describe("Optimizer steps an epoch"),
      total_steps: z.number().int().describe("Of each train stage"),
      digest: z.string().describe("Of all items and captions"),
      buckets: z
        .array(
          z.strictObject({
            source: z.number().int().describe("Which of the dataset's sources, from 0"),
            width: z.number().int().describe("In pixels"),
            height: z.number().int().describe("In pixels"),
            frames: z.number().int().describe("Frames of each item"),
            items: z.number().int().describe("Items in it"),
            batches: z.number().int().describe("Batches of it an epoch"),
          }),
        )
        .describe("Items of one size and length, from which batches are made"),
    })
    .describe("What is trained on"),
  stages: z.array(stageSchema).describe("In the order they run"),
  checkpoints: z.array(checkpointSchema).describe("Every checkpoint and training state, one by one"),
  estimates: z
    .record(z.string(), estimateSchema)
    .describe("What it takes: time, vram, ram, disk; gpu_time where several GPUs are at work"),
  notify: z
    .array(
      z.strictObject({
        target: z.string().describe("The program, or the URL without its path: what may be secret is left out"),
        on: z.array(z.enum(NOTIFICATION_EVENTS)).describe("What it is told of"),
      }),
    )
    .optional()
    .describe("Who is told of the run"),
  policy: z
    .array(policyVerdictSchema)
    .optional()
    .describe("The verdict on each rule of wan22.yaml's policy, where it has one"),
  planned_from: z
    .strictObject({
      lock: z.string().describe("The lock file, relative to the root"),
      keys: z.array(z.string()).describe("The pipeline's keys whose things were not here: models.dit, trainer"),
    })
    .optional()
    .describe("What this plan was made of that is not on this machine; absent where all of it is"),
  state: z
    .strictObject({
      lineage: z.string().describe("The history that it belongs to"),
      serial: z.number().int().describe("How far that history was"),
    })
    .optional()
    .describe("The state this plan was made from"),
  digest: z
    .string()
    .describe("Of everything above but the estimates, notify, policy and planned_from: names this plan"),
});

export const planSchema = z
  .strictObject({
    format_version: z.literal(PLAN_FORMAT_VERSION).describe("Version of this format"),
    changes: z.boolean().describe("Whether any action of a valid pipeline is neither none nor keep"),
    pipelines: z.array(pipelinePlanSchema).describe("One for each file given, the invalid ones too"),
    diagnostics: z.array(diagnosticSchema).describe("Everything found, of all pipelines"),
    base: baseSchema.optional().describe("What it is compared with, and how it differs; only with `--changed-since`"),
  })
  .describe("What `wan22 plan --format json` prints");

export type Plan = z.infer<typeof planSchema>;
export type PipelinePlan = z.infer<typeof pipelinePlanSchema>;
export type FolderBytes = z.infer<typeof writesSchema>;
export type StagePlan = z.infer<typeof stageSchema>;
export type CheckpointPlan = z.infer<typeof checkpointSchema>;
export type Reason = z.infer<typeof reasonSchema>;
export type StageAction = z.infer<typeof actionSchema>;
export type ParameterPlan = z.infer<typeof parameterSchema>;
export type PolicyVerdict = z.infer<typeof policyVerdictSchema>;
export type Estimate = z.infer<typeof estimateSchema>;
