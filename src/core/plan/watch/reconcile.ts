import type { ApplyOutcome } from "../../apply-event.ts";
import { isCarriedOut } from "../carried-out.ts";
import type { PipelinePlan } from "../plan.ts";
import { isRefused } from "../policy/policy.ts";
import type { Attempt } from "./reconcile-record.ts";

/** What `wan22 watch --apply` does with each pipeline of a commit, and why it leaves one alone. Pure: looks and acts nowhere. */

export interface Candidate {
  readonly plan: PipelinePlan;
  /** Names everything that its plan was made from: another one is another request. */
  readonly key: string;
  /** Whether any `apply` is open on it. */
  readonly attended: boolean;
  /** Whether the runner lives that was begun last for it. */
  readonly ours: boolean;
  /** Whether any of its stages has a process. */
  readonly trains: boolean;
  /** How far it is, in a number that only grows. */
  readonly progress: number;
  /** How the run ended that came of the last attempt, or the last run of all where there was none. */
  readonly outcome: ApplyOutcome | undefined;
  /** Why it failed, where it did. */
  readonly message: string | undefined;
  /** Why another machine has to do it, in sentences that say what can be done here. */
  readonly elsewhere: string | undefined;
  /** What was begun for it last. */
  readonly attempt: Attempt | undefined;
  /** By the rules of its project. */
  readonly hours: Hours;
}

/** Whether something may begin at this hour. */
export type Hours = { readonly kind: "open" } | { readonly kind: "closed"; readonly until: string };

export interface Circumstances {
  /** Whether anything may begin at all. */
  readonly beginnings: "free" | "held";
  /** Runners of these pipelines that may be at work at the same time; none, or fewer, while those of others are. */
  readonly slots: number;
}

/** What becomes of a pipeline. */
export type Verdict =
  | { readonly kind: "nothing" }
  | { readonly kind: "begin"; readonly attempt: Attempt }
  /** Nothing may begin at all, which is told as such. */
  | { readonly kind: "held" }
  | { readonly kind: "leave"; readonly why: Standing; readonly text: string };

export const STANDINGS = ["at-work", "refused", "elsewhere", "failed", "stopped", "closed", "queued"] as const;
type Standing = (typeof STANDINGS)[number];

/** Begun that often without getting any further, it is given up: something ends it that nobody writes down. */
const MAX_BEGINNINGS = 3;

/** In the order of the pipelines. Slots go to those that come first. */
export function decide(candidates: readonly Candidate[], { beginnings, slots }: Circumstances): readonly Verdict[] {
  let free = slots - candidates.filter(({ ours }) => ours).length;
  return candidates.map((candidate) => {
    const verdict = judge(candidate, { beginnings });
    if (verdict.kind !== "begin") return verdict;
    free -= 1;
    if (free >= 0) return verdict;
    return leave("queued", "waits for its turn: others of the watch are at work");
  });
}

function judge(
  { plan, key, attended, ours, trains, progress, outcome, message, elsewhere, attempt, hours }: Candidate,
  { beginnings }: Pick<Circumstances, "beginnings">,
): Verdict {
  if (ours || attended) return leave("at-work", "is at work");
  if (!plan.stages.some(isCarriedOut)) return { kind: "nothing" };
  if (isRefused(plan)) return leave("refused", "is not applied: the policy refuses it");
  if (elsewhere !== undefined) return leave("elsewhere", `is not applied here. ${elsewhere}`);
  const isSame = attempt === undefined || attempt.key === key;
  if (isSame && !trains) {
    if (outcome === "failed" && attempt !== undefined) return leave("failed", failedText(message));
    if ((outcome === "stopped" || outcome === "interrupted") && attempt?.withdrawn !== true) {
      return leave("stopped", `was stopped by somebody. ${AGAIN}`);
    }
    if (attempt !== undefined && attempt.begun >= MAX_BEGINNINGS && progress <= attempt.progress) {
      return leave("failed", `was begun ${attempt.begun} times and got no further. ${AGAIN}`);
    }
  }
  if (beginnings === "held") return { kind: "held" };
  // What trains goes on whatever the hour; without a runner nobody would write down its end.
  if (hours.kind === "closed" && !trains) return leave("closed", `waits for its hours, which begin ${hours.until}`);
  const begun = attempt?.key === key && progress <= attempt.progress ? attempt.begun + 1 : 1;
  return { kind: "begin", attempt: { key, begun, progress } };
}

const AGAIN = "It is not begun again until it changes, or somebody applies it.";

/** What is said of a failure. `message`: why, without a full stop. */
export function failedText(message: string | undefined): string {
  return `failed${message === undefined ? "" : ` (${message})`}. ${AGAIN}`;
}

function leave(why: Standing, text: string): Verdict {
  return { kind: "leave", why, text };
}
