import { graphemes, isNarrow, textColumns } from "./width.ts";

/**
 * Breaks a text into lines of at most `columns`. Line breaks of the text stay; lines that begin with two spaces (a patch,
 * a list of files) are kept as they are. Breaks at spaces and between wide characters; a longer word stays whole, so that
 * a path can be copied, and so do a number with its unit and a `wan22` command, of which a shell would run the first half.
 */
export function wrapText(text: string, columns: number): readonly string[] {
  return text.split("\n").flatMap((line) => (line.startsWith("  ") ? [line.trimEnd()] : wrapLine(line, columns)));
}

/**
 * Wraps a text of several lines, each under its own indent; what is behind a label (`key: …`) hangs by two more. Lines that are
 * indented by four are kept: they show what stands in a file.
 */
export function fitText(text: string, columns: number): string {
  const lines = text.split("\n").flatMap((line) => {
    const body = line.trimStart();
    const indent = line.length - body.length;
    if (indent === 4 || columns <= 0) return [line];
    const hanging = indent > 0 && LABEL.test(body) ? indent + 2 : indent;
    const wrapped = wrapText(body, Math.max(NARROWEST, columns - hanging));
    return wrapped.map((part, index) => " ".repeat(index === 0 ? indent : hanging) + part);
  });
  return lines.map((line) => line.trimEnd()).join("\n");
}

const NARROWEST = 30;
const LABEL = /^[\w.-]+: /;

/**
 * A space, but not one before a dot that separates, which stays with what it ends, nor one between a number and its unit: who
 * reads `up to 0.3` at a line's end takes it for all.
 */
const BREAK = /(?!(?<=\d) (?:ms|s|min|h|[kMG]?B|[KMG]iB)(?![\p{L}\d])) (?!·)/u;

function wrapLine(line: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let current = "";
  let used = 0;
  const push = () => {
    lines.push(current.trimEnd());
    current = "";
    used = 0;
  };
  for (const word of splitWords(line)) {
    const pieces = splitWord(word);
    pieces.forEach((piece, index) => {
      const gap = index === 0 && used > 0 ? 1 : 0;
      const width = textColumns(piece);
      if (used > 0 && used + gap + width > columns) push();
      else if (gap === 1) {
        current += " ";
        used += 1;
      }
      current += piece;
      used += width;
    });
  }
  push();
  return lines;
}

/** Words between spaces; a command in backticks is one. */
function splitWords(line: string): readonly string[] {
  const words: string[] = [];
  let inCommand = false;
  for (const word of line.split(BREAK)) {
    words.push(inCommand ? `${words.pop() ?? ""} ${word}` : word);
    inCommand = inCommand ? !word.includes("`") : /`(?:npx|wan22)$/.test(word);
  }
  return words;
}

/** A word's unbreakable pieces: one for most words, one a character for Chinese. */
function splitWord(word: string): readonly string[] {
  if (isNarrow(word)) return [word];
  const pieces: string[] = [];
  let narrow = "";
  for (const grapheme of graphemes(word)) {
    if (grapheme.columns < 2) {
      narrow += grapheme.text;
      continue;
    }
    if (narrow !== "") pieces.push(narrow);
    narrow = "";
    pieces.push(grapheme.text);
  }
  if (narrow !== "" || pieces.length === 0) pieces.push(narrow);
  return pieces;
}
