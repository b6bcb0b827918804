import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ApplyOutcome, StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import { workFolder } from "../core/render/work-files.ts";
import type { Driver } from "../core/vocabulary.ts";
import { copyWholeFile, writeWholeFile } from "../host/atomic-file.ts";
import { newRunId, nowSeconds } from "../host/clock.ts";
import { errorCode } from "../host/read-file.ts";
import { runFiles, statePaths } from "../host/run-store.ts";
import type { ApplyInput, ApplyResult } from "./apply-input.ts";
import { findExisting } from "./make-room.ts";
import { openRecorder, type Recorder, stamp } from "./recorder.ts";
import { writeRunResult } from "./run-result.ts";
import { runStage } from "./run-stage.ts";
import { isRunning, type NewApplyEvent } from "./stage.ts";
import { whyNotStartable } from "./start-stage.ts";
import { explainSystemError } from "./system-error.ts";
import { findClosedFolder } from "./written-folders.ts";

export type { ApplyInput, ApplyResult } from "./apply-input.ts";
export type { StopSignals } from "./follow.ts";

/** Carries out one pipeline's plan: every stage in order, until one does not finish. A user's mishap is a diagnostic, never thrown. */
export async function applyPipeline(input: ApplyInput): Promise<ApplyResult> {
  try {
    return await carryOut(input);
  } catch (error) {
    const diagnostic = await explainSystemError(error, input.root);
    if (diagnostic === undefined) throw error;
    return { outcome: "failed", run: undefined, state: input.state, diagnostics: [diagnostic] };
  }
}

async function carryOut(input: ApplyInput): Promise<ApplyResult> {
  const stages = input.plan.stages.filter(({ action }) => action !== "none" && action !== "wait");
  if (stages.length === 0) return { outcome: "finished", run: undefined, state: input.state, diagnostics: [] };
  const workPath = workFolder(input.resolved.spec);
  const workDir = resolve(input.root, workPath);
  const refusal = async (starting: readonly StagePlan[]) =>
    whyNotStartable(input.trainer) ??
    (await findClosedFolder(starting, { root: input.root, resolved: input.resolved, workDir }));
  // A trainer that runs is followed first, whatever may keep the next stage from starting.
  const refused = stages.some((stage) => isRunning(stage, input)) ? undefined : await refusal(stages);
  if (refused !== undefined) return { outcome: "failed", run: undefined, state: input.state, diagnostics: [refused] };
  const startedAt = nowSeconds();
  const stateDir = resolve(input.root, input.resolved.spec.stateDir);
  const recorder = await openRun(input, stages, stateDir);
  const report = (event: NewApplyEvent) => input.report({ v: 1, t: nowSeconds(), pipeline: input.plan.name, ...event });
  report({
    type: "run-started",
    run: recorder.run,
    folder: pathInside(input.root, recorder.runDir),
    plan_digest: input.plan.digest,
    stages: stages.map(({ id, action }) => ({ id, action })),
  });
  const diagnostics: Diagnostic[] = [];
  let last: StageOutcome = "finished";
  let lastDriver: Driver | undefined;
  for (const stage of stages) {
    if (input.signals.stop.aborted || input.signals.stopNow.aborted) last = "stopped";
    if (last !== "finished") break;
    const refused = isRunning(stage, input) ? undefined : await refusal([stage]);
    if (refused !== undefined) {
      diagnostics.push(refused);
      last = "failed";
      break;
    }
    const result = await runStage({ apply: input, plan: input.plan, stage, recorder, workDir, workPath, report });
    diagnostics.push(...result.diagnostics);
    last = result.outcome;
    lastDriver = stage.driver;
  }
  await recorder.flush();
  const outcome = outcomeOf(last, lastDriver, input);
  const recorded = (recorder.state()?.checkpoints ?? []).map(({ file }) => file);
  // The record keeps what somebody has removed since.
  const checkpoints = [...(await findExisting(recorded, input.root))];
  const seconds = Math.max(0, nowSeconds() - startedAt);
  // Whoever detaches does not see the end: the next one does.
  if (outcome !== "detached") await writeRunResult(recorder, { outcome, diagnostics });
  report({ type: "run-ended", run: recorder.run, outcome, checkpoints, seconds });
  return { outcome, run: recorder.run, state: recorder.state(), diagnostics };
}

/**
 * Makes the run's folder and says so in its journal, or goes on with the run whose trainer still runs. That one was begun by
 * another plan, perhaps of a file that was edited since: what follows is carried out, and recorded, by this one.
 */
async function openRun(input: ApplyInput, stages: readonly StagePlan[], stateDir: string): Promise<Recorder> {
  const { plan, state } = input;
  const { runsDir } = statePaths(stateDir, plan.name);
  const running = stages.find((stage) => isRunning(stage, input));
  const adopted = running === undefined ? undefined : state?.stages[running.id]?.run;
  const run = adopted ?? newRunId(plan.name);
  const runDir = join(runsDir, run);
  const recorder = openRecorder({ run, runDir, stateDir, state });
  if (adopted !== undefined && state?.plan_digest === plan.digest) return recorder;
  await mkdir(runDir, { recursive: true });
  if (adopted !== undefined) await keepEarlierPlan(runDir, state?.plan_digest);
  await writeWholeFile(runFiles.plan(runDir), `${JSON.stringify(plan, null, 2)}\n`);
  await recorder.record({
    ...stamp(),
    type: "run",
    run,
    pipeline: plan.name,
    file: plan.file,
    lineage: state?.lineage ?? randomUUID(),
    host: input.host,
    plan_digest: plan.digest,
    serial: state?.serial ?? 0,
  });
  return recorder;
}

async function keepEarlierPlan(runDir: string, digest: string | undefined): Promise<void> {
  try {
    await copyWholeFile(runFiles.plan(runDir), runFiles.earlierPlan(runDir, digest ?? "unknown"));
  } catch (error) {
    // A run that was cleared away while its trainer ran.
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

function outcomeOf(last: StageOutcome, lastDriver: Driver | undefined, { signals }: ApplyInput): ApplyOutcome {
  switch (last) {
    case "stopped":
      // Musubi's own scripts save nothing when they are stopped: there is nothing to go on from.
      return signals.stopNow.aborted || lastDriver === "scripts" ? "interrupted" : "stopped";
    case "lost":
      return "failed";
    default:
      return last;
  }
}
