import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { observeDisk } from "../../src/host/disk.ts";
import { OUTPUT, type Trial, trainersOf } from "./trial.ts";

/** What the disk has of a training that nobody is at work on must be where the next apply goes on. */

export interface KeptProgress {
  /** Adds a finding where a train stage began before what was kept. */
  readonly compare: (events: readonly ApplyEvent[]) => void;
}

export async function rememberProgress(trial: Trial): Promise<KeptProgress> {
  const { project } = trial;
  // What lives goes on meanwhile, and what died said so before.
  const isAtRest = trainersOf(trial).length === 0;
  const request = { root: project.folder, cacheDirs: [], outputDirs: [OUTPUT], stateDir: project.path(".wan22") };
  const { states } = await observeDisk(request);
  const steps = new Map<string, number>();
  for (const { complete, stage, doneSteps } of isAtRest ? states : []) {
    if (complete && stage !== undefined) steps.set(stage, Math.max(steps.get(stage) ?? 0, doneSteps ?? 0));
  }
  return {
    compare: (events) => {
      for (const event of events) {
        if (event.type !== "stage-started" || event.unit !== "steps" || event.attached) continue;
        const kept = steps.get(event.stage) ?? 0;
        if (event.done >= kept) continue;
        trial.findings.push(
          `${project.folder}: ${event.stage} began at step ${event.done}, though step ${kept} was kept.`,
        );
      }
    },
  };
}
