import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { acquireLock, holderText, type Lock, type LockOwner } from "../host/lock.ts";
import { statePaths } from "../host/run-store.ts";
import { makeStateDir } from "../host/state-dir.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { explainSystemError } from "./system-error.ts";

/** Takes a pipeline's lock, or says in a diagnostic why it can't be had. */

export type PipelineLock =
  | { readonly kind: "acquired"; readonly lock: Lock; readonly note?: string }
  | { readonly kind: "locked" | "failed"; readonly diagnostic: Diagnostic };

export interface LockOptions {
  /** Absolute. */
  readonly root: string;
  readonly stateDir: string;
  readonly pipeline: string;
}

/** `locked`: another apply holds it (exit 4). `failed`: the state folder can't be written to. */
export async function lockPipeline({ root, stateDir, pipeline }: LockOptions): Promise<PipelineLock> {
  try {
    await makeStateDir(stateDir);
    const { lockFile } = statePaths(stateDir, pipeline);
    const result = await acquireLock(lockFile);
    if (result.kind === "held") {
      const detail = heldText(pipeline, pathInside(root, lockFile), result.owner);
      return { kind: "locked", diagnostic: diagnose(EXECUTE_CODES.locked, detail) };
    }
    const { lock } = result;
    const dead = lock.tookOverFrom;
    if (dead === undefined) return { kind: "acquired", lock };
    const note = `The apply that held the lock of ${pipeline} (process ${dead.pid}, since ${dead.since}) is gone; its lock was taken over.`;
    return { kind: "acquired", lock, note };
  } catch (error) {
    const diagnostic = await explainSystemError(error, root);
    if (diagnostic === undefined) throw error;
    return { kind: "failed", diagnostic };
  }
}

function heldText(pipeline: string, file: string, owner: LockOwner | undefined): string {
  if (owner === undefined) {
    return `The lock of ${pipeline} can't be read. If no other apply is at work, remove ${file} and apply again.`;
  }
  return `${holderText(owner, pipeline)}. Wait until that ends, or end it. If ${owner.host} is gone for good, remove ${file}.`;
}
