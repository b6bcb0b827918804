import { hostname } from "node:os";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { listWords } from "../core/plan/wording.ts";
import type { StageId } from "../core/vocabulary.ts";
import { isAtWork, type LockWork } from "../host/locks/lock-owner.ts";
import { statePaths } from "../host/records/run-store.ts";
import { loadState } from "../host/records/state-store.ts";
import { explainSystemError } from "./system-error.ts";

/** What to say where nothing can be written down any more, and what was started goes on all the same. */

interface Place {
  /** Absolute, both. */
  readonly root: string;
  readonly stateDir: string;
  readonly pipeline: string;
}

/** The same as `explainSystemError` for a pipeline of which, by its record, something may live. */
export async function explainBesideLiving(
  error: unknown,
  { root, stateDir, pipeline }: Place,
): Promise<Diagnostic | undefined> {
  const shownFile = pathInside(root, statePaths(stateDir, pipeline).stateFile);
  const { state, alive } = await loadState({ root, stateDir, pipeline, shownFile, host: hostname() });
  const living = alive.map((stage) => livingText(stage, state?.stages[stage]?.process?.pid));
  return explainSystemError(error, root, living.length === 0 ? {} : { mend: comeBackText(pipeline, living) });
}

/** The same for a stage that its runner has started or taken up, by what that has in memory; undefined where it has ended. */
export async function explainLeftAtWork(error: unknown, work: LockWork): Promise<Diagnostic | undefined> {
  if (!(await isAtWork(work))) return undefined;
  const { project, pipeline, stage, process } = work;
  return explainSystemError(error, project, { mend: comeBackText(pipeline, [livingText(stage, process?.pid)]) });
}

function livingText(stage: StageId, pid: number | undefined): string {
  return pid === undefined ? stage : `${stage} (process ${pid})`;
}

/** A record in another folder would know nothing of what lives, and an apply would begin a second trainer beside it. */
function comeBackText(pipeline: string, living: readonly string[]): string {
  const goOn = `${listWords(living)} ${living.length === 1 ? "goes" : "go"} on`;
  return `That keeps the record from being written, and nothing else: ${goOn}. When it can be written there again, come back with \`wan22 attach ${pipeline}\`; leave the record where it is until then.`;
}
