import type { SourceRange } from "../diagnostic.ts";

/** A YAML file as values with their places: what remains once anchors, quotes and comments are read. Plain data. */

export type YamlNode = YamlScalar | YamlList | YamlMap | YamlUnreadable;

/** Offsets into the text in UTF-16 units, the end exclusive. */
export type Span = readonly [start: number, end: number];

interface Located {
  readonly range: SourceRange;
  readonly span: Span;
}

export interface YamlScalar extends Located {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** As written, without quotes for a quoted text. */
  readonly written: string;
  readonly quoted: boolean;
}

interface YamlList extends Located {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends Located {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, YamlEntry>;
}

/** A value that could not be read, and was reported already. */
interface YamlUnreadable extends Located {
  readonly kind: "unreadable";
}

/** A key with its value. `range` covers both where they share a line, else the key alone: what a squiggle should mark. */
export interface YamlEntry {
  readonly key: string;
  readonly keyRange: SourceRange;
  readonly keySpan: Span;
  readonly range: SourceRange;
  readonly node: YamlNode;
}

/** Keys and list positions from the root to a value. */
export type KeyPath = readonly (string | number)[];

/** `dataset.sources.0.videos`: how a path is written in diagnostics and in `Spec.places`. */
export function dotted(path: KeyPath): string {
  return path.join(".");
}

/** The value at a path; undefined where nothing is written. */
export function nodeAt(root: YamlNode, path: KeyPath): YamlNode | undefined {
  let node: YamlNode | undefined = root;
  for (const step of path) {
    if (node?.kind === "map") node = node.entries.get(String(step))?.node;
    else if (node?.kind === "list" && typeof step === "number") node = node.items[step];
    else return undefined;
  }
  return node;
}

/** The map entry at a path; undefined for the root, for list items and where nothing is written. */
export function entryAt(root: YamlNode, path: KeyPath): YamlEntry | undefined {
  const key = path.at(-1);
  if (typeof key !== "string") return undefined;
  const parent = nodeAt(root, path.slice(0, -1));
  return parent?.kind === "map" ? parent.entries.get(key) : undefined;
}

/** What to mark for a path: key and value of an entry, the first line of a list item, of the root or of an absent key's parent. */
export function markAt(root: YamlNode, path: KeyPath): SourceRange {
  const entry = entryAt(root, path);
  if (entry !== undefined) return entry.range;
  const node = nodeAt(root, path);
  if (node !== undefined) return firstLine(node);
  return path.length === 0 ? firstLine(root) : markAt(root, path.slice(0, -1));
}

/** A node's range, cut to its first line so that a mark stays short. */
function firstLine(node: YamlNode): SourceRange {
  if (node.range.line === node.range.end_line) return node.range;
  if (node.kind === "map") {
    for (const entry of node.entries.values()) return entry.range;
  }
  if (node.kind === "list" && node.items[0] !== undefined) return firstLine(node.items[0]);
  const { line, column } = node.range;
  return { line, column, end_line: line, end_column: column + 1 };
}

/** A node as plain JSON-like data, for the schema. Prototype names never occur: reading refuses them. */
export function plainValue(node: YamlNode): unknown {
  switch (node.kind) {
    case "scalar":
      return node.value;
    case "unreadable":
      return undefined;
    case "list":
      return node.items.map(plainValue);
    case "map":
      return Object.fromEntries([...node.entries.values()].map((entry) => [entry.key, plainValue(entry.node)]));
  }
}

/** Calls `visit` for every value below and including `node`, parents first. */
export function walk(node: YamlNode, visit: (node: YamlNode, path: KeyPath) => void, path: KeyPath = []): void {
  visit(node, path);
  if (node.kind === "list") for (const [index, item] of node.items.entries()) walk(item, visit, [...path, index]);
  if (node.kind === "map") for (const entry of node.entries.values()) walk(entry.node, visit, [...path, entry.key]);
}
