import { fenceFor, withoutComments } from "./escape.ts";

/** Folded sections of preformatted text, cut so that the whole stays within a number of characters. */

export interface FoldedSection {
  /** What GitHub colours the text as. */
  readonly language: "text" | "diff";
  /** What is cut last of all folds together: 0. */
  readonly rank: number;
  readonly lines: readonly string[];
}

export interface Fold {
  /** Harmless HTML. */
  readonly summary: string;
  readonly state: "open" | "closed";
  readonly sections: readonly FoldedSection[];
}

export interface FoldedText {
  readonly text: string;
  /** Whether everything is in it. */
  readonly extent: "whole" | "cut";
  /** Folds that found no room at all. */
  readonly missing: number;
}

/** Room for the line that says how much was cut. */
const CUT_NOTE_CHARACTERS = 40;
/** A longer line is cut: one line of a megabyte must not take the place of everything else. */
const MAX_LINE_CHARACTERS = 2_000;

/**
 * Writes folds one after the other. What doesn't fit is cut from the ends of the least important sections of all of them. Every
 * fence and every fold is closed, wherever it was cut.
 */
export function writeFolds(folds: readonly Fold[], maxCharacters: number): FoldedText {
  const all = folds.map((fold) => ({
    ...fold,
    sections: fold.sections.map((section) => ({ ...section, lines: section.lines.map(withoutComments) })),
  }));
  const written = withoutLeast(all, maxCharacters / 2);
  const frames = written.map((fold) => fold.sections.map(({ lines }) => fenceFor(lines)));
  let kept = 0;
  let room = maxCharacters;
  for (const [index, fold] of written.entries()) {
    const cost = frameCost(fold, frames[index] ?? []);
    if (cost > room) break;
    room -= cost;
    kept += 1;
  }
  const shown = written.slice(0, kept);
  const bodies = shareOut(
    shown.flatMap(({ sections }) => sections),
    room,
  );
  const texts = shown.map((fold, index) => {
    const own = fold.sections.map((section) => bodies.get(section)?.lines ?? []);
    return renderFold(fold, frames[index] ?? [], own);
  });
  const missing = written.length - kept;
  const isCut = missing > 0 || written !== all || [...bodies.values()].some(({ extent }) => extent === "cut");
  return { text: texts.join("\n"), extent: isCut ? "cut" : "whole", missing };
}

/** Many folds leave out the least important sections: with the frames of all of them there would be no room for any text. */
function withoutLeast(folds: readonly Fold[], maxCharacters: number): readonly Fold[] {
  const ranks = [...new Set(folds.flatMap(({ sections }) => sections.map(({ rank }) => rank)))].sort((a, b) => b - a);
  let left = folds;
  for (const rank of ranks) {
    const frames = left.reduce(
      (sum, fold) =>
        sum +
        frameCost(
          fold,
          fold.sections.map(({ lines }) => fenceFor(lines)),
        ),
      0,
    );
    if (frames <= maxCharacters || rank === ranks.at(-1)) return left;
    left = left.map((fold) => ({ ...fold, sections: fold.sections.filter((section) => section.rank < rank) }));
  }
  return left;
}

/** Of all that is written of a fold but its lines. */
function frameCost(fold: Fold, fences: readonly string[]): number {
  return renderFold(fold, fences, []).length + 1 + fold.sections.length * CUT_NOTE_CHARACTERS;
}

/** The most important sections first; those of one rank share what is left of the room. */
function shareOut(sections: readonly FoldedSection[], maxCharacters: number): ReadonlyMap<FoldedSection, CutLines> {
  const bodies = new Map<FoldedSection, CutLines>();
  let room = maxCharacters;
  const ranks = [...new Set(sections.map(({ rank }) => rank))].sort((a, b) => a - b);
  for (const rank of ranks) {
    const alike = sections.filter((section) => section.rank === rank);
    // The short ones leave of their share what the long ones need.
    const byCost = [...alike].sort((a, b) => costOf(a.lines) - costOf(b.lines));
    for (const [index, section] of byCost.entries()) {
      const body = cutLines(section.lines, room / (byCost.length - index));
      room -= costOf(body.lines.slice(0, body.kept));
      bodies.set(section, body);
    }
  }
  return bodies;
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
  /** How many of them are lines of the text, and no note. */
  readonly kept: number;
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
      const note = `… ${lines.length - index} more ${lines.length - index === 1 ? "line" : "lines"}`;
      return { lines: [...kept, note], kept: kept.length, extent: "cut" };
    }
    kept.push(short);
    used += short.length + 1;
  }
  return { lines: kept, kept: kept.length, extent };
}

function shorten(line: string): string {
  if (line.length <= MAX_LINE_CHARACTERS) return line;
  // Never between the halves of a surrogate pair.
  return `${line.slice(0, MAX_LINE_CHARACTERS).replace(/[\ud800-\udbff]$/, "")}…`;
}

function costOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + Math.min(line.length, MAX_LINE_CHARACTERS + 1) + 1, 0);
}
