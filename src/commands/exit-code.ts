import { PLAN_CODES } from "../core/plan/codes.ts";
import type { Plan } from "../core/plan/plan.ts";
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
  stageFailed: 6,
  stopped: 85,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Errors that are gone when a trainer that runs has ended. */
const IN_THE_WAY: readonly string[] = [PLAN_CODES.runningSomethingElse.code, PLAN_CODES.otherStageRuns.code];

/** 0 for a plan without an invalid pipeline; 4 where only a trainer that runs on something else is in the way (design §5). */
export function planExitCode({ pipelines, diagnostics }: Plan): ExitCode {
  if (pipelines.every(({ valid }) => valid)) return EXIT.fine;
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  return errors.every(({ code }) => IN_THE_WAY.includes(code)) ? EXIT.locked : EXIT.error;
}

/** What the end of a run is to the shell. */
export function exitCodeOf({ outcome, diagnostics }: RunEnd): ExitCode {
  switch (outcome) {
    case "finished":
      return EXIT.fine;
    case "failed": {
      const errors = diagnostics.filter(({ severity }) => severity === "error");
      // Only a GPU that another has was in the way.
      const isLocked = errors.length > 0 && errors.every(({ code }) => code === EXECUTE_CODES.gpuLocked.code);
      return isLocked ? EXIT.locked : EXIT.stageFailed;
    }
    case "stopped":
    case "detached":
      return EXIT.stopped;
    case "interrupted":
      return EXIT.interrupted;
  }
}
