import type { LockWork } from "../../host/locks/lock-owner.ts";
import { startOf } from "../apply-input.ts";
import { hasToEncode } from "../caches/stored-caches.ts";
import { devicesInUse } from "../stage/devices.ts";
import { findOtherState } from "../stage/resumed-state.ts";
import { isRunning, type StageInput } from "../stage/stage.ts";
import type { LockPatience } from "./await-lock.ts";
import { lockEncoding } from "./lock-encoding.ts";
import { adoptGpus, lockGpus } from "./lock-gpus.ts";
import { adoptOutput, lockOutput } from "./lock-output.ts";
import type { StageLocksResult } from "./stage-locks.ts";

/** What one stage must have to itself: taken anew, or again for a trainer that has gone on without its runner. */

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
export async function encodes(input: StageInput): Promise<boolean> {
  return isRunning(input.stage, input.apply) || hasToEncode(input);
}

export function takeEncoding(input: StageInput): Promise<StageLocksResult> {
  const { stage, apply } = input;
  // Waiting takes no longer than to encode once more. A trainer that lives encodes already, whoever else does.
  const timeoutMs = isRunning(stage, apply) ? 0 : Number.POSITIVE_INFINITY;
  return lockEncoding({ stage, root: apply.root, work: workOf(input), patience: { ...patienceOf(input), timeoutMs } });
}

/** Who had it may have moved what was planned to go on from. */
export async function takeOutput(input: StageInput): Promise<StageLocksResult> {
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

export async function takeGpus(input: StageInput): Promise<StageLocksResult> {
  const { apply, stage } = input;
  const { environment } = apply;
  const work = workOf(input);
  if (isRunning(stage, apply)) return adoptGpus({ work, environment });
  const { resolved, gpus } = startOf(apply);
  const devices = devicesInUse({ stage, backend: resolved.spec.trainer.backend, gpus, environment });
  const patience = { ...patienceOf(input), timeoutMs: startOf(apply).lockTimeoutMs };
  return lockGpus(devices, { work, environment, patience });
}
