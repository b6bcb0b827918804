import type { DiagnosticKind } from "../diagnostic.ts";

/** What can be wrong with a state file that is whole. P1 was a damaged one, which is put together again (A1); it is not given again. */
export const STATE_CODES = {
  newer: {
    code: "P2",
    severity: "error",
    summary: "The state file was written by a newer wan22",
    why: "A newer version may record what this one does not know; reading it half would lose that.",
    mend: "Update wan22 on this machine. The file is left as it is.",
    example: '.wan22/state/fox.json:\n{"version": 99, …}',
  },
  foreign: {
    code: "P3",
    severity: "error",
    summary: "The state file belongs to another pipeline",
    why: "Training would be resumed, or left out, because of files that another pipeline made.",
    mend: "Give the file its own pipeline's name again, or move it away.",
    example: '.wan22/state/fox.json:\n{"version": 1, "pipeline": "dog", …}',
  },
} as const satisfies Record<string, DiagnosticKind>;
