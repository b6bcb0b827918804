import type { PythonValue } from "./python-literal.ts";

/** What the values of keyword arguments have to be, where the trainer hands them on unread to a constructor that is known here. */

export interface WantedValue {
  readonly fits: (value: PythonValue) => boolean;
  /** What to write instead: `a number of 0 or more`. */
  readonly words: string;
}

/** An argument list by name. */
export type WantedValues = Readonly<Record<string, WantedValue>>;

function isNumber(value: PythonValue): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function numberWhere(words: string, fits: (value: number) => boolean): WantedValue {
  return { words, fits: (value) => isNumber(value) && fits(value) };
}

function numbersWhere(words: string, count: number, fits: (...values: number[]) => boolean): WantedValue {
  return {
    words,
    fits: (value) => Array.isArray(value) && value.length === count && value.every(isNumber) && fits(...value),
  };
}

/** Switches are only asked whether they are true, which every value answers. */
export const ANYTHING: WantedValue = { words: "any value", fits: () => true };
export const NUMBER = numberWhere("a number", () => true);
export const FROM_0 = numberWhere("a number of 0 or more", (value) => value >= 0);
export const ABOVE_0 = numberWhere("a number above 0", (value) => value > 0);
export const BELOW_1 = numberWhere("a number from 0 to below 1", (value) => value >= 0 && value < 1);
export const FROM_0_TO_1 = numberWhere("a number from 0 to 1", (value) => value >= 0 && value <= 1);
export const ABOVE_0_TO_1 = numberWhere("a number above 0 and at most 1", (value) => value > 0 && value <= 1);
export const NOT_0 = numberWhere("a number other than 0", (value) => value !== 0);
export const COUNT = numberWhere("a whole number of 1 or more", (value) => Number.isInteger(value) && value >= 1);
export const WHOLE = numberWhere("a whole number", Number.isInteger);
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
export const TRIPLE = numbersWhere("three numbers", 3, () => true);
export const NUMBERS: WantedValue = {
  words: "a list of numbers, such as [100, 200]",
  fits: (value) => Array.isArray(value) && value.every(isNumber),
};

export function oneOf(...choices: readonly (string | number | boolean | null)[]): WantedValue {
  const shown = choices.map((choice) => (typeof choice === "string" ? `'${choice}'` : pythonWord(choice)));
  return { words: shown.join(" or "), fits: (value) => choices.some((choice) => choice === value) };
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

/** Python's `if value`: empty, zero and None are not. */
export function isTruthy(value: PythonValue | undefined): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return Boolean(value);
}
