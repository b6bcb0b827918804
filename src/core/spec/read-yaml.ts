import { type Alias, type Document, isAlias, isMap, isScalar, isSeq, type Node, parseDocument, visit } from "yaml";
import { type Diagnostic, type DiagnosticKind, diagnose, type SourceRange } from "../diagnostic.ts";
import { groupDigits } from "../digits.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { indexOfControl, nameOfCharacter } from "./control-characters.ts";
import { lineStartsOf, rangeOfSpan } from "./positions.ts";
import type { SourceText } from "./spec.ts";
import { describeSyntaxError, isUnclosedQuote } from "./syntax-errors.ts";
import type { Span, YamlEntry, YamlNode } from "./yaml-tree.ts";

/** Larger texts are refused unread: the time to parse grows with the size, a pipeline is a page. In UTF-16 units. */
export const MAX_TEXT_LENGTH = 256 * 1024;
/** A pipeline's deepest key is four levels down. */
const MAX_DEPTH = 32;
/** Values after aliases are expanded. */
const MAX_VALUES = 20_000;
/** Syntax errors cascade; the first few are the ones to mend. */
const MAX_SYNTAX_ERRORS = 20;

const MERGE_KEY = "<<";
export interface YamlFile {
  /** Undefined where no values could be read. */
  readonly root: YamlNode | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /**
   * Offset of the first error after which the tree is a guess; undefined where the whole tree can be trusted.
   * What ends before it was read as it was meant.
   */
  readonly trustedUntil: number | undefined;
}

/** Reads a YAML file into values with places. Never throws; every fault is a diagnostic with its range. */
export function readYaml(source: SourceText): YamlFile {
  const text = source.text.startsWith("\uFEFF") ? source.text.slice(1) : source.text;
  const refuse = (kind: DiagnosticKind, detail: string, range?: SourceRange): YamlFile => ({
    root: undefined,
    diagnostics: [diagnose(kind, detail, { at: { file: source.file, ...(range === undefined ? {} : { range }) } })],
    trustedUntil: 0,
  });

  if (text.length > MAX_TEXT_LENGTH) {
    return refuse(
      SPEC_CODES.tooLarge,
      `${source.file} holds ${groupDigits(text.length)} characters; more than ${groupDigits(MAX_TEXT_LENGTH)} are not read. Name the right file; long lists of prompts belong in a file of their own.`,
    );
  }
  const control = indexOfControl(text);
  if (control >= 0) {
    const range = rangeOfSpan(text, lineStartsOf(text), [control, control + 1]);
    return refuse(
      SPEC_CODES.controlCharacter,
      `Line ${range.line}, column ${range.column} holds the control character ${nameOfCharacter(text, control)}, which YAML forbids. Delete it, or save the file again as plain UTF-8 text.`,
      range,
    );
  }

  const document = parseDocument(text, {
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Its own check compares every key with every other; the tree below does it in one pass.
    uniqueKeys: false,
    prettyErrors: false,
  });
  return buildTree(source.file, text, document);
}

/** Collects what goes wrong while YAML's own nodes become ours. */
interface TreeBuilder {
  readonly file: string;
  readonly text: string;
  /** Offsets at which lines begin. */
  readonly lineStarts: readonly number[];
  readonly diagnostics: Diagnostic[];
  readonly anchors: Map<string, Node>;
  /** Anchored nodes being read right now: an alias to one of them would never end. */
  readonly open: Set<Node>;
  /** Lines with a syntax error: what else is wrong there follows from it. */
  readonly brokenLines: Set<number>;
  values: number;
  trustedUntil: number | undefined;
}

function buildTree(file: string, text: string, document: Document.Parsed): YamlFile {
  const builder: TreeBuilder = {
    file,
    text,
    lineStarts: lineStartsOf(text),
    diagnostics: [],
    anchors: new Map(),
    open: new Set(),
    brokenLines: new Set(),
    values: 0,
    trustedUntil: undefined,
  };
  reportSyntaxErrors(builder, document);
  if (document.directives?.yaml.explicit === true && text.startsWith("%")) {
    const end = text.search(/\r?\n|$/);
    report(
      builder,
      SPEC_CODES.unsupportedYaml,
      [0, end],
      "A `%YAML` line changes how values are read. Remove it: files are read as YAML 1.2.",
    );
  }
  const contents = document.contents as Node | null;
  if (contents === null || (isScalar(contents) && contents.value === null && contents.source === "")) {
    if (builder.diagnostics.length > 0) return finish(builder, undefined);
    report(
      builder,
      SPEC_CODES.emptyFile,
      [0, Math.min(1, text.length)],
      `${file} holds no key. Start from \`pipelines/quickstart.yaml\`, or write at least version, name, task and dataset.`,
    );
    return finish(builder, undefined);
  }
  return finish(builder, readNode(builder, contents, 0));
}

