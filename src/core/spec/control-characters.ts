/** Control characters: invisible, and no path, argument or YAML text can hold them. Tabs and line breaks are the exceptions. */

const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DELETE = 0x7f;

/** Index of the first control character other than a tab or a line break; -1 where there is none. */
export function indexOfControl(text: string): number {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === DELETE) return index;
    if (code < 0x20 && code !== TAB && code !== LINE_FEED && code !== CARRIAGE_RETURN) return index;
  }
  return -1;
}

/** `U+0000`: how a character that cannot be printed is named. */
export function nameOfCharacter(text: string, index: number): string {
  return `U+${text.charCodeAt(index).toString(16).toUpperCase().padStart(4, "0")}`;
}
