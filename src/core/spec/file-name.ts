import { indexOfControl } from "./control-characters.ts";

/** Names that every file system takes: what a checkpoint of this name must be on Linux, Windows and a network share. */

/** A state's folder adds up to 23 letters (`-step00000000-state`, `.backup`); file systems take 255. */
const MAX_NAME_BYTES = 200;

const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?$/i;

interface NameRule {
  readonly breaks: (name: string) => boolean;
  /** Completes “`name` …”. */
  readonly because: string;
}

const RULES: readonly NameRule[] = [
  { breaks: (name) => name === "." || name === "..", because: "means a folder" },
  {
    breaks: (name) => /[/\\]/.test(name),
    because: "holds a slash; the folder belongs in `output.dir`",
  },
  { breaks: (name) => /[:*?"<>|]/.test(name), because: 'holds one of : * ? " < > |, which Windows refuses' },
  {
    breaks: (name) => /[\n\r\t]/.test(name) || indexOfControl(name) >= 0,
    because: "holds a line break, a tab or another control character",
  },
  { breaks: (name) => /^[\s.]|[\s.]$/.test(name), because: "begins or ends with a space or a dot" },
  { breaks: (name) => RESERVED.test(name), because: "is the name of a device on Windows" },
  { breaks: (name) => /[\uD800-\uDFFF]/u.test(name), because: "holds half a character" },
  {
    breaks: (name) => utf8Length(name) > MAX_NAME_BYTES,
    because: `is longer than ${MAX_NAME_BYTES} bytes, too long once an epoch is added`,
  },
];

/** Why a text cannot be a file name, as the end of a sentence about it; undefined where it can. */
export function whyNoFileName(name: string): string | undefined {
  return RULES.find((rule) => rule.breaks(name))?.because;
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
