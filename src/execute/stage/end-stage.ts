import type { StageOutcome } from "../../core/apply-event.ts";
import { pathInside } from "../../core/paths.ts";
import { monotonicSeconds } from "../../host/clock.ts";
import { runFiles } from "../../host/records/run-store.ts";
import { storeEncoded } from "../caches/stored-caches.ts";
import { stamp } from "../recorder.ts";
import type { Judgement } from "./judge-stage.ts";
import type { Progress, StageInput, StageResult } from "./stage.ts";
import { findIncompleteCaches, proveCheckpoints } from "./verify.ts";

/** What is written down, and told, of a stage that has ended. */

/** Writes down what the stage left and how it ended. */
export async function endStage(
  input: StageInput,
  progress: Progress,
  startedAt: number,
  judgement: Judgement,
): Promise<StageResult> {
  const { stage, recorder } = input;
  const { outcome, end, message, diagnostics } = judgement;
  await recordCaches(input);
  const unstored = await storeEncoded({ stage, runDir: recorder.runDir, root: input.apply.root });
  if (unstored !== undefined) input.report({ type: "note", stage: stage.id, severity: "warning", text: unstored });
  await recordDigests(input);
  await recorder.record({
    ...stamp(),
    type: "end",
    stage: stage.id,
    outcome,
    exit_code: end?.exitCode ?? null,
    ...(message === undefined ? {} : { message }),
  });
  reportEnd(input, progress, startedAt, outcome, message);
  return { outcome, diagnostics };
}

/** Which caches are there, and what they were made from: also after a stage that did not come to its end. */
async function recordCaches({ apply, stage, recorder }: StageInput): Promise<void> {
  const digests = stage.cache_digests;
  if (digests === undefined) return;
  const incomplete = new Set(await findIncompleteCaches(Object.keys(digests), apply.root));
  const caches = Object.fromEntries(Object.entries(digests).filter(([file]) => !incomplete.has(file)));
  if (Object.keys(caches).length > 0) await recorder.record({ ...stamp(), type: "cached", stage: stage.id, caches });
}

async function recordDigests({ apply, stage, recorder }: StageInput): Promise<void> {
  const entries = await proveCheckpoints(recorder.state(), stage.id, apply.root);
  if (entries.length > 0) await recorder.record(...entries);
}

export function reportEnd(
  { stage, recorder, apply, report }: StageInput,
  { done, total }: Pick<Progress, "done" | "total">,
  startedAt: number,
  outcome: StageOutcome,
  message: string | undefined,
): void {
  report({
    type: "stage-ended",
    stage: stage.id,
    outcome,
    done,
    total,
    seconds: monotonicSeconds() - startedAt,
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...(message === undefined ? {} : { message }),
  });
}
