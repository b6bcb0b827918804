import type { ModelFacts } from "../facts.ts";
import type { LockedTensors } from "./lock.ts";

/** The tensors of a model in a few dozen lines: its blocks are alike, and differ in a number of their names. */

type TensorFacts = NonNullable<ModelFacts["tensors"]>;

/** A number among the parts of a name, as a program writes it. */
const NUMBERED = /^(?<before>(?:[^.*]+\.)*?)(?<number>0|[1-9]\d{0,6})(?<after>(?:\.[^*]*)?)$/;
/** Numbers that a range may hold: no model has as many blocks, and no edited file makes as many names. */
const MAX_NUMBERS = 100_000;

/** Tensors by name, those that differ in their first number alone together; sorted, whatever order the file has. */
export function lockTensors(tensors: TensorFacts): LockedTensors {
  const groups = new Map<string, { name: string; dtype: string; shape: readonly number[]; numbers: number[] }>();
  for (const [name, { dtype, shape }] of Object.entries(tensors)) {
    const { before, number, after } = NUMBERED.exec(name)?.groups ?? {};
    const pattern = number === undefined ? name : `${before}*${after}`;
    const key = JSON.stringify([pattern, number !== undefined, dtype, shape]);
    const group = groups.get(key) ?? { name: pattern, dtype, shape, numbers: [] };
    if (number !== undefined) group.numbers.push(Number(number));
    groups.set(key, group);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { name, dtype, shape, numbers }]) =>
      numbers.length === 0 ? [name, dtype, [...shape]] : [name, dtype, [...shape], rangesOf(numbers)],
    );
}

/** `0-39`, or `0,2,5-7`. */
function rangesOf(numbers: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** The tensors again, sorted by name. Undefined where they are too many to be a model's. */
export function unlockTensors(locked: LockedTensors): TensorFacts | undefined {
  const tensors: [string, TensorFacts[string]][] = [];
  for (const [name, dtype, shape, ranges] of locked) {
    const numbers = ranges === undefined ? undefined : numbersOf(ranges, MAX_NUMBERS - tensors.length);
    if (ranges !== undefined && numbers === undefined) return undefined;
    const names = numbers === undefined ? [name] : numbers.map((number) => name.replace("*", String(number)));
    tensors.push(...names.map((each): [string, TensorFacts[string]] => [each, { dtype, shape }]));
  }
  return Object.fromEntries(tensors.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
}

function numbersOf(ranges: string, room: number): readonly number[] | undefined {
  const numbers: number[] = [];
  for (const range of ranges.split(",")) {
    const [first = 0, last = first] = range.split("-").map(Number);
    if (last - first >= room - numbers.length) return undefined;
    for (let number = first; number <= last; number += 1) numbers.push(number);
  }
  return numbers;
}
