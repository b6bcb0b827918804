import { setTimeout as delay } from "node:timers/promises";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { listWords } from "../core/plan/wording.ts";
import { BRANCH_CODES, mendFor } from "../core/state/branch-codes.ts";
import { stagesAtWork, whatMatters } from "../core/state/branch-record.ts";
import { standOf } from "../core/state/standing.ts";
import type { State } from "../core/state/state.ts";
import { monotonicSeconds } from "../host/clock.ts";
import { type PushResult, pushRecord } from "../host/git/push-record.ts";
import { readBranchRecord, type StateBranch, seenAgain } from "../host/git/state-branch.ts";
import { loadPlace, type PipelinePlace } from "./take-over.ts";

/**
 * Puts the record of a run on the state branch while it goes on. A push waits for the run and never the other way round:
 * what can't be pushed is tried again later, said at the end, and pushed by the next apply.
 */

export interface Publisher {
  /** The record as it was just written. Comes back at once. */
  readonly take: (state: State) => void;
  /**
   * Says on the branch that a stage begins, before it does: `state` is the record as it will be. Where another machine has said
   * so first, an error comes back, and nothing may begin. A branch that can't be asked keeps nobody waiting.
   */
  readonly claim: (state: State) => Promise<Diagnostic | undefined>;
  /** Pushes what is left, for so long at most, and says what could not be. */
  readonly close: (options: { readonly timeoutMs: number }) => Promise<readonly Diagnostic[]>;
}

export interface PublisherOptions {
  /** Undefined where there is none that can be pushed to, which has been said. */
  readonly branch: () => Promise<StateBranch | undefined>;
  /** Something that should be known while the run goes on. */
  readonly onWarning: (text: string) => void;
}

/** Between two pushes for checkpoints alone: a history of minutes says what one of seconds does. */
const QUIET_SECONDS = 30;
/** After the first failure, doubled with each more. */
const RETRY_SECONDS = 10;
const MAX_RETRY_SECONDS = 300;
/** For the end of a run, where the remote has not answered so far. */
const SILENT_MS = 5_000;
/** Each in all; a stage waits to begin until it is said that it does. */
const TIMEOUT_MS = { claim: 10_000, tell: 30_000 } as const;

export function openPublisher({ branch: find, onWarning }: PublisherOptions): Publisher {
  let branch: Promise<StateBranch | undefined> | undefined;
  let latest: State | undefined;
  let pushed: State | undefined;
  let pushing: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let pushedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  /** There is no use in trying again. */
  let isOver = false;
  let failed: string | undefined;
  /** What another machine has put there, which this record does not know. */
  let kept: Kept | undefined;
  /** Whether that was before a stage began here. */
  let isRefused = false;
  let bug: unknown;
  const cancel = new AbortController();

  const push = async (purpose: keyof typeof TIMEOUT_MS) => {
    const state = latest;
    branch ??= find();
    const on = await branch;
    // That it can't be used was said when it was looked at.
    if (on === undefined) isOver = true;
    if (state === undefined || on === undefined) return;
    const timeoutMs = TIMEOUT_MS[purpose];
    const end = AbortSignal.any([cancel.signal, AbortSignal.timeout(timeoutMs)]);
    const result = await pushRecord(state, on, { manner: "newer", timeoutMs, cancel: end });
    pushedAt = monotonicSeconds();
    if (result.kind === "pushed" || result.kind === "current") {
      branch = Promise.resolve(result.branch);
      [pushed, failures, failed] = [state, 0, undefined];
      return;
    }
    if (result.kind === "kept") {
      [isOver, kept] = [true, { ...result, name: on.name }];
      if (purpose === "tell") onWarning(trainedTwice(kept).message);
      return;
    }
    [failures, failed] = [failures + 1, `${result.why}.`];
    if (result.again) return;
    isOver = true;
    onWarning(`${BRANCH_CODES.notPushed.summary}: ${failed}`);
  };
  const begin = (purpose: keyof typeof TIMEOUT_MS) => {
    clearTimeout(timer);
    timer = undefined;
    pushing ??= push(purpose)
      .catch((error: unknown) => {
        // A run has its end before anybody hears of a bug in what only tells of it.
        [isOver, bug] = [true, error];
      })
      .finally(() => {
        pushing = undefined;
        schedule();
      });
    return pushing;
  };
  const schedule = () => {
    if (pushing !== undefined || isOver || latest === undefined || cancel.signal.aborted) return;
    if (!hasBegun(latest)) return;
    const wait = secondsToWait(latest, pushed);
    if (wait === undefined) return;
    const backoff = failures === 0 ? 0 : Math.min(MAX_RETRY_SECONDS, RETRY_SECONDS * 2 ** (failures - 1));
    const dueIn = Math.max(0, pushedAt + Math.max(wait, backoff) - monotonicSeconds());
    clearTimeout(timer);
    timer = setTimeout(() => void begin("tell"), dueIn * 1000);
    // What waits for its time keeps no process alive: whoever closes pushes it.
    timer.unref();
  };
  return {
    take: (state) => {
      latest = state;
      schedule();
    },
    claim: async (state) => {
      branch ??= find();
      const { remote } = (await branch) ?? {};
      // Who did not answer just now is not waited for again.
      const isHeard = remote !== "unheard" && failures === 0 && (await endsWithin(pushing, TIMEOUT_MS.claim));
      latest = state;
      if (isHeard && !isOver) await begin("claim");
      schedule();
      if (kept === undefined) return undefined;
      isRefused = true;
      return begunElsewhere(kept);
    },
    close: async ({ timeoutMs }) => {
      // Who has not answered so far will hardly do so now.
      const isSilent = failures > 0 || (pushed === undefined && (await branch)?.remote === "unheard");
      const limit = setTimeout(() => cancel.abort(), isSilent ? Math.min(timeoutMs, SILENT_MS) : timeoutMs);
      clearTimeout(timer);
      await pushing;
      if (latest !== undefined && hasBegun(latest) && latest !== pushed && !isOver) await begin("tell");
      clearTimeout(limit);
      clearTimeout(timer);
      cancel.abort();
      if (bug !== undefined) throw bug;
      if (kept !== undefined) return isRefused ? [] : [trainedTwice(kept)];
      return latest === pushed || failed === undefined ? [] : [notPushed(failed)];
    },
  };
}

