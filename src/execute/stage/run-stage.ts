import type { Diagnostic } from "../../core/diagnostic.ts";
import { isCaching } from "../../core/vocabulary.ts";
import { monotonicSeconds } from "../../host/clock.ts";
import { asOne, type StageLocks, type StageLocksResult } from "../locks/stage-locks.ts";
import { encodes, takeEncoding, takeGpus, takeOutput, workOf } from "../locks/take-stage-locks.ts";
import { explainSystemError } from "../system-error.ts";
import { endStage, reportEnd } from "./end-stage.ts";
import { followStage } from "./follow-stage.ts";
import { judgeFilled, judgeStage, judgeUnstarted } from "./judge-stage.ts";
import { initialProgress, isRunning, type StageInput, type StageResult } from "./stage.ts";
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

/** One stage of a run, from its locks to its end: taken (`take-stage-locks.ts`), begun, followed (`follow-stage.ts`), written down (`end-stage.ts`). */

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
  const followed = await followStage(input, started);
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
