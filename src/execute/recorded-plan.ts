import { join } from "node:path";
import type { PipelinePlan, StagePlan } from "../core/plan/plan.ts";
import type { StageRecord, State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { readRunPlan, statePaths } from "../host/records/run-store.ts";
import type { PipelinePlace } from "./take-over.ts";

/** The plan that a run carries out, as it was written down when it began: the pipeline file may be another by now. */

/** Where that plan is gone, or of another version: what the record of these stages tells, and no file to be expected. */
export async function recordedPlan(
  { stateDir, pipeline }: PipelinePlace,
  state: State,
  run: string,
): Promise<PipelinePlan> {
  const plan = await readRunPlan(join(statePaths(stateDir, pipeline).runsDir, run));
  if (plan !== undefined) return plan;
  const stages = Object.entries(state.stages).filter(([, record]) => record.run === run);
  return {
    name: state.pipeline,
    file: state.file,
    valid: true,
    task: "",
    noise: "",
    tier: "",
    backend: "",
    parameters: {},
    dataset: { files: 0, items: 0, batches: 0, steps_per_epoch: 0, total_steps: 0, digest: "", buckets: [] },
    stages: stages.map(([id, record]) => stageOf(id as StageId, record)),
    checkpoints: [],
    estimates: {},
    digest: state.plan_digest ?? "",
  };
}

function stageOf(id: StageId, record: StageRecord): StagePlan {
  const { fingerprint, inputs, identities, total_epochs, steps_per_epoch, output_dir, output_name } = record;
  const known = {
    total_epochs,
    steps_per_epoch,
    output_dir,
    output_name,
    total_steps:
      total_epochs === undefined || steps_per_epoch === undefined ? undefined : total_epochs * steps_per_epoch,
  };
  return {
    id,
    action: "resume",
    reasons: [],
    driver: record.driver ?? (record.backend === "rehearsal" ? "rehearsal" : "scripts"),
    argv: [],
    files: {},
    fingerprint,
    inputs,
    identities,
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
  };
}

/** What a run's plan wants done that it has not brought to its end. */
export function leftOf(plan: PipelinePlan, state: State | undefined, run: string): readonly StageId[] {
  return plan.stages
    .filter(({ action }) => action !== "none" && action !== "wait")
    .filter(({ id }) => {
      const record = state?.stages[id];
      return record?.run !== run || record.status !== "finished";
    })
    .map(({ id }) => id);
}