async function endsWithin(work: Promise<void> | undefined, timeoutMs: number): Promise<boolean> {
  if (work === undefined) return true;
  const over = new AbortController();
  const late = delay(timeoutMs, false, { signal: over.signal }).catch(() => false);
  const inTime = await Promise.race([work.then(() => true), late]);
  over.abort();
  return inTime;
}

/** From the last push on; undefined where nothing has come since that others could want to know. */
function secondsToWait(latest: State, pushed: State | undefined): number | undefined {
  if (pushed === undefined) return 0;
  const [now, before] = [whatMatters(latest), whatMatters(pushed)];
  if (now.turns !== before.turns) return 0;
  return now.saved === before.saved ? undefined : QUIET_SECONDS;
}

function notPushed(why: string): Diagnostic {
  return diagnose(BRANCH_CODES.notPushed, `${why} ${BRANCH_CODES.notPushed.mend}`);
}

type Kept = Extract<PushResult, { kind: "kept" }> & Pick<StateBranch, "name">;

/** A run that has begun no stage yet has nothing to tell. */
function hasBegun({ run, stages }: State): boolean {
  return Object.values(stages).some((stage) => stage.run === run);
}

function begunElsewhere({ theirs, name }: Kept): Diagnostic {
  const kind = BRANCH_CODES.begunElsewhere;
  const atWork = stagesAtWork(theirs).map(({ stage }) => stage);
  const what = atWork.length === 0 ? "" : `, and ${listWords(atWork)} is at work there`;
  const detail = `By ${name}, ${theirs.pipeline} is carried out by run ${theirs.run ?? "–"} on ${theirs.host}${what}. ${kind.why} ${kind.mend}`;
  return diagnose(kind, detail);
}

function trainedTwice({ standing, theirs, name }: Kept): Diagnostic {
  const kind = BRANCH_CODES.trainedTwice;
  const who = `run ${theirs.run ?? "–"} on ${theirs.host}`;
  const what =
    standing === "behind"
      ? `The record on ${name} goes on from this one, with ${who}: the pipeline was taken over there while it was at work here.`
      : `The record on ${name} tells of ${who}, and this one does not.`;
  return diagnose(kind, `${what} ${kind.why} ${mendFor(kind, theirs.pipeline)}`);
}

export interface Publication {
  readonly place: PipelinePlace;
  readonly branch: StateBranch;
}

export type Published =
  | { readonly kind: "pushed" | "current" | "nothing" }
  /** The branch knows it all, and more: another machine went on from it. */
  | { readonly kind: "gone-on"; readonly theirs: State }
  | { readonly kind: "not-pushed"; readonly diagnostic: Diagnostic };

/** Pushes the record that lies here if it says more than the branch does, as after an apply that could not. */
export async function publishRecord(
  { place, branch: looked }: Publication,
  { manner }: { readonly manner: "newer" | "force" },
): Promise<Published> {
  const { state: found, recorded } = await loadPlace(place);
  const state = recorded ?? found;
  if (state === undefined) return { kind: "nothing" };
  const branch = await seenAgain(looked);
  const { state: theirs } = await readBranchRecord(branch, place.pipeline);
  const standing = standOf(state, theirs);
  if (standing === "same" && theirs === undefined) return { kind: "nothing" };
  if (manner === "newer" && standing === "same" && branch.remote !== "has-none") return { kind: "current" };
  if (branch.remote === "unheard")
    return { kind: "not-pushed", diagnostic: notPushed(`${branch.name} could not be asked.`) };
  const result = await pushRecord(state, branch, { manner, timeoutMs: TIMEOUT_MS.tell });
  switch (result.kind) {
    case "pushed":
    case "current":
      return { kind: result.kind };
    case "failed":
      return { kind: "not-pushed", diagnostic: notPushed(`${result.why}.`) };
    case "kept":
      if (result.standing === "behind") return { kind: "gone-on", theirs: result.theirs };
      return { kind: "not-pushed", diagnostic: contradicts(state, { ...result, name: branch.name }) };
  }
}

/** No push mends it. */
function contradicts({ run = "–", host }: State, { theirs, name }: Kept): Diagnostic {
  const kind = BRANCH_CODES.contradicts;
  const detail = `The record here was last written by run ${run} on ${host}, and that on ${name} by run ${theirs.run ?? "–"} on ${theirs.host}. ${mendFor(kind, theirs.pipeline)}`;
  return diagnose(kind, detail);
}
