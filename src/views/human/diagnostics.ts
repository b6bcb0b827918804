import type { Diagnostic, Place, RelatedPlace, Severity } from "../../core/diagnostic.ts";
import { printable } from "../../core/printable.ts";
import { printableLines, tidy } from "../text/printable.ts";
import { count } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";
import { withLocalTimes } from "../text/time.ts";
import { wrapText } from "../text/wrap.ts";
import { codeFrame, lastLine, splitLines } from "./code-frame.ts";

export interface DiagnosticsOptions {
  readonly colour: boolean;
  /** Texts of the files that diagnostics point into, by the name they are shown with. */
  readonly texts: ReadonlyMap<string, string>;
  /** Columns of the terminal; 80 if left out. */
  readonly width?: number | undefined;
}

const NARROWEST_COLUMNS = 40;
/** Related places that are shown; a thousand clips with one fault are one finding. */
const MAX_RELATED = 8;

const ORDER: readonly Severity[] = ["error", "warning", "note"];

/** Every diagnostic with its place in the text, then how many there are. Empty for none; ends with a line break otherwise. */
export function viewDiagnostics(diagnostics: readonly Diagnostic[], options: DiagnosticsOptions): string {
  const sorted = sortDiagnostics(diagnostics);
  if (sorted.length === 0) return "";
  const style = createStyle(options);
  const lines = linesOf(options.texts);
  const blocks = sorted.map((diagnostic) =>
    viewDiagnostic(diagnostic, { style, lines, columns: Math.max(NARROWEST_COLUMNS, options.width || 80) }),
  );
  return tidy([...blocks, countDiagnostics(sorted)].join("\n\n"));
}

/** Errors first, then warnings, then notes; equal ones once. Inside a severity the order stays. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  const unique = diagnostics.filter((diagnostic) => {
    const key = JSON.stringify([diagnostic.code, diagnostic.file, diagnostic.range, diagnostic.detail]);
    return seen.has(key) ? false : seen.add(key);
  });
  return unique.toSorted((one, other) => ORDER.indexOf(one.severity) - ORDER.indexOf(other.severity));
}

/** `2 errors, 1 warning`; severities that don't occur are left out. */
export function countDiagnostics(diagnostics: readonly Diagnostic[]): string {
  return ORDER.map((severity) => diagnostics.filter((diagnostic) => diagnostic.severity === severity).length)
    .map((number, index) => (number === 0 ? "" : count(number, ORDER[index] ?? "note")))
    .filter((text) => text !== "")
    .join(", ");
}

/** `fox.yaml:12:5`, as terminals and editors make a link of it. */
export function formatPlace(place: Place): string {
  const file = printable(place.file);
  return place.range === undefined ? file : `${file}:${place.range.line}:${place.range.column}`;
}

interface FrameContext {
  readonly style: Style;
  readonly lines: (file: string) => readonly string[];
  readonly columns: number;
}

function viewDiagnostic(diagnostic: Diagnostic, context: FrameContext): string {
  const { style } = context;
  const place = placeOf(diagnostic);
  const shown = diagnostic.related.slice(0, MAX_RELATED);
  const hidden = diagnostic.related.length - shown.length;
  const digits = Math.max(1, ...[...(place === undefined ? [] : [place]), ...shown].map(lineDigits));
  const indent = " ".repeat(digits + 1);
  return [
    ...viewTitle(diagnostic, context),
    ...(place === undefined ? [] : viewPlace(place, "^", digits, style[diagnostic.severity], context)),
    ...hang(printableLines(withLocalTimes(diagnostic.detail)), `${indent}= `, context.columns),
    ...shown.flatMap((related) => viewRelated(related, digits, context)),
    ...(hidden === 0 ? [] : [`${indent}= and ${count(hidden, "more place")}`]),
  ].join("\n");
}

function viewTitle({ severity, code, summary }: Diagnostic, { style, columns }: FrameContext): readonly string[] {
  const label = `${severity}[${printable(code)}]`;
  const [first = "", ...rest] = wrapText(printable(summary), Math.max(20, columns - label.length - 1));
  const indent = " ".repeat(label.length + 1);
  return [`${style[severity](label)} ${style.strong(first)}`, ...rest.map((line) => indent + style.strong(line))];
}

function viewRelated(related: RelatedPlace, digits: number, context: FrameContext): readonly string[] {
  return [
    ...hang(`${printableLines(related.message)}:`, `${" ".repeat(digits + 1)}= `, context.columns),
    ...viewPlace(related, "-", digits, context.style.note, context),
  ];
}

function viewPlace(
  place: Place,
  mark: "^" | "-",
  digits: number,
  colourMark: (text: string) => string,
  context: FrameContext,
): readonly string[] {
  const { style } = context;
  const arrow = `${" ".repeat(digits)}${style.note("-->")} ${formatPlace(place)}`;
  if (place.range === undefined) return [arrow];
  const options = { columns: context.columns, digits, mark, colourGutter: style.note, colourMark };
  return [arrow, ...codeFrame(context.lines(place.file), place.range, options)];
}

function hang(text: string, first: string, columns: number): readonly string[] {
  const rest = " ".repeat(first.length);
  return wrapText(text, Math.max(20, columns - first.length)).map((line, index) =>
    `${index === 0 ? first : rest}${line}`.trimEnd(),
  );
}

function placeOf(diagnostic: Diagnostic): Place | undefined {
  if (diagnostic.file === undefined) return undefined;
  return diagnostic.range === undefined
    ? { file: diagnostic.file }
    : { file: diagnostic.file, range: diagnostic.range };
}

function lineDigits(place: Place): number {
  return place.range === undefined ? 1 : String(lastLine(place.range)).length;
}

/** Splits each text once, however many diagnostics point into it. */
function linesOf(texts: ReadonlyMap<string, string>): (file: string) => readonly string[] {
  const split = new Map<string, readonly string[]>();
  return (file) => {
    const known = split.get(file);
    if (known !== undefined) return known;
    const text = texts.get(file);
    const lines = text === undefined ? [] : splitLines(text);
    split.set(file, lines);
    return lines;
  };
}
