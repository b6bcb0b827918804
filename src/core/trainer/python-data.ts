import { parse, TomlDate } from "smol-toml";

/** JSON and TOML as the trainer's Python reads them (`json`, and `toml` 0.10.2), where that is not as JavaScript does. */

/** A number with a point or an exponent: Python takes `64.0` for no whole number, and JavaScript can't tell it from 64. */
export interface PythonFloat {
  readonly kind: "float";
  readonly value: number;
}

export function isPythonFloat(value: unknown): value is PythonFloat {
  return isTable(value) && value.kind === "float" && typeof value.value === "number";
}

export type Table = Readonly<Record<string, unknown>>;

export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof TomlDate);
}

/** What a text says, or a clause on why it can't be read. Floats are `PythonFloat`, whole numbers are numbers. */
export type PythonData =
  | { readonly value: unknown; readonly problem?: undefined }
  | { readonly problem: string; readonly value?: undefined };

/** The strings and numbers of a JSON text: nothing else in it looks like a number. Python takes NaN and Infinity too. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function readPythonJson(text: string): PythonData {
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    !token.startsWith('"') && /[.eENy]/.test(token) ? `{"kind": "float", "value": "${token}"}` : token,
  );
  try {
    return {
      value: JSON.parse(marked, (_, value: unknown) =>
        isTable(value) && value.kind === "float" ? { kind: "float", value: Number(value.value) } : value,
      ),
    };
  } catch {
    return { problem: "it is not valid JSON" };
  }
}

export function readPythonToml(text: string): PythonData {
  let value: unknown;
  try {
    value = parse(text, { integersAsBigInt: true });
  } catch {
    return { problem: "it is not valid TOML" };
  }
  if (hasMixedList(value)) {
    return { problem: "a list in it holds values of different kinds, which the trainer's reader of TOML refuses" };
  }
  return { value: withPythonNumbers(value) };
}

/** The kinds that the reader tells apart in a list (`load_array` in `toml/decoder.py`); of lists in lists it asks no more. */
function kindInList(value: unknown): string {
  if (Array.isArray(value)) return "list";
  // Only a time of day is no date to that reader.
  if (value instanceof TomlDate) return value.isTime() ? "time" : "date";
  return typeof value;
}

function hasMixedList(value: unknown): boolean {
  if (Array.isArray(value)) return new Set(value.map(kindInList)).size > 1 || value.some(hasMixedList);
  return isTable(value) && Object.values(value).some(hasMixedList);
}

function withPythonNumbers(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number") return { kind: "float", value } satisfies PythonFloat;
  if (Array.isArray(value)) return value.map(withPythonNumbers);
  if (!isTable(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withPythonNumbers(entry)]));
}
