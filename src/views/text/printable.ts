import { printable } from "../../core/printable.ts";

/** Text for people, line by line. */

/** Every unprintable character made visible, but for line breaks. */
export function printableLines(text: string): string {
  return text.replace(/\r\n/g, "\n").split("\n").map(printable).join("\n");
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
