import { wrapText } from "./wrap.ts";

/** A part of a line, in printable text; `colour` is put on after its width was measured. */
export interface Span {
  readonly text: string;
  readonly colour?: (text: string) => string;
}

export interface SpanOptions {
  /** Columns of the terminal; undefined where nobody looks at one, and a line is not broken. */
  readonly columns: number | undefined;
  /** Spaces before every line but the first. */
  readonly hanging: number;
}

const NARROWEST_COLUMNS = 40;

/** Wraps a line of several colours as `wrapText` does one of none. */
export function wrapSpans(spans: readonly Span[], { columns, hanging }: SpanOptions): readonly string[] {
  if (columns === undefined) return [spans.map(paint).join("")];
  const text = spans.map((span) => span.text).join("");
  const indent = " ".repeat(hanging);
  let at = 0;
  return wrapText(text, Math.max(NARROWEST_COLUMNS, columns) - hanging).map((line, index) => {
    // Between two lines only the space is gone that they were broken at.
    const start = Math.max(at, text.indexOf(line, at));
    at = start + line.length;
    return `${index === 0 ? "" : indent}${paintPart(spans, start, at)}`;
  });
}

/** The part of a line between two offsets. */
function paintPart(spans: readonly Span[], start: number, end: number): string {
  let from = 0;
  return spans
    .map(({ text, colour }) => {
      const part = text.slice(Math.max(0, start - from), Math.max(0, end - from));
      from += text.length;
      return paint({ text: part, ...(colour === undefined ? {} : { colour }) });
    })
    .join("");
}

function paint({ text, colour }: Span): string {
  return colour === undefined || text === "" ? text : colour(text);
}
