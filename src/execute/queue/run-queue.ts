import { setTimeout as delay } from "node:timers/promises";
import type { ApplyOutcome } from "../../core/apply-event.ts";
import { type Beginning, nextToBegin, type QueueEntry, reordered, type Sharing } from "../../core/queue.ts";
import { nowSeconds } from "../../host/clock.ts";
import { readStopRequest } from "../../host/locks/stop-request.ts";
import { type OrderRequest, readRequests, removeRequest } from "../../host/records/queue-store.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { findBusyGpus } from "../locks/lock-gpus.ts";
import type { StopSignals } from "../stage/follow.ts";
import type { PipelinePlace } from "../take-over.ts";
import { openQueueFile } from "./queue-file.ts";

/** Carries out several pipelines: one after the other, or side by side on GPUs that are shared out among them. */

export interface QueuedPipeline {
  readonly place: PipelinePlace;
  /** Its file, seen from the folder of the `apply`. */
  readonly file: string;
  /** Devices that its file names. */
  readonly wants: readonly number[] | undefined;
  /** Whether it takes a GPU, which somebody else may have. */
  readonly usesGpu: boolean;
  /** The devices of its trainers that run already: it is followed at once, whoever else waits. Undefined where none does. */
  readonly livesOn: readonly number[] | undefined;
  /** Items that it puts into the cache store, and those that it takes from there once others of the queue have put them there. */
  readonly items?: { readonly made: ReadonlySet<string>; readonly awaited: ReadonlySet<string> } | undefined;
}

/** A pipeline's turn. */
export interface Turn {
  /** As its file says, where that is undefined. */
  readonly gpus: readonly number[] | undefined;
  /** How long it may wait for a GPU. */
  readonly lockTimeoutMs: number;
  /** `waited`: others were at work since it was planned. */
  readonly begins: "at-once" | "waited";
  /** To be called when it has made its caches: others that use them may begin. */
  readonly onCached: () => void;
}

export type QueueOutcome = ApplyOutcome | "not-begun";

export interface QueueInput<Pipeline extends QueuedPipeline> {
  readonly pipelines: readonly Pipeline[];
  /** Devices that are shared out. One pipeline is carried out after the other where it is undefined. */
  readonly pool: readonly number[] | undefined;
  /** Where the `apply` was called, absolute. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly lockTimeoutMs: number;
  readonly signals: StopSignals;
  readonly onNote: (text: string) => void;
  /** Carries one out to its end. What it throws ends the queue, once the others have ended. */
  readonly begin: (pipeline: Pipeline, turn: Turn) => Promise<QueueOutcome>;
  /** Somebody stopped one before its turn. */
  readonly onDropped: (pipeline: Pipeline) => Promise<void>;
}

/** Between two looks at what is asked of it, and at what it waits for, while anything waits. */
const LOOK_MS = 500;

