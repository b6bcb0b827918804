import { join } from "node:path";
import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { NotifyHook } from "../core/notification.ts";
import type { Advice } from "../core/resolve/advice.ts";
import type { RunResult } from "../core/state/run-result.ts";
import type { State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { lookAtLock } from "../host/locks/lock.ts";
import type { LockOwner } from "../host/locks/lock-owner.ts";
import type { StopManner } from "../host/locks/stop-request.ts";
import { readRunResult, statePaths } from "../host/records/run-store.ts";
import { isUnsettled } from "../host/records/state-store.ts";
import type { ApplyInput } from "./apply-input.ts";
import { applyPipeline } from "./apply-pipeline.ts";
import { type Asked, askToStop, type ToldStage } from "./ask-to-stop.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { tellUnseenEnd } from "./notify.ts";
import { leftOf, recordedPlan } from "./recorded-plan.ts";
import type { UnseenEnd } from "./settle.ts";
import type { RemediedProblem } from "./stage/failure.ts";
import type { StopSignals } from "./stage/follow.ts";
import { giveBack, loadPlace, type PipelinePlace, takeOver } from "./take-over.ts";
import { watchRun } from "./watch-run.ts";

/**
 * Follows whatever is at work on a pipeline to its end, and starts nothing: beside the runner that is at work, or in its place
 * where it is gone. `attach` and `stop` are this, the second with a stop asked for from the start.
 */

export interface AttachInput {
  readonly place: PipelinePlace;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Who is told of an end that this one sees, or finds. */
  readonly notify: readonly NotifyHook[];
  /** Where others see the record. */
  readonly stateBranch?: ApplyInput["stateBranch"];
  readonly report: (event: ApplyEvent) => void;
  readonly signals: StopSignals;
  readonly remediesFor: (problem: RemediedProblem) => Promise<Advice>;
  readonly onNote: (text: string) => void;
  /** What to do where a runner is there and no run: one that waits for its question to be answered, or still plans. */
  readonly idle: "wait" | "leave";
  /** A stop was passed on. */
  readonly onTold?: ((told: readonly ToldStage[]) => void) | undefined;
}

export type AttachResult =
  | {
      readonly kind: "ended";
      readonly outcome: ApplyOutcome;
      /** What the run's plan wants beside what was followed. */
      readonly left: readonly StageId[];
      readonly diagnostics: readonly Diagnostic[];
      /** What another runner has written down about its end, in place of diagnostics. */
      readonly remarks: RunResult["diagnostics"];
    }
  /** Nothing runs. How the last run ended, where there was one, and what of its plan is left. */
  | {
      readonly kind: "nothing";
      readonly outcome: ApplyOutcome | undefined;
      readonly left: readonly StageId[];
      readonly state: State | undefined;
      /** Whether it ended while nobody watched, and was written down only now. */
      readonly wasUnseen: boolean;
    }
  /**
   * `idle`: a runner is open that has no run yet; it has been told what it is asked for. `suspended`: what it ran has ended, and
   * it writes that down when it goes on.
   */
  | { readonly kind: "idle" | "suspended"; readonly runner: LockOwner }
  /** `elsewhere`: another machine is at work on it. */
  | { readonly kind: "elsewhere" | "failed"; readonly diagnostic: Diagnostic };

export async function attachPipeline(input: AttachInput): Promise<AttachResult> {
  const { place } = input;
  const { lockFile } = statePaths(place.stateDir, place.pipeline);
  for (;;) {
    const lock = await lookAtLock(lockFile);
    if (lock.kind === "held") {
      const { owner } = lock;
      if (owner === undefined || owner.host !== place.host) return elsewhere(place, owner);
      const watched = await watchBeside(input, owner);
      if (watched !== undefined) return watched;
      continue;
    }
    const adopted = await adopt(input);
    if (adopted !== undefined) return adopted;
  }
}

/** By a record that another machine has written; nothing tells here whether its processes live. */
function runsElsewhere({ host }: PipelinePlace, state: State | undefined): boolean {
  if (state === undefined || state.host === host) return false;
  return Object.values(state.stages).some(({ status }) => status === "running");
}

/** By the lock of another machine, one that can't be read, or a record that another machine has written. */
function elsewhere({ pipeline }: PipelinePlace, by: LockOwner | string | undefined): AttachResult {
  const who =
    by === undefined
      ? `The lock of ${pipeline} is there and can't be read, so nothing is known of who is at work on it`
      : typeof by === "string"
        ? `By its record ${pipeline} runs on ${by}, which can't be seen from here`
        : `${by.who} on ${by.host} is at work on ${pipeline} since ${by.since} (process ${by.pid}), which can't be seen from here`;
  const kind = EXECUTE_CODES.atWorkElsewhere;
  return { kind: "elsewhere", diagnostic: diagnose(kind, `${who}. ${kind.mend}`) };
}

/** A stop was passed on; how what runs ends is still to be seen. */
export interface AskedOnly {
  readonly kind: "asked";
}

/** Passes a stop on, and waits for nothing: whoever is at work, or comes next, writes down the end. */
export async function askAndLeave(
  input: PassingOn & { readonly manner: StopManner },
): Promise<AttachResult | AskedOnly> {
  const { place, manner } = input;
  const lock = await lookAtLock(statePaths(place.stateDir, place.pipeline).lockFile);
  const owner = lock.kind === "held" ? lock.owner : undefined;
  if (lock.kind === "held" && owner?.host !== place.host) return elsewhere(place, owner);
  const { state } = await loadPlace(place);
  if (runsElsewhere(place, state)) return elsewhere(place, state?.host);
  const { told, refused } = await passStopOn(input, owner, manner);
  if (refused !== undefined) return { kind: "failed", diagnostic: refused };
  if (told.length > 0) return { kind: "asked" };
  return owner === undefined ? restingAt(place, state, false) : { kind: "idle", runner: owner };
}

/** Undefined where the runner died meanwhile. */
async function watchBeside(input: AttachInput, runner: LockOwner): Promise<AttachResult | undefined> {
  const { place, signals, report } = input;
  const pending: Promise<unknown>[] = [];
  const leave = new AbortController();
  let refusal: Diagnostic | undefined;
  const passOn = async (manner: StopManner) => {
    const { refused } = await passStopOn(input, runner, manner);
    refusal ??= refused;
    if (refused !== undefined) leave.abort();
  };
  const onStop = () => void pending.push(passOn("save"));
  const onStopNow = () => void pending.push(passOn("now"));
  const onDetach = () => leave.abort();
  const heard = [
    [signals.stop, signals.stopNow.aborted ? () => undefined : onStop],
    [signals.stopNow, onStopNow],
    [signals.detach, onDetach],
  ] as const;
  for (const [signal, act] of heard) {
    if (signal?.aborted) act();
    else signal?.addEventListener("abort", act, { once: true });
  }
  try {
    const watched = await watchRun({ place, runner, report, leave: leave.signal, idle: input.idle });
    await Promise.all(pending);
    if (refusal !== undefined) return { kind: "failed", diagnostic: refusal };
    if (watched.kind === "unattended") return undefined;
    if (watched.kind === "idle" || watched.kind === "suspended") return { kind: watched.kind, runner };
    if (watched.kind === "left") return { kind: "ended", outcome: "detached", left: [], diagnostics: [], remarks: [] };
    const { outcome, result, run } = watched;
    return { kind: "ended", outcome, left: await leftIn(place, run), diagnostics: [], remarks: result.diagnostics };
  } finally {
    for (const [signal, act] of heard) signal?.removeEventListener("abort", act);
    await Promise.all(pending);
  }
}

type PassingOn = Pick<AttachInput, "place" | "onTold" | "onNote">;

async function passStopOn(
  { place, onNote, onTold }: PassingOn,
  runner: LockOwner | undefined,
  manner: StopManner,
): Promise<Pick<Asked, "told" | "refused">> {
  const { told, problem, refused } = await askToStop({ place, runner, manner });
  if (problem !== undefined && refused === undefined) onNote(problem.message);
  onTold?.(told);
  return { told, refused };
}

async function leftIn(place: PipelinePlace, run: string): Promise<readonly StageId[]> {
  const { state } = await loadPlace(place);
  return state === undefined ? [] : leftOf(await recordedPlan(place, state, run), state, run);
}

/** Follows what a runner left that is gone; undefined where another takes it up at this moment. */
async function adopt(input: AttachInput): Promise<AttachResult | undefined> {
  const { place, signals, report, remediesFor, onNote } = input;
  const before = await loadPlace(place);
  const faulty = before.diagnostics.find(({ severity }) => severity === "error");
  if (faulty !== undefined) return { kind: "failed", diagnostic: faulty };
  if (runsElsewhere(place, before.state)) return elsewhere(place, before.state?.host);
  if (before.alive.length === 0 && !isUnsettled(before)) return restingAt(place, before.state, false);
  const telling: Promise<readonly Diagnostic[]>[] = [];
  const taken = await takeOver(place, { onNote, onUnseenEnd: (end) => telling.push(tellOf(input, end)) });
  if (taken.kind === "locked") return undefined;
  if (taken.kind !== "taken") {
    // A full disk takes no lock; trainers that are to be stopped are told all the same.
    const manner = signals.stopNow.aborted ? "now" : "save";
    const { refused } = signals.stop.aborted ? await passStopOn(input, undefined, manner) : { refused: undefined };
    return { kind: "failed", diagnostic: refused ?? taken.diagnostic };
  }
  try {
    const { state, alive } = await loadPlace(place);
    const [first] = alive;
    const run = first === undefined ? undefined : state?.stages[first]?.run;
    if (state === undefined || run === undefined) return await restingAt(place, state, before.unrecorded.length > 0);
    const plan = await recordedPlan(place, state, run);
    const followed = plan.stages.filter(({ id }) => alive.includes(id));
    if (signals.stopNow.aborted || signals.stop.aborted) {
      const manner = signals.stopNow.aborted ? "now" : "save";
      input.onTold?.(alive.map((stage) => toldOf(stage, state, plan.stages, manner)));
    }
    const { outcome, diagnostics, ...after } = await applyPipeline({
      ...place,
      plan: { ...plan, stages: followed },
      // What is carried out is still what was begun.
      planDigest: state.plan_digest,
      state,
      alive,
      environment: input.environment,
      notify: input.notify,
      stateBranch: input.stateBranch,
      remediesFor,
      report,
      signals,
    });
    const left = leftOf(plan, after.state, run);
    return { kind: "ended", outcome, left, diagnostics, remarks: [] };
  } finally {
    await giveBack(place, taken.lock);
    for (const { detail } of (await Promise.all(telling)).flat()) onNote(detail);
  }
}

function tellOf({ place, notify, environment }: AttachInput, end: UnseenEnd): Promise<readonly Diagnostic[]> {
  const spec = { name: place.pipeline, file: end.state.file, notify };
  return tellUnseenEnd({ root: place.root, spec, environment }, end);
}

/** What following with these signals will do to a stage. */
function toldOf(
  stage: StageId,
  state: State,
  stages: readonly { readonly id: StageId; readonly driver: string }[],
  manner: StopManner,
): ToldStage {
  const driver = stages.find(({ id }) => id === stage)?.driver;
  const told = manner === "now" ? "killed" : driver === "scripts" ? "terminated" : "asked";
  return { stage, pid: state.stages[stage]?.process?.pid ?? 0, told };
}

async function restingAt(
  place: PipelinePlace,
  state: State | undefined,
  wasUnseen: boolean,
): Promise<Extract<AttachResult, { kind: "nothing" }>> {
  const run = state?.run;
  if (state === undefined || run === undefined)
    return { kind: "nothing", outcome: undefined, left: [], state, wasUnseen };
  const runDir = join(statePaths(place.stateDir, place.pipeline).runsDir, run);
  const last = state.history.findLast((entry) => entry.run === run)?.outcome;
  const outcome = (await readRunResult(runDir))?.outcome ?? (last === "lost" ? "failed" : last);
  return {
    kind: "nothing",
    outcome,
    left: leftOf(await recordedPlan(place, state, run), state, run),
    state,
    wasUnseen,
  };
}
