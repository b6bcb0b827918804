import type { StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { formatDuration } from "../core/duration.ts";
import { pathInside } from "../core/paths.ts";
import { type Stall, type StallOptions, watchForStall } from "../core/stall.ts";
import { monotonicSeconds, nowSeconds } from "../host/clock.ts";
import { runFiles, stageMark } from "../host/run-store.ts";
import { type ApplyInput, startOf } from "./apply-input.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { devicesInUse } from "./devices.ts";
import { type FollowResult, followProcess } from "./follow.ts";
import { type Judgement, judgeStage, judgeUnstarted } from "./judge-stage.ts";
import { adoptGpus, type GpuLocks, type GpuLocksResult, lockGpus } from "./lock-gpus.ts";
import { stamp } from "./recorder.ts";
import { initialProgress, isRunning, type Progress, type StageInput, takeUp } from "./stage.ts";
import { attachStage, type Launched, launchStage, type NotStarted, recordStart, type Started } from "./start-stage.ts";
import { explainSystemError } from "./system-error.ts";
import { findIncompleteCaches, proveCheckpoints } from "./verify.ts";

/** One stage of a run, from making room for it to comparing what it left with what was planned. */

export interface StageResult {
  readonly outcome: StageOutcome;
  readonly diagnostics: readonly Diagnostic[];
}

export async function runStage(input: StageInput): Promise<StageResult> {
  const gpus = await takeGpus(input);
  if (gpus.kind === "cancelled") return { outcome: "stopped", diagnostics: [] };
  // Nothing was touched: the record stays as it is.
  if (gpus.kind !== "acquired") return { outcome: "failed", diagnostics: [gpus.diagnostic] };
  for (const text of gpus.notes) input.report({ type: "note", stage: input.stage.id, severity: "note", text });
  let ended = false;
  try {
    const result = await runWithGpus(input, gpus);
    ended = result.outcome !== "detached";
    return result;
  } finally {
    // A trainer that goes on without its runner keeps them, also where it goes on because nothing could be written down.
    await (ended ? gpus.release() : gpus.leave());
  }
}

async function runWithGpus(input: StageInput, gpus: GpuLocks): Promise<StageResult> {
  const startedAt = nowSeconds();
  const started = await input.startGate(() => begin(input));
  // Told to stop while another stage of its turn was started: it has no record, as one that comes later.
  if (started === undefined) return { outcome: "stopped", diagnostics: [] };
  if (started.kind === "failed")
    return endStage(input, started.progress, startedAt, judgeUnstarted(started.diagnostic));
  await gpus.nameProcess(started.identity);
  const { progress } = started;
  const followed = await follow(input, started);
  if (followed.manner === "detached") {
    reportEnd(input, progress, startedAt, "detached", undefined);
    return { outcome: "detached", diagnostics: [] };
  }
  return endStage(input, progress, startedAt, await judgeStage(input, progress, followed));
}

async function begin(input: StageInput): Promise<Started | NotStarted | undefined> {
  const { stop, stopNow } = input.apply.signals;
  if (isRunning(input.stage, input.apply)) return attachStage(input);
  return stop.aborted || stopNow.aborted ? undefined : startOrExplain(input);
}

function takeGpus({ apply, stage, recorder, report }: StageInput): Promise<GpuLocksResult> {
  const { root, environment, signals } = apply;
  // A trainer that lives has them in the name of the run that started it.
  const run = isRunning(stage, apply) ? apply.state?.stages[stage.id]?.run : undefined;
  const work = { project: root, pipeline: apply.plan.name, stage: stage.id, run: run ?? recorder.run };
  if (isRunning(stage, apply)) return adoptGpus({ work, environment });
  const { resolved, gpus, lockTimeoutMs } = startOf(apply);
  const devices = devicesInUse({ stage, backend: resolved.spec.trainer.backend, gpus, environment });
  const onWaiting = (text: string) => report({ type: "note", stage: stage.id, severity: "note", text });
  const cancelled = [signals.stop, signals.stopNow, signals.detach];
  return lockGpus(devices, {
    work,
    environment,
    patience: { timeoutMs: lockTimeoutMs, onWaiting, signals: cancelled },
  });
}

/** A folder that is closed, or a disk that is full, before anything was started: a failed stage like any other. */
async function startOrExplain(input: StageInput): Promise<Started | NotStarted> {
  let launched: Launched | NotStarted;
  try {
    launched = await launchStage(input);
  } catch (error) {
    const diagnostic = await explainSystemError(error, input.apply.root);
    if (diagnostic === undefined) throw error;
    return { kind: "failed", progress: initialProgress(input.stage), diagnostic };
  }
  return launched.kind === "failed" ? launched : recordStart(input, launched);
}

/** Progress bars that show a rate need no more often than this. */
const POLL_MS = { rehearsal: 50, bridge: 250, scripts: 250 } as const;

/** Passes on what the process says: to the state, and to whoever watches. */
function follow(input: StageInput, { identity, ended, source, progress }: Started): Promise<FollowResult> {
  const { apply, stage, recorder, report } = input;
  const watch = watchForStall({ ...whatIsUsual(input), now: monotonicSeconds() });
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

function reportEnd(
  { stage, recorder, apply, report }: StageInput,
  { done, total }: Progress,
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
    seconds: Math.max(0, nowSeconds() - startedAt),
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...(message === undefined ? {} : { message }),
  });
}
