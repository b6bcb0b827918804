import type { State } from "./state.ts";

/**
 * Another checkout's record as this one goes on from it. What its caches were made from is told of files that are not here:
 * of those that are, only this checkout's own record knows. `own` may be of any history.
 */
export function adoptedState(theirs: State, own: State | undefined): State {
  const stages = { ...theirs.stages };
  for (const id of ["cache-latents", "cache-text"] as const) {
    const record = theirs.stages[id];
    if (record === undefined) continue;
    // Nor was its process started here: a file that the ledger does not name is of unknown origin.
    const { caches: _, begun: __, ...told } = record;
    stages[id] = { ...told, caches: { ...own?.stages[id]?.caches } };
  }
  return { ...theirs, stages };
}
