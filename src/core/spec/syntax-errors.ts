import type { YAMLError } from "yaml";
import type { DiagnosticKind } from "../diagnostic.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import type { Span } from "./yaml-tree.ts";

/** The YAML library's errors in words for users. Its own messages are for people who write parsers. */

interface SyntaxErrorWords {
  readonly kind: DiagnosticKind;
  readonly detail: string;
  readonly span: Span;
  /** Whether the values after the error are sound, or the parser's guess. */
  readonly effect: "sound" | "guess";
}

/** `quote` is where the quoted text begins that nobody closed, where that is the error. */
type Describe = (
  error: YAMLError,
  text: string,
  quote: number | undefined,
) => Pick<SyntaxErrorWords, "detail"> & Partial<SyntaxErrorWords>;

const WORDS: Readonly<Partial<Record<YAMLError["code"], Describe>>> = {
  TAB_AS_INDENT: () => ({
    kind: SPEC_CODES.tab,
    detail: "This line is indented with a tab. Replace it by spaces; YAML counts nothing else.",
  }),
  MULTIPLE_DOCS: (error, text) => ({
    kind: SPEC_CODES.multipleDocuments,
    detail:
      "A second YAML document begins here. Remove the line `---` or `...` before it, or give it a file of its own.",
    span: firstLineOf(error, text),
    effect: "sound",
  }),
  NON_STRING_KEY: () => ({
    kind: SPEC_CODES.unsupportedYaml,
    detail: "A key is a single word here, not a list or map. Write `key: value`.",
    effect: "sound",
  }),
  TAG_RESOLVE_FAILED: (error, text) => ({
    kind: SPEC_CODES.unsupportedYaml,
    detail: `\`${clip(text.slice(error.pos[0], error.pos[1]))}\` is a tag, and tags have no meaning here. Remove it and write the value plainly; a text that begins with \`!\` needs quotes.`,
    effect: "sound",
  }),
  BAD_DIRECTIVE: () => ({
    kind: SPEC_CODES.unsupportedYaml,
    detail: "A line that begins with `%` is a YAML directive; none is used here. Remove the line.",
    effect: "sound",
  }),
  BAD_DQ_ESCAPE: (error, text) => ({
    detail: `\`${text.slice(error.pos[0], error.pos[0] + 2)}\` is not an escape that YAML knows: in double quotes a backslash begins one. In a Windows path write / for \\, or use single quotes.`,
    span: [error.pos[0], error.pos[0] + 2],
    effect: "sound",
  }),
  RESOURCE_EXHAUSTION: () => ({
    kind: SPEC_CODES.tooDeep,
    detail: "The brackets, dashes or levels here are nested too deeply to be read. Remove the surplus ones.",
  }),
  BAD_ALIAS: () => ({
    kind: SPEC_CODES.alias,
    detail: "`*` or `&` needs a name after it. A text that begins with one needs quotes.",
  }),
  ALIAS_PROPS: () => ({
    kind: SPEC_CODES.alias,
    detail: "An alias `*name` stands alone: remove the anchor or tag before it.",
  }),
  MULTIPLE_ANCHORS: () => ({ detail: "A value can have one anchor `&name` only. Remove the others." }),
  BAD_SCALAR_START: (error, text) => ({
    detail: `A text cannot begin with \`${text.slice(error.pos[0], error.pos[1])}\` unless it is in quotes. Put the value in quotes.`,
  }),
  MULTILINE_IMPLICIT_KEY: (error, text) => ({
    detail:
      missingSpace(error, text) ??
      `Something is missing in line ${quoteLine(error, text)}: each line is \`key: value\`, with a colon and a space between.`,
    span: firstLineOf(error, text),
  }),
  BLOCK_AS_IMPLICIT_KEY: () => ({
    detail:
      "There is a second `key: value` inside this value. Put a text that holds a colon in quotes; a map begins on a new, further indented line; and a line that belongs beside others begins in their column.",
  }),
  KEY_OVER_1024_CHARS: () => ({
    detail: "This line is far too long for a key. A long text belongs after `key: `, in quotes.",
  }),
  BAD_INDENT: (error, text) => ({
    span: firstWordOf(error, text),
    detail: /end with a ([}\]])/.test(error.message)
      ? `A bracket is opened and not closed before this line. Close it with \`${/end with a ([}\]])/.exec(error.message)?.[1] ?? "]"}\`.`
      : "This line is not indented like the lines it belongs to. Lines of one map or list begin in the same column.",
  }),
  MISSING_CHAR: (error, text, quote) => ({
    detail: missingSpace(error, text) ?? describeMissing(error.message),
    // Where it should end is anyone's guess, and the error stands where the file does.
    ...(quote === undefined ? {} : { span: lineFrom(quote, text) }),
  }),
  UNEXPECTED_TOKEN: (error) => ({
    detail: `${sentence(error.message)} Look for a missing comma, quote, bracket or colon just before.`,
  }),
  BAD_COLLECTION_TYPE: (error) => ({ detail: sentence(error.message) }),
  BAD_PROP_ORDER: () => ({
    detail: "Anchors and tags stand directly before their value, on the same line as the value begins.",
  }),
};

