import * as z from "zod";
import { applyOutcomeSchema } from "../apply-event.ts";

/** `result.json` of a run, as far as it is read again: what whoever saw the end wrote down. */
export const runResultSchema = z.looseObject({
  version: z.literal(1),
  run: z.string(),
  outcome: applyOutcomeSchema,
  checkpoints: z.array(z.looseObject({ file: z.string() })),
  diagnostics: z.array(
    z.looseObject({ severity: z.enum(["error", "warning", "note"]), code: z.string(), message: z.string() }),
  ),
});

export type RunResult = z.infer<typeof runResultSchema>;
