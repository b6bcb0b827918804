import type { State } from "./state.ts";

/** What would be known otherwise if one record were put in another's place. */

export interface StateChange {
  /** `stage train`, `checkpoint output/fox/fox.safetensors`. */
  readonly what: string;
  /** Undefined where there was, or would be, nothing of it. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** In the order that a record has; empty where both say the same, whatever their serials. */
export function compareStates(before: State | undefined, after: State): readonly StateChange[] {
  const [old, next] = [before === undefined ? new Map<string, string>() : sayingsOf(before), sayingsOf(after)];
  return [...new Set([...old.keys(), ...next.keys()])]
    .map((what) => ({ what, from: old.get(what), to: next.get(what) }))
    .filter(({ from, to }) => from !== to);
}

/** Everything that a record says, a short text each. What is too long to be shown is named by how much there is of it. */
function sayingsOf(state: State): ReadonlyMap<string, string> {
  return new Map([
    ["pipeline file", state.file],
    ["history (lineage)", state.lineage],
    ["host", state.host],
    ["last run", state.run ?? "none"],
    ...Object.entries(state.stages).map(([stage, record]) => [`stage ${stage}`, stageText(record)] as const),
    ...state.checkpoints.map(
      ({ file, epoch, step, sha256 = "unknown" }) =>
        [`checkpoint ${file}`, `epoch ${epoch}, step ${step}, SHA-256 ${sha256.slice(0, 8)}`] as const,
    ),
    ...state.training_states.map(({ dir, done_steps }) => [`training state ${dir}`, `step ${done_steps}`] as const),
    ...state.history.map(
      ({ run, stage, ended, outcome }) => [`end of ${stage} in ${run} at ${ended}`, outcome] as const,
    ),
  ]);
}

function stageText(record: NonNullable<State["stages"]["train"]>): string {
  const { status, fingerprint, done_steps, run, caches } = record;
  return [
    status,
    ...(done_steps === undefined ? [] : [`step ${done_steps}`]),
    ...(caches === undefined ? [] : [`${Object.keys(caches).length} cache files`]),
    `in ${run}`,
    `fingerprint ${fingerprint.slice(0, 8)}`,
  ].join(", ");
}
