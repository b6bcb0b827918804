import { withoutCredentials } from "../credentials.ts";
import { STAGE_IDS, type StageId } from "../vocabulary.ts";
import { foldState } from "./fold.ts";
import type { StageRecord, State } from "./state.ts";

/** A record as the state branch holds it, and the message of the commit that puts it there. */

/** The same state gives the same bytes, a fact a line: what a commit changes is what happened. */
export function branchText(state: State): string {
  return withoutCredentials(`${JSON.stringify(withSortedMaps(state), null, 2)}\n`);
}

/** Ledgers, inputs and identities by name; the keys of the schema in its order. */
function withSortedMaps(state: State): State {
  const stages = Object.fromEntries(
    STAGE_IDS.flatMap((id) => {
      const record = state.stages[id];
      return record === undefined ? [] : [[id, sortedRecord(record)]];
    }),
  );
  return { ...state, stages };
}

function sortedRecord(record: StageRecord): StageRecord {
  const { inputs, identities, caches } = record;
  return {
    ...record,
    inputs: sorted(inputs),
    identities: sorted(identities),
    ...(caches === undefined ? {} : { caches: sorted(caches) }),
  };
}

function sorted<Value>(map: Readonly<Record<string, Value>>): Record<string, Value> {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A subject that says how far the pipeline is and where, and a line for each of its stages. */
export function branchMessage(state: State): string {
  const known = STAGE_IDS.flatMap((id): [StageId, StageRecord][] => {
    const record = state.stages[id];
    return record === undefined ? [] : [[id, record]];
  });
  const current = known.filter(([, { run }]) => run === state.run);
  // What needs attention, or else what came last.
  const shown = current.filter(([, { status }]) => status !== "finished");
  const subject = (shown.length > 0 ? shown : current.slice(-1)).map(standText).join(", ");
  const lines = known.map((one) => `- ${standText(one)}`);
  return withoutCredentials(
    [`${state.pipeline}: ${subject === "" ? "begun" : subject} on ${state.host}`, "", ...lines, ""].join("\n"),
  );
}

function standText([id, { status, done_steps, total_epochs, steps_per_epoch }]: readonly [
  StageId,
  StageRecord,
]): string {
  if (done_steps === undefined) return `${id} ${status}`;
  const total =
    total_epochs === undefined || steps_per_epoch === undefined ? "" : ` of ${total_epochs * steps_per_epoch}`;
  return `${id} ${status} at step ${done_steps}${total}`;
}

/** What a push is made for: the beginning and end of a stage, and whatever others could go on from. */
export function whatMatters(state: State): { readonly turns: string; readonly saved: string } {
  const stages = Object.entries(state.stages).map(([id, { status, run }]) => `${id} ${status} ${run}`);
  const files = [...state.checkpoints.map(({ file, sha256 = "" }) => `${file} ${sha256}`)];
  const states = state.training_states.map(({ dir, done_steps }) => `${dir} ${done_steps}`);
  return {
    turns: [state.lineage, state.run ?? "", ...stages, `${state.history.length}`].join("\n"),
    saved: [...files, ...states].join("\n"),
  };
}

/** Stages that are at work by a record, with since when. */
export function stagesAtWork(state: State): readonly { readonly stage: StageId; readonly since: string | undefined }[] {
  return STAGE_IDS.flatMap((stage) => {
    const record = state.stages[stage];
    return record?.status === "running" ? [{ stage, since: record.started }] : [];
  });
}

/** The record with what is at work by it ended: its machine is gone for good, says whoever asks for this. `now` in Unix seconds. */
export function withLostStages(
  state: State,
  { now, message }: { readonly now: number; readonly message: string },
): State {
  const ends = stagesAtWork(state).map(
    ({ stage }) => ({ v: 1, t: now, type: "end", stage, outcome: "lost", exit_code: null, message }) as const,
  );
  return foldState(state, ends) ?? state;
}
