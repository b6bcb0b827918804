import type { ApplyEvent } from "./apply-event.ts";
import type { TrainerEvent } from "./event.ts";

/** How far a stage is, computed from its events alone: the clock is the events' own. */

/** Events that the rate and the loss are averaged over. */
const WINDOW = 20;

export interface StageProgress {
  readonly unit: "items" | "steps";
  readonly done: number;
  readonly total: number;
  /** The epoch in progress, from 1. */
  readonly epoch?: number;
  /** Mean over the last steps; null where one of them was NaN. */
  readonly loss?: number | null;
  readonly secondsPerUnit?: number;
  readonly etaSeconds?: number;
  readonly recent: readonly { readonly t: number; readonly done: number; readonly loss?: number | null }[];
}

type StageStarted = Extract<ApplyEvent, { type: "stage-started" }>;

/** A stage that has just started. */
export function startProgress({ unit, done, total }: Pick<StageStarted, "unit" | "done" | "total">): StageProgress {
  return { unit, done, total, recent: [] };
}

/** The progress after one more event of the stage's process. */
export function advanceProgress(progress: StageProgress, event: TrainerEvent): StageProgress {
  switch (event.type) {
    case "item":
      return measure({ ...progress, done: event.done, total: event.total }, { t: event.t, done: event.done });
    case "step":
      return measure(
        { ...progress, done: event.step, epoch: event.epoch },
        { t: event.t, done: event.step, loss: event.loss },
      );
    default:
      return progress;
  }
}

function measure(progress: StageProgress, sample: StageProgress["recent"][number]): StageProgress {
  const recent = [...progress.recent, sample].slice(-WINDOW);
  const [first] = recent;
  const units = sample.done - (first?.done ?? sample.done);
  const seconds = sample.t - (first?.t ?? sample.t);
  const next = { ...progress, recent, ...meanLoss(recent) };
  if (units <= 0 || seconds < 0) return next;
  const secondsPerUnit = seconds / units;
  return { ...next, secondsPerUnit, etaSeconds: secondsPerUnit * Math.max(0, progress.total - sample.done) };
}

function meanLoss(recent: StageProgress["recent"]): Pick<StageProgress, "loss"> {
  const losses = recent.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  if (losses.length === 0) return {};
  const sum = losses.reduce<number | null>((total, loss) => (total === null || loss === null ? null : total + loss), 0);
  return { loss: sum === null ? null : sum / losses.length };
}
