import type { TrainerEvent } from "./event.ts";

/** Whether training still moves: a trainer that hangs says nothing, and looks like one that is at work. */

/** Steps whose durations are kept, and how many are needed to know what is usual. */
const KEPT = 25;
const ENOUGH = 3;

/** How many usual steps may pass without a word; with samples, which take minutes and say nothing before they are done, more. */
const USUAL_STEPS = 20;
const USUAL_STEPS_WITH_SAMPLES = 100;
/** Seconds that are always allowed: saving, a new epoch, a first sample. */
const LEAST_SECONDS = 180;
const LEAST_SECONDS_WITH_SAMPLES = 1800;

export interface StallOptions {
  /** Seconds a step, as an earlier part of the same training took them; undefined where there was none. */
  readonly usual: number | undefined;
  /** Whether it makes samples between steps. */
  readonly samples: boolean;
  /** When watching begins, in seconds of any clock that does not jump. */
  readonly now: number;
}

/** No step for `seconds`, where one usually takes `usual`. */
export interface Stall {
  readonly seconds: number;
  readonly usual: number;
}

export interface StallWatch {
  /** What the trainer said, and when. Anything that it says is a sign of life. */
  readonly hear: (events: readonly TrainerEvent[], now: number) => void;
  /** The stall, once: not again before there was another sign of life. */
  readonly look: (now: number) => Stall | undefined;
}

export function watchForStall({ usual: before, samples, now }: StallOptions): StallWatch {
  const durations: number[] = [];
  let lastSign = now;
  let told = false;
  const usual = () => (durations.length < ENOUGH ? before : median(durations));
  return {
    hear(events, at) {
      if (events.length === 0) return;
      lastSign = at;
      told = false;
      for (const event of events)
        if (event.type === "step" && event.seconds !== undefined) durations.push(event.seconds);
      durations.splice(0, durations.length - KEPT);
    },
    look(at) {
      const step = usual();
      if (told || step === undefined) return undefined;
      const allowed = samples
        ? Math.max(LEAST_SECONDS_WITH_SAMPLES, USUAL_STEPS_WITH_SAMPLES * step)
        : Math.max(LEAST_SECONDS, USUAL_STEPS * step);
      const seconds = at - lastSign;
      if (seconds < allowed) return undefined;
      told = true;
      return { seconds, usual: step };
    },
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
