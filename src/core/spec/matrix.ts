import { type Diagnostic, diagnose } from "../diagnostic.ts";
import { type CellOf, partOfName } from "./cell.ts";
import { clip } from "./clip.ts";
import { SPEC_CODES } from "./codes.ts";
import { combine } from "./combinations.ts";
import { type Combination, MATRIX, type Report, readAxes } from "./matrix-lines.ts";
import { NAME_PATTERN } from "./shape.ts";
import {
  entryAt,
  nodeAt,
  withEntry,
  without,
  withValue,
  type YamlEntry,
  type YamlMap,
  type YamlNode,
  type YamlScalar,
} from "./yaml-tree.ts";

/** `matrix:` in a pipeline file: every combination of values is a pipeline of its own, a cell. */

/** A file's tree as one of its cells reads it. */
export interface Cell extends CellOf {
  readonly name: string;
  readonly root: YamlMap;
}

export interface Cells {
  /** The tree without its matrix, for a file that has none or one that is wrong. */
  readonly root: YamlNode;
  /** Undefined where the file is one pipeline, or where it can't be told which it holds. */
  readonly cells: readonly Cell[] | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads a file's matrix into cells, in the order that its lines give: the last key varies first. */
export function readMatrix(root: YamlNode): Cells {
  const entry = entryAt(root, [MATRIX]);
  if (root.kind !== "map" || entry === undefined) return { root, cells: undefined, diagnostics: [] };
  const rest = without(root, MATRIX);
  const diagnostics: Diagnostic[] = [];
  const report: Report = (kind, detail, { file, range }, path = []) =>
    void diagnostics.push(diagnose(kind, detail, { at: { file, range }, path: [MATRIX, ...path].join(".") }));
  const axes = readAxes(entry, rest, report);
  const combinations = diagnostics.length > 0 ? [] : combine(axes, entry, report);
  const name = nodeAt(root, ["name"]);
  if (diagnostics.length > 0) return { root: rest, cells: undefined, diagnostics };
  // A file without a name that can be used is told so by its shape.
  if (name?.kind !== "scalar" || typeof name.value !== "string" || !NAME_PATTERN.test(name.value)) {
    return { root: rest, cells: undefined, diagnostics };
  }
  const cells: Cell[] = [];
  for (const choices of combinations) {
    const cell = cellOf(choices, { rest, name, pipeline: name.value, report });
    // One name that can't be is as good as a hundred.
    if (cell === undefined) break;
    cells.push(cell);
  }
  reportSameNames(cells, entry, report);
  return { root: rest, cells: diagnostics.length > 0 ? undefined : cells, diagnostics };
}

interface CellInput {
  readonly rest: YamlMap;
  readonly name: YamlScalar;
  readonly pipeline: string;
  readonly report: Report;
}

function cellOf(choices: Combination, { rest, name, pipeline, report }: CellInput): Cell | undefined {
  const parts = choices.map(({ path, value }) => partOfName(path, value.written));
  const nameless = choices[parts.indexOf(undefined)];
  if (nameless !== undefined) {
    report(
      SPEC_CODES.cellName,
      `The value \`${clip(nameless.value.written)}\` has no letter or digit to name a pipeline after. Use another value.`,
      nameless.value,
    );
    return undefined;
  }
  const own = `${pipeline}${parts.join("")}`;
  const [first] = choices;
  if (!NAME_PATTERN.test(own) && first !== undefined) {
    report(
      SPEC_CODES.cellName,
      `A pipeline of this matrix would be named \`${clip(own)}\`, which is longer than a name can be. Shorten \`name\`, or vary fewer keys.`,
      first.value,
    );
    return undefined;
  }
  const named: YamlNode = { ...name, value: own };
  const entry = rest.entries.get("name");
  let root: YamlMap = entry === undefined ? rest : withEntry(rest, { ...entry, node: named });
  for (const choice of choices) root = withValue(root, choice, choice.path);
  return { name: own, root, pipeline };
}

function reportSameNames(cells: readonly Cell[], { node, keyRange }: YamlEntry, report: Report): void {
  const seen = new Set<string>();
  const said = new Set<string>();
  for (const { name } of cells) {
    if (seen.has(name) && !said.has(name)) {
      said.add(name);
      report(
        SPEC_CODES.cellName,
        `Two pipelines of this matrix would be named \`${name}\`: their values are the same, or differ in signs only. Change one of them.`,
        { file: node.file, range: keyRange },
      );
    }
    seen.add(name);
  }
}
