import { printable } from "../../core/printable.ts";

/** Text from outside, made harmless for GitHub's Markdown: no formatting, no HTML, no links, no mentions. */

/** Text in a code span, in which nothing is interpreted. */
export function codeSpan(text: string): string {
  const shown = withoutComments(printable(text));
  if (shown.trim() === "") return '`""`';
  const fence = "`".repeat(longestBacktickRun(shown) + 1);
  const pad = shown.startsWith("`") || shown.endsWith("`") ? " " : "";
  return `${fence}${pad}${shown}${pad}${fence}`;
}

/** As a character: an entity holds a `#` itself. */
const ZERO_WIDTH_SPACE = "\u200b";

/**
 * Code in which nobody who searches the comment's source finds the beginning of an HTML comment: by such a one, at its end, a
 * workflow finds its own comment again, and must not find another's.
 */
export function withoutComments(text: string): string {
  return text.replaceAll("<!--", `<!${ZERO_WIDTH_SPACE}--`);
}

/** `<!-- wan22 plan: pipelines/fox -->`: not seen by who reads the comment. No name can end it, or begin another. */
export function hiddenMark(name: string): string {
  // Half of a surrogate pair can't be encoded.
  const whole = name.replace(/\p{Cs}/gu, "?");
  const safe = whole.replace(/[^\p{L}\p{N}_./ -]|--+/gu, (part) => encodeURIComponent(part).replaceAll("-", "%2D"));
  return `<!-- wan22 plan: ${safe} -->`;
}

/**
 * Text as prose inside a line. What could format or link is escaped; after `@` and `#` an invisible space keeps GitHub,
 * which looks for names and issue numbers after Markdown is done, from finding one.
 */
export function prose(text: string): string {
  const escaped = printable(text)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/[\\`*_[\]()!|:]/g, "\\$&")
    .replace(/#/g, `\\#${ZERO_WIDTH_SPACE}`)
    .replace(/@/g, `@${ZERO_WIDTH_SPACE}`)
    .replace(/www(?=\.)/gi, `$&${ZERO_WIDTH_SPACE}`);
  // One tilde means "about"; only two can strike something through.
  return escaped.split("~").length > 2 ? escaped.replace(/~/g, "\\~") : escaped;
}

/** Text inside an HTML block, as between `<code>` tags. */
export function html(text: string): string {
  return printable(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** A fence that no line of `lines` can close. */
export function fenceFor(lines: readonly string[]): string {
  return "`".repeat(Math.max(3, lines.reduce((most, line) => Math.max(most, longestBacktickRun(line)), 0) + 1));
}

function longestBacktickRun(text: string): number {
  return (text.match(/`+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
}
