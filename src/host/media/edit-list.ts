import type { SampleTable } from "./sample-table.ts";

/** An entry of an edit list, in the track's timescale. A start of -1 is an empty edit: a delay. */
export interface Edit {
  readonly start: number;
  readonly duration: number;
}

/**
 * Frames that decoding yields of a sample table under an edit list, by FFmpeg's rule (`mov_fix_index`), which is what
 * the trainer's PyAV does: a sample is dropped when it is shown before an edit's start, or at or after its end; a sample
 * in several edits is decoded several times; empty edits count only before the first other one.
 */
export function countInEdits(samples: SampleTable, edits: readonly Edit[]): number {
  const first = edits.findIndex(({ start }) => start !== -1);
  if (first < 0) return samples.count;
  const times = samples.presentationTimes();
  return edits
    .slice(first)
    .reduce(
      (sum, { start, duration }) => sum + times.filter((time) => time >= start && time < start + duration).length,
      0,
    );
}
