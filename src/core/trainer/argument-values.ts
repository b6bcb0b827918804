import { isPythonFloat } from "./python-data.ts";
import { integerOf, itemsOf, numberOf, type PythonValue } from "./python-literal.ts";

/** What the values of keyword arguments have to be, where the trainer hands them on unread to a constructor that is known here. */

export interface WantedValue {
  readonly fits: (value: PythonValue) => boolean;
  /** What to write instead: `a number of 0 or more`. */
  readonly words: string;
}

/** An argument list by name. */
export type WantedValues = Readonly<Record<string, WantedValue>>;

function numberWhere(words: string, fits: (value: number) => boolean): WantedValue {
  return {
    words,
    fits: (value) => {
      const number = numberOf(value);
      return number !== undefined && Number.isFinite(number) && fits(number);
    },
  };
}

function integerWhere(words: string, fits: (value: number) => boolean): WantedValue {
  return {
    words,
    fits: (value) => {
      const number = integerOf(value);
      return number !== undefined && fits(number);
    },
  };
}

function numbersWhere(words: string, count: number, fits: (...values: number[]) => boolean): WantedValue {
  return {
    words,
    fits: (value) => {
      const numbers = (itemsOf(value) ?? []).flatMap((item) => numberOf(item) ?? []);
      return numbers.length === count && itemsOf(value)?.length === count && fits(...numbers);
    },
  };
}

/** Switches are only asked whether they are true, which every value answers. */
export const ANYTHING: WantedValue = { words: "any value", fits: () => true };
export const NUMBER = numberWhere("a number", () => true);
export const FROM_0 = numberWhere("a number of 0 or more", (value) => value >= 0);
export const ABOVE_0 = numberWhere("a number above 0", (value) => value > 0);
export const BELOW_1 = numberWhere("a number from 0 to below 1", (value) => value >= 0 && value < 1);
export const FROM_0_TO_1 = numberWhere("a number from 0 to 1", (value) => value >= 0 && value <= 1);
export const FLOAT_FROM_0_TO_1: WantedValue = {
  words: "a number from 0 to 1, written with a point",
  fits: (value) => isPythonFloat(value) && FROM_0_TO_1.fits(value),
};
export const ABOVE_0_TO_1 = numberWhere("a number above 0 and at most 1", (value) => value > 0 && value <= 1);
export const NOT_0 = numberWhere("a number other than 0", (value) => value !== 0);
export const COUNT = integerWhere("a whole number of 1 or more, without a point", (value) => value >= 1);
export const WHOLE = numberWhere("a whole number", Number.isInteger);
export const BELOW_100 = integerWhere("a whole number below 100, without a point", (value) => value < 100);
export const BETAS = numbersWhere("two numbers from 0 to below 1, such as betas=0.9,0.999", 2, (...values) =>
  values.every((value) => value >= 0 && value < 1),
);
export const BETAS_3 = numbersWhere("three numbers from 0 to below 1, such as betas=0.9,0.999,0.9999", 3, (...values) =>
  values.every((value) => value >= 0 && value < 1),
);
export const ETAS = numbersWhere(
  "a number between 0 and 1 and one above 1, such as etas=0.5,1.2",
  2,
  (below = 0, above = 0) => below > 0 && below < 1 && above > 1,
);
export const PAIR = numbersWhere("two numbers", 2, () => true);
export const TORCH_ADAFACTOR_EPS: WantedValue = {
  words: "a number or None, and a number, such as eps=None,1e-3",
  fits: (value) => {
    const [first, second, ...more] = itemsOf(value) ?? [];
    const isSize = (item: PythonValue | undefined) => (numberOf(item) ?? -1) >= 0;
    return (first === null || isSize(first)) && isSize(second) && more.length === 0;
  },
};
export const TRIPLE = numbersWhere("three numbers", 3, () => true);
export const NUMBERS: WantedValue = {
  words: "a list of numbers, such as [100, 200]",
  // A dict is counted by its keys.
  fits: (value) =>
    (typeof value === "object" && value?.kind === "dict") ||
    itemsOf(value)?.every((item) => numberOf(item) !== undefined) === true,
};

/** One value for all of the optimizer's groups of parameters, or a list or tuple with one for each. */
export function perGroup({ words, fits }: WantedValue, groups: number): WantedValue {
  return {
    words: `${words}, or a list of ${groups}`,
    fits: (value) => {
      if (typeof value !== "object" || value === null || (value.kind !== "list" && value.kind !== "tuple"))
        return fits(value);
      return value.items.length === groups && value.items.every(fits);
    },
  };
}

/** One of these; Python's 0 is as good as False, and 32.0 as 32. */
export function oneOf(...choices: readonly (string | number | boolean | null)[]): WantedValue {
  const shown = choices.map((choice) => (typeof choice === "string" ? `'${choice}'` : pythonWord(choice)));
  const isSame = (value: PythonValue, choice: string | number | boolean | null) =>
    value === choice || (choice !== null && numberOf(choice) !== undefined && numberOf(value) === numberOf(choice));
  return { words: shown.join(" or "), fits: (value) => choices.some((choice) => isSame(value, choice)) };
}

/** The same, or `None` for the default. */
export function optional({ words, fits }: WantedValue): WantedValue {
  return { words: `${words}, or None`, fits: (value) => value === null || fits(value) };
}

function pythonWord(value: number | boolean | null): string {
  if (value === null) return "None";
  if (typeof value === "number") return String(value);
  return value ? "True" : "False";
}
