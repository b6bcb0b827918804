import { hostname } from "node:os";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { pathInside } from "../../core/paths.ts";
import { acquireLock, type HeldLock, type Lock, type LockResult } from "../../host/locks/lock.ts";
import { holderText, isOfOtherContainer, type LockOwner } from "../../host/locks/lock-owner.ts";
import type { FileSystem } from "../../host/machine.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { makeStateDir } from "../../host/records/state-dir.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { explainBesideLiving } from "../goes-on.ts";
import { askPatiently, type LockPatience, waitedText } from "./await-lock.ts";

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
      const detail = heldText(pipeline, result, patience?.timeoutMs ?? 0);
      return { kind: "locked", diagnostic: diagnose(EXECUTE_CODES.locked, detail) };
    }
    if (result.kind === "unsupported") {
      const detail = noLinksText(pathInside(root, stateDir), result.fileSystem);
      return { kind: "failed", diagnostic: diagnose(EXECUTE_CODES.noLocks, detail) };
    }
    const { lock } = result;
    const dead = lock.tookOverFrom;
    if (dead === undefined) return { kind: "acquired", lock };
    const since = `(process ${dead.pid}, since ${dead.since})`;
    const note =
      lock.copiedFrom === undefined
        ? `The apply that held the lock of ${pipeline} ${since} is gone; its lock was taken over.`
        : `The lock of ${pipeline} was copied with its folder from ${lock.copiedFrom}, where an apply held it ${since}. What runs there is left alone.`;
    return { kind: "acquired", lock, note };
  } catch (error) {
    const diagnostic = await explainBesideLiving(error, { root, stateDir, pipeline });
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

function heldText(pipeline: string, { owner, by }: HeldLock, waitedMs: number): string {
  const unlock = `\`wan22 state unlock ${pipeline}\``;
  const waited = waitedText(waitedMs);
  if (owner === undefined)
    return `The lock of ${pipeline} can't be read.${waited} If no other apply is at work, ${unlock} removes it.`;
  const held = `${holderText(owner, pipeline)}.${waited}`;
  if (by !== "unseen") {
    const longer = waitedMs > 0 ? "Wait longer" : "Wait until that ends (`--lock-timeout 10m` does)";
    return `${held} ${longer}, follow it with \`wan22 attach ${pipeline}\`, or end it with \`wan22 stop ${pipeline}\`.`;
  }
  const { place, named } = elsewhereText(owner);
  return `${held}${place} Whether it lives can't be seen from here. Wait until that ends, or end it there. If ${named} is gone for good, ${unlock} removes its lock.`;
}

/** Where an owner is that can't be seen; `named` is how to speak of it. */
function elsewhereText(owner: LockOwner): { readonly place: string; readonly named: string } {
  if (owner.host !== hostname()) return { place: "", named: owner.host };
  if (!isOfOtherContainer(owner))
    return {
      place: " That is another machine of this name, or this one before it was set up anew.",
      named: owner.host,
    };
  return {
    place: " That is in another container of this machine, or in this one before it was made anew.",
    named: "that container, with all that ran in it,",
  };
}

/** Why a folder can't hold a lock; sentences that end with what to do. */
function noLinksText(folder: string, { name }: FileSystem): string {
  const kind = name === undefined ? "" : ` (${name})`;
  return `The file system of ${folder}${kind} has no hard links, and a lock is made by one. ${EXECUTE_CODES.noLocks.mend}`;
}
