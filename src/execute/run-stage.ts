import type { StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { formatDuration } from "../core/duration.ts";
import { pathInside } from "../core/paths.ts";
import { type Stall, type StallOptions, watchForStall } from "../core/stall.ts";
import { isCaching } from "../core/vocabulary.ts";
import { monotonicSeconds } from "../host/clock.ts";
import type { LockWork } from "../host/lock-owner.ts";
import { runFiles, stageMark } from "../host/run-store.ts";
import { type ApplyInput, startOf } from "./apply-input.ts";
import type { LockPatience } from "./await-lock.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { devicesInUse } from "./devices.ts";
import { type FollowResult, followProcess } from "./follow.ts";
import { type Judgement, judgeFilled, judgeStage, judgeUnstarted } from "./judge-stage.ts";
import { lockEncoding } from "./lock-encoding.ts";
import { adoptGpus, lockGpus } from "./lock-gpus.ts";
import { adoptOutput, lockOutput } from "./lock-output.ts";
import { stamp } from "./recorder.ts";
import { findOtherState } from "./resumed-state.ts";
import { initialProgress, isRunning, type Progress, type StageInput, takeUp } from "./stage.ts";
import { asOne, type StageLocks, type StageLocksResult } from "./stage-locks.ts";
import {
  attachStage,
  type Filled,
  type Launched,
  launchStage,
  type NotStarted,
  recordStart,
  type Started,
  startEntry,
} from "./start-stage.ts";
import { hasToEncode, storeEncoded } from "./stored-caches.ts";
import { explainSystemError, MAKE_ROOM_THERE } from "./system-error.ts";
import { findIncompleteCaches, proveCheckpoints } from "./verify.ts";
import { watchRoom } from "./watch-room.ts";

/** One stage of a run, from making room for it to comparing what it left with what was planned. */

export interface StageResult {
  readonly outcome: StageOutcome;
  readonly diagnostics: readonly Diagnostic[];
}

export async function runStage(input: StageInput): Promise<StageResult> {
  const isCached = isCaching(input.stage.id);
  // No GPU stands idle while somebody who encodes the same is waited for.
  const isAsked = isCached && (await encodes(input));
  const encoding = isAsked ? await takeEncoding(input) : asOne([], workOf(input), []);
  if (encoding.kind !== "acquired") return untouched(encoding);
  try {
    const output = await takeOutput(input);
    if (output.kind !== "acquired") return untouched(output);
    return await whileKept(output, input, async () => {
      // By now the store may have all that was to be encoded.
      const needs = !isCached || (isAsked && (await encodes(input))) ? "gpu" : "nothing";
      const gpus = needs === "gpu" ? await takeGpus(input) : asOne([], workOf(input), []);
      if (gpus.kind !== "acquired") return untouched(gpus);
      return whileKept(gpus, input, () => runWithLocks(input, { locks: [encoding, output, gpus], needs }));
    });
  } finally {
    await encoding.leave();
  }
}

/** A trainer that goes on without its runner keeps them, also where it goes on because nothing could be written down. */
async function whileKept(
  locks: StageLocks,
  { stage, report }: StageInput,
  run: () => Promise<StageResult>,
): Promise<StageResult> {
  for (const text of locks.notes) report({ type: "note", stage: stage.id, severity: "note", text });
  let ended = false;
  try {
    const result = await run();
    ended = result.outcome !== "detached";
    return result;
  } finally {
    await (ended ? locks.release() : locks.leave());
  }
}

/** The record stays as it is. */
function untouched(refused: Exclude<StageLocksResult, StageLocks>): StageResult {
  if (refused.kind === "cancelled") return { outcome: "stopped", diagnostics: [] };
  return { outcome: "failed", diagnostics: [refused.diagnostic] };
}

/** What a stage has, and whether that includes a GPU: `nothing` where all its caches come from the store. */
interface Holding {
  readonly locks: readonly StageLocks[];
  readonly needs: "gpu" | "nothing";
}

async function runWithLocks(input: StageInput, { locks, needs }: Holding): Promise<StageResult> {
  const startedAt = monotonicSeconds();
  const started = await input.startGate(() => begin(input, needs));
  // Told to stop while another stage of its turn was started: it has no record, as one that comes later.
  if (started === undefined) return { outcome: "stopped", diagnostics: [] };
  // Nor one that another machine has begun.
  if (started.kind === "refused") return { outcome: "failed", diagnostics: [started.diagnostic] };
  if (started.kind === "failed")
    return endStage(input, started.progress, startedAt, judgeUnstarted(started.diagnostic));
  if (started.kind === "filled") return endStage(input, started.progress, startedAt, await judgeFilled(input));
  for (const lock of locks) await lock.nameProcess(started.identity);
  const { progress } = started;
  const followed = await follow(input, started);
  if (followed.manner === "detached") {
    reportEnd(input, progress, startedAt, "detached", undefined);
    return { outcome: "detached", diagnostics: [] };
  }
  return endStage(input, progress, startedAt, await judgeStage(input, progress, followed));
}

interface Refused {
  readonly kind: "refused";
  readonly diagnostic: Diagnostic;
}

async function begin(
  input: StageInput,
  needs: Holding["needs"],
): Promise<Started | NotStarted | Filled | Refused | undefined> {
  const { stop, stopNow } = input.apply.signals;
  if (isRunning(input.stage, input.apply)) return attachStage(input);
  if (stop.aborted || stopNow.aborted) return undefined;
  const diagnostic = await input.claim?.(startEntry(input));
  return diagnostic === undefined ? startOrExplain(input, needs) : { kind: "refused", diagnostic };
}

/** What a stage's locks are for. */
export function workOf({ apply, stage, recorder }: StageInput): LockWork {
  // A trainer that lives has them in the name of the run that started it.
  const run = isRunning(stage, apply) ? apply.state?.stages[stage.id]?.run : undefined;
  return { project: apply.root, pipeline: apply.plan.name, stage: stage.id, run: run ?? recorder.run };
}

function patienceOf({ apply, stage, report }: StageInput): Omit<LockPatience, "timeoutMs"> {
  const { signals } = apply;
  return {
    onWaiting: (text) => report({ type: "note", stage: stage.id, severity: "note", text }),
    signals: [signals.stop, signals.stopNow, signals.detach],
  };
}

/** Whether a process has to make some of the stage's caches, or makes them already. */
async function encodes(input: StageInput): Promise<boolean> {
  return isRunning(input.stage, input.apply) || hasToEncode(input);
}

function takeEncoding(input: StageInput): Promise<StageLocksResult> {
  const { stage, apply } = input;
  // Waiting takes no longer than to encode once more. A trainer that lives encodes already, whoever else does.
  const timeoutMs = isRunning(stage, apply) ? 0 : Number.POSITIVE_INFINITY;
  return lockEncoding({ stage, root: apply.root, work: workOf(input), patience: { ...patienceOf(input), timeoutMs } });
}

/** Who had it may have moved what was planned to go on from. */
async function takeOutput(input: StageInput): Promise<StageLocksResult> {
  const { stage, apply } = input;
  const { root } = apply;
  const work = workOf(input);
  if (isRunning(stage, apply)) return adoptOutput(stage, { root, work });
  const patience = { ...patienceOf(input), timeoutMs: startOf(apply).lockTimeoutMs };
  const taken = await lockOutput(stage, { root, work, patience });
  const diagnostic = taken.kind === "acquired" ? await findOtherState([stage], root) : undefined;
  if (taken.kind !== "acquired" || diagnostic === undefined) return taken;
  await taken.release();
  return { kind: "failed", diagnostic };
}

async function takeGpus(input: StageInput): Promise<StageLocksResult> {
  const { apply, stage } = input;
  const { environment } = apply;
  const work = workOf(input);
  if (isRunning(stage, apply)) return adoptGpus({ work, environment });
  const { resolved, gpus } = startOf(apply);
  const devices = devicesInUse({ stage, backend: resolved.spec.trainer.backend, gpus, environment });
  const patience = { ...patienceOf(input), timeoutMs: startOf(apply).lockTimeoutMs };
  return lockGpus(devices, { work, environment, patience });
}

/** A folder that is closed, or a disk that is full, before anything was started: a failed stage like any other. */
async function startOrExplain(input: StageInput, needs: Holding["needs"]): Promise<Started | NotStarted | Filled> {
  let launched: Launched | NotStarted | Filled;
  try {
    launched = await launchStage(input, { needs });
  } catch (error) {
    const diagnostic = await explainSystemError(error, input.apply.root);
    if (diagnostic === undefined) throw error;
    return { kind: "failed", progress: initialProgress(input.stage), diagnostic };
  }
  return launched.kind === "launched" ? recordStart(input, launched) : launched;
}

/** Progress bars that show a rate need no more often than this. */
const POLL_MS = { rehearsal: 50, bridge: 250, scripts: 250 } as const;

/** Passes on what the process says: to the state, and to whoever watches. */
function follow(input: StageInput, { identity, ended, source, progress }: Started): Promise<FollowResult> {
  const { apply, stage, recorder, report } = input;
  const watch = watchForStall({ ...whatIsUsual(input), now: monotonicSeconds() });
  const room = watchRoom(recorder.runDir, (text) => {
    const full = `${text}, where it is written what becomes of ${stage.id}: nothing is heard of it any more, and it goes on. ${MAKE_ROOM_THERE} What it has to say is kept until then.`;
    report({ type: "note", stage: stage.id, severity: "warning", text: full });
  });
  return followProcess({
    identity,
    mark: stageMark(recorder.run, stage.id),
    ended,
    source,
    saidLastWord: progress.terminal !== undefined,
    signals: apply.signals,
    stopFile: stage.driver !== "scripts" ? runFiles.stop(recorder.runDir, stage.id) : undefined,
    pollMs: POLL_MS[stage.driver],
    onEvents: async (events) => {
      watch.hear(events, monotonicSeconds());
      room.hear();
      for (const event of events) {
        takeUp(progress, event);
        report({ type: "trainer", stage: stage.id, event });
        if (event.type === "step" && event.loss === null && !progress.saidNotANumber) {
          progress.saidNotANumber = true;
          const { summary, why, mend } = EXECUTE_CODES.lossNotANumber;
          report({ type: "note", stage: stage.id, severity: "warning", text: `${summary}. ${why} ${mend}` });
        }
      }
      await recorder.observe(stage.id, events);
    },
    onLook: () => {
      room.look();
      const stall = watch.look(monotonicSeconds());
      if (stall !== undefined) report({ type: "note", stage: stage.id, severity: "warning", text: stallText(stall) });
    },
    onOutlived: (members) => {
      const pids = members.map(({ pid }) => pid).join(", ");
      const text = `The process that was started, ${identity.pid}, has ended, and processes that came of it still run (${pids}). They are followed until they end.`;
      report({ type: "note", stage: stage.id, severity: "warning", text });
    },
    onStopping: (manner) => {
      const text = manner === "asked" ? "The trainer saves its training state, then it ends." : endedAtOnceText(apply);
      report({ type: "note", stage: stage.id, severity: "note", text });
    },
  });
}

/** Of an earlier part of the same training, so that a trainer is known that hangs when somebody attaches to it. */
function whatIsUsual({ stage, recorder }: StageInput): Pick<StallOptions, "usual" | "samples"> {
  const measured = recorder.state()?.stages[stage.id]?.measured;
  return {
    usual: measured === undefined || measured.steps === 0 ? undefined : measured.seconds / measured.steps,
    samples: stage.argv.includes("--sample_prompts"),
  };
}

function stallText({ seconds, usual }: Stall): string {
  const { summary, why, mend } = EXECUTE_CODES.noStep;
  return `${summary}: nothing was heard of it for ${formatDuration(seconds)}, and a step usually takes ${formatDuration(usual)}. ${why} ${mend}`;
}

function endedAtOnceText({ signals }: ApplyInput): string {
  return signals.stopNow.aborted
    ? "The trainer is ended at once."
    : "The trainer is ended at once: with Musubi Tuner's own scripts there is no way yet to have it save first.";
}

/** Writes down what the stage left and how it ended. */
async function endStage(
  input: StageInput,
  progress: Progress,
  startedAt: number,
  judgement: Judgement,
): Promise<StageResult> {
  const { stage, recorder } = input;
  const { outcome, end, message, diagnostics } = judgement;
  await recordCaches(input);
  const unstored = await storeEncoded({ stage, runDir: recorder.runDir, root: input.apply.root });
  if (unstored !== undefined) input.report({ type: "note", stage: stage.id, severity: "warning", text: unstored });
  await recordDigests(input);
  await recorder.record({
    ...stamp(),
    type: "end",
    stage: stage.id,
    outcome,
    exit_code: end?.exitCode ?? null,
    ...(message === undefined ? {} : { message }),
  });
  reportEnd(input, progress, startedAt, outcome, message);
  return { outcome, diagnostics };
}

/** Which caches are there, and what they were made from: also after a stage that did not come to its end. */
async function recordCaches({ apply, stage, recorder }: StageInput): Promise<void> {
  const digests = stage.cache_digests;
  if (digests === undefined) return;
  const incomplete = new Set(await findIncompleteCaches(Object.keys(digests), apply.root));
  const caches = Object.fromEntries(Object.entries(digests).filter(([file]) => !incomplete.has(file)));
  if (Object.keys(caches).length > 0) await recorder.record({ ...stamp(), type: "cached", stage: stage.id, caches });
}

async function recordDigests({ apply, stage, recorder }: StageInput): Promise<void> {
  const entries = await proveCheckpoints(recorder.state(), stage.id, apply.root);
  if (entries.length > 0) await recorder.record(...entries);
}

export function reportEnd(
  { stage, recorder, apply, report }: StageInput,
  { done, total }: Pick<Progress, "done" | "total">,
  startedAt: number,
  outcome: StageOutcome,
  message: string | undefined,
): void {
  report({
    type: "stage-ended",
    stage: stage.id,
    outcome,
    done,
    total,
    seconds: monotonicSeconds() - startedAt,
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...(message === undefined ? {} : { message }),
  });
}
