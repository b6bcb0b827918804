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
