import type { DiagnosticKind } from "../core/diagnostic.ts";

/** What can be wrong with the files that `wan22` keeps for itself. */
export const HOST_CODES = {
  stateRebuilt: {
    code: "A1",
    severity: "warning",
    summary: "The state file was damaged and has been rebuilt",
    why: "The state says what was trained already. It is put together again from the backup and the journals of the runs, so nothing that is recorded there is lost.",
    mend: "Nothing has to be done. The damaged file stays beside the new one under another name, for you to look at.",
    example: '.wan22/state/fox.json:\n{"version": 1, "pipeline": "fo',
  },
  stateUnreadable: {
    code: "A2",
    severity: "error",
    summary: "What the state is made from is there and cannot be read",
    why: "Without the state file and the journals of the runs, finished work would be trained again.",
    mend: "Give yourself the right to read the file and the folder it lies in.",
    example: "chmod 000 .wan22/state/fox.json",
  },
} as const satisfies Record<string, DiagnosticKind>;