/** With too many values the tree is cut off anywhere, and says nothing. */
function finish(builder: TreeBuilder, tree: YamlNode | undefined): YamlFile {
  const root = builder.values > MAX_VALUES ? undefined : tree;
  return { root, diagnostics: builder.diagnostics, trustedUntil: builder.trustedUntil };
}

function reportSyntaxErrors(builder: TreeBuilder, document: Document.Parsed): void {
  for (const error of [...document.errors, ...document.warnings]) {
    const quote = isUnclosedQuote(error) ? quoteAt(document, error.pos[0]) : undefined;
    const described = describeSyntaxError(error, builder.text, quote);
    if (described.effect === "guess" && (builder.trustedUntil ?? Number.POSITIVE_INFINITY) > error.pos[0]) {
      builder.trustedUntil = error.pos[0];
    }
    const line = rangeOf(builder, error.pos).line;
    if (builder.brokenLines.has(line) || builder.brokenLines.size >= MAX_SYNTAX_ERRORS) continue;
    builder.brokenLines.add(line);
    report(builder, described.kind, described.span, described.detail);
  }
}

/** Where the quoted text that reaches an offset begins: one that nobody closed reaches the end. */
function quoteAt(document: Document.Parsed, offset: number): number | undefined {
  let start: number | undefined;
  visit(document, {
    Scalar: (_, node) => {
      const [from, to] = node.range ?? [];
      const isQuoted = node.type === "QUOTE_DOUBLE" || node.type === "QUOTE_SINGLE";
      if (isQuoted && from !== undefined && to !== undefined && from < offset && to >= offset) start = from;
    },
  });
  return start;
}

function report(
  builder: TreeBuilder,
  kind: DiagnosticKind,
  span: Span,
  detail: string,
  first?: { readonly span: Span; readonly message: string },
): void {
  builder.diagnostics.push(
    diagnose(kind, detail, {
      at: { file: builder.file, range: rangeOf(builder, span) },
      related:
        first === undefined
          ? []
          : [{ file: builder.file, range: rangeOf(builder, first.span), message: first.message }],
    }),
  );
}

function rangeOf({ text, lineStarts }: TreeBuilder, span: Span): SourceRange {
  return rangeOfSpan(text, lineStarts, span);
}

/** The part of a node's text that holds its value, without trailing comments and blank lines. */
function spanOf(node: Node): Span {
  const range = node.range;
  return range === null || range === undefined ? [0, 0] : [range[0], Math.max(range[0], range[1])];
}

/** Stands for a value that could not be read and was reported: nothing more is said about it. */
function unreadable(builder: TreeBuilder, node: Node): YamlNode {
  const span = spanOf(node);
  return { kind: "unreadable", file: builder.file, span, range: rangeOf(builder, span) };
}

function readNode(builder: TreeBuilder, node: Node, depth: number): YamlNode {
  builder.values += 1;
  if (builder.values > MAX_VALUES) {
    if (builder.values === MAX_VALUES + 1) {
      report(
        builder,
        SPEC_CODES.tooManyValues,
        spanOf(node),
        `The file holds more than ${groupDigits(MAX_VALUES)} values once its aliases are written out. Shorten it, or remove the aliases.`,
      );
    }
    return unreadable(builder, node);
  }
  if (depth > MAX_DEPTH) {
    report(
      builder,
      SPEC_CODES.tooDeep,
      spanOf(node),
      `Values are nested more than ${MAX_DEPTH} levels deep here; no key of a pipeline is. Remove the surplus brackets, dashes or indentation.`,
    );
    return unreadable(builder, node);
  }
  if (isAlias(node)) return readAlias(builder, node, depth);
  if (node.anchor !== undefined && node.anchor !== "") builder.anchors.set(node.anchor, node);

  const span = spanOf(node);
  const located = { file: builder.file, span, range: rangeOf(builder, span) };
  if (isScalar(node)) {
    const value: unknown = node.value;
    const plain = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
    const quoted = node.type !== "PLAIN" && typeof value === "string";
    if (typeof plain === "string") checkText(builder, plain, span);
    return { kind: "scalar", ...located, value: plain, written: node.source ?? String(plain ?? ""), quoted };
  }
  builder.open.add(node);
  const collection: YamlNode = isMap(node)
    ? { kind: "map", ...located, entries: readEntries(builder, node.items, depth) }
    : { kind: "list", ...located, items: readItems(builder, isSeq(node) ? node.items : [], depth) };
  builder.open.delete(node);
  return collection;
}

