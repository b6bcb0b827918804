import { PLAN_CODES } from "../core/plan/codes.ts";
import type { Plan } from "../core/plan/plan.ts";

/** What the shell gets to know (design §8). */
export const EXIT = {
  fine: 0,
  error: 1,
  /** Only with `plan --detailed-exitcode`. */
  changes: 2,
  locked: 4,
  stageFailed: 6,
  stopped: 85,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** 0 for a plan without an invalid pipeline; 4 where only a trainer that runs on something else is in the way (design §5). */
export function planExitCode({ pipelines, diagnostics }: Plan): ExitCode {
  if (pipelines.every(({ valid }) => valid)) return EXIT.fine;
  const errors = diagnostics.filter(({ severity }) => severity === "error");
  return errors.every(({ code }) => code === PLAN_CODES.runningSomethingElse.code) ? EXIT.locked : EXIT.error;
}