/** An error or warning of the YAML library as kind, detail and span; `quote` is where a text begins that no quote closes. */
export function describeSyntaxError(error: YAMLError, text: string, quote: number | undefined): SyntaxErrorWords {
  const words = WORDS[error.code]?.(error, text, quote) ?? { detail: sentence(error.message) };
  return { kind: SPEC_CODES.syntax, span: error.pos, effect: "guess", ...words };
}

function describeMissing(message: string): string {
  const quote = /closing (["'])quote/.exec(message)?.[1];
  if (quote !== undefined) return `A text begins with ${quote} and never ends. Add the closing ${quote}.`;
  if (/closing/.test(message)) return `${sentence(message)} Add it.`;
  if (/followed by map values/.test(message)) return "This key has no colon. Write `key: value`.";
  return `${sentence(message)} Add what is missing.`;
}

/** `network_dim:32`, which YAML reads as one word. */
function missingSpace(error: YAMLError, text: string): string | undefined {
  const start = text.lastIndexOf("\n", error.pos[0] - 1) + 1;
  const line = text.slice(start, start + 200).split(/\r?\n/)[0] ?? "";
  const [, key, value] = /^\s*(?:-\s+)?([A-Za-z_][A-Za-z0-9_-]*):([^\s:].*)$/.exec(line) ?? [];
  return key === undefined ? undefined : `A space is missing after the colon: write \`${key}: ${clip(value ?? "")}\`.`;
}

function sentence(message: string): string {
  const text = message.trim().split("\n")[0] ?? "";
  const line = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return /[.!?]$/.test(line) ? line : `${line}.`;
}

function quoteLine(error: YAMLError, text: string): string {
  const start = text.lastIndexOf("\n", error.pos[0] - 1) + 1;
  const line = text.slice(start, start + 60).split(/\r?\n/)[0] ?? "";
  return `\`${clip(line)}\``;
}

/** An error about indentation marks what is indented, not the space before it. */
function firstWordOf(error: YAMLError, text: string): Span {
  const start = error.pos[0] + (/^ */.exec(text.slice(error.pos[0]))?.[0].length ?? 0);
  return [start, start + 1];
}

/** Whether a quote is missing at the end of a text. */
export function isUnclosedQuote(error: YAMLError): boolean {
  return /closing (["'])quote/.test(error.message);
}

function lineFrom(offset: number, text: string): Span {
  const end = text.slice(offset).search(/[\r\n]/);
  return [offset, end < 0 ? text.length : offset + end];
}

function firstLineOf(error: YAMLError, text: string): Span {
  const [from, to] = error.pos;
  const rest = text.slice(from, Math.max(from + 1, to)).search(/[\r\n]/);
  return [from, rest > 0 ? from + rest : Math.max(from + 1, to)];
}
