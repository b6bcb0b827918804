import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { TrainerEvent } from "../core/event.ts";
import { isProcessAlive, type ProcessEnd, type ProcessIdentity, signalGroup } from "../host/process.ts";
import type { EventSource } from "./event-source.ts";

/** Follows a stage's process to its end, passes on what it says, and passes on to it that it should stop. */

/** How a run is told to end. Aborting one that is already aborted changes nothing. */
export interface StopSignals {
  /** The trainer saves its training state and ends. */
  readonly stop: AbortSignal;
  /** The trainer is ended at once; what was saved stays. */
  readonly stopNow: AbortSignal;
  /** Training goes on, only the runner ends. */
  readonly detach?: AbortSignal | undefined;
}

export interface FollowOptions {
  readonly identity: ProcessIdentity;
  /** Of a process that this one started; another's end is seen by its absence. */
  readonly ended: Promise<ProcessEnd> | undefined;
  readonly source: EventSource;
  readonly onEvents: (events: readonly TrainerEvent[]) => Promise<void>;
  readonly signals: StopSignals;
  /** What a stop means to this backend: a file that it watches, or the end at once. */
  readonly stopFile: string | undefined;
  readonly onStopping: (how: StopManner) => void;
  readonly pollMs: number;
}

/** `asked`: through the stop file; it saves first. `ended`: by signals. */
export type StopManner = "asked" | "ended";

export interface FollowResult {
  /** Undefined where the process was another's child: nobody else gets its exit code. */
  readonly end: ProcessEnd | undefined;
  readonly manner: StopManner | "detached" | undefined;
}

/** Time for a trainer to end on SIGTERM before it is killed. */
const GRACE_MS = 10_000;

export async function followProcess(options: FollowOptions): Promise<FollowResult> {
  const { identity, source, signals, onEvents } = options;
  let end: ProcessEnd | undefined;
  let gone = false;
  let manner: StopManner | undefined;
  let killAt = Number.POSITIVE_INFINITY;
  const ended = options.ended?.then((how) => {
    end = how;
    gone = true;
  });

  for (;;) {
    if (signals.detach?.aborted) return { end: undefined, manner: "detached" };
    if (signals.stopNow.aborted && manner !== "ended") {
      manner = "ended";
      signalGroup(identity.pid, "SIGKILL");
      options.onStopping(manner);
    } else if (signals.stop.aborted && manner === undefined) {
      manner = options.stopFile === undefined ? "ended" : "asked";
      if (options.stopFile === undefined) {
        signalGroup(identity.pid, "SIGTERM");
        killAt = Date.now() + GRACE_MS;
      } else {
        // A full disk takes no stop file either; the signal asks for the same.
        await writeFile(options.stopFile, "").catch(() => signalGroup(identity.pid, "SIGTERM"));
      }
      options.onStopping(manner);
    }
    if (Date.now() > killAt) signalGroup(identity.pid, "SIGKILL");
    // Seen before the events are read: what a process said before it ended is then all read.
    if (ended === undefined) gone = !(await isProcessAlive(identity));
    if (gone) break;
    const events = await source.poll();
    if (events.length > 0) await onEvents(events);
    const { stop, stopNow, detach } = signals;
    if (!gone)
      await sleepUntil(options.pollMs, ended, manner === undefined ? [stop, stopNow, detach] : [stopNow, detach]);
  }
  const last = await source.end();
  if (last.length > 0) await onEvents(last);
  return { end, manner };
}

/** Waits, but not past the process's end or the next signal. */
async function sleepUntil(
  milliseconds: number,
  ended: Promise<void> | undefined,
  signals: readonly (AbortSignal | undefined)[],
): Promise<void> {
  const wake = new AbortController();
  const waiting = signals.filter((signal) => signal !== undefined && !signal.aborted);
  const onAbort = () => wake.abort();
  for (const signal of waiting) signal?.addEventListener("abort", onAbort, { once: true });
  const slept = delay(milliseconds, undefined, { signal: wake.signal }).catch(() => undefined);
  await Promise.race(ended === undefined ? [slept] : [slept, ended]);
  wake.abort();
  for (const signal of waiting) signal?.removeEventListener("abort", onAbort);
}
