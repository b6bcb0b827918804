import { join } from "node:path";
import type { ApplyEvent } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import { isLastWord, type TrainerEvent } from "../core/event.ts";
import { pathInside } from "../core/paths.ts";
import { present } from "../core/present.ts";
import { advanceProgress, type StageProgress, startProgress } from "../core/progress.ts";
import { isSamePipeline } from "../core/queue.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { StageRecord, State } from "../core/state/state.ts";
import type { LockStatus, PipelineStatus, StageStatus } from "../core/status.ts";
import { STAGE_IDS, type StageId, scriptOf } from "../core/vocabulary.ts";
import type { LockStanding } from "../host/locks/lock.ts";
import type { StoredQueue } from "../host/records/queue-store.ts";
import { readEvents, readJournal, runFiles, statePaths } from "../host/records/run-store.ts";
import type { LoadedState } from "../host/records/state-store.ts";
import { type BranchRecord, recordInForce } from "../prepare/branch-records.ts";
import { loadPlace, type PipelinePlace } from "./take-over.ts";

/** How a pipeline stands right now. Changes nothing: it may be asked while an apply is at work. */

export interface Standing {
  readonly status: PipelineStatus;
  readonly diagnostics: readonly Diagnostic[];
}

export interface LookOptions {
  /** As shown to people. */
  readonly file: string | undefined;
  /** The pipeline that its file is by now. */
  readonly renamed: string | undefined;
  readonly queues: readonly StoredQueue[];
  /** What the state branch says of it; left out where the record is kept here alone. */
  readonly record?: BranchRecord | undefined;
}

export async function lookAtPipeline(
  place: PipelinePlace,
  { file, renamed, queues, record }: LookOptions,
): Promise<Standing> {
  const loaded = await loadPlace(place);
  const { lock, diagnostics } = loaded;
  const { state, readFrom } = recordInForce(loaded, record);
  const here = state === undefined || (readFrom === undefined && state.host === place.host);
  const stages: StageStatus[] = [];
  for (const id of STAGE_IDS) {
    const known = state?.stages[id];
    if (state !== undefined && known !== undefined)
      stages.push(await stageStatus(place, { loaded, state, here }, id, known));
  }
  const known = { file, renamed, host: state?.host, run: state?.run, waits: placeInQueue(place, queues) };
  return {
    status: {
      name: place.pipeline,
      ...present(known),
      here,
      lock: lockStatus(lock),
      stages,
    },
    diagnostics: [...diagnostics, ...(record?.diagnostics ?? [])],
  };
}

/** Undefined for what waits in no queue that somebody carries out. */
function placeInQueue({ root, pipeline }: PipelinePlace, queues: readonly StoredQueue[]): PipelineStatus["waits"] {
  for (const { queue, alive } of queues) {
    const waiting = queue.entries.filter(({ status }) => status === "waiting");
    const index = waiting.findIndex((entry) => isSamePipeline(entry, { name: pipeline, project: root }));
    if (alive && index >= 0) return { position: index + 1, pid: queue.owner.pid };
  }
  return undefined;
}

function lockStatus(lock: LockStanding): LockStatus {
  if (!("owner" in lock)) return { kind: "free" };
  if (lock.owner === undefined) return { kind: "unreadable" };
  const { who, host, pid, since } = lock.owner;
  return { kind: lock.kind, who, host, pid, since };
}

async function stageStatus(
  place: PipelinePlace,
  { loaded: { alive, unrecorded }, state, here }: { loaded: LoadedState; state: State; here: boolean },
  id: StageId,
  record: StageRecord,
): Promise<StageStatus> {
  const runDir = join(statePaths(place.stateDir, place.pipeline).runsDir, record.run);
  const isAlive = alive.includes(id);
  // A record of before that nobody may read leaves the rest to be seen.
  const events = await readEvents(runDir, id).catch((): readonly TrainerEvent[] => []);
  const progress = progressOf(id, record, events);
  const end = (await readJournal(runDir).catch((): readonly JournalEntry[] => [])).findLast(
    (entry) => entry.type === "end" && entry.stage === id,
  );
  const saved = state.training_states.filter(({ stage }) => stage === id);
  const last = saved.toSorted((a, b) => a.done_steps - b.done_steps).at(-1);
  const isMoving = record.status === "running" && progress.secondsPerUnit !== undefined;
  const known = {
    driver: record.driver,
    started: record.started,
    pid: record.status === "running" ? record.process?.pid : undefined,
    done: progress.done,
    total: progress.total > 0 ? progress.total : undefined,
    epoch: progress.epoch,
    loss: progress.loss,
    seconds_per_unit: progress.secondsPerUnit,
    eta_seconds: isMoving ? progress.etaSeconds : undefined,
    training_state:
      last === undefined ? undefined : { dir: last.dir, done_epochs: last.done_epochs, done_steps: last.done_steps },
    exit_code: (end?.type === "end" ? end.exit_code : undefined) ?? events.findLast(isLastWord)?.exit_code,
    message: record.message,
  };
  return {
    id,
    status: record.status,
    alive: here ? isAlive : record.status === "running" ? null : false,
    unseen: unrecorded.some(({ entry }) => entry.type === "end" && entry.stage === id),
    run: record.run,
    unit: scriptOf(id) === "train" ? "steps" : "items",
    log: pathInside(place.root, runFiles.log(runDir, id)),
    ...present(known),
  };
}

type Started = Extract<ApplyEvent, { type: "stage-started" }>;

/** By the same arithmetic as that of whoever watches it. */
function progressOf(id: StageId, record: StageRecord, events: readonly TrainerEvent[]): StageProgress {
  const { total_epochs = 0, steps_per_epoch = 0, done_steps = 0, caches = {} } = record;
  const isTraining = scriptOf(id) === "train";
  const total = total_epochs * steps_per_epoch;
  // A record that somebody has edited may count more than there are.
  const done = total > 0 ? Math.min(done_steps, total) : done_steps;
  const start: Pick<Started, "unit" | "done" | "total"> = isTraining
    ? { unit: "steps", done, total }
    : { unit: "items", done: Object.keys(caches).length, total: 0 };
  const progress = events.reduce(advanceProgress, startProgress(start));
  return { ...progress, done: Math.max(progress.done, start.done) };
}
