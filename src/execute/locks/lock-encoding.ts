import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { StagePlan } from "../../core/plan/plan.ts";
import { sha256 } from "../../host/hash.ts";
import { acquireLock, type LockResult, removeDeadLock } from "../../host/locks/lock.ts";
import type { LockOwner, LockWork } from "../../host/locks/lock-owner.ts";
import { ignoreSystemError } from "../../host/read-file.ts";
import { askPatiently, isCancelled, type LockPatience } from "./await-lock.ts";
import { asOne, type StageLocksResult } from "./stage-locks.ts";

/**
 * One process at a time encodes the same dataset in the same way; who comes second waits, and finds in the store what the first
 * has put there. Nothing goes wrong without the lock: then both encode.
 */

export interface EncodingLockRequest {
  readonly stage: Pick<StagePlan, "store" | "cache_digests">;
  /** The project's, absolute. */
  readonly root: string;
  readonly work: LockWork;
  readonly patience: LockPatience;
}

/** Waits for somebody who is seen to live and encodes the same items. A store that can't hold a lock has none. */
export async function lockEncoding({ stage, root, work, patience }: EncodingLockRequest): Promise<StageLocksResult> {
  const none = asOne([], work, []);
  if (stage.store === undefined) return none;
  const items = [...new Set(Object.values(stage.cache_digests ?? {}))].sort();
  const name = sha256(items.join("\n")).slice(0, 16);
  const file = join(resolve(root, stage.store), "locks", `${name}.lock`);
  const taken = await askPatiently(() => ask(file, work), whyHeld, patience);
  if (taken?.kind === "acquired") return asOne([taken.lock], work, []);
  return whyHeld(taken) !== undefined && isCancelled(patience) ? { kind: "cancelled" } : none;
}

/** Those of processes that are gone, which nobody asks for any more once the items are there. Throws nothing. */
export async function removeDeadLocks(store: string): Promise<void> {
  const folder = join(store, "locks");
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.endsWith(".lock")) await removeDeadLock(join(folder, name));
  }
}

/** Undefined where the folder of the locks can't be written to. */
async function ask(file: string, work: LockWork): Promise<LockResult | undefined> {
  return acquireLock(file, { work }).catch(ignoreSystemError);
}

/** Whether another machine is still at it can't be seen from here: it is not waited for. */
function whyHeld(answer: LockResult | undefined): string | undefined {
  if (answer?.kind !== "held" || answer.by === "unseen") return undefined;
  return `Waiting, since ${userText(answer.owner)} encodes the same; what it makes is taken from the store then.`;
}

function userText(owner: LockOwner | undefined): string {
  if (owner?.work === undefined) return "another pipeline";
  const { work, who, host, since } = owner;
  return `${work.stage} of ${work.pipeline} in ${work.project} (since ${since}, ${who} on ${host})`;
}
