import { printable } from "../../core/printable.ts";
import type { Cell } from "../text/columns.ts";
import type { Details } from "../text/few.ts";
import { formatNumber } from "../text/quantity.ts";
import type { Style } from "../text/style.ts";
import { wrapText } from "../text/wrap.ts";

/** What every section of the plan's view needs to know. */
export interface PlanContext {
  readonly style: Style;
  readonly columns: number;
  readonly details: Details;
}

/** Spaces before a section's title and before its rows. */
const SECTION_INDENT = 2;
export const ROW_INDENT = 4;

/** A section: an empty line, its title, its rows. Nothing where there are no rows. */
export function section(title: string, rows: readonly string[], { style, columns }: PlanContext): readonly string[] {
  if (rows.length === 0) return [];
  return ["", ...indentText(title, columns).map((line) => recolour(line, style.strong)), ...rows];
}

/** A text wrapped under a section's indent. */
export function indentText(text: string, columns: number): readonly string[] {
  return wrapText(text, columns - SECTION_INDENT).map((line) => `${" ".repeat(SECTION_INDENT)}${line}`.trimEnd());
}

/** Colours a line, its indent left out. */
export function recolour(line: string, colour: (text: string) => string): string {
  const text = line.trimStart();
  return line.slice(0, line.length - text.length) + colour(text);
}

/** A parameter's value in one line, as a pipeline would have it. */
export function formatValue(value: string | number | boolean | readonly (string | number)[]): string {
  if (typeof value === "number") return formatNumber(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "string") return value === "" ? '""' : printable(value);
  return `[${value.map((item) => formatValue(item)).join(", ")}]`;
}

/** A cell of text that came from outside. */
export function cell(text: string, colour?: (text: string) => string): Cell {
  return { text: printable(text), ...(colour === undefined ? {} : { colour }) };
}
