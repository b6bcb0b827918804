/** A user's text short enough to quote within a sentence: one line, at most 60 letters, no backquotes. */
export function clip(text: string): string {
  const line = text.slice(0, 1000).replaceAll("`", "'").replace(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 57)}…` : line;
}
