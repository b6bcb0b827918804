import { PLAN_CODES } from "../core/plan/codes.ts";
import type { Plan } from "../core/plan/plan.ts";
import { isRefused } from "../core/plan/policy/policy.ts";
import { POLICY_CODES } from "../core/plan/policy/policy-codes.ts";
import { BRANCH_CODES } from "../core/state/branch-codes.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import type { RunEnd } from "../execute/run-result.ts";

/** What the shell gets to know (design §8). */
export const EXIT = {
  fine: 0,
  error: 1,
  /** Only with `plan --detailed-exitcode`. */
  changes: 2,
  /** A saved plan of which something has moved. */
  stale: 3,
  locked: 4,
  /** What wan22.yaml asks of every pipeline is not kept, or can't be shown to be. */
  policy: 5,
  stageFailed: 6,
  stopped: 85,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Errors that are gone when a trainer that runs has ended. */
const IN_THE_WAY: readonly string[] = [PLAN_CODES.runningSomethingElse.code, PLAN_CODES.otherStageRuns.code];

/** A pipeline that breaks the policy can be planned. */
const OF_POLICY: readonly string[] = Object.values(POLICY_CODES).map(({ code }) => code);

/** What is said of pipelines that apply refuses: errors, and what can't be judged of a policy. */
export function refusalsIn({ diagnostics }: Plan): Plan["diagnostics"] {
  return diagnostics.filter(({ severity, code }) => severity === "error" || OF_POLICY.includes(code));
}

/**
 * 0 for a plan without an invalid pipeline; 4 where only a trainer that runs on something else is in the way (design §5); 5
 * where nothing is wrong but that apply refuses a pipeline for the policy.
 */
export function planExitCode({ pipelines, diagnostics }: Plan): ExitCode {
  if (pipelines.every(({ valid }) => valid)) return pipelines.some(isRefused) ? EXIT.policy : EXIT.fine;
  const errors = diagnostics.filter(({ severity, code }) => severity === "error" && !OF_POLICY.includes(code));
  if (errors.length === 0) return EXIT.policy;
  return errors.every(({ code }) => IN_THE_WAY.includes(code)) ? EXIT.locked : EXIT.error;
}

const LOCKED: readonly string[] = [
  EXECUTE_CODES.gpuLocked.code,
  EXECUTE_CODES.outputLocked.code,
  BRANCH_CODES.begunElsewhere.code,
];

/** What the end of a run is to the shell. */
export function exitCodeOf({ outcome, diagnostics }: RunEnd): ExitCode {
  switch (outcome) {
    case "finished":
      // What is made is made; whoever waits for it must hear that somebody else has made it too.
      return diagnostics.some(({ code }) => code === BRANCH_CODES.trainedTwice.code) ? EXIT.locked : EXIT.fine;
    case "failed": {
      const errors = diagnostics.filter(({ severity }) => severity === "error");
      // Only a GPU or an output that another has was in the way, or another machine that began first.
      const isLocked = errors.length > 0 && errors.every(({ code }) => LOCKED.includes(code));
      return isLocked ? EXIT.locked : EXIT.stageFailed;
    }
    case "stopped":
    case "detached":
      return EXIT.stopped;
    case "interrupted":
      return EXIT.interrupted;
  }
}
