import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import { type Diagnostic, type DiagnosticKind, diagnose, type SourceRange } from "../diagnostic.ts";
import { SPEC_CODES } from "./codes.ts";
import { indexOfControl, nameOfCharacter } from "./control-characters.ts";
import type { SourceText } from "./spec.ts";
import { describeSyntaxError } from "./syntax-errors.ts";
import type { Span, YamlEntry, YamlNode } from "./yaml-tree.ts";

/** Larger texts are refused unread: the time to parse grows with the size, a pipeline is a page. In UTF-16 units. */
export const MAX_TEXT_LENGTH = 512 * 1024;
/** A pipeline's deepest key is four levels down. */
const MAX_DEPTH = 32;
/** Values after aliases are expanded. */
const MAX_VALUES = 50_000;
/** Syntax errors cascade; the first few are the ones to mend. */
const MAX_SYNTAX_ERRORS = 20;

const MERGE_KEY = "<<";
const STANDARD_TAGS = new Set(
  ["str", "int", "float", "bool", "null", "map", "seq"].map((t) => `tag:yaml.org,2002:${t}`),
);

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
      `${source.file} holds ${text.length.toLocaleString("en-US")} characters; more than ${MAX_TEXT_LENGTH.toLocaleString("en-US")} are not read. Name the right file; long lists of prompts belong into a file of their own.`,
    );
  }
  const control = indexOfControl(text);
  if (control >= 0) {
    const range = rangeOfControl(text, control);
    return refuse(
      SPEC_CODES.controlCharacter,
      `Line ${range.line}, column ${range.column} holds the control character ${nameOfCharacter(text, control)}, which YAML forbids. Delete it, or save the file again as plain UTF-8 text.`,
      range,
    );
  }

  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Its own check compares every key with every other; the tree below does it in one pass.
    uniqueKeys: false,
    prettyErrors: false,
  });
  return buildTree(source.file, text, document, lines);
}

function rangeOfControl(text: string, index: number): SourceRange {
  const before = text.slice(0, index);
  const line = before.split("\n").length;
  const column = index - (before.lastIndexOf("\n") + 1) + 1;
  return { line, column, end_line: line, end_column: column + 1 };
}

/** Collects what goes wrong while YAML's own nodes become ours. */
interface TreeBuilder {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
  readonly diagnostics: Diagnostic[];
  readonly anchors: Map<string, Node>;
  /** Anchored nodes being read right now: an alias to one of them would never end. */
  readonly open: Set<Node>;
  values: number;
  trustedUntil: number | undefined;
}

function buildTree(file: string, text: string, document: Document.Parsed, lines: LineCounter): YamlFile {
  const builder: TreeBuilder = {
    file,
    text,
    lines,
    diagnostics: [],
    anchors: new Map(),
    open: new Set(),
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

function finish(builder: TreeBuilder, root: YamlNode | undefined): YamlFile {
  return { root, diagnostics: builder.diagnostics, trustedUntil: builder.trustedUntil };
}

function reportSyntaxErrors(builder: TreeBuilder, document: Document.Parsed): void {
  const seenLines = new Set<number>();
  for (const error of [...document.errors, ...document.warnings]) {
    const described = describeSyntaxError(error, builder.text);
    if (described.effect === "guess" && (builder.trustedUntil ?? Number.POSITIVE_INFINITY) > error.pos[0]) {
      builder.trustedUntil = error.pos[0];
    }
    const line = builder.lines.linePos(error.pos[0]).line;
    if (seenLines.has(line) || seenLines.size >= MAX_SYNTAX_ERRORS) continue;
    seenLines.add(line);
    report(builder, described.kind, described.span, described.detail);
  }
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

/** A range inside the text, at least one column wide, however the parser counted at its end. */
function rangeOf(builder: TreeBuilder, [from, to]: Span): SourceRange {
  const start = builder.lines.linePos(Math.max(0, Math.min(from, builder.text.length)));
  const end = builder.lines.linePos(Math.max(from, Math.min(to, builder.text.length)));
  const line = Math.max(1, start.line);
  const column = Math.max(1, start.col);
  const sameLine = end.line <= line;
  return {
    line,
    column,
    end_line: Math.max(line, end.line),
    end_column: sameLine ? Math.max(column + 1, end.col) : Math.max(1, end.col),
  };
}

/** The part of a node's text that holds its value, without trailing comments and blank lines. */
function spanOf(node: Node): Span {
  const range = node.range;
  return range === null || range === undefined ? [0, 0] : [range[0], Math.max(range[0], range[1])];
}

function readNode(builder: TreeBuilder, node: Node, depth: number): YamlNode | undefined {
  builder.values += 1;
  if (builder.values > MAX_VALUES) {
    if (builder.values === MAX_VALUES + 1) {
      report(
        builder,
        SPEC_CODES.tooManyValues,
        spanOf(node),
        `With its aliases written out the file holds more than ${MAX_VALUES.toLocaleString("en-US")} values. Write the values out, or remove the aliases.`,
      );
      builder.trustedUntil = 0;
    }
    return undefined;
  }
  if (depth > MAX_DEPTH) {
    report(
      builder,
      SPEC_CODES.tooDeep,
      spanOf(node),
      `Values are nested more than ${MAX_DEPTH} levels deep here; no key of a pipeline is. Remove the surplus brackets, dashes or indentation.`,
    );
    builder.trustedUntil = Math.min(builder.trustedUntil ?? Number.POSITIVE_INFINITY, spanOf(node)[0]);
    return undefined;
  }
  if (isAlias(node)) return readAlias(builder, node, depth);
  checkTag(builder, node);
  if (node.anchor !== undefined && node.anchor !== "") builder.anchors.set(node.anchor, node);

  const span = spanOf(node);
  const located = { span, range: rangeOf(builder, span) };
  if (isScalar(node)) {
    const value: unknown = node.value;
    const plain = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
    const quoted = node.type !== "PLAIN" && typeof value === "string";
    if (typeof plain === "string") checkText(builder, plain, span);
    return { kind: "scalar", ...located, value: plain, written: node.source ?? String(plain ?? ""), quoted };
  }
  builder.open.add(node);
  const collection = isMap(node)
    ? ({ kind: "map", ...located, entries: readEntries(builder, node.items, depth) } as const)
    : isSeq(node)
      ? ({ kind: "list", ...located, items: readItems(builder, node.items, depth) } as const)
      : undefined;
  builder.open.delete(node);
  return collection;
}

function readItems(builder: TreeBuilder, items: readonly unknown[], depth: number): YamlNode[] {
  return items.flatMap((item) => readNode(builder, item as Node, depth + 1) ?? []);
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
        `\`${key}\` stands in line ${earlier.keyRange.line} already. Keep one of the two.`,
        { span: earlier.keySpan, message: `\`${key}\` is given here first` },
      );
      continue;
    }
    const keyRange = rangeOf(builder, keySpan);
    const node = pair.value === null ? emptyValue(builder, keySpan) : readNode(builder, pair.value as Node, depth + 1);
    if (node === undefined) continue;
    const onOneLine = node.range.end_line === keyRange.line && node.span[1] >= keySpan[1];
    const range = onOneLine ? rangeOf(builder, [keySpan[0], node.span[1]]) : keyRange;
    entries.set(key, { key, keyRange, keySpan, range, node });
  }
  return entries;
}

