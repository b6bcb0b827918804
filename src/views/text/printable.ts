/**
 * Characters that do something to a terminal, or hide something from a reader, instead of being seen: controls (among
 * them ESC), format characters (among them those that reverse the direction of text), line separators, halves of
 * surrogate pairs. U+200C and U+200D stay: Persian and emoji need them.
 */
const UNPRINTABLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

/** The same text in one line with every unprintable character made visible (`\x1b`, `\u{202e}`). */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escapeCharacter);
}

/** The same, with line breaks kept. */
export function printableLines(text: string): string {
  return text.replace(/\r\n/g, "\n").split("\n").map(printable).join("\n");
}

function escapeCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  return code <= 0xff ? `\\x${hex.padStart(2, "0")}` : `\\u{${hex}}`;
}

/** A finished text: no spaces at line ends, no two empty lines in a row, one line break at the end. Empty stays empty. */
export function tidy(text: string): string {
  const lines = text.split("\n").map((line) => line.trimEnd());
  const tidied = lines
    .filter((line, index) => line !== "" || (lines[index - 1] ?? "") !== "")
    .join("\n")
    .trimEnd();
  return tidied === "" ? "" : `${tidied}\n`;
}
