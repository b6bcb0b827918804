import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { ApplyEvent, ApplyOutcome, StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import { turnsOf } from "../core/plan/turns.ts";
import { workFolder } from "../core/render/work-files.ts";
import type { Driver } from "../core/vocabulary.ts";
import { copyWholeFile, writeWholeFile } from "../host/atomic-file.ts";
import { newRunId, nowSeconds } from "../host/clock.ts";
import { errorCode } from "../host/read-file.ts";
import { runFiles, statePaths } from "../host/run-store.ts";
import type { ApplyInput, ApplyResult } from "./apply-input.ts";
import { hearRequests, ON_REQUEST } from "./hear-requests.ts";
import { findExisting } from "./make-room.ts";
import { openNotifier } from "./notify.ts";
import { openRecorder, type Recorder, stamp } from "./recorder.ts";
import { writeRunResult } from "./run-result.ts";
import { runTurn, whyRefused } from "./run-turn.ts";
import { isRunning, type NewApplyEvent } from "./stage.ts";
import { explainSystemError } from "./system-error.ts";

export type { ApplyInput, ApplyResult } from "./apply-input.ts";
export type { StopSignals } from "./follow.ts";

/** Carries out one pipeline's plan: turn after turn, until a stage does not finish. A user's mishap is a diagnostic, never thrown. */
export async function applyPipeline(input: ApplyInput): Promise<ApplyResult> {
  const { root, plan, notify, environment, alive } = input;
  const begins = alive.length > 0 ? "adopting" : "new";
  const notifier = openNotifier({ root, spec: { name: plan.name, file: plan.file, notify }, environment }, { begins });
  const report = (event: ApplyEvent) => {
    input.report(event);
    notifier.take(event);
  };
  const result = await carryOutOrExplain({ ...input, report });
  const untold = await notifier.end(result);
  return { ...result, diagnostics: [...result.diagnostics, ...untold] };
}

async function carryOutOrExplain(input: ApplyInput): Promise<ApplyResult> {
  const { signals, close } = hearRequests(statePaths(input.stateDir, input.plan.name).stopFile, input.signals);
  try {
    await signals.look?.();
    return await carryOut({ ...input, signals });
  } catch (error) {
    const diagnostic = await explainSystemError(error, input.root);
    if (diagnostic === undefined) throw error;
    return { outcome: "failed", run: undefined, state: input.state, diagnostics: [diagnostic] };
  } finally {
    close();
  }
}

async function carryOut(input: ApplyInput): Promise<ApplyResult> {
  const stages = input.plan.stages.filter(isCarriedOut);
  if (stages.length === 0) return { outcome: "finished", run: undefined, state: input.state, diagnostics: [] };
  const again = stages.findIndex((stage) => endedInAdoptedRun(stage, stages, input));
  const later = again < 0 ? [] : stages.slice(again).filter((stage) => !isRunning(stage, input));
  const first = await carryOutRun(
    input,
    stages.filter((stage) => !later.includes(stage)),
    later,
  );
  if (later.length === 0 || first.outcome !== "finished") return first;
  const second = await carryOutRun({ ...input, state: first.state, alive: [] }, later, []);
  return { ...second, diagnostics: [...first.diagnostics, ...second.diagnostics] };
}

/**
 * A stage that ended while nobody watched, in the run of a trainer that still lives: a run's files hold one attempt of each
 * stage, so it gets a run of its own when the other's has ended, with the stages after it.
 */
function endedInAdoptedRun(stage: StagePlan, stages: readonly StagePlan[], input: ApplyInput): boolean {
  if (isRunning(stage, input)) return false;
  const adopted = adoptedRun(stages, input);
  return adopted !== undefined && input.state?.stages[stage.id]?.run === adopted;
}

/** The run that a living trainer belongs to. */
function adoptedRun(stages: readonly StagePlan[], input: ApplyInput): string | undefined {
  const running = stages.find((stage) => isRunning(stage, input));
  return running === undefined ? undefined : input.state?.stages[running.id]?.run;
}

/** `later`: stages that another run takes up after this one. */
async function carryOutRun(
  input: ApplyInput,
  stages: readonly StagePlan[],
  later: readonly StagePlan[],
): Promise<ApplyResult> {
  const { stateDir } = input;
  const workPath = workFolder({ stateDir: pathInside(input.root, stateDir), name: input.plan.name });
  const workDir = resolve(input.root, workPath);
  // A trainer that runs is followed first, whatever may keep the next stage from starting.
  const attaches = stages.some((stage) => isRunning(stage, input));
  const refused = attaches ? undefined : await whyRefused(stages, { apply: input, workDir });
  if (refused !== undefined) return { outcome: "failed", run: undefined, state: input.state, diagnostics: [refused] };
  const startedAt = nowSeconds();
  const recorder = await openRun(input, stages, stateDir);
  const report = (event: NewApplyEvent) => input.report({ v: 1, t: nowSeconds(), pipeline: input.plan.name, ...event });
  const turns = turnsOf(stages, (stage) => isRunning(stage, input));
  report({
    type: "run-started",
    run: recorder.run,
    folder: pathInside(input.root, recorder.runDir),
    plan_digest: digestOf(input),
    stages: [...turns, ...turnsOf(later)].flatMap((turn, position) =>
      turn.map(({ id, action }) => ({ id, action, turn: position })),
    ),
  });
  const diagnostics: Diagnostic[] = [];
  let last: StageOutcome = "finished";
  let lastDriver: Driver | undefined;
  for (const turn of turns) {
    // A stop begins nothing, and is passed on to what runs already.
    const isStopping = input.signals.stop.aborted || input.signals.stopNow.aborted;
    const stillDone = isStopping ? turn.filter((stage) => isRunning(stage, input)) : turn;
    if (stillDone.length === 0) last = "stopped";
    if (last !== "finished") break;
    const result = await runTurn(stillDone, { apply: input, plan: input.plan, recorder, workDir, workPath, report });
    diagnostics.push(...result.diagnostics);
    last = result.outcome === "finished" && stillDone.length < turn.length ? "stopped" : result.outcome;
    lastDriver = turn[0]?.driver;
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
  const adopted = adoptedRun(stages, input);
  const run = adopted ?? newRunId(plan.name);
  const runDir = join(runsDir, run);
  const recorder = openRecorder({ run, runDir, stateDir, state });
  if (adopted !== undefined && state?.plan_digest === digestOf(input)) return recorder;
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
    plan_digest: digestOf(input),
    serial: state?.serial ?? 0,
  });
  return recorder;
}

/** Names the plan that is carried out. */
function digestOf({ plan, planDigest }: ApplyInput): string {
  return planDigest ?? plan.digest;
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
      if (lastDriver === "scripts") return "interrupted";
      return signals.stopNow.aborted && signals.stopNow.reason !== ON_REQUEST ? "interrupted" : "stopped";
    case "lost":
      return "failed";
    default:
      return last;
  }
}
