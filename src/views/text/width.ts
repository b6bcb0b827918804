/** How many columns a text takes in a terminal: 2 for Chinese and emoji, 0 for combining marks. */

/**
 * Blocks whose characters are two columns wide (Unicode 17, EastAsianWidth.txt, `W` and `F`; unassigned gaps inside a
 * block are not cut out). Emoji are not listed: Unicode has a property for them.
 */
const WIDE_BLOCKS: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x1b2fb],
  [0x1d300, 0x1d376],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

/** Latin letters, punctuation, arrows, frames: a column and a UTF-16 unit each, with nothing that combines. */
const NARROW =
  /^[\u0020-\u007e\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2248\u2260-\u2265\u2500-\u257f]*$/;
/**
 * Characters that never join with a neighbour: the narrow ones, Chinese, Japanese, Korean syllables, full-width forms, and
 * emoji other than flags' letters and skin tones. Texts of these alone need no segmenter, which is fifty times slower.
 */
const SEPARATE =
  /^(?:[\u0020-\u007e\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u21ff\u2248\u2260-\u2265\u2500-\u257f\u3000-\u3029\u3041-\u3096\u309b-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]|(?![\u{1f1e6}-\u{1f1ff}\u{1f3fb}-\u{1f3ff}])\p{Emoji_Presentation})*$/u;
const INVISIBLE =
  /^[\p{Default_Ignorable_Code_Point}\p{Control}\p{Format}\p{Nonspacing_Mark}\p{Enclosing_Mark}\p{Surrogate}]*$/u;
const EMOJI = /\p{Emoji_Presentation}|\p{Extended_Pictographic}.*\u200d|\ufe0f/u;
/** Half-width voiced sound marks join the character before them and yet take a column of their own. */
const HALFWIDTH_VOICED = /(?<!^)[\uff9e\uff9f]/g;

/** One character as people see it, with its place in the text and its width. */
export interface Grapheme {
  readonly text: string;
  /** In UTF-16 units. */
  readonly index: number;
  readonly columns: number;
}

let segmenter: Intl.Segmenter | undefined;

/** Whether every character of a text takes one column; most texts are such, and need no tables. */
export function isNarrow(text: string): boolean {
  return NARROW.test(text);
}

/** Splits a text into what people see as characters. */
export function graphemes(text: string): readonly Grapheme[] {
  // The second pattern takes as long to build as a whole plan to show.
  if (isNarrow(text) || SEPARATE.test(text)) return codePoints(text);
  // Made when first needed: it loads tables that most plans can do without.
  segmenter ??= new Intl.Segmenter("en", { granularity: "grapheme" });
  return Array.from(segmenter.segment(text), ({ segment, index }) => ({
    text: segment,
    index,
    columns: graphemeColumns(segment),
  }));
}

function codePoints(text: string): readonly Grapheme[] {
  const characters: Grapheme[] = [];
  let index = 0;
  for (const character of text) {
    characters.push({ text: character, index, columns: isNarrow(character) ? 1 : 2 });
    index += character.length;
  }
  return characters;
}

function graphemeColumns(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  if (EMOJI.test(grapheme)) return 2;
  return (isWide(grapheme.codePointAt(0) ?? 0) ? 2 : 1) + (grapheme.match(HALFWIDTH_VOICED)?.length ?? 0);
}

function isWide(codePoint: number): boolean {
  if (codePoint < 0x1100) return false;
  return WIDE_BLOCKS.some(([first, last]) => codePoint >= first && codePoint <= last);
}

/** Columns that a text without control characters takes. */
export function textColumns(text: string): number {
  if (isNarrow(text)) return text.length;
  return graphemes(text).reduce((columns, grapheme) => columns + grapheme.columns, 0);
}

/** Appends spaces until the text takes `columns`; a wider one stays as it is. */
export function padEndColumns(text: string, columns: number): string {
  return text + " ".repeat(Math.max(0, columns - textColumns(text)));
}

/** Puts spaces in front until the text takes `columns`. */
export function padStartColumns(text: string, columns: number): string {
  return " ".repeat(Math.max(0, columns - textColumns(text))) + text;
}
