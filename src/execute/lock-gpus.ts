import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { type Environment, findGpuLocks, gpuLockFile, gpuLocksFolder } from "../host/gpu-locks.ts";
import { acquireLock, type HeldLock, type Lock } from "../host/lock.ts";
import { isAtWork, type LockOwner, type LockWork } from "../host/lock-owner.ts";
import type { ProcessIdentity } from "../host/process.ts";
import { errorCode, fileProblem } from "../host/read-file.ts";
import { askPatiently, isCancelled, type LockPatience } from "./await-lock.ts";
import { EXECUTE_CODES } from "./codes.ts";

/** Takes the GPUs of a stage for as long as it lives, the runner or the trainer; or says in a diagnostic who has them. */

export interface GpuLocks {
  readonly kind: "acquired";
  /** Sentences: whose locks were taken over. */
  readonly notes: readonly string[];
  readonly nameProcess: (process: ProcessIdentity) => Promise<void>;
  readonly release: () => Promise<void>;
  /** Gives back what nothing uses any more: the trainer keeps it otherwise. */
  readonly leave: () => Promise<void>;
}

export type GpuLocksResult =
  | GpuLocks
  /** `locked`: exit 4. `failed`: the locks' folder can't be written to, or holds none. */
  | { readonly kind: "locked" | "failed"; readonly diagnostic: Diagnostic }
  /** A signal came while they were waited for. */
  | { readonly kind: "cancelled" };

export interface GpuLockOptions {
  readonly work: LockWork;
  readonly environment: Environment;
  readonly patience: LockPatience;
}

/** All of them or none: two that wait for each other's would wait for ever. */
export async function lockGpus(
  devices: readonly string[],
  { work, environment, patience }: GpuLockOptions,
): Promise<GpuLocksResult> {
  const taken = await askPatiently(
    () => takeAll(devices, work, environment),
    (answer) => ("held" in answer ? `Waiting, since ${userText(answer)}.` : undefined),
    patience,
  );
  if ("kind" in taken) return taken;
  if (isCancelled(patience)) return { kind: "cancelled" };
  const unlock = `\`wan22 state unlock ${taken.held.file}\``;
  const detail =
    taken.held.owner === undefined
      ? `${userText(taken)}. If nothing trains on it, ${unlock} removes its lock.`
      : `${userText(taken)}. ${EXECUTE_CODES.gpuLocked.mend}`;
  return { kind: "locked", diagnostic: diagnose(EXECUTE_CODES.gpuLocked, detail) };
}

/** Those that a trainer has whose runner is gone. What it was started without is not taken now: it uses what it uses. */
export async function adoptGpus({ work, environment }: Omit<GpuLockOptions, "patience">): Promise<GpuLocks> {
  const locks: Lock[] = [];
  for (const file of await findGpuLocks(work, environment)) {
    const result = await acquireLock(file, { work }).catch(ignoreSystemError);
    if (result?.kind === "acquired") locks.push(result.lock);
  }
  return asOne(locks, work, []);
}

interface HeldGpu {
  readonly device: string;
  readonly held: HeldLock;
}

async function takeAll(
  devices: readonly string[],
  work: LockWork,
  environment: Environment,
): Promise<GpuLocks | Unwritable | HeldGpu> {
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

function asOne(locks: readonly Lock[], work: LockWork, notes: readonly string[]): GpuLocks {
  let started: ProcessIdentity | undefined;
  const release = async () => {
    for (const lock of locks) await lock.release();
  };
  return {
    kind: "acquired",
    notes,
    nameProcess: async (process) => {
      // A full disk: the trainer is found by its mark, where systems show environments, and must not end for this.
      started = process;
      for (const lock of locks) await lock.nameProcess(process).catch(ignoreSystemError);
    },
    release,
    leave: async () => {
      if (!(await isAtWork(started === undefined ? work : { ...work, process: { ...started } }))) await release();
    },
  };
}

function ignoreSystemError(error: unknown): undefined {
  if (errorCode(error) === undefined) throw error;
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
