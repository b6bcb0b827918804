import type { FragmentSample } from "./fragments.ts";
import type { Sample } from "./sample-table.ts";

/** An entry of an edit list, in the track's timescale. A start of -1 is an empty edit: a delay. */
export interface Edit {
  readonly start: number;
  readonly duration: number;
}

export interface Decoding {
  /** Those of the sample table, which the edit list is about. */
  readonly samples: readonly Sample[];
  /** Those of the fragments after it, which FFmpeg takes as they are. */
  readonly fragments: readonly FragmentSample[];
  readonly edits: readonly Edit[];
  /**
   * H.264 and HEVC decoders show nothing before the first sync sample. They and MPEG-4's drop what is shown before it:
   * such pictures need one from before the beginning.
   */
  readonly codec: "h264" | "hevc" | "mpeg4" | "other";
}

/** The first sample that decoding begins with, and the time before which nothing is shown. */
function beginningOf({ samples, fragments, codec }: Decoding): { readonly first: number; readonly shownFrom: number } {
  const all = [...samples, ...fragments];
  // Without any sync sample the flags mean nothing.
  const sync = Math.max(
    0,
    all.findIndex(({ isSync }) => isSync),
  );
  const first = codec === "h264" || codec === "hevc" ? sync : 0;
  const dropsLeading = codec !== "other" && first === sync;
  return { first, shownFrom: dropsLeading ? (all[first]?.time ?? 0) : Number.NEGATIVE_INFINITY };
}

/** Of the sample table, by FFmpeg's rule (`mov_fix_index`). */
function countEdited(times: readonly number[], edits: readonly Edit[]): number {
  if (edits.length === 0) return times.length;
  const first = edits.findIndex(({ start }) => start !== -1);
  const shown = times.toSorted((a, b) => a - b);
  return (first < 0 ? [] : edits.slice(first)).reduce(
    (sum, { start, duration }) => sum + Math.max(0, countBefore(shown, start + duration) - countBefore(shown, start)),
    0,
  );
}

/**
 * Frames that decoding yields of a track, as the trainer's PyAV does it, which follows FFmpeg: a sample of the table is
 * dropped when it is shown before an edit's start, or at or after its end; a sample in several edits is decoded several
 * times; empty edits count only before the first other one.
 */
export function countDecoded(decoding: Decoding): number {
  const { samples, fragments, edits } = decoding;
  const { first, shownFrom } = beginningOf(decoding);
  const table = samples.flatMap(({ time }, index) => (index >= first && time >= shownFrom ? [time] : []));
  const behind = fragments.filter(
    ({ time, isOverlapping }, index) => samples.length + index >= first && time >= shownFrom && !isOverlapping,
  );
  return countEdited(table, edits) + behind.length;
}

/** The frames that the first `count` samples give by themselves: with several edits none, for they are decoded in turn. */
export function countDecodedOfFirst(count: number, decoding: Decoding): number {
  const { samples, fragments, edits } = decoding;
  if (edits.filter(({ start }) => start !== -1).length > 1) return 0;
  return countDecoded({
    ...decoding,
    samples: samples.slice(0, count),
    fragments: fragments.slice(0, Math.max(0, count - samples.length)),
  });
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
