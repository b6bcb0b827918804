/** Text and names as the trainer's Python takes them apart, where JavaScript would do it differently. */

/** `str.strip()`: the characters of `str.isspace()`. Unlike `trim()` it keeps a byte-order mark and takes U+001C–U+001F. */
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const LEADING = new RegExp(`^${SPACE}+`, "u");
const SPACE_CHARACTER = new RegExp(SPACE, "u");

export function stripText(text: string): string {
  const start = LEADING.exec(text)?.[0].length ?? 0;
  let end = text.length;
  // From the end by hand: a regular expression anchored there would try every run of spaces in between.
  while (end > start && SPACE_CHARACTER.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

/** A file opened as text: `\r\n` and `\r` become `\n`. */
export function universalNewlines(text: string): string {
  return text.replace(/\r\n?/g, "\n");
}

/** Strict UTF-8; a byte-order mark stays as U+FEFF, as under Python's `utf-8`. Undefined where it is not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Whether a text holds half a surrogate pair, which JSON can write down (`"\\ud83e"`) and UTF-8 cannot. */
export function hasHalfSurrogate(text: string): boolean {
  return /\p{Cs}/u.test(text);
}

/** `os.path.basename`: after the last slash, so nothing of a path that ends in one. */
export function baseNameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Python's order of strings, by code point; JavaScript's own is by UTF-16 unit, which differs beyond U+FFFF. */
export function compareText(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    const left = a.charCodeAt(index);
    const right = b.charCodeAt(index);
    if (left === right) continue;
    const leftSurrogate = left >= 0xd800 && left <= 0xdfff;
    const rightSurrogate = right >= 0xd800 && right <= 0xdfff;
    return leftSurrogate === rightSurrogate ? left - right : leftSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}
