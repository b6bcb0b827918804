import type { SampleTable } from "./sample-table.ts";

/** An entry of an edit list, in the track's timescale. A start of -1 is an empty edit: a delay. */
export interface Edit {
  readonly start: number;
  readonly duration: number;
}

export interface Decoding {
  readonly samples: SampleTable;
  readonly edits: readonly Edit[];
  /** H.264 and HEVC decoders show nothing before the first sync sample; HEVC's also drop what is shown before it. */
  readonly codec: "h264" | "hevc" | "other";
}

/**
 * Frames that decoding yields of a sample table under an edit list, by FFmpeg's rule (`mov_fix_index`), which is what
 * the trainer's PyAV does: a sample is dropped when it is shown before an edit's start, or at or after its end; a sample
 * in several edits is decoded several times; empty edits count only before the first other one.
 */
export function countDecoded({ samples, edits, codec }: Decoding): number {
  const firstSync = codec === "other" ? 0 : samples.firstSync;
  if (edits.length === 0 && firstSync === 0 && codec !== "hevc") return samples.count;
  const times = samples.presentationTimes();
  const firstShown = codec === "hevc" ? (times[firstSync] ?? 0) : Number.NEGATIVE_INFINITY;
  const decoded = times.filter((time, sample) => sample >= firstSync && time >= firstShown);
  if (edits.length === 0) return decoded.length;
  const first = edits.findIndex(({ start }) => start !== -1);
  decoded.sort((a, b) => a - b);
  return (first < 0 ? [] : edits.slice(first)).reduce(
    (sum, { start, duration }) =>
      sum + Math.max(0, countBefore(decoded, start + duration) - countBefore(decoded, start)),
    0,
  );
}

/** How many of the ascending times are less than `time`. */
function countBefore(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}
