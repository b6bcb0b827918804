import type { Place, SourceRange } from "../diagnostic.ts";

/** A YAML file as values with their places: what remains once anchors, quotes and comments are read. Plain data. */

export type YamlNode = YamlScalar | YamlList | YamlMap | YamlUnreadable;

/** Offsets into the text in UTF-16 units, the end exclusive. */
export type Span = readonly [start: number, end: number];

interface Located {
  /** The file that it stands in, as shown to people: a pipeline's values may come from files that it extends. */
  readonly file: string;
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
export function placeAt(root: YamlNode, path: KeyPath): RangedPlace {
  const entry = entryAt(root, path);
  if (entry !== undefined) return { file: entry.node.file, range: entry.range };
  const node = nodeAt(root, path);
  if (node !== undefined) return firstLine(node);
  return path.length === 0 ? firstLine(root) : placeAt(root, path.slice(0, -1));
}

type RangedPlace = Place & { readonly range: SourceRange };

/** Where a node stands, cut to its first line so that a mark stays short. */
function firstLine(node: YamlNode): RangedPlace {
  const { file, range } = node;
  if (range.line === range.end_line) return { file, range };
  if (node.kind === "map") {
    for (const entry of node.entries.values()) return { file: entry.node.file, range: entry.range };
  }
  if (node.kind === "list" && node.items[0] !== undefined) return firstLine(node.items[0]);
  const { line, column } = range;
  return { file, range: { line, column, end_line: line, end_column: column + 1 } };
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

/** A value for a key path, where it is written elsewhere: what marks it, and the key that it goes by there. */
export interface PlacedValue {
  readonly key: YamlEntry;
  readonly value: YamlScalar;
}

/** The tree with a value in place at a path; what is missing on the way is made. */
export function withValue(map: YamlMap, placed: PlacedValue, [step, ...rest]: KeyPath): YamlMap {
  const { key, value } = placed;
  const name = String(step);
  const below = map.entries.get(name)?.node;
  const entry = { key: name, keyRange: key.keyRange, keySpan: key.keySpan };
  if (rest.length === 0) return withEntry(map, { ...entry, range: value.range, node: value });
  if (below?.kind === "list")
    return withEntry(map, { ...entry, range: key.keyRange, node: withItem(below, placed, rest) });
  const made: YamlMap = { kind: "map", file: value.file, range: key.keyRange, span: key.keySpan, entries: new Map() };
  const child = below?.kind === "map" ? below : made;
  const written = map.entries.get(name);
  const node = withValue(child, placed, rest);
  return withEntry(
    map,
    written !== undefined && below?.kind === "map" ? { ...written, node } : { ...entry, range: key.keyRange, node },
  );
}

function withItem(list: Extract<YamlNode, { kind: "list" }>, placed: PlacedValue, [at, ...rest]: KeyPath): YamlNode {
  const items = list.items.map((item, index) => {
    if (index !== at) return item;
    if (rest.length === 0) return placed.value;
    return item.kind === "map" ? withValue(item, placed, rest) : item;
  });
  return { ...list, items };
}

export function withEntry(map: YamlMap, entry: YamlEntry): YamlMap {
  return { ...map, entries: new Map([...map.entries, [entry.key, entry]]) };
}

export function without(map: YamlMap, key: string): YamlMap {
  return { ...map, entries: new Map([...map.entries].filter(([name]) => name !== key)) };
}
