import { hideCredentials } from "../../core/credentials.ts";
import type { SourceRange } from "../../core/diagnostic.ts";
import { printable } from "../../core/printable.ts";
import { graphemes, textColumns } from "../text/width.ts";

/** A place in a text as lines with the place underlined, made for a terminal of a given width. */

/** Columns between tab stops, counted from the line's first column. */
const TAB_COLUMNS = 4;
/** Lines of a longer range that are shown: its first ones and its last. */
const MAX_LINES = 4;
/** UTF-16 units around the place that are looked at; a file of one endless line must cost no more than another. */
const MAX_LINE_UNITS = 2_000;
const MIN_TEXT_COLUMNS = 16;

export interface CodeFrameOptions {
  /** Columns of the terminal. */
  readonly columns: number;
  /** Digits of the line numbers, the same for all frames of a diagnostic. */
  readonly digits: number;
  /** What underlines: `^` for the place itself, `-` for a related one. */
  readonly mark: "^" | "-";
  readonly colourGutter: (text: string) => string;
  readonly colourMark: (text: string) => string;
}

/** The frame's lines; none where the range lies outside the text. Ranges count UTF-16 units, as JavaScript does. */
export function codeFrame(lines: readonly string[], range: SourceRange, options: CodeFrameOptions): readonly string[] {
  if (range.line < 1 || range.line > lines.length) return [];
  const gutter = (label: string) => options.colourGutter(`${label.padStart(options.digits)} |`);
  const output = [gutter("")];
  const columns = Math.max(MIN_TEXT_COLUMNS, options.columns - options.digits - 3);
  let before = range.line - 1;
  for (const line of framedLines(range, lines.length)) {
    const text = lines[line - 1] ?? "";
    if (line !== before + 1) output.push(options.colourGutter(`${"".padStart(options.digits)} ⋮`));
    before = line;
    const drawn = drawLine(text, markedUnits(text, line, range), columns);
    output.push(`${gutter(String(line))} ${drawn.text}`.trimEnd());
    if (drawn.markColumns > 0) {
      const underline = options.mark.repeat(drawn.markColumns);
      output.push(`${gutter("")} ${" ".repeat(drawn.markStart)}${options.colourMark(underline)}`);
    }
  }
  return output;
}

/** Splits a text into the lines that ranges count: at line feeds, without the carriage returns before them. */
export function splitLines(text: string): readonly string[] {
  return text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line));
}

/** The last line that a range really covers: one that ends before a line's first character doesn't reach it. */
export function lastLine(range: SourceRange): number {
  return range.end_line > range.line && range.end_column <= 1
    ? range.end_line - 1
    : Math.max(range.line, range.end_line);
}

function framedLines(range: SourceRange, lineCount: number): readonly number[] {
  const last = Math.min(lastLine(range), lineCount);
  const length = last - range.line + 1;
  if (length <= MAX_LINES) return Array.from({ length }, (_, index) => range.line + index);
  return [range.line, range.line + 1, last];
}

interface Units {
  readonly start: number;
  readonly end: number;
}

/** Which UTF-16 units of a line are underlined; never fewer than one. */
function markedUnits(text: string, line: number, range: SourceRange): Units {
  const indent = text.length - text.trimStart().length;
  const start = line === range.line ? range.column - 1 : indent;
  const end = line === range.end_line ? range.end_column - 1 : text.trimEnd().length;
  const from = Math.max(0, Math.min(start, text.length));
  return { start: from, end: Math.max(from + 1, end) };
}

interface DrawnLine {
  readonly text: string;
  readonly markStart: number;
  readonly markColumns: number;
}

/** A line as it is printed and where its underlining goes; cut to `columns` around the marked part. */
function drawLine(line: string, marked: Units, columns: number): DrawnLine {
  const cutStart = line.length <= MAX_LINE_UNITS ? 0 : Math.max(0, marked.start - MAX_LINE_UNITS / 4);
  const cut = withoutSecrets(line, cutStart);
  const cells = layCells(cut, cutStart);
  const total = cells.at(-1)?.end ?? 0;
  const isCut = { before: cutStart > 0, after: cutStart + MAX_LINE_UNITS < line.length };
  const firstMarked = cells.find((cell) => cell.unitEnd > marked.start);
  const lastMarked = cells.findLast((cell) => cell.unitStart < marked.end);
  const markStart = firstMarked?.start ?? total;
  const markEnd = Math.max(markStart + 1, firstMarked === undefined ? 0 : (lastMarked?.end ?? 0));

  if (total <= columns && !isCut.before && !isCut.after) {
    return { text: cells.map((cell) => cell.text).join(""), markStart, markColumns: markEnd - markStart };
  }
  // A third of the window before the mark: what leads to it explains it.
  const offset = Math.max(0, Math.min(markStart - Math.floor(columns / 3), Math.max(0, total - columns)));
  const leading = offset > 0 || isCut.before ? 1 : 0;
  const trailing = offset + columns < total || isCut.after ? 1 : 0;
  const visible = cells.filter((cell) => cell.start >= offset + leading && cell.end <= offset + columns - trailing);
  const gap = " ".repeat(Math.max(0, (visible[0]?.start ?? offset) - offset - leading));
  const text = `${leading === 1 ? "…" : ""}${gap}${visible.map((cell) => cell.text).join("")}${trailing === 1 ? "…" : ""}`;
  const shownStart = Math.max(markStart - offset, leading);
  const shownEnd = Math.max(shownStart + 1, Math.min(markEnd - offset, columns - trailing));
  return { text, markStart: shownStart, markColumns: shownEnd - shownStart };
}

/** What is looked at of a line. An address is known by its beginning, which may lie before that. */
function withoutSecrets(line: string, start: number): string {
  const from = Math.max(0, start - MAX_LINE_UNITS);
  const around = hideCredentials(line.slice(from, start + 2 * MAX_LINE_UNITS));
  return around.slice(start - from, start - from + MAX_LINE_UNITS);
}

/** A printed character: its place in the line's UTF-16 units and in columns. */
interface Cell {
  readonly text: string;
  readonly unitStart: number;
  readonly unitEnd: number;
  readonly start: number;
  readonly end: number;
}

function layCells(text: string, firstUnit: number): readonly Cell[] {
  const cells: Cell[] = [];
  let column = 0;
  for (const grapheme of graphemes(text)) {
    const isTab = grapheme.text === "\t";
    const shown = isTab ? " ".repeat(TAB_COLUMNS - (column % TAB_COLUMNS)) : printable(grapheme.text);
    const width = shown === grapheme.text ? grapheme.columns : textColumns(shown);
    const unitStart = firstUnit + grapheme.index;
    cells.push({
      text: shown,
      unitStart,
      unitEnd: unitStart + grapheme.text.length,
      start: column,
      end: column + width,
    });
    column += width;
  }
  return cells;
}
