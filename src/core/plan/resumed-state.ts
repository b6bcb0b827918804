import type { TrainingStateFacts } from "../facts.ts";
import type { StagePlan } from "./plan.ts";

/** The training state that a stage goes on from: where it lies before anything is touched, and whether it is the one. */

/** By the name that it has before any is renamed; undefined where a stage begins anew. */
export function stateGoneOnFrom({
  resume_from,
  renames = [],
}: Pick<StagePlan, "resume_from" | "renames">): string | undefined {
  return renames.find(({ to }) => to === resume_from)?.from ?? resume_from;
}

/** As the trainer will ask when it loads the state: by then its files have other names, and others have theirs. */
export function isGoneOnFrom(
  { complete, stage, fingerprint, doneEpochs, doneSteps, doneBatches }: Omit<TrainingStateFacts, "dir">,
  planned: Pick<StagePlan, "id" | "fingerprint" | "done_epochs" | "done_steps" | "done_batches">,
): boolean {
  return (
    complete &&
    stage === planned.id &&
    fingerprint === planned.fingerprint &&
    doneEpochs === planned.done_epochs &&
    doneSteps === planned.done_steps &&
    doneBatches === planned.done_batches
  );
}
