import type { TrainerEvent } from "../event.ts";
import { normalizePath } from "../paths.ts";
import { present } from "../present.ts";
import { STAGE_IDS, type StageId } from "../vocabulary.ts";
import { isoTime } from "./iso-time.ts";
import type { JournalEntry } from "./journal.ts";
import { type CheckpointRecord, emptyState, type StageRecord, type State, type TrainingStateRecord } from "./state.ts";

/**
 * Folds what happened into the state (design §6). Pure and total: an entry that fits nothing changes nothing but the serial.
 * Folding all entries at once and in portions of any size give the same state, so a state can be rebuilt from its runs.
 */

/** A trainer's event, with the stage whose events file it stood in. */
type StageEvent = TrainerEvent & { readonly stage: StageId };

export type StateEntry = JournalEntry | StageEvent;

/** The state while entries are folded in: copied once a call, changed in place, so that folding n entries takes n steps. */
interface Draft {
  state: State;
  readonly stages: Map<StageId, StageRecord>;
  readonly checkpoints: Map<string, CheckpointRecord>;
  readonly trainingStates: Map<string, TrainingStateRecord>;
  readonly history: State["history"];
  /** The cache ledgers that this call has copied and may write to. */
  readonly ownLedgers: Map<StageId, Record<string, string>>;
}

/**
 * Adds entries to a state; entries after a stage's start may be added again and change nothing but the serial. Without
 * a previous state, everything before the first `run` entry is passed over.
 */
export function foldState(previous: State | undefined, entries: readonly StateEntry[]): State | undefined {
  let draft = previous === undefined ? undefined : draftOf(previous);
  for (const entry of entries) {
    if (entry.type === "run") draft = foldRun(draft, entry);
    else if (draft !== undefined) foldEntry(draft, entry);
    if (draft !== undefined) draft.state = { ...draft.state, serial: draft.state.serial + 1 };
  }
  return draft === undefined ? undefined : finished(draft);
}

function draftOf(state: State): Draft {
  return {
    state,
    stages: new Map(Object.entries(state.stages) as [StageId, StageRecord][]),
    checkpoints: new Map(state.checkpoints.map((checkpoint) => [checkpoint.file, checkpoint])),
    trainingStates: new Map(state.training_states.map((trainingState) => [trainingState.dir, trainingState])),
    history: [...state.history],
    ownLedgers: new Map(),
  };
}

function finished(draft: Draft): State {
  return {
    ...draft.state,
    stages: Object.fromEntries(draft.stages),
    checkpoints: byStage(draft.checkpoints),
    training_states: byStage(draft.trainingStates),
    history: draft.history,
  };
}

/** Each stage's in the order they were made: of stages that run at the same time, a journal does not say which came first. */
function byStage<Made extends { readonly stage: StageId }>(made: ReadonlyMap<string, Made>): Made[] {
  return [...made.values()].sort((a, b) => STAGE_IDS.indexOf(a.stage) - STAGE_IDS.indexOf(b.stage));
}

/** A run of another lineage is another history: nothing of the old one holds for it. */
function foldRun(draft: Draft | undefined, entry: Extract<JournalEntry, { type: "run" }>): Draft {
  const { pipeline, file, lineage, host, run, plan_digest, serial = 0 } = entry;
  const continued =
    draft === undefined || draft.state.lineage !== lineage
      ? draftOf(emptyState({ pipeline, file, lineage, host }))
      : draft;
  // A state that was put together again counts fewer entries than the one that was lost, and must not be taken for older.
  continued.state = {
    ...continued.state,
    file,
    host,
    run,
    plan_digest,
    serial: Math.max(continued.state.serial, serial),
  };
  return continued;
}

