import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { findGpuLocks, gpuLockFile, gpuLocksFolder } from "../../host/locks/gpu-locks.ts";
import { acquireLock, type HeldLock, type Lock, lookAtLock } from "../../host/locks/lock.ts";
import type { LockOwner, LockWork } from "../../host/locks/lock-owner.ts";
import type { Environment } from "../../host/machine-folder.ts";
import { errorCode, fileProblem, ignoreSystemError } from "../../host/read-file.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { askPatiently, isCancelled, type LockPatience, waitedText } from "./await-lock.ts";
import { asOne, type StageLocks, type StageLocksResult } from "./stage-locks.ts";

/** Takes the GPUs of a stage for as long as it lives, the runner or the trainer; or says in a diagnostic who has them. */

export interface GpuLockOptions {
  readonly work: LockWork;
  readonly environment: Environment;
  readonly patience: LockPatience;
}

/** All of them or none: two that wait for each other's would wait for ever. */
export async function lockGpus(
  devices: readonly string[],
  { work, environment, patience }: GpuLockOptions,
): Promise<StageLocksResult> {
  const taken = await askPatiently(
    () => takeAll(devices, work, environment),
    (answer) => ("held" in answer ? `Waiting, since ${userText(answer)}.` : undefined),
    patience,
  );
  if ("kind" in taken) return taken;
  if (isCancelled(patience)) return { kind: "cancelled" };
  const waited = waitedText(patience.timeoutMs);
  const unlock = `\`wan22 state unlock ${taken.held.file}\``;
  const detail =
    taken.held.owner === undefined
      ? `${userText(taken)}.${waited} If nothing trains on it, ${unlock} removes its lock.`
      : `${userText(taken)}.${waited} ${EXECUTE_CODES.gpuLocked.mend}`;
  return { kind: "locked", diagnostic: diagnose(EXECUTE_CODES.gpuLocked, detail) };
}

/** Those that a trainer has whose runner is gone. What it was started without is not taken now: it uses what it uses. */
export async function adoptGpus({ work, environment }: Omit<GpuLockOptions, "patience">): Promise<StageLocks> {
  const locks: Lock[] = [];
  for (const file of await findGpuLocks(work, environment)) {
    const result = await acquireLock(file, { work }).catch(ignoreSystemError);
    if (result?.kind === "acquired") locks.push(result.lock);
  }
  return asOne(locks, work, []);
}

/** Those that another process has right now, or may have. Nothing is taken. */
export async function findBusyGpus(devices: readonly number[], environment: Environment): Promise<readonly number[]> {
  const busy: number[] = [];
  for (const device of devices) {
    const { kind } = await lookAtLock(gpuLockFile(String(device), environment));
    if (kind === "held") busy.push(device);
  }
  return busy;
}

interface HeldGpu {
  readonly device: string;
  readonly held: HeldLock;
}

async function takeAll(
  devices: readonly string[],
  work: LockWork,
  environment: Environment,
): Promise<StageLocks | Unwritable | HeldGpu> {
  const locks: Lock[] = [];
  const notes: string[] = [];
  const giveBack = () => asOne(locks, work, []).release();
  for (const device of devices) {
    const file = gpuLockFile(device, environment);
    try {
      const result = await acquireLock(file, { work });
      if (result.kind === "acquired") {
        locks.push(result.lock);
        const dead = result.lock.tookOverFrom;
        if (dead !== undefined) {
          notes.push(
            `GPU ${device} was ${userOf(dead)}'s since ${dead.since}, which is gone; its lock was taken over.`,
          );
        }
        continue;
      }
      await giveBack();
      if (result.kind === "held") return { device, held: result };
      return unwritable(`${file} can't be made: its file system has no hard links`);
    } catch (error) {
      await giveBack();
      if (errorCode(error) === undefined) throw error;
      return unwritable(`${gpuLocksFolder(environment)} can't be written to: ${reasonOf(error)}`);
    }
  }
  return asOne(locks, work, notes);
}

interface Unwritable {
  readonly kind: "failed";
  readonly diagnostic: Diagnostic;
}

function unwritable(text: string): Unwritable {
  const kind = EXECUTE_CODES.gpuLockUnwritable;
  return { kind: "failed", diagnostic: diagnose(kind, `${text}. ${kind.mend}`) };
}

function reasonOf(error: unknown): string {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  if (code === "EROFS") return "the file system is read-only";
  return code === "EACCES" || code === "EPERM" ? "you have no permission" : fileProblem(error).text;
}

/** Who has a GPU; a main clause. */
function userText({ device, held: { owner } }: HeldGpu): string {
  if (owner === undefined) return `GPU ${device} has a lock that can't be read`;
  const { pid } = owner.work?.process ?? owner;
  return `${userOf(owner)} has GPU ${device} since ${owner.since} (${owner.who} on ${owner.host}, process ${pid})`;
}

function userOf({ work }: LockOwner): string {
  return work === undefined ? "something else" : `${work.stage} of ${work.pipeline} in ${work.project}`;
}
