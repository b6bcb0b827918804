import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { StagePlan } from "../core/plan/plan.ts";
import { adoptedState } from "../core/state/adopt.ts";
import { withLostStages } from "../core/state/branch-record.ts";
import type { State } from "../core/state/state.ts";
import { copyWholeFile, writeWholeFile } from "../host/atomic-file.ts";
import { newRunId, nowSeconds } from "../host/clock.ts";
import { errorCode } from "../host/read-file.ts";
import { runFiles, statePaths } from "../host/records/run-store.ts";
import { textOfState } from "../host/records/state-store.ts";
import { promiseToTell } from "../host/records/untold-end.ts";
import type { ApplyInput } from "./apply-input.ts";
import { beginProvenance } from "./provenance.ts";
import { openRecorder, type Recorder, type RecorderOptions, stamp } from "./recorder.ts";
import { isRunning } from "./stage/stage.ts";
import { loadPlace } from "./take-over.ts";

/** Begins a run, or goes on with one whose trainer still runs. */

type Work = ApplyInput & Pick<RecorderOptions, "onSaved">;

/**
 * Makes the run's folder and says so in its journal, or goes on with the run whose trainer still runs. That one was begun by
 * another plan, perhaps of a file that was edited since: what follows is carried out, and recorded, by this one.
 */
export async function openRun(input: Work, stages: readonly StagePlan[], stateDir: string): Promise<Recorder> {
  const { plan } = input;
  const state = await stateToGoOnFrom(input, stateDir);
  const { runsDir } = statePaths(stateDir, plan.name);
  const adopted = adoptedRun(stages, input);
  const run = adopted ?? newRunId(plan.name);
  const runDir = join(runsDir, run);
  const recorder = openRecorder({ run, runDir, stateDir, state, onSaved: input.onSaved });
  await mkdir(runDir, { recursive: true });
  if (input.adopts && state !== undefined) await writeWholeFile(runFiles.before(runDir), textOfState(state));
  if (input.notify.length > 0) await promiseToTell(runDir);
  if (adopted !== undefined && state?.plan_digest === digestOf(input)) return recorder;
  if (adopted !== undefined) await keepEarlierPlan(runDir, state?.plan_digest);
  await writeWholeFile(runFiles.plan(runDir), `${JSON.stringify(plan, null, 2)}\n`);
  await beginProvenance(input, stages, { run, runDir, planDigest: digestOf(input) });
  await recorder.record({
    ...stamp(),
    type: "run",
    run,
    pipeline: plan.name,
    file: plan.file,
    lineage: state?.lineage ?? randomUUID(),
    host: input.host,
    plan_digest: digestOf(input),
    serial: state?.serial ?? 0,
  });
  return recorder;
}

/** The record that the plan was made from; of another checkout's no more than holds here. */
async function stateToGoOnFrom(
  { state, adopts, root, plan, host }: Work,
  stateDir: string,
): Promise<State | undefined> {
  if (!adopts || state === undefined) return state;
  const own = await loadPlace({ root, stateDir, pipeline: plan.name, host });
  // What is at work by it would be in nobody's way only if it was this checkout's, and was killed before it began.
  return withLostStages(adoptedState(state, own.state), {
    now: nowSeconds(),
    message: "It was killed before it began.",
  });
}

/** Names the plan that is carried out. */
export function digestOf({ plan, planDigest }: ApplyInput): string {
  return planDigest ?? plan.digest;
}

async function keepEarlierPlan(runDir: string, digest: string | undefined): Promise<void> {
  try {
    await copyWholeFile(runFiles.plan(runDir), runFiles.earlierPlan(runDir, digest ?? "unknown"));
    await copyWholeFile(runFiles.provenance(runDir), runFiles.earlierProvenance(runDir, digest ?? "unknown"));
  } catch (error) {
    // A run that was cleared away while its trainer ran.
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

/** The run that a living trainer belongs to. */
export function adoptedRun(stages: readonly StagePlan[], input: ApplyInput): string | undefined {
  const running = stages.find((stage) => isRunning(stage, input));
  return running === undefined ? undefined : input.state?.stages[running.id]?.run;
}