function foldEntry(draft: Draft, entry: Exclude<StateEntry, { type: "run" }>): void {
  switch (entry.type) {
    case "stage":
      startStage(draft, entry);
      break;
    case "process":
      update(draft, entry.stage, {
        begun: true,
        process: { pid: entry.pid, boot_id: entry.boot_id, start_time: entry.start_time },
      });
      break;
    case "archived":
      for (const { from } of entry.files) forget(draft, from);
      break;
    case "renamed":
      rename(draft, entry.from, entry.to);
      break;
    case "unlinked":
      delete ledgerOf(draft, entry.stage)?.[normalizePath(entry.file)];
      break;
    case "cached":
      addCaches(draft, entry);
      break;
    case "digest":
      addDigest(draft, entry);
      break;
    case "end":
      endStage(draft, entry);
      break;
    case "step":
      foldStep(draft, entry);
      break;
    case "epoch":
      update(draft, entry.stage, { done_epochs: entry.epoch });
      break;
    case "checkpoint":
      addCheckpoint(draft, entry);
      break;
    case "state":
      addTrainingState(draft, entry);
      break;
    case "removed":
      forget(draft, entry.file);
      break;
    case "stopped":
      update(draft, entry.stage, { status: "stopped" });
      break;
    case "finished":
      finishStage(draft, entry.stage);
      break;
    case "failed":
      update(draft, entry.stage, { status: "failed", message: entry.message });
      break;
    case "started":
    case "item":
    case "sample":
    case "warning":
    case "oom":
    case "stopping":
      break;
  }
}

/** Changes a stage's record; without one the entry belongs to nothing that is known, and is passed over. */
function update(draft: Draft, stage: StageId, change: Partial<StageRecord>): void {
  const record = draft.stages.get(stage);
  if (record !== undefined) draft.stages.set(stage, { ...record, ...change });
}

type StageEntry = Extract<JournalEntry, { type: "stage" }>;

/** Actions that begin a train stage anew: what was known of its files has been archived, or is gone. */
const BEGINS_ANEW: readonly string[] = ["create", "replace"];

function startStage(draft: Draft, entry: StageEntry): void {
  const { stage, backend, fingerprint, inputs, identities, segment, action } = entry;
  const before = draft.stages.get(stage);
  const same = before?.fingerprint === fingerprint && before.backend === backend;
  draft.ownLedgers.delete(stage);
  draft.stages.set(stage, {
    status: "running",
    backend,
    fingerprint,
    inputs,
    identities,
    run: draft.state.run ?? "",
    segment,
    action,
    started: isoTime(entry.t),
    ...present({
      plan_digest: draft.state.plan_digest,
      driver: entry.driver,
      total_epochs: entry.total_epochs,
      steps_per_epoch: entry.steps_per_epoch,
      done_epochs: entry.done_epochs,
      done_steps: entry.done_steps,
      from_steps: entry.done_steps,
      output_dir: entry.output_dir,
      output_name: entry.output_name,
      gpus: entry.gpus,
      caches: before?.caches,
      measured: same ? before.measured : undefined,
      vram_peak_bytes: same ? before.vram_peak_bytes : undefined,
    }),
  });
  if (!BEGINS_ANEW.includes(action)) return;
  for (const [file, checkpoint] of draft.checkpoints) if (checkpoint.stage === stage) draft.checkpoints.delete(file);
  for (const [dir, state] of draft.trainingStates) if (state.stage === stage) draft.trainingStates.delete(dir);
}

function endStage(draft: Draft, entry: Extract<JournalEntry, { type: "end" }>): void {
  const record = draft.stages.get(entry.stage);
  if (record === undefined) return;
  if (entry.outcome === "finished") finishStage(draft, entry.stage);
  const { process: _ended, message: _older, ...rest } = draft.stages.get(entry.stage) ?? record;
  const message = entry.message ?? (entry.outcome === "finished" ? undefined : record.message);
  draft.stages.set(entry.stage, { ...rest, status: entry.outcome, ...present({ message }) });
  draft.history.push({
    run: record.run,
    stage: entry.stage,
    action: record.action ?? "",
    outcome: entry.outcome,
    started: record.started ?? isoTime(entry.t),
    ended: isoTime(entry.t),
    ...present({ done_steps: rest.done_steps, message }),
  });
}

function finishStage(draft: Draft, stage: StageId): void {
  const record = draft.stages.get(stage);
  if (record === undefined) return;
  const { message: _mended, ...rest } = record;
  const { total_epochs, steps_per_epoch } = record;
  const total_steps = (total_epochs ?? Number.NaN) * (steps_per_epoch ?? Number.NaN);
  // Numbers that no run can have had make a product that no state can hold.
  const done = Number.isSafeInteger(total_steps) ? { done_epochs: total_epochs, done_steps: total_steps } : {};
  draft.stages.set(stage, { ...rest, ...done, status: "finished" });
}