function readItems(builder: TreeBuilder, items: readonly unknown[], depth: number): YamlNode[] {
  return items.map((item) => readNode(builder, item as Node, depth + 1));
}

/** What YAML's map items hold. */
interface Pair {
  readonly key: unknown;
  readonly value: unknown;
}

function readEntries(builder: TreeBuilder, pairs: readonly unknown[], depth: number): Map<string, YamlEntry> {
  const entries = new Map<string, YamlEntry>();
  for (const pair of pairs as readonly Pair[]) {
    const keyNode = pair.key as Node | null;
    // A collection as a key was reported by the parser already.
    if (keyNode === null || !isScalar(keyNode)) continue;
    const key = String(keyNode.value ?? "");
    const keySpan = spanOf(keyNode);
    if (!checkKey(builder, key, keySpan)) continue;
    const earlier = entries.get(key);
    if (earlier !== undefined) {
      report(
        builder,
        SPEC_CODES.duplicateKey,
        keySpan,
        `\`${clip(key)}\` stands in line ${earlier.keyRange.line} already. Keep one of the two.`,
        { span: earlier.keySpan, message: `\`${clip(key)}\` is given here first` },
      );
      continue;
    }
    const keyRange = rangeOf(builder, keySpan);
    const node = pair.value === null ? emptyValue(builder, keySpan) : readNode(builder, pair.value as Node, depth + 1);
    const onOneLine = node.range.end_line === keyRange.line && node.span[1] >= keySpan[1];
    const range = onOneLine ? rangeOf(builder, [keySpan[0], node.span[1]]) : keyRange;
    entries.set(key, { key, keyRange, keySpan, range, node });
  }
  return entries;
}

function emptyValue(builder: TreeBuilder, keySpan: Span): YamlNode {
  const range = rangeOf(builder, keySpan);
  return { kind: "scalar", file: builder.file, span: keySpan, range, value: null, written: "", quoted: false };
}

/** Says what is wrong with a key as such; false where its value must not be read. */
function checkKey(builder: TreeBuilder, key: string, span: Span): boolean {
  if (key === MERGE_KEY) {
    report(
      builder,
      SPEC_CODES.unsupportedYaml,
      span,
      "`<<` merges one map into another in YAML 1.1 only. Write the keys out; what pipelines share belongs in wan22.yaml.",
    );
    return false;
  }
  if (key === "__proto__") {
    report(builder, SPEC_CODES.unknownKey, span, "`__proto__` is no key of a pipeline. Remove it.");
    return false;
  }
  return true;
}

function readAlias(builder: TreeBuilder, alias: Alias, depth: number): YamlNode {
  const span = spanOf(alias);
  const target = builder.anchors.get(alias.source);
  if (target === undefined || builder.open.has(target)) {
    const name = clip(alias.source);
    const why =
      target === undefined
        ? `No value before it is marked \`&${name}\`.`
        : `It stands inside the value marked \`&${name}\` itself.`;
    report(
      builder,
      SPEC_CODES.alias,
      span,
      `\`*${name}\` stands for another value. ${why} Write the value out; a text that begins with \`*\` needs quotes.`,
    );
    return unreadable(builder, alias);
  }
  // The use is what a reader looks for; the values inside stay where they are written.
  return { ...readNode(builder, target, depth), span, range: rangeOf(builder, span) };
}

/** Control characters that escapes bring in (`"\0"`): no path, argument or file can hold them. */
function checkText(builder: TreeBuilder, value: string, span: Span): void {
  const index = indexOfControl(value);
  if (index < 0 || builder.brokenLines.has(rangeOf(builder, span).line)) return;
  report(
    builder,
    SPEC_CODES.controlCharacter,
    span,
    `This text holds the control character ${nameOfCharacter(value, index)}, which no path or argument can hold. In a Windows path write / for \\, or use single quotes.`,
  );
}