function emptyValue(builder: TreeBuilder, keySpan: Span): YamlNode {
  return { kind: "scalar", span: keySpan, range: rangeOf(builder, keySpan), value: null, written: "", quoted: false };
}

/** Says what is wrong with a key as such; false where its value must not be read. */
function checkKey(builder: TreeBuilder, key: string, span: Span): boolean {
  if (key === MERGE_KEY) {
    report(
      builder,
      SPEC_CODES.unsupportedYaml,
      span,
      "`<<` merges one map into another in YAML 1.1 only. Write the keys out; what pipelines share belongs into wan22.yaml.",
    );
    return false;
  }
  if (key === "__proto__") {
    report(builder, SPEC_CODES.unknownKey, span, "`__proto__` is no key of a pipeline. Remove it.");
    return false;
  }
  return true;
}

function readAlias(builder: TreeBuilder, alias: Alias, depth: number): YamlNode | undefined {
  const span = spanOf(alias);
  const target = builder.anchors.get(alias.source);
  if (target === undefined || builder.open.has(target)) {
    const why =
      target === undefined
        ? `No value before it is marked \`&${alias.source}\`.`
        : `It stands inside the value marked \`&${alias.source}\` itself.`;
    report(
      builder,
      SPEC_CODES.alias,
      span,
      `\`*${alias.source}\` stands for another value. ${why} Write the value out; a text that begins with \`*\` needs quotes.`,
    );
    return undefined;
  }
  const value = readNode(builder, target, depth);
  // The use is what a reader looks for; the values inside stay where they are written.
  return value === undefined ? undefined : { ...value, span, range: rangeOf(builder, span) };
}

function checkTag(builder: TreeBuilder, node: Node): void {
  const tag = node.tag;
  if (tag === undefined || STANDARD_TAGS.has(tag)) return;
  const shown = tag.replace("tag:yaml.org,2002:", "!!");
  report(
    builder,
    SPEC_CODES.unsupportedYaml,
    spanOf(node),
    `The tag \`${shown}\` has no meaning here. Remove it and write the value plainly; a text that begins with \`!\` needs quotes.`,
  );
}

/** Control characters that escapes bring in (`"\0"`): no path, argument or file can hold them. */
function checkText(builder: TreeBuilder, value: string, span: Span): void {
  const index = indexOfControl(value);
  if (index < 0) return;
  report(
    builder,
    SPEC_CODES.controlCharacter,
    span,
    `This text holds the control character ${nameOfCharacter(value, index)}, which no path or argument can hold. In a Windows path write / for \\, or use single quotes.`,
  );
}
