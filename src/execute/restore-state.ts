import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { adoptedState } from "../core/state/adopt.ts";
import { compareStates, type StateChange } from "../core/state/compare.ts";
import type { State } from "../core/state/state.ts";
import { copyWholeFile, writeWholeFile } from "../host/atomic-file.ts";
import { timeStamp } from "../host/clock.ts";
import { errorCode } from "../host/read-file.ts";
import { statePaths } from "../host/records/run-store.ts";
import { loadState, recoverState, type StateRequest, textOfState } from "../host/records/state-store.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { explainSystemError } from "./system-error.ts";

/** Puts a record back: its backup, or what the journals of the runs make of it. The caller holds the pipeline's lock. */

/** `best`: what a damaged record is rebuilt from, the runs, and the backup where runs are gone. */
export type RestoreSource = "best" | "backup" | "runs" | { readonly branch: State };

export type Restoration =
  | { readonly kind: "refused"; readonly diagnostic: Diagnostic }
  | { readonly kind: "same"; readonly from: "backup" | "runs" | "branch" }
  | {
      readonly kind: "change";
      readonly from: "backup" | "runs" | "branch";
      readonly changes: readonly StateChange[];
      /** Puts it there; where the replaced one is kept comes back, undefined if there was none. */
      readonly carryOut: () => Promise<{ readonly keptAs: string | undefined } | Diagnostic>;
    };

export async function planRestoration(request: StateRequest, source: RestoreSource): Promise<Restoration> {
  const { root, stateDir, pipeline } = request;
  try {
    const loaded = await loadState(request);
    const refused = loaded.diagnostics.find(({ severity }) => severity === "error");
    if (refused !== undefined) return { kind: "refused", diagnostic: refused };
    const [running] = loaded.alive;
    if (running !== undefined) {
      const detail = `${running} of ${pipeline} is at work. ${EXECUTE_CODES.stateInUse.mend}`;
      return { kind: "refused", diagnostic: diagnose(EXECUTE_CODES.stateInUse, detail) };
    }
    if (typeof source === "object") return fromBranch(source.branch, loaded.recorded, request);
    const { state, from } = await recoverState(request, statePaths(stateDir, pipeline), source);
    if (state === undefined || from === "nothing") {
      const where = { best: "no backup, and no run", backup: "no backup", runs: "no run" }[source];
      const detail = `There is ${where} of ${pipeline} that a record could be made from. ${EXECUTE_CODES.nothingToRestore.mend}`;
      return { kind: "refused", diagnostic: diagnose(EXECUTE_CODES.nothingToRestore, detail) };
    }
    // What is in the file, not what can be seen beyond it: that is what is replaced.
    const changes = compareStates(loaded.recorded, state);
    if (changes.length === 0) return { kind: "same", from };
    const serial = Math.max(loaded.recorded?.serial ?? 0, state.serial) + 1;
    const carryOut = () => replaceState({ ...state, serial }, request);
    return { kind: "change", from, changes, carryOut };
  } catch (error) {
    return { kind: "refused", diagnostic: await explained(error, root) };
  }
}

/** With its own serial: it is the same record, wherever it lies. */
function fromBranch(theirs: State, recorded: State | undefined, request: StateRequest): Restoration {
  const state = adoptedState(theirs, recorded);
  const changes = compareStates(recorded, state);
  if (changes.length === 0) return { kind: "same", from: "branch" };
  return { kind: "change", from: "branch", changes, carryOut: () => replaceState(state, request) };
}

/** Its own backup stays as it is: it may be what was restored. */
async function replaceState(
  state: State,
  { root, stateDir, pipeline }: StateRequest,
): Promise<{ readonly keptAs: string | undefined } | Diagnostic> {
  const { stateFile } = statePaths(stateDir, pipeline);
  const kept = `${stateFile}.replaced-${timeStamp()}`;
  try {
    const isKept = await keepReplaced(stateFile, kept);
    await writeWholeFile(stateFile, textOfState(state));
    return { keptAs: isKept ? pathInside(root, kept) : undefined };
  } catch (error) {
    return explained(error, root);
  }
}

async function keepReplaced(from: string, to: string): Promise<boolean> {
  try {
    await copyWholeFile(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return false;
    throw error;
  }
}

async function explained(error: unknown, root: string): Promise<Diagnostic> {
  const diagnostic = await explainSystemError(error, root);
  if (diagnostic === undefined) throw error;
  return diagnostic;
}