type Event<Type extends TrainerEvent["type"]> = Extract<TrainerEvent, { type: Type }> & { readonly stage: StageId };

/** Only a step not seen before counts, so that an events file may be read again from its start. */
function foldStep(draft: Draft, { stage, step, seconds, vram_bytes }: Event<"step">): void {
  const record = draft.stages.get(stage);
  if (record === undefined || step <= (record.done_steps ?? 0)) return;
  const first = record.done_steps === undefined || record.done_steps === record.from_steps;
  const timed = seconds === undefined || first ? undefined : (record.measured ?? { steps: 0, seconds: 0 });
  update(draft, stage, {
    done_steps: step,
    ...(timed === undefined || seconds === undefined
      ? {}
      : { measured: { steps: timed.steps + 1, seconds: timed.seconds + seconds } }),
    ...(vram_bytes === undefined ? {} : { vram_peak_bytes: Math.max(record.vram_peak_bytes ?? 0, vram_bytes) }),
  });
}

function addCheckpoint(draft: Draft, { stage, epoch, step, bytes, ...entry }: Event<"checkpoint">): void {
  const file = normalizePath(entry.file);
  put(draft.checkpoints, file, { stage, file, epoch, step, bytes });
}

function addDigest(draft: Draft, entry: Extract<JournalEntry, { type: "digest" }>): void {
  const file = normalizePath(entry.file);
  const checkpoint = draft.checkpoints.get(file);
  if (checkpoint !== undefined) draft.checkpoints.set(file, { ...checkpoint, sha256: entry.sha256 });
}

function addTrainingState(draft: Draft, entry: Event<"state">): void {
  const { stage, done_epochs, done_steps } = entry;
  const dir = normalizePath(entry.dir);
  const batches = entry.done_batches;
  const done_batches = typeof batches === "number" && Number.isInteger(batches) && batches >= 0 ? batches : undefined;
  put(draft.trainingStates, dir, { stage, dir, done_epochs, done_steps, ...present({ done_batches }) });
}

/** In its old place, unless it was another stage's. */
function put<Made extends { readonly stage: StageId }>(made: Map<string, Made>, name: string, value: Made): void {
  if (made.get(name)?.stage !== value.stage) made.delete(name);
  made.set(name, value);
}

function forget(draft: Draft, path: string): void {
  draft.checkpoints.delete(normalizePath(path));
  draft.trainingStates.delete(normalizePath(path));
}

/** A name that is taken has been renamed to before: the entry is read again, and the old name may be another file's by now. */
function rename(draft: Draft, from: string, to: string): void {
  const [oldPath, newPath] = [normalizePath(from), normalizePath(to)];
  if (draft.checkpoints.has(newPath) || draft.trainingStates.has(newPath)) return;
  const checkpoint = draft.checkpoints.get(oldPath);
  const trainingState = draft.trainingStates.get(oldPath);
  forget(draft, oldPath);
  if (checkpoint !== undefined) draft.checkpoints.set(newPath, { ...checkpoint, file: newPath });
  if (trainingState !== undefined) draft.trainingStates.set(newPath, { ...trainingState, dir: newPath });
}

function addCaches(draft: Draft, entry: Extract<JournalEntry, { type: "cached" }>): void {
  const ledger = ledgerOf(draft, entry.stage);
  if (ledger === undefined) return;
  for (const [file, digest] of Object.entries(entry.caches)) ledger[normalizePath(file)] = digest;
}

/** The stage's ledger of caches, copied on its first change; undefined where nothing is known of the stage. */
function ledgerOf(draft: Draft, stage: StageId): Record<string, string> | undefined {
  const record = draft.stages.get(stage);
  if (record === undefined) return undefined;
  const ledger = draft.ownLedgers.get(stage) ?? { ...record.caches };
  draft.ownLedgers.set(stage, ledger);
  draft.stages.set(stage, { ...record, caches: ledger });
  return ledger;
}
