import { fenceFor } from "./escape.ts";

/** Folded sections of preformatted text, cut so that the whole stays within a number of characters. */

export interface FoldedSection {
  /** What GitHub colours the text as. */
  readonly language: "text" | "diff";
  readonly lines: readonly string[];
}

export interface Fold {
  /** Harmless HTML. */
  readonly summary: string;
  readonly state: "open" | "closed";
  /** The most important first: what doesn't fit is cut from the end. */
  readonly sections: readonly FoldedSection[];
}

export interface FoldedText {
  readonly text: string;
  /** Whether everything is in it. */
  readonly extent: "whole" | "cut";
}

/** Room for the line that says how much was cut. */
const CUT_NOTE_CHARACTERS = 40;
/** A longer line is cut: one line of a megabyte must not take the place of everything else. */
const MAX_LINE_CHARACTERS = 2_000;

/** Writes folds one after the other. Every fence and every fold is closed, wherever it was cut. */
export function writeFolds(folds: readonly Fold[], maxCharacters: number): FoldedText {
  const frames = folds.map((fold) => fold.sections.map(({ lines }) => fenceFor(lines)));
  const fixed = folds.map(
    (fold, index) => renderFold(fold, frames[index] ?? [], []).length + fold.sections.length * CUT_NOTE_CHARACTERS,
  );
  let kept = 0;
  let spent = 0;
  for (const cost of fixed) {
    if (spent + cost > maxCharacters) break;
    spent += cost;
    kept += 1;
  }
  let extent: FoldedText["extent"] = kept < folds.length ? "cut" : "whole";
  let room = maxCharacters - spent;
  const sections = folds.slice(0, kept).flatMap(({ sections }) => sections.map(({ lines }) => lines));
  let waiting = sections.reduce((sum, lines) => sum + costOf(lines), 0);
  const texts = folds.slice(0, kept).map((fold, index) => {
    const bodies = fold.sections.map(({ lines }) => {
      waiting -= costOf(lines);
      // A section takes what the ones after it leave, and never less than half of what there is.
      const body = cutLines(lines, Math.max(room / 2, room - waiting));
      if (body.extent === "cut") extent = "cut";
      room -= costOf(body.lines);
      return body.lines;
    });
    return renderFold(fold, frames[index] ?? [], bodies);
  });
  return { text: texts.join("\n"), extent };
}

function renderFold(fold: Fold, fences: readonly string[], bodies: readonly (readonly string[])[]): string {
  const head = `<details${fold.state === "open" ? " open" : ""}><summary>${fold.summary}</summary>\n\n`;
  const sections = fold.sections.map(({ language }, index) => {
    const fence = fences[index] ?? "```";
    return `${fence}${language}\n${(bodies[index] ?? []).map((line) => `${line}\n`).join("")}${fence}\n\n`;
  });
  return `${head}${sections.join("")}</details>\n`;
}

interface CutLines {
  readonly lines: readonly string[];
  readonly extent: FoldedText["extent"];
}

/** The first lines that fit, and how many are missing. The note itself has its room already. */
function cutLines(lines: readonly string[], maxCharacters: number): CutLines {
  let extent: FoldedText["extent"] = "whole";
  let used = 0;
  const kept: string[] = [];
  for (const [index, line] of lines.entries()) {
    const short = shorten(line);
    if (short !== line) extent = "cut";
    if (used + short.length + 1 > maxCharacters) {
      return { lines: [...kept, `… ${lines.length - index} more lines`], extent: "cut" };
    }
    kept.push(short);
    used += short.length + 1;
  }
  return { lines: kept, extent };
}

function shorten(line: string): string {
  if (line.length <= MAX_LINE_CHARACTERS) return line;
  // Never between the halves of a surrogate pair.
  return `${line.slice(0, MAX_LINE_CHARACTERS).replace(/[\ud800-\udbff]$/, "")}…`;
}

function costOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Math.min(line.length, MAX_LINE_CHARACTERS + 1) + 1, 0);
}
