import type { DiagnosticKind, SourceRange } from "../diagnostic.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { PIPELINE_KEYS } from "./shape.ts";
import type { KeyPath, YamlEntry, YamlMap, YamlNode, YamlScalar } from "./yaml-tree.ts";

/** The lines of a matrix: which keys vary, by what values, and which combinations are left out or added. */

interface Marked {
  readonly file: string;
  readonly range: SourceRange;
}

export type Report = (kind: DiagnosticKind, detail: string, at: Marked, path?: KeyPath) => void;

/** A key as it is written in the matrix, with a value for it. */
export interface Choice {
  readonly key: YamlEntry;
  readonly path: KeyPath;
  readonly value: YamlScalar;
}

/** What one cell is made of, in the order of the matrix. */
export type Combination = readonly Choice[];

export interface Axes {
  /** Each key with every value it takes. */
  readonly axes: readonly Combination[];
  readonly include: readonly Combination[];
  readonly exclude: readonly { readonly choices: Combination; readonly node: YamlNode }[];
}

/** The key that holds a matrix. */
export const MATRIX = "matrix";

/** What every cell has of its own, or shares with all. */
const NOT_VARIED = ["version", "name", "extends", MATRIX, "output"];

/** Reads what is below `matrix`; `rest` is the file without it. */
export function readAxes({ node, keyRange }: YamlEntry, rest: YamlMap, report: Report): Axes {
  const none: Axes = { axes: [], include: [], exclude: [] };
  if (node.kind !== "map" || node.entries.size === 0) {
    if (node.kind !== "unreadable")
      report(SPEC_CODES.badMatrix, `\`matrix\` is no map of keys with lists of values. ${EXAMPLE}`, {
        ...node,
        range: keyRange,
      });
    return none;
  }
  const lists = (name: string) => {
    const entry = node.entries.get(name);
    return entry === undefined ? [] : readCombinations(entry, rest, report);
  };
  const axes = [...node.entries.values()].flatMap((key): Combination[] => {
    if (key.key === "include" || key.key === "exclude") return [];
    const path = readKey(key, rest, report);
    const values = readValues(key, report);
    return path === undefined ? [] : [values.map((value) => ({ key, path, value }))];
  });
  const paths = axes.flatMap(([choice]) => (choice === undefined ? [] : [choice.path.join(".")]));
  for (const [choice] of axes) {
    if (choice === undefined || paths.indexOf(choice.path.join(".")) === paths.lastIndexOf(choice.path.join(".")))
      continue;
    const detail = `\`${choice.path.join(".")}\` is varied twice. Keep one of the lines.`;
    report(SPEC_CODES.badMatrix, detail, { file: choice.key.node.file, range: choice.key.keyRange }, [choice.key.key]);
  }
  return { axes, include: lists("include").map(({ choices }) => choices), exclude: lists("exclude") };
}

const EXAMPLE = "Write for example `network_dim: [16, 32]` below it.";

function readValues({ key, node, keyRange }: YamlEntry, report: Report): readonly YamlScalar[] {
  const values = node.kind === "list" ? node.items.filter(isValue) : [];
  if (node.kind === "list" && values.length === node.items.length && values.length > 0) return values;
  const detail = `\`matrix.${clip(key)}\` is no list of single values. Write them in brackets, such as \`${clip(key)}: [1e-4, 2e-4]\`.`;
  if (node.kind !== "unreadable") report(SPEC_CODES.badMatrix, detail, { file: node.file, range: keyRange }, [key]);
  return [];
}

function isValue(node: YamlNode): node is YamlScalar {
  return node.kind === "scalar" && node.value !== null;
}

function readCombinations({ key, node, keyRange }: YamlEntry, rest: YamlMap, report: Report): Axes["exclude"] {
  const maps = node.kind === "list" ? node.items.filter((item) => item.kind === "map") : [];
  const isComplete = node.kind === "list" && maps.length === node.items.length;
  if (
    !isComplete ||
    maps.some(({ entries }) => entries.size === 0 || ![...entries.values()].every(({ node }) => isValue(node)))
  ) {
    const detail = `\`matrix.${key}\` is no list of maps, each with a value for some keys. Write for example \`- { learning_rate: 2e-4, network_dim: 16 }\` below it.`;
    if (node.kind !== "unreadable") report(SPEC_CODES.badMatrix, detail, { file: node.file, range: keyRange }, [key]);
    return [];
  }
  return maps.map((map) => ({
    node: map,
    choices: [...map.entries.values()].flatMap((entry): Combination => {
      const path = readKey(entry, rest, report);
      return path === undefined || !isValue(entry.node) ? [] : [{ key: entry, path, value: entry.node }];
    }),
  }));
}

/** `train.learning_rate`, or `learning_rate` for short; other keys of a pipeline by their whole path. */
function readKey({ key, keyRange, node }: YamlEntry, rest: YamlMap, report: Report): KeyPath | undefined {
  const parts = key.split(".").map((part) => (/^[0-9]+$/.test(part) ? Number(part) : part));
  const [first] = parts;
  if (typeof first === "string" && NOT_VARIED.includes(first)) {
    const why =
      first === "output" || first === "name" ? "each cell has its own, made of its values" : "all cells have the same";
    report(
      SPEC_CODES.notVaried,
      `\`${clip(key)}\` can't vary in a matrix: ${why}. Remove the line.`,
      { file: node.file, range: keyRange },
      [key],
    );
    return undefined;
  }
  const path = parts.length === 1 && !PIPELINE_KEYS.has(key) ? ["train", ...parts] : parts;
  if (!path.includes("__proto__") && isWithinLists(rest, path)) return path;
  const detail = `\`${clip(key)}\` names nothing of this file. Entries of a list are counted from 0, such as \`dataset.sources.0.num_repeats\`.`;
  report(SPEC_CODES.unknownKey, detail, { file: node.file, range: keyRange }, [key]);
  return undefined;
}

/** Whether all entries of lists that a path goes through are there; keys of maps may be new. */
function isWithinLists(node: YamlNode | undefined, [step, ...rest]: KeyPath): boolean {
  if (step === undefined || node === undefined) return true;
  if (node.kind === "map") return isWithinLists(node.entries.get(String(step))?.node, rest);
  if (node.kind !== "list") return true;
  const item = typeof step === "number" ? node.items[step] : undefined;
  return item !== undefined && (rest.length === 0 || item.kind === "map") && isWithinLists(item, rest);
}
