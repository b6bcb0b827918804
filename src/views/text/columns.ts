import { padEndColumns, padStartColumns, textColumns } from "./width.ts";
import { wrapText } from "./wrap.ts";

/** A cell of printable text in one line; `colour` is put on after its width was measured. */
export interface Cell {
  readonly text: string;
  readonly align?: "left" | "right";
  readonly colour?: (text: string) => string;
}

export interface TableOptions {
  /** Columns of the terminal. */
  readonly columns: number;
  readonly indent: number;
  /** Spaces between columns; 2 if left out. */
  readonly gap?: number;
  /** A cell wider than this doesn't widen its column. */
  readonly maxCellColumns?: number;
}

/** Columns that a last cell needs beside the others to be worth reading there. */
const NARROWEST_LAST = 24;

/**
 * Lays rows out in columns. The last cell of a row is wrapped, hanging under itself; where too little room is left for it,
 * it goes onto lines of its own. Nothing is cut.
 */
export function layoutTable(rows: readonly (readonly Cell[])[], options: TableOptions): readonly string[] {
  const widths = columnWidths(rows, options.maxCellColumns ?? 32);
  return rows.flatMap((row) => layoutRow(row, widths, options));
}

/** Of every column but the last: its widest cell, of those that aren't too wide to count. */
function columnWidths(rows: readonly (readonly Cell[])[], maximum: number): readonly number[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.slice(0, -1).forEach((cell, index) => {
      const width = textColumns(cell.text);
      widths[index] = Math.max(widths[index] ?? 0, width > maximum ? 0 : width);
    });
  }
  return widths;
}

function layoutRow(row: readonly Cell[], widths: readonly number[], options: TableOptions): readonly string[] {
  const gap = " ".repeat(options.gap ?? 2);
  const indent = " ".repeat(options.indent);
  let line = indent;
  let used = options.indent;
  for (const [index, cell] of row.slice(0, -1).entries()) {
    const pad = cell.align === "right" ? padStartColumns : padEndColumns;
    const padded = pad(cell.text, widths[index] ?? 0);
    line += paint(cell, padded) + gap;
    used += textColumns(padded) + gap.length;
  }
  const last = row.at(-1);
  if (last === undefined || last.text === "") return [trimLine(line)];
  const widest = Math.max(...last.text.split("\n").map(textColumns));
  if (options.columns - used >= Math.min(NARROWEST_LAST, widest)) {
    const [first = "", ...rest] = wrapText(last.text, options.columns - used);
    return [trimLine(line + paint(last, first)), ...rest.map((text) => trimLine(" ".repeat(used) + paint(last, text)))];
  }
  const hanging = `${indent}    `;
  const wrapped = wrapText(last.text, Math.max(NARROWEST_LAST, options.columns - hanging.length));
  return [trimLine(line), ...wrapped.map((text) => trimLine(hanging + paint(last, text)))];
}

function paint(cell: Cell, text: string): string {
  if (cell.colour === undefined || text.trim() === "") return text;
  // Only the text itself is coloured: padding stays outside, so that line ends can be trimmed.
  const body = text.trim();
  const at = text.indexOf(body);
  return text.slice(0, at) + cell.colour(body) + text.slice(at + body.length);
}

function trimLine(line: string): string {
  return line.trimEnd();
}
