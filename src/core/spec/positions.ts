import type { SourceRange } from "../diagnostic.ts";
import type { Span } from "./yaml-tree.ts";

/** Offsets into a text as lines and columns. The YAML parser's own count of lines misses some after an error. */

/** Offsets at which lines begin, the first of them 0. */
export function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** A range inside the text, at least one column wide, also where a parser counted beyond the end. */
export function rangeOfSpan(text: string, lineStarts: readonly number[], [from, to]: Span): SourceRange {
  const start = positionOf(lineStarts, clamp(from, 0, text.length));
  const end = positionOf(lineStarts, clamp(to, from, text.length));
  const sameLine = end.line <= start.line;
  return {
    ...start,
    end_line: sameLine ? start.line : end.line,
    end_column: sameLine ? Math.max(start.column + 1, end.column) : end.column,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function positionOf(lineStarts: readonly number[], offset: number): { readonly line: number; readonly column: number } {
  let low = 0;
  let high = lineStarts.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((lineStarts[middle] ?? 0) <= offset) low = middle;
    else high = middle;
  }
  return { line: low + 1, column: offset - (lineStarts[low] ?? 0) + 1 };
}
