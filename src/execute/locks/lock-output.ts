import { join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { joinPath, pathInside } from "../../core/paths.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import type { State } from "../../core/state/state.ts";
import { familyOfOutput } from "../../core/trainer/checkpoints.ts";
import {
  acquireLock,
  type HeldLock,
  type LockResult,
  type LockStanding,
  lookAtLock,
  removeDeadLock,
} from "../../host/locks/lock.ts";
import type { LockWork } from "../../host/locks/lock-owner.ts";
import { ignoreSystemError } from "../../host/read-file.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { askPatiently, isCancelled, type LockPatience, waitedText } from "./await-lock.ts";
import { asOne, type StageLocksResult } from "./stage-locks.ts";

/**
 * One training at a time writes checkpoints of a name, whatever pipeline, project or machine it is of: its lock lies among them
 * (docs/decisions/0011).
 */

type Output = Pick<StagePlan, "output_dir" | "output_name">;

export interface OutputLockOptions {
  /** The project's, absolute. */
  readonly root: string;
  readonly work: LockWork;
}

/** A folder whose file system has no hard links holds no lock; a note says so. A caching stage has no output. */
export async function lockOutput(
  stage: Output,
  { root, work, patience }: OutputLockOptions & { readonly patience: LockPatience },
): Promise<StageLocksResult> {
  const file = outputLockFile(stage, root);
  if (file === undefined) return asOne([], work, []);
  const taken = await askPatiently(
    () => acquireLock(file, { work }),
    (answer) => (answer.kind === "held" ? `Waiting, since ${writerText(stage, answer)}.` : undefined),
    patience,
  );
  if (taken.kind === "acquired") return asOne([taken.lock], work, []);
  if (taken.kind === "unsupported") return asOne([], work, [unguardedText(stage, taken)]);
  if (isCancelled(patience)) return { kind: "cancelled" };
  return { kind: "locked", diagnostic: heldOutput(stage, { held: taken, root, timeoutMs: patience.timeoutMs }) };
}

/**
 * That of a trainer that lives, whose runner is gone: it writes what it writes, also where its lock can't be had. Refused where
 * its runner is there after all, and only the record's lock is not, as where the state folder was moved away: two that follow one
 * trainer write one record.
 */
export async function adoptOutput(stage: Output, { root, work }: OutputLockOptions): Promise<StageLocksResult> {
  const file = outputLockFile(stage, root);
  const taken = file === undefined ? undefined : await acquireLock(file, { work }).catch(ignoreSystemError);
  if (taken?.kind === "held" && taken.by === "runner" && taken.owner?.pid !== process.pid)
    return { kind: "locked", diagnostic: heldOutput(stage, { held: taken, root, timeoutMs: 0 }) };
  return asOne(taken?.kind === "acquired" ? [taken.lock] : [], work, []);
}

/** Whose checkpoints lie where one of these stages would write its own, before anything is done for it. Takes no lock. */
export async function findHeldOutput(stages: readonly Output[], root: string): Promise<Diagnostic | undefined> {
  for (const stage of stages) {
    const file = outputLockFile(stage, root);
    const standing: LockStanding = file === undefined ? { kind: "free" } : await lookAtLock(file);
    if (standing.kind !== "held" || file === undefined) continue;
    return heldOutput(stage, { held: { ...standing, file }, root, timeoutMs: 0 });
  }
  return undefined;
}

/** Those of trainers that ended while nobody watched. Throws nothing. */
export async function removeDeadOutputLocks(state: State, root: string): Promise<void> {
  for (const stage of Object.values(state.stages)) {
    const file = outputLockFile(stage, root);
    if (file !== undefined) await removeDeadLock(file);
  }
}

function outputLockFile({ output_dir, output_name }: Output, root: string): string | undefined {
  if (output_dir === undefined || output_name === undefined) return undefined;
  return join(resolve(root, output_dir), `.${familyOfOutput(output_name)}.lock`);
}

interface Held {
  readonly held: HeldLock;
  readonly root: string;
  readonly timeoutMs: number;
}

function heldOutput(stage: Output, { held, root, timeoutMs }: Held): Diagnostic {
  const kind = EXECUTE_CODES.outputLocked;
  const unlock = `\`wan22 state unlock ${pathInside(root, held.file)}\``;
  const unseen =
    held.by === "unseen" ? ` Whether it lives can't be seen from here. If it is gone, ${unlock} removes its lock.` : "";
  return diagnose(kind, `${writerText(stage, held)}.${waitedText(timeoutMs)} ${kind.why} ${kind.mend}${unseen}`);
}

/** Who writes there; a main clause. */
function writerText({ output_dir, output_name }: Output, { owner }: HeldLock): string {
  const output = `\`${joinPath(output_dir ?? ".", output_name ?? "")}\``;
  if (owner === undefined) return `the lock of ${output} can't be read`;
  const { work, who, host, since } = owner;
  const process = work?.process?.pid ?? owner.pid;
  const user = work === undefined ? "something" : `${work.stage} of ${work.pipeline} in ${work.project}`;
  return `${user} writes ${output} since ${since} (${who} on ${host}, process ${process})`;
}

function unguardedText({ output_dir }: Output, { fileSystem }: Extract<LockResult, { kind: "unsupported" }>): string {
  const kind = fileSystem.name === undefined ? "" : ` (${fileSystem.name})`;
  return `The file system of ${output_dir}${kind} has no hard links, and a lock is made by one: nothing keeps another training from writing there under the same name.`;
}
