import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { isLastWord, type TrainerEvent } from "../../core/event.ts";
import { monotonicSeconds } from "../../host/clock.ts";
import { isProcessAlive, type ProcessEnd, type ProcessIdentity } from "../../host/process.ts";
import {
  type EnvironmentMark,
  findMembers,
  type GroupMember,
  type ProcessGroup,
  type Signalled,
  signalMembers,
} from "../../host/process-group.ts";
import { openSleeper } from "../sleeper.ts";
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
  /** Looks whether another process asks for any of it, between two regular looks. */
  readonly look?: (() => Promise<void>) | undefined;
}

export interface FollowOptions {
  readonly identity: ProcessIdentity;
  /** In the environment of all that comes of it. */
  readonly mark: EnvironmentMark;
  /** Of a process that this one started; another's end is seen by its absence. */
  readonly ended: Promise<ProcessEnd> | undefined;
  readonly source: EventSource;
  /** Whether its last word was read before, by a runner that is gone. */
  readonly saidLastWord: boolean;
  readonly onEvents: (events: readonly TrainerEvent[]) => Promise<void>;
  /** It was looked whether there is anything new: many times a second. */
  readonly onLook: () => void;
  readonly signals: StopSignals;
  /** What a stop means to this backend: a file that it watches, or the end at once. */
  readonly stopFile: string | undefined;
  readonly onStopping: (how: StopManner) => void;
  /** The process that was started has ended before all that came of it. */
  readonly onOutlived: (members: readonly GroupMember[]) => void;
  /** How long to wait for more while events come, at first; between events that are far apart it becomes more. */
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
const GRACE_SECONDS = 10;
/** Looking for what a process left takes longer than reading its events. */
const LOOK_MS = 250;
/** A stage that has run for a while may be looked at less often, however often it says something. */
const SHARE_OF_AGE = 1 / 40;
const STEADY_POLL_MS = 250;
/** Nobody waits longer than this for an event that comes after a long silence. */
const LONGEST_POLL_MS = 500;
/** How much longer each wait is than the one before that brought nothing. */
const SLOWER = 1.5;
/** What is left of a trainer that has said its last word holds memory for a moment, and may be somebody's service for ever. */
const AFTER_LAST_WORD_SECONDS = 10;

export async function followProcess(options: FollowOptions): Promise<FollowResult> {
  const { identity, mark, source, signals } = options;
  const group = { leader: identity, mark };
  let end: ProcessEnd | undefined;
  let leaderGone = false;
  let manner: StopManner | undefined;
  let killAt = Number.POSITIVE_INFINITY;
  /** When the last word was read of a process that has ended. */
  let overAt: number | undefined;
  let { saidLastWord } = options;
  let saidOutlived = false;
  let pollMs = options.pollMs;
  const begunAt = performance.now();
  const ended = options.ended?.then((how) => {
    end = how;
    leaderGone = true;
  });
  const onEvents = async (events: readonly TrainerEvent[]) => {
    saidLastWord ||= events.some(isLastWord);
    const agedMs = Math.min((performance.now() - begunAt) * SHARE_OF_AGE, STEADY_POLL_MS);
    pollMs = events.length > 0 ? Math.max(options.pollMs, agedMs) : Math.min(pollMs * SLOWER, LONGEST_POLL_MS);
    if (events.length > 0) await options.onEvents(events);
  };
  /** Whether nothing is left that could train. */
  const isOver = async () => {
    if (ended === undefined) leaderGone = !(await isProcessAlive(identity));
    if (!leaderGone) return false;
    const left = await findMembers(group);
    if (left.length === 0) return true;
    await onEvents(await source.poll());
    if (saidLastWord) overAt ??= monotonicSeconds();
    else if (!saidOutlived) options.onOutlived(left);
    saidOutlived = true;
    return overAt !== undefined && monotonicSeconds() - overAt > AFTER_LAST_WORD_SECONDS;
  };

  const sleeper = openSleeper(ended, [signals.stop, signals.stopNow, signals.detach]);
  try {
    for (;;) {
      if (signals.detach?.aborted) return { end: undefined, manner: "detached" };
      if (signals.stopNow.aborted && manner !== "ended") {
        manner = "ended";
        await signalMembers(group, "SIGKILL");
        options.onStopping(manner);
      } else if (signals.stop.aborted && manner === undefined) {
        manner = options.stopFile === undefined ? "ended" : "asked";
        if (options.stopFile === undefined) {
          await signalMembers(group, "SIGTERM");
          killAt = monotonicSeconds() + GRACE_SECONDS;
        } else {
          await askTrainer(group, options.stopFile);
        }
        options.onStopping(manner);
      }
      if (monotonicSeconds() > killAt) await signalMembers(group, "SIGKILL");
      // Seen before the events are read: what a process said before it ended is then all read.
      if (await isOver()) break;
      await onEvents(await source.poll());
      options.onLook();
      await sleeper.sleep(leaderGone ? Math.max(pollMs, LOOK_MS) : pollMs);
    }
  } finally {
    sleeper.close();
  }
  await onEvents(await source.end());
  // Whoever asks for the end at once may see to it before the request was read here.
  await signals.look?.();
  const endsAtOnce = signals.stopNow.aborted || (signals.stop.aborted && options.stopFile === undefined);
  if (endsAtOnce && !saidLastWord && end?.exitCode !== 0) manner = "ended";
  return { end, manner };
}

/** Asks a trainer to save its training state and to end. A full disk takes no stop file either; the signal asks for the same. */
export async function askTrainer(group: ProcessGroup, stopFile: string): Promise<Signalled> {
  return writeFile(stopFile, "").then(
    () => "sent",
    () => signalMembers(group, "SIGTERM"),
  );
}

/** Workers of a trainer that was killed look every five seconds whether it is still there, and end by themselves. */
const WORKERS_END_SECONDS = 15;

/** Waits, but not for ever, until what a trainer left has ended: two of its kind on one stage would disturb each other. */
export async function outwaitWorkers(group: ProcessGroup, { trainer, onWaiting }: OutwaitOptions): Promise<void> {
  const until = monotonicSeconds() + WORKERS_END_SECONDS;
  for (let looks = 0; monotonicSeconds() < until; looks += 1) {
    const members = await findMembers(group);
    // What trains is waited for by whoever attaches to it.
    if (members.length === 0 || members.some(({ pid }) => pid === group.leader?.pid || pid === trainer)) return;
    if (looks === 0) onWaiting();
    await delay(LOOK_MS);
  }
}

export interface OutwaitOptions {
  /** The trainer itself, as far as it said: not the wrapper that may have been started in its place. */
  readonly trainer: number | undefined;
  readonly onWaiting: () => void;
}
