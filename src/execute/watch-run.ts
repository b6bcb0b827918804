import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import { parseEventLine, type TrainerEvent } from "../core/event.ts";
import { pathInside } from "../core/paths.ts";
import type { PipelinePlan, StagePlan } from "../core/plan/plan.ts";
import { turnsOf } from "../core/plan/turns.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { RunResult } from "../core/state/run-result.ts";
import { type StageId, scriptOf } from "../core/vocabulary.ts";
import { nowSeconds } from "../host/clock.ts";
import { lookAtLock } from "../host/locks/lock.ts";
import { isProcessAlive, isSuspended, type ProcessIdentity } from "../host/process.ts";
import {
  listRuns,
  parseJournalLine,
  readJournal,
  readRunPlan,
  readRunResult,
  runFiles,
  statePaths,
} from "../host/records/run-store.ts";
import { openTail, type Tail } from "../host/tail.ts";
import { findExisting } from "./stage/make-room.ts";
import { initialProgress, type NewApplyEvent, type Progress, takeUp } from "./stage/stage.ts";
import type { PipelinePlace } from "./take-over.ts";

/** Watches a run that another `wan22` is at work on, by what that one writes down: the same events as its own, a moment later. */

export interface WatchOptions {
  readonly place: PipelinePlace;
  /** Whose run it is; it may have yet to take the lock. */
  readonly runner: ProcessIdentity;
  readonly report: (event: ApplyEvent) => void;
  /** Ends the watching, and nothing else. */
  readonly leave: AbortSignal;
  /** What to do as long as it has no run that is open. */
  readonly idle: "wait" | "leave";
}

export type Watched =
  | { readonly kind: "ended"; readonly run: string; readonly outcome: ApplyOutcome; readonly result: RunResult }
  /** The runner is gone, and nobody has written down an end. */
  | { readonly kind: "unattended" }
  | { readonly kind: "idle" }
  /** Nothing runs any more, and the runner is halted: it writes that down when it goes on. */
  | { readonly kind: "suspended" }
  | { readonly kind: "left" };

const LOOK_MS = 200;
/** Steps of before, by which rate and loss are known at once. */
const KNOWN_STEPS = 20;

export async function watchRun(options: WatchOptions): Promise<Watched> {
  const { place, leave } = options;
  const run = await findOpenRun(options);
  if (typeof run !== "string") return run;
  const watch = await openWatch(options, run);
  try {
    for (;;) {
      // Asked before reading: what a runner wrote before it ended is then all read.
      const isAttended = await isProcessAlive(options.runner);
      await watch.look();
      const result = watch.hasOpenStages() ? undefined : await readRunResult(watch.runDir);
      if (result !== undefined) {
        const checkpoints = await findExisting(
          result.checkpoints.map(({ file }) => file),
          place.root,
        );
        watch.end(result.outcome, [...checkpoints]);
        return { kind: "ended", run, outcome: result.outcome, result };
      }
      if (!isAttended) return { kind: "unattended" };
      if (isSuspended(options.runner.pid) && !(await watch.isAnyAlive())) return { kind: "suspended" };
      if (leave.aborted) {
        watch.leave();
        return { kind: "left" };
      }
      await sleep(leave);
    }
  } finally {
    await watch.close();
  }
}

/** Waits for a run of this runner that nobody has seen the end of; or says why there is none. */
async function findOpenRun({ place, runner, leave, idle }: WatchOptions): Promise<string | Watched> {
  const { lockFile, stateFile, runsDir } = statePaths(place.stateDir, place.pipeline);
  for (;;) {
    const isAttended = await isProcessAlive(runner);
    const lock = await lookAtLock(lockFile);
    const owner = lock.kind === "held" && lock.owner?.pid === runner.pid ? lock.owner : undefined;
    const run = owner === undefined ? undefined : await currentRun(stateFile, runsDir, place.pipeline);
    if (owner !== undefined && run !== undefined && (await isOpen(join(runsDir, run), owner.since))) return run;
    if (!isAttended) return { kind: "unattended" };
    if (leave.aborted) return { kind: "left" };
    if (idle === "leave") return { kind: "idle" };
    await sleep(leave);
  }
}

