import type { State } from "./state.ts";

/** How the record of this checkout stands to the one on the state branch (docs/decisions/0016). */

export type Standing =
  /** Neither knows what the other doesn't. */
  | "same"
  /** This checkout's goes on from the branch's, or the branch has none. */
  | "ahead"
  /** The branch's goes on from this checkout's, or there is none here. */
  | "behind"
  /** Both went on from a history that they share. */
  | "apart"
  /** They are two histories. */
  | "foreign";

/**
 * By the runs that each knows: a run is of one checkout, and its name is given once. Of two records of the same runs the
 * one with the higher serial saw more of the last of them; a checkout's own counts fewer entries only after it was put
 * together again.
 */
export function standOf(here: State | undefined, branch: State | undefined): Standing {
  const [own, theirs] = [runsOf(here), runsOf(branch)];
  // A run that began no stage has nothing to tell, and contradicts nobody.
  if (branch === undefined || theirs.size === 0) return own.size === 0 ? "same" : "ahead";
  if (here === undefined || own.size === 0) return "behind";
  if (here.lineage !== branch.lineage) return "foreign";
  const [knowsTheirs, knowsOwn] = [isWithin(theirs, own), isWithin(own, theirs)];
  if (!knowsTheirs) return knowsOwn ? "behind" : "apart";
  if (!knowsOwn || here.serial > branch.serial) return "ahead";
  return here.serial === branch.serial || here.host === branch.host ? "same" : "behind";
}

/** Runs that have begun a stage. One that was not let begin is known to nobody else, and did nothing. */
function runsOf(state: State | undefined): ReadonlySet<string> {
  const { stages = {}, history = [] } = state ?? {};
  return new Set([...Object.values(stages).map((stage) => stage.run), ...history.map((ended) => ended.run)]);
}

function isWithin(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((one) => all.has(one));
}