/** Comes back when nothing is at work any more, and nothing may begin. One that fails costs the others nothing. */
export async function runQueue<Pipeline extends QueuedPipeline>(input: QueueInput<Pipeline>): Promise<void> {
  const { pool, signals, environment, lockTimeoutMs } = input;
  let rows: readonly Row<Pipeline>[] = input.pipelines.map((pipeline) => ({ pipeline, entry: entryOf(pipeline) }));
  const file = await openQueueFile({ ...input, entries: rows.map(({ entry }) => entry) });
  const running = new Set<Promise<void>>();
  const faults: unknown[] = [];
  /** Those at work that are not done with the caches that they make. */
  const filling = new Set<Pipeline>();
  let begins: Turn["begins"] = "at-once";
  /** Since when nothing could begin, though nothing of this queue is at work. */
  let stuckSince: number | undefined;

  const change = async (row: Row<Pipeline>, changes: Partial<QueueEntry>) => {
    rows = rows.map((one) => (one.pipeline === row.pipeline ? { ...one, entry: { ...one.entry, ...changes } } : one));
    await file.write(rows.map(({ entry }) => entry));
  };
  const begin = async (row: Row<Pipeline>, asked: Omit<Turn, "onCached">) => {
    const { livesOn = [], items } = row.pipeline;
    const turn: Turn = {
      ...asked,
      onCached: () => void filling.delete(row.pipeline),
    };
    if (items !== undefined && items.made.size > 0) filling.add(row.pipeline);
    const gpus = [...new Set([...livesOn, ...(turn.gpus ?? [])])];
    await change(row, { status: "running", since: nowSeconds(), ...(gpus.length === 0 ? {} : { gpus }) });
    const work = input
      .begin(row.pipeline, turn)
      .catch((error: unknown): QueueOutcome => {
        faults.push(error);
        return "failed";
      })
      .then((outcome) => {
        filling.delete(row.pipeline);
        // What goes on without its runner is still at work.
        return outcome === "detached" ? undefined : change(row, { status: "ended", outcome });
      })
      .finally(() => running.delete(work));
    running.add(work);
  };
  const takeUpRequests = async () => {
    for (const { file: asked, request } of file.path === undefined ? [] : await readRequests(file.path)) {
      if (request !== undefined) {
        // Of what stands there now: any may have ended while the requests were read.
        rows = inOrder(rows, request);
        await file.write(rows.map(({ entry }) => entry));
      }
      // Gone once it can be seen what came of it.
      await removeRequest(asked);
    }
  };
  /** Begins one, if any may. */
  const beginNext = async (): Promise<boolean> => {
    const living =
      pool === undefined
        ? undefined
        : rows.find(({ pipeline, entry }) => isWaiting(entry) && pipeline.livesOn !== undefined);
    // Neither is a card kept for one that waits for caches: who uses it meanwhile costs it nothing.
    const entries = rows.flatMap((row) => (isHeldBack(row, rows, filling) ? [] : [row.entry]));
    if (living !== undefined) {
      await begin(living, { gpus: cardBeside(living.pipeline, { pool, entries }), lockTimeoutMs, begins });
      return true;
    }
    const usesGpu = rows.some(({ pipeline, entry }) => isWaiting(entry) && pipeline.usesGpu);
    const busy = pool === undefined || !usesGpu ? [] : await findBusyGpus(pool, environment);
    const next = nextToBegin({ pool, entries }, busy);
    if (next !== undefined) stuckSince = undefined;
    const stuck =
      next === undefined && running.size === 0 && busy.length > 0 ? nextToBegin({ pool, entries }) : undefined;
    if (stuck !== undefined) stuckSince ??= performance.now();
    const isOver = stuck !== undefined && performance.now() - (stuckSince ?? 0) >= lockTimeoutMs;
    const beginning: Beginning | undefined = next ?? (isOver ? stuck : undefined);
    const row = rows.find(({ entry }) => entry === beginning?.entry);
    if (beginning === undefined || row === undefined) return false;
    await begin(row, { gpus: beginning.gpus, lockTimeoutMs: isOver ? 0 : lockTimeoutMs, begins });
    return true;
  };

  try {
    for (;;) {
      await takeUpRequests();
      for (const row of rows.filter(({ entry }) => isWaiting(entry))) {
        if (!(await isStopped(row.pipeline.place))) continue;
        await change(row, { status: "ended", outcome: "not-begun" });
        await input.onDropped(row.pipeline);
      }
      while (faults.length === 0 && !isEnding(signals) && (await beginNext()));
      begins = "waited";
      const waits = faults.length === 0 && !isEnding(signals) && rows.some(({ entry }) => isWaiting(entry));
      if (running.size === 0 && !waits) break;
      await Promise.race([...running, ...(waits ? [delay(LOOK_MS)] : [])]);
    }
  } finally {
    // Who leaves while something waits leaves the list of it, for the one who takes it up.
    const isLeft = signals.detach?.aborted === true && rows.some(({ entry }) => isWaiting(entry));
    if (!isLeft) await file.close();
  }
  if (faults.length > 0) throw faults[0];
}

interface Row<Pipeline> {
  readonly pipeline: Pipeline;
  readonly entry: QueueEntry;
}

/** Whether one waits for items that another encodes, or is about to: it is planned as taking them from the store. */
function isHeldBack<Pipeline extends QueuedPipeline>(
  { pipeline, entry }: Row<Pipeline>,
  rows: readonly Row<Pipeline>[],
  filling: ReadonlySet<Pipeline>,
): boolean {
  const { items } = pipeline;
  if (items === undefined || items.awaited.size === 0 || !isWaiting(entry)) return false;
  const making = rows.filter((row) => row.pipeline !== pipeline && (isWaiting(row.entry) || filling.has(row.pipeline)));
  return making.some((row) => [...(row.pipeline.items?.made ?? [])].some((item) => items.awaited.has(item)));
}

function entryOf({ place, file, wants }: QueuedPipeline): QueueEntry {
  return {
    name: place.pipeline,
    project: place.root,
    file,
    status: "waiting",
    ...(wants === undefined ? {} : { wants: [...wants] }),
  };
}

function isWaiting({ status }: QueueEntry): boolean {
  return status === "waiting";
}

/** A stop begins nothing, and neither does a runner that leaves. */
function isEnding({ stop, stopNow, detach }: StopSignals): boolean {
  return stop.aborted || stopNow.aborted || detach?.aborted === true;
}

async function isStopped({ stateDir, pipeline }: PipelinePlace): Promise<boolean> {
  return (await readStopRequest(statePaths(stateDir, pipeline).stopFile)) !== undefined;
}

/** For the stages that come after what runs already: on its own card, if that is one of those shared out. */
function cardBeside({ livesOn = [] }: QueuedPipeline, { pool = [], entries }: Sharing): readonly number[] {
  const taken = new Set(entries.filter(({ status }) => status === "running").flatMap(({ gpus = [] }) => gpus));
  const card = livesOn.find((gpu) => pool.includes(gpu)) ?? pool.find((gpu) => !taken.has(gpu)) ?? pool[0];
  return card === undefined ? [] : [card];
}

function inOrder<Pipeline>(rows: readonly Row<Pipeline>[], { keys, place }: OrderRequest): readonly Row<Pipeline>[] {
  const entries = rows.map(({ entry }) => entry);
  return reordered(entries, keys, place).flatMap((entry) => rows.find((row) => row.entry === entry) ?? []);
}