/** By the record; where that was removed or damaged the newest run, until its runner writes the record again. */
async function currentRun(stateFile: string, runsDir: string, pipeline: string): Promise<string | undefined> {
  const text = await readFile(stateFile, "utf8").catch(() => "");
  const recorded = runIn(text);
  if (recorded !== undefined) return recorded;
  const newest = (await listRuns(runsDir, pipeline)).at(-1);
  return newest === undefined ? undefined : basename(newest);
}

function runIn(text: string): string | undefined {
  try {
    const state: unknown = JSON.parse(text);
    return typeof state === "object" && state !== null && "run" in state && typeof state.run === "string"
      ? state.run
      : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether a runner that took the lock then is at work on this run: it has begun something in it, or has found a trainer in it
 * that lives. What a killed runner left open is not: this one puts that in order, and begins a run of its own.
 */
async function isOpen(runDir: string, takenAt: string): Promise<boolean> {
  const journal = await readJournal(runDir);
  const open = new Map<StageId, ProcessIdentity | undefined>();
  for (const entry of journal) {
    if (entry.type === "stage") open.set(entry.stage, undefined);
    if (entry.type === "process") open.set(entry.stage, entry);
    if (entry.type === "end") open.delete(entry.stage);
  }
  if (open.size === 0 && (await readRunResult(runDir)) !== undefined) return false;
  const since = Date.parse(takenAt) / 1000;
  if (journal.some(({ type, t }) => (type === "run" || type === "stage") && t >= since)) return true;
  for (const process of open.values()) if (process !== undefined && (await isProcessAlive(process))) return true;
  return false;
}

function sleep(leave: AbortSignal): Promise<unknown> {
  return leave.aborted ? Promise.resolve() : delay(LOOK_MS, undefined, { signal: leave }).catch(() => undefined);
}

/** A stage that has begun and not ended. */
interface OpenStage {
  readonly stage: StagePlan;
  readonly progress: Progress;
  readonly since: number;
  readonly tail: Tail;
  process: ProcessIdentity | undefined;
}

interface Watch {
  readonly runDir: string;
  /** Reports what is new. */
  readonly look: () => Promise<void>;
  readonly hasOpenStages: () => boolean;
  readonly isAnyAlive: () => Promise<boolean>;
  readonly end: (outcome: ApplyOutcome, checkpoints: string[]) => void;
  readonly leave: () => void;
  readonly close: () => Promise<void>;
}

async function openWatch({ place, report }: WatchOptions, run: string): Promise<Watch> {
  const runDir = join(statePaths(place.stateDir, place.pipeline).runsDir, run);
  const plan = await readRunPlan(runDir);
  const journal = openTail(runFiles.journal(runDir));
  const open = new Map<StageId, OpenStage>();
  const tell = (event: NewApplyEvent) => report({ v: 1, t: nowSeconds(), pipeline: place.pipeline, ...event });
  const logOf = (id: StageId) => pathInside(place.root, runFiles.log(runDir, id));

  const begin = ({ stage: id, t }: Extract<JournalEntry, { type: "stage" }>) => {
    const stage = stageOf(plan, id);
    const progress = initialProgress(stage);
    open.set(id, { stage, progress, since: t, tail: openTail(runFiles.events(runDir, id)), process: undefined });
  };
  const readEvents = async ({ tail, progress }: OpenStage): Promise<readonly TrainerEvent[]> => {
    const events = (await tail.readLines()).flatMap((line) => parseEventLine(line) ?? []);
    for (const event of events) takeUp(progress, event);
    return events;
  };
  /** What was done before is told by where the stage stands, and by its last steps. */
  const start = async (one: OpenStage, process: ProcessIdentity, attached: boolean) => {
    one.process = process;
    const known = await readEvents(one);
    const { done, total } = one.progress;
    const { id, action } = one.stage;
    const unit = scriptOf(id) === "train" ? "steps" : "items";
    tell({ type: "stage-started", stage: id, action, unit, done, total, pid: process.pid, log: logOf(id), attached });
    const moving = known.filter(({ type }) => type === "step" || type === "item").slice(-KNOWN_STEPS);
    for (const event of moving) tell({ type: "trainer", stage: id, event });
  };
  const drain = async (one: OpenStage) => {
    if (one.process === undefined) return;
    for (const event of await readEvents(one)) tell({ type: "trainer", stage: one.stage.id, event });
  };
  const endStage = async (entry: Extract<JournalEntry, { type: "end" }>) => {
    const one = open.get(entry.stage);
    if (one === undefined) return;
    await drain(one);
    await one.tail.close();
    open.delete(entry.stage);
    const { done, total } = one.progress;
    const seconds = Math.max(0, entry.t - one.since);
    const { outcome, message } = entry;
    const why = message === undefined ? {} : { message };
    tell({ type: "stage-ended", stage: entry.stage, outcome, done, total, seconds, log: logOf(entry.stage), ...why });
  };
  const readEntries = async () => (await journal.readLines()).flatMap((line) => parseJournalLine(line) ?? []);

  // What has ended by now is over; the rest is what there is to watch.
  const past = await readEntries();
  const startedAt = past[0]?.t ?? nowSeconds();
  const ended = new Set(past.flatMap((entry) => (entry.type === "end" ? [entry.stage] : [])));
  for (const entry of past) if (entry.type === "stage" && !ended.has(entry.stage)) begin(entry);
  const toCome = (plan?.stages ?? []).filter(
    ({ id, action }) => action !== "none" && action !== "wait" && !ended.has(id) && !open.has(id),
  );
  const turns = turnsOf([...[...open.values()].map(({ stage }) => stage), ...toCome]);
  tell({
    type: "run-started",
    run,
    folder: pathInside(place.root, runDir),
    plan_digest: plan?.digest ?? "",
    stages: turns.flatMap((turn, position) => turn.map(({ id, action }) => ({ id, action, turn: position }))),
  });
  for (const entry of past) {
    const one = entry.type === "process" ? open.get(entry.stage) : undefined;
    if (one !== undefined && entry.type === "process") await start(one, entry, true);
  }

  return {
    runDir,
    look: async () => {
      for (const entry of await readEntries()) {
        if (entry.type === "stage") begin(entry);
        else if (entry.type === "end") await endStage(entry);
        else if (entry.type === "process") {
          const one = open.get(entry.stage);
          if (one !== undefined) await start(one, entry, false);
        }
      }
      for (const one of open.values()) await drain(one);
    },
    hasOpenStages: () => open.size > 0,
    isAnyAlive: async () => {
      const processes = [...open.values()].flatMap(({ process }) => process ?? []);
      return (await Promise.all(processes.map(isProcessAlive))).includes(true);
    },
    end: (outcome, checkpoints) =>
      tell({ type: "run-ended", run, outcome, checkpoints, seconds: Math.max(0, nowSeconds() - startedAt) }),
    leave: () => {
      const seconds = Math.max(0, nowSeconds() - startedAt);
      for (const { stage, progress, process } of open.values()) {
        const { done, total } = progress;
        const { id } = stage;
        if (process !== undefined)
          tell({ type: "stage-ended", stage: id, outcome: "detached", done, total, seconds, log: logOf(id) });
      }
      tell({ type: "run-ended", run, outcome: "detached", checkpoints: [], seconds });
    },
    close: async () => {
      await journal.close();
      for (const { tail } of open.values()) await tail.close();
    },
  };
}

/** A stage of a plan; of one that can't be read, no more than its name. */
function stageOf(plan: PipelinePlan | undefined, id: StageId): StagePlan {
  const known = plan?.stages.find((stage) => stage.id === id);
  if (known !== undefined) return known;
  const blank = { reasons: [], argv: [], files: {}, inputs: {}, identities: {}, fingerprint: "" };
  return { ...blank, id, action: "resume", driver: "scripts" };
}
