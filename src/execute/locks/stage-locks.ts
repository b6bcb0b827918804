import type { Diagnostic } from "../../core/diagnostic.ts";
import type { Lock } from "../../host/locks/lock.ts";
import { isAtWork, type LockWork } from "../../host/locks/lock-owner.ts";
import type { ProcessIdentity } from "../../host/process.ts";
import { ignoreSystemError } from "../../host/read-file.ts";

/** What a stage takes for as long as it lives, the runner or the trainer: GPUs, and the encoding of items that others want too. */

/** What a stage holds of what others want too. */
export interface StageLocks {
  readonly kind: "acquired";
  /** Sentences: whose locks were taken over. */
  readonly notes: readonly string[];
  readonly nameProcess: (process: ProcessIdentity) => Promise<void>;
  readonly release: () => Promise<void>;
  /** Gives back what nothing uses any more: the trainer keeps it otherwise. */
  readonly leave: () => Promise<void>;
}

export type StageLocksResult =
  | StageLocks
  /** `locked`: exit 4. `failed`: the locks' folder can't be written to, or holds none. */
  | { readonly kind: "locked" | "failed"; readonly diagnostic: Diagnostic }
  /** A signal came while they were waited for. */
  | { readonly kind: "cancelled" };

/** Locks of one stage, as one. */
export function asOne(locks: readonly Lock[], work: LockWork, notes: readonly string[]): StageLocks {
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
