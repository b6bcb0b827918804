import { type Diagnostic, diagnose, type Place } from "../diagnostic.ts";
import { folderOf, joinPath } from "../paths.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { readYaml, type YamlFile } from "./read-yaml.ts";
import type { SourceText } from "./spec.ts";
import { entryAt, type YamlEntry, type YamlMap, type YamlNode } from "./yaml-tree.ts";

/** `extends: base.yaml`: a file over those that it extends, key by key, each value with the file and line it came from. */

/** More files than these are no reuse any more; they bound what one pipeline makes this program read. */
export const MAX_BASES = 32;

/** The key that names what a file extends. */
export const EXTENDS = "extends";

/** What is under the name of a file that is extended, by its name relative to the root; or why it can't be used. */
export type Bases = ReadonlyMap<string, SourceText | Diagnostic>;

/** A file that another one extends, as its name is written there. */
export interface NamedBase {
  /** Relative to the root, or absolute where an absolute path is written. */
  readonly path: string;
  readonly place: Place;
}

/** A file with everything that it extends, as one tree. */
export interface ExtendedFile extends Pick<YamlFile, "root" | "diagnostics"> {
  /** Offsets by file after which what was read of it is a guess; see `YamlFile`. */
  readonly trustedUntil: ReadonlyMap<string, number>;
  /** Whether all that is extended could be read: what is missing otherwise says nothing. */
  readonly isWhole: boolean;
  /** Every file read, the pipeline's own first. */
  readonly files: readonly string[];
}

/** The files that a text extends; none where it doesn't say so as it should. */
export function basesNamedIn(source: SourceText): readonly NamedBase[] {
  // Most files extend none, and reading takes its time.
  const root = source.text.includes(EXTENDS) ? readYaml(source).root : undefined;
  return root === undefined ? [] : namedBases(root);
}

function namedBases(root: YamlNode): readonly NamedBase[] {
  const node = entryAt(root, [EXTENDS])?.node;
  const named = node?.kind === "list" ? node.items : node === undefined ? [] : [node];
  const bases = named.flatMap((item): NamedBase[] => {
    if (item.kind !== "scalar" || typeof item.value !== "string" || item.value === "") return [];
    const { file, range, value } = item;
    return [{ path: joinPath(folderOf(file), value), place: { file, range } }];
  });
  return bases.length === named.length ? bases : [];
}

/** Reads a file and all that it extends. Never throws; every fault is a diagnostic with its place, also in a base. */
export function readExtended(source: SourceText, bases: Bases): ExtendedFile {
  const reading: Reading = { bases, known: new Map(), diagnostics: [], trustedUntil: new Map(), files: [], gaps: [] };
  const root = readOver(source, [], reading);
  const { diagnostics, trustedUntil, files, gaps } = reading;
  return { root, diagnostics, trustedUntil, isWhole: gaps.length === 0, files };
}

interface Reading {
  readonly bases: Bases;
  /** Files that were read, with all that they extend in them: one that is reached on several ways is read once. */
  readonly known: Map<string, YamlNode | undefined>;
  readonly diagnostics: Diagnostic[];
  readonly trustedUntil: Map<string, number>;
  readonly files: string[];
  /** Files of which nothing could be read. */
  readonly gaps: string[];
}

/** `way`: by which `extends` this file was reached, the first file's first. */
function readOver(source: SourceText, way: readonly NamedBase[], reading: Reading): YamlNode | undefined {
  const { root, diagnostics, trustedUntil } = readYaml(source);
  reading.files.push(source.file);
  reading.diagnostics.push(...diagnostics);
  if (root !== undefined && trustedUntil !== undefined) reading.trustedUntil.set(source.file, trustedUntil);
  if (root?.kind !== "map") {
    if (way.length > 0) reading.gaps.push(source.file);
    if (root !== undefined && way.length > 0 && diagnostics.length === 0) {
      const kind = root.kind === "list" ? "a list" : "a single value";
      const detail = `${source.file} is ${kind}. Write \`key: value\` lines at the top level, such as \`task: t2v-A14B\`.`;
      reading.diagnostics.push(diagnose(SPEC_CODES.notAMap, detail, { at: { file: source.file, range: root.range } }));
    }
    return root;
  }
  const named = namedBases(root);
  if (named.length === 0) return root;
  const below = named.map((base) => readBase(base, [...way, base], reading));
  const own = new Map([...root.entries].filter(([key]) => key !== EXTENDS));
  return [...below, { ...root, entries: own }]
    .filter((layer) => layer !== undefined)
    .reduce((merged, layer) => mergeMaps(merged, layer));
}

function readBase(base: NamedBase, way: readonly NamedBase[], reading: Reading): YamlMap | undefined {
  const refuse = (diagnostic: Diagnostic): undefined => {
    reading.gaps.push(base.path);
    reading.diagnostics.push(diagnostic);
    return undefined;
  };
  const { place, path } = base;
  const at = { at: place, path: EXTENDS };
  if (way.some((step) => step.place.file === path)) return refuse(cycleOf(path, way));
  const found = reading.bases.get(path);
  if (found === undefined) {
    const detail = `${path} is one file too many: a pipeline is read over ${MAX_BASES} others at most. Put what they say into fewer files.`;
    return refuse(diagnose(SPEC_CODES.tooManyBases, detail, at));
  }
  if ("severity" in found) return refuse({ ...found, file: place.file, range: place.range, path: EXTENDS });
  if (!reading.known.has(path)) reading.known.set(path, readOver(found, way, reading));
  const root = reading.known.get(path);
  return root?.kind === "map" ? root : undefined;
}

/** The whole way round, so that it can be seen which of the lines is the wrong one. */
function cycleOf(path: string, way: readonly NamedBase[]): Diagnostic {
  const round = way.slice(way.findIndex(({ place }) => place.file === path));
  const steps = round.map(
    ({ place, path: to }) => `${clip(place.file)} (line ${place.range?.line ?? 1}) extends ${to}`,
  );
  const [last, ...before] = [...round].reverse();
  const detail =
    round.length === 1
      ? `${path} extends itself. Remove the line, or name the file that was meant.`
      : `${steps.join(", ")}. Remove one of these lines.`;
  return diagnose(SPEC_CODES.extendsCycle, detail, {
    at: last?.place,
    path: EXTENDS,
    related: before.reverse().map((step) => ({ ...step.place, message: `extends ${step.path}` })),
  });
}

/** Maps key by key; anything else is replaced whole, and `key: null` takes a key of the base away. */
function mergeMaps(base: YamlMap, over: YamlMap, path: readonly string[] = []): YamlMap {
  // Keys of the upper file first: what is said of a map as a whole is marked there.
  const entries = new Map<string, YamlEntry>();
  for (const [key, entry] of over.entries) {
    const below = base.entries.get(key);
    if (below !== undefined && isNull(entry.node)) continue;
    const node =
      below?.node.kind === "map" && entry.node.kind === "map"
        ? mergeMaps(below.node, entry.node, [...path, key])
        : entry.node;
    entries.set(key, { ...entry, node });
  }
  for (const [key, entry] of base.entries) {
    if (!over.entries.has(key) && !goesWithItsCard(path, key, over)) entries.set(key, entry);
  }
  return { ...over, entries };
}

function isNull(node: YamlNode): boolean {
  return node.kind === "scalar" && node.value === null;
}

/** The memory of a card goes with its card, as it does between a pipeline and wan22.yaml. */
function goesWithItsCard(path: readonly string[], key: string, over: YamlMap): boolean {
  return path.length === 1 && path[0] === "hardware" && key === "vram_gb" && over.entries.has("gpu");
}
