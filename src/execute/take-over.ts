import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import type { Lock } from "../host/locks/lock.ts";
import { removeStopRequest, withdrawStopRequest } from "../host/locks/stop-request.ts";
import { identifyThisProcess } from "../host/process.ts";
import { statePaths } from "../host/records/run-store.ts";
import { type LoadedState, loadState } from "../host/records/state-store.ts";
import { lockPipeline } from "./locks/lock-pipeline.ts";
import { type SettleOptions, settlePipeline } from "./settle.ts";

/** A pipeline in somebody's hands: its lock, with everything in order that a killed runner left. */

/** Where a pipeline is at home. */
export interface PipelinePlace {
  /** The project root, absolute. */
  readonly root: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly pipeline: string;
  /** Name of this machine. */
  readonly host: string;
}

/** Of a pipeline of this machine. */
export function placeOf({
  root,
  spec,
}: {
  readonly root: string;
  readonly spec: Pick<Spec, "name" | "stateDir">;
}): PipelinePlace {
  return { root, stateDir: resolve(root, spec.stateDir), pipeline: spec.name, host: hostname() };
}

export type TakenOver =
  | { readonly kind: "taken"; readonly lock: Lock }
  /** `locked`: by another `wan22`. `refused`: by `whyNot`. */
  | { readonly kind: "locked" | "refused" | "failed"; readonly diagnostic: Diagnostic };

export interface TakeOverOptions {
  /** How long to wait for one that another has; not at all if left out. */
  readonly timeoutMs?: number;
  /** Something that a user should know, or why it takes a while: a sentence. */
  readonly onNote: (text: string) => void;
  readonly onUnseenEnd?: SettleOptions["onUnseenEnd"];
  /** Why it is not to be taken after all, by its record as it was found; undefined where it may. */
  readonly whyNot?: (state: State | undefined) => Diagnostic | undefined;
}

/** Takes a pipeline's lock and puts in order what a killed runner left, before anything is done on it; or says why not. */
export async function takeOver(
  place: PipelinePlace,
  { timeoutMs = 0, onNote, onUnseenEnd, whyNot }: TakeOverOptions,
): Promise<TakenOver> {
  const result = await lockPipeline({ ...place, patience: { timeoutMs, onWaiting: onNote } });
  if (result.kind !== "acquired") return result;
  if (result.note !== undefined) onNote(result.note);
  const refusal = whyNot === undefined ? undefined : whyNot((await loadPlace(place)).state);
  if (refusal !== undefined) {
    await result.lock.release();
    return { kind: "refused", diagnostic: refusal };
  }
  const diagnostic = await settlePipeline({ ...place, onWaiting: onNote, onUnseenEnd });
  if (diagnostic === undefined) return { kind: "taken", lock: result.lock };
  await result.lock.release();
  return { kind: "failed", diagnostic };
}

/** Gives the lock back; not that of a pipeline whose trainer lives on, which another machine could not see otherwise. */
export async function giveBack(place: PipelinePlace, lock: Lock): Promise<void> {
  const { stopFile } = statePaths(place.stateDir, place.pipeline);
  await removeStopRequest(stopFile);
  const { alive } = await loadPlace(place);
  if (alive.length === 0) await lock.release();
  // What came in between: whoever asks now finds that the lock is given back, and leaves nothing.
  await withdrawStopRequest(stopFile, await identifyThisProcess());
}

/** The record of a pipeline, with what happened since it was written. Changes nothing. */
export function loadPlace(place: PipelinePlace): Promise<LoadedState> {
  const { stateFile } = statePaths(place.stateDir, place.pipeline);
  return loadState({ ...place, shownFile: pathInside(place.root, stateFile) });
}
