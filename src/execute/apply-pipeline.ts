import { join, resolve } from "node:path";
import type { ApplyEvent, ApplyOutcome, StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import { turnsOf } from "../core/plan/turns.ts";
import { workFolder } from "../core/render/work-files.ts";
import { foldState } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { Driver } from "../core/vocabulary.ts";
import { monotonicSeconds, nowSeconds } from "../host/clock.ts";
import { ignoreSystemError } from "../host/read-file.ts";
import { statePaths } from "../host/records/run-store.ts";
import { forgetToTell } from "../host/records/untold-end.ts";
import { type ApplyInput, type ApplyResult, startOf } from "./apply-input.ts";
import { explainBesideLiving } from "./goes-on.ts";
import { hearRequests, ON_REQUEST } from "./hear-requests.ts";
import { removeDeadLocks } from "./locks/lock-encoding.ts";
import { findHeldOutput } from "./locks/lock-output.ts";
import { openNotifier } from "./notify.ts";
import { adoptedRun, digestOf, openRun } from "./open-run.ts";
import { endProvenance } from "./provenance.ts";
import { openPublisher, type Publisher } from "./publish-record.ts";
import type { RecorderOptions } from "./recorder.ts";
import { writeRunResult } from "./run-result.ts";
import { runTurn, whyRefused } from "./run-turn.ts";
import { findExisting } from "./stage/make-room.ts";
import { isRunning, type NewApplyEvent } from "./stage/stage.ts";

export type { ApplyInput, ApplyResult } from "./apply-input.ts";
export type { StopSignals } from "./stage/follow.ts";

/** Carries out one pipeline's plan: turn after turn, until a stage does not finish. A user's mishap is a diagnostic, never thrown. */
export async function applyPipeline(input: ApplyInput): Promise<ApplyResult> {
  const { root, plan, notify, environment, alive } = input;
  const begins = alive.length > 0 ? "adopting" : "new";
  const notifier = openNotifier({ root, spec: { name: plan.name, file: plan.file, notify }, environment }, { begins });
  const runs: string[] = [];
  const report = (event: ApplyEvent) => {
    input.report(event);
    notifier.take(event);
    if (event.type === "run-started") runs.push(event.run);
  };
  const publisher = publisherOf(input);
  const result = await carryOutOrExplain({ ...input, report, onSaved: publisher?.take, claim: publisher?.claim });
  const isUrgent = input.signals.stopNow.aborted;
  const unpublished = (await publisher?.close({ timeoutMs: isUrgent ? 5_000 : PUBLISH_TIMEOUT_MS })) ?? [];
  const untold = await notifier.end(result);
  const { runsDir } = statePaths(input.stateDir, plan.name);
  // The end of a run that goes on without its runner is still to come.
  if (result.outcome !== "detached") for (const run of runs) await forgetToTell(join(runsDir, run));
  return { ...result, diagnostics: [...result.diagnostics, ...untold, ...unpublished] };
}

/** How long a run that has ended waits for its record to be seen by others. */
const PUBLISH_TIMEOUT_MS = 20_000;

/** Undefined where the record is kept here alone. */
function publisherOf({ stateBranch, plan, report }: ApplyInput): Publisher | undefined {
  if (stateBranch === undefined) return undefined;
  const onWarning = (text: string) =>
    report({ v: 1, t: nowSeconds(), pipeline: plan.name, type: "note", severity: "warning", text });
  return openPublisher({ branch: stateBranch, onWarning });
}

/** A pipeline's plan, and who gets its record as often as it is written. */
type Work = ApplyInput & Pick<RecorderOptions, "onSaved"> & { readonly claim?: Publisher["claim"] | undefined };

async function carryOutOrExplain(input: Work): Promise<ApplyResult> {
  const { signals, close } = hearRequests(statePaths(input.stateDir, input.plan.name).stopFile, input.signals);
  try {
    await signals.look?.();
    return await carryOut({ ...input, signals });
  } catch (error) {
    const diagnostic = await explainBesideLiving(error, { ...input, pipeline: input.plan.name });
    if (diagnostic === undefined) throw error;
    return { outcome: "failed", run: undefined, state: input.state, diagnostics: [diagnostic] };
  } finally {
    close();
  }
}

async function carryOut(input: Work): Promise<ApplyResult> {
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
  const second = await carryOutRun({ ...input, state: first.state, adopts: false, alive: [] }, later, []);
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

/** Caches are not made for hours only to find then that another writes the checkpoints; whoever waits may have it by then. */
async function whyNotWritten(stages: readonly StagePlan[], input: ApplyInput): Promise<Diagnostic | undefined> {
  return startOf(input).lockTimeoutMs > 0 ? undefined : findHeldOutput(stages, input.root);
}

/** `later`: stages that another run takes up after this one. */
async function carryOutRun(
  input: Work,
  stages: readonly StagePlan[],
  later: readonly StagePlan[],
): Promise<ApplyResult> {
  const { stateDir } = input;
  const workPath = workFolder({ stateDir: pathInside(input.root, stateDir), name: input.plan.name });
  const workDir = resolve(input.root, workPath);
  // A trainer that runs is followed first, whatever may keep the next stage from starting.
  const attaches = stages.some((stage) => isRunning(stage, input));
  const refused = attaches
    ? undefined
    : ((await whyRefused(stages, { apply: input, workDir })) ?? (await whyNotWritten(stages, input)));
  if (refused !== undefined) return { outcome: "failed", run: undefined, state: input.state, diagnostics: [refused] };
  const startedAt = monotonicSeconds();
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
  const claim = async (entry: JournalEntry) => {
    const begun = foldState(recorder.state(), [entry]);
    return begun === undefined ? undefined : input.claim?.(begun);
  };
  const diagnostics: Diagnostic[] = [];
  let last: StageOutcome = "finished";
  let lastDriver: Driver | undefined;
  for (const turn of turns) {
    // A stop begins nothing, and is passed on to what runs already.
    const isStopping = input.signals.stop.aborted || input.signals.stopNow.aborted;
    const stillDone = isStopping ? turn.filter((stage) => isRunning(stage, input)) : turn;
    if (stillDone.length === 0) last = "stopped";
    if (last !== "finished") break;
    const result = await runTurn(stillDone, {
      apply: input,
      plan: input.plan,
      recorder,
      workDir,
      workPath,
      report,
      claim,
    });
    diagnostics.push(...result.diagnostics);
    last = result.outcome === "finished" && stillDone.length < turn.length ? "stopped" : result.outcome;
    lastDriver = turn[0]?.driver;
  }
  for (const store of new Set(stages.flatMap((stage) => stage.store ?? [])))
    await removeDeadLocks(resolve(input.root, store));
  // What goes on writes down itself what a runner can't that leaves it.
  await (last === "detached" ? recorder.flush().catch(ignoreSystemError) : recorder.flush());
  const outcome = outcomeOf(last, lastDriver, input);
  const recorded = (recorder.state()?.checkpoints ?? []).map(({ file }) => file);
  // The record keeps what somebody has removed since.
  const checkpoints = [...(await findExisting(recorded, input.root))];
  const seconds = monotonicSeconds() - startedAt;
  // Whoever detaches does not see the end: the next one does.
  if (outcome !== "detached") {
    await endProvenance(recorder, input.root);
    await writeRunResult(recorder, { outcome, diagnostics });
  }
  report({ type: "run-ended", run: recorder.run, outcome, checkpoints, seconds });
  return { outcome, run: recorder.run, state: recorder.state(), diagnostics };
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
