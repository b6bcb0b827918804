import { SPEC_CODES } from "./codes.ts";
import type { Axes, Choice, Combination, Report } from "./matrix-lines.ts";
import type { YamlEntry } from "./yaml-tree.ts";

/** Which combinations of values a matrix gives. */

/** What is more was hardly meant, and nobody reads the plans of so many. */
const MAX_CELLS = 256;

/** The product of all keys without what is left out, and with what is added, as in GitHub Actions. */
export function combine(
  { axes, include, exclude }: Axes,
  { node, keyRange }: YamlEntry,
  report: Report,
): readonly Combination[] {
  const at = { file: node.file, range: keyRange };
  const count = axes.reduce((product, { length }) => product * length, 1) + include.length;
  if (count > MAX_CELLS) {
    const detail = `This matrix gives ${count} pipelines; more than ${MAX_CELLS} are not planned. Vary fewer keys, or split the file.`;
    report(SPEC_CODES.tooManyCells, detail, at);
    return [];
  }
  const product = axes.reduce<readonly Combination[]>(
    (combinations, axis) => combinations.flatMap((one) => axis.map((choice) => [...one, choice])),
    axes.length === 0 ? [] : [[]],
  );
  for (const { choices, node: entry } of exclude) {
    if (product.some((one) => holds(one, choices))) continue;
    report(
      SPEC_CODES.excludesNothing,
      "No combination of the matrix has all these values. Mend the entry, or remove it.",
      { file: entry.file, range: entry.range },
      ["exclude"],
    );
  }
  const kept = product.filter((one) => !exclude.some(({ choices }) => holds(one, choices)));
  const cells = include.reduce<readonly Combination[]>(
    (combinations, added) => extendBy(combinations, added, kept.length),
    kept,
  );
  if (cells.length === 0)
    report(
      SPEC_CODES.badMatrix,
      "Nothing is left of this matrix: `exclude` takes every combination away. Remove an entry of it.",
      at,
    );
  return cells;
}

const dottedPath = ({ path }: Choice) => path.join(".");

function holds(combination: Combination, choices: Combination): boolean {
  return choices.every((choice) =>
    combination.some((one) => dottedPath(one) === dottedPath(choice) && one.value.value === choice.value.value),
  );
}

/** Adds to every combination of the product that it does not contradict, else it is one by itself. */
function extendBy(combinations: readonly Combination[], added: Combination, products: number): readonly Combination[] {
  const agrees = (combination: Combination) =>
    added.some((choice) => combination.some((one) => dottedPath(one) === dottedPath(choice))) &&
    added.every((choice) => {
      const own = combination.find((one) => dottedPath(one) === dottedPath(choice));
      return own === undefined || own.value.value === choice.value.value;
    });
  const isNew = (combination: Combination) => (choice: Choice) =>
    !combination.some((one) => dottedPath(one) === dottedPath(choice));
  const extended = combinations.map((one, index) =>
    index < products && agrees(one) ? [...one, ...added.filter(isNew(one))] : one,
  );
  return combinations.some((one, index) => index < products && agrees(one)) ? extended : [...combinations, added];
}
