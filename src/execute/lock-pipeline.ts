import { hostname } from "node:os";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { acquireLock, type HeldLock, type Lock, type LockResult } from "../host/lock.ts";
import { holderText } from "../host/lock-owner.ts";
import type { FileSystem } from "../host/machine.ts";
import { statePaths } from "../host/run-store.ts";
import { makeStateDir } from "../host/state-dir.ts";
import { askPatiently, type LockPatience } from "./await-lock.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { explainSystemError } from "./system-error.ts";

/** Takes a pipeline's lock, or says in a diagnostic why it can't be had. */

export type PipelineLock =
  | { readonly kind: "acquired"; readonly lock: Lock; readonly note?: string }
  | { readonly kind: "locked" | "failed"; readonly diagnostic: Diagnostic };

export interface PipelineLockOptions {
  /** Absolute. */
  readonly root: string;
  readonly stateDir: string;
  readonly pipeline: string;
  /** How long to wait for one that another holds; without it nobody waits. */
  readonly patience?: LockPatience;
  /** Of the lock's folder; asked where it is left out. */
  readonly fileSystem?: FileSystem;
}

/** `locked`: another apply holds it (exit 4). `failed`: the state folder can't be written to, or can't hold a lock. */
export async function lockPipeline(options: PipelineLockOptions): Promise<PipelineLock> {
  const { root, stateDir, pipeline, patience, fileSystem } = options;
  try {
    await makeStateDir(stateDir);
    const { lockFile } = statePaths(stateDir, pipeline);
    const result = await askPatiently(
      () => acquireLock(lockFile, fileSystem === undefined ? {} : { fileSystem }),
      (answer) => waitingText(answer, pipeline),
      patience,
    );
    if (result.kind === "held") {
      const detail = heldText(pipeline, result);
      return { kind: "locked", diagnostic: diagnose(EXECUTE_CODES.locked, detail) };
    }
    if (result.kind === "unsupported") {
      const detail = noLinksText(pathInside(root, stateDir), result.fileSystem);
      return { kind: "failed", diagnostic: diagnose(EXECUTE_CODES.noLocks, detail) };
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

function waitingText(result: LockResult, pipeline: string): string | undefined {
  if (result.kind !== "held") return undefined;
  const { owner } = result;
  return owner === undefined
    ? `Waiting for the lock of ${pipeline}, which can't be read.`
    : `Waiting, since ${holderText(owner, pipeline)}.`;
}

function heldText(pipeline: string, { owner, by }: HeldLock): string {
  const unlock = `\`wan22 state unlock ${pipeline}\``;
  if (owner === undefined)
    return `The lock of ${pipeline} can't be read. If no other apply is at work, ${unlock} removes it.`;
  const held = holderText(owner, pipeline);
  if (by !== "unseen") return `${held}. Wait until that ends (\`--lock-timeout 10m\` does), or end it.`;
  const namesake =
    owner.host === hostname() ? " That is another machine of this name, or this one before it was set up anew." : "";
  return `${held}.${namesake} Whether it lives can't be seen from here. Wait until that ends, or end it there. If ${owner.host} is gone for good, ${unlock} removes its lock.`;
}

/** Why a folder can't hold a lock; sentences that end with what to do. */
function noLinksText(folder: string, { name }: FileSystem): string {
  const kind = name === undefined ? "" : ` (${name})`;
  return `The file system of ${folder}${kind} has no hard links, and a lock is made by one. ${EXECUTE_CODES.noLocks.mend}`;
}
