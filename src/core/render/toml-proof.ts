import { type TomlTable as ParsedTable, parse, TomlError } from "smol-toml";
import { isReadRightly, type TomlValue, tomlLiteral } from "./toml-literal.ts";

/** Proves that a rendered dataset TOML says what was meant, to the trainer's reader as well as to ours. */

export type TomlTable = Readonly<Record<string, TomlValue>>;

export interface DatasetToml {
  readonly general: TomlTable;
  readonly datasets: readonly TomlTable[];
}

/** Something wrong with a text, as a sentence with a full stop; with its line, from 1, where there is one. */
export interface TomlFault {
  readonly kind: "unreadable" | "differs";
  readonly line?: number;
  readonly text: string;
}

const INTEGER = "-?(?:0|[1-9][0-9]*)";
const FLOAT = `${INTEGER}(?:\\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)`;
const LIST = `\\[[ \\t]*(?:${INTEGER}(?:[ \\t]*,[ \\t]*${INTEGER})*[ \\t]*,?[ \\t]*)?\\]`;
const BASIC = '"(?<body>(?:[^"\\\\]|\\\\.)*)"';
const COMMENT = "[ \\t]*(?:#.*)?";

/** The forms that Python's `toml` and every TOML reader agree on, a line each. */
const PLAIN_LINES: readonly RegExp[] = [
  new RegExp(`^${COMMENT}$`),
  new RegExp(`^[ \\t]*(?:\\[general\\]|\\[\\[datasets\\]\\])${COMMENT}$`),
  new RegExp(
    `^[ \\t]*[A-Za-z0-9_]+[ \\t]*=[ \\t]*(?:${BASIC}|'[^']*'|${INTEGER}|${FLOAT}|true|false|${LIST})${COMMENT}$`,
  ),
];

/** Longer than any path; the forms are not tried on more. */
const MAX_LINE_LENGTH = 65_536;

function isPlain(line: string): boolean {
  if (line.length > MAX_LINE_LENGTH) return false;
  for (const form of PLAIN_LINES) {
    const match = form.exec(line);
    if (match !== null) return isReadRightly(match.groups?.body ?? "");
  }
  return false;
}

function unreadable(error: unknown): TomlFault {
  if (!(error instanceof TomlError)) throw error;
  const [first = ""] = error.message.split("\n");
  return { kind: "unreadable", line: error.line, text: `${first.replace(/^Invalid TOML document: /, "")}.` };
}

/** A parsed value back in the terms of the model; undefined for what the model has no word for. */
function toTomlValue(value: unknown): TomlValue | undefined {
  if (typeof value === "string") return { type: "string", value };
  if (typeof value === "boolean") return { type: "boolean", value };
  if (typeof value === "bigint") return { type: "integer", value: Number(value) };
  if (typeof value === "number") return { type: "float", value };
  if (!Array.isArray(value) || !value.every((each) => typeof each === "bigint")) return undefined;
  return { type: "integers", value: value.map(Number) };
}

const ARTICLES: Readonly<Record<TomlValue["type"], string>> = {
  string: "a string",
  boolean: "true or false",
  integer: "an integer",
  float: "a float",
  integers: "a list of integers",
};

function describe(value: TomlValue): string {
  return `${tomlLiteral(value) ?? String(value.value)} (${ARTICLES[value.type]})`;
}

function same(a: TomlValue, b: TomlValue): boolean {
  if (a.type === "integers" && b.type === "integers") {
    return a.value.length === b.value.length && a.value.every((each, index) => each === b.value[index]);
  }
  return a.type === b.type && a.value === b.value;
}

/** What is different between a table that was meant and one that was read. */
function compareTable(name: string, meant: TomlTable, read: unknown): readonly string[] {
  if (typeof read !== "object" || read === null || Array.isArray(read)) return [`\`${name}\` is missing.`];
  const differences: string[] = [];
  const table: ReadonlyMap<string, unknown> = new Map(Object.entries(read));
  for (const [key, value] of Object.entries(meant)) {
    const found = table.get(key);
    const path = `${name}.${key}`;
    if (found === undefined) {
      differences.push(`\`${path}\` is missing; it was meant to be ${describe(value)}.`);
      continue;
    }
    const foundValue = toTomlValue(found);
    if (foundValue === undefined) differences.push(`\`${path}\` is no value that was meant, ${describe(value)}.`);
    else if (!same(foundValue, value))
      differences.push(`\`${path}\` is ${describe(foundValue)}, and ${describe(value)} was meant.`);
  }
  for (const key of table.keys()) {
    if (!Object.hasOwn(meant, key)) differences.push(`\`${name}.${key}\` was not meant to be there.`);
  }
  return differences;
}

function compareAll(meant: DatasetToml, read: ParsedTable): readonly string[] {
  const differences = [...compareTable("general", meant.general, read.general)];
  const datasets: readonly unknown[] = Array.isArray(read.datasets) ? read.datasets : [];
  meant.datasets.forEach((table, index) => {
    differences.push(...compareTable(`datasets[${index}]`, table, datasets[index]));
  });
  if (datasets.length > meant.datasets.length) {
    differences.push(`There are ${datasets.length} datasets, and ${meant.datasets.length} were meant.`);
  }
  for (const key of Object.keys(read)) {
    if (key !== "general" && key !== "datasets") differences.push(`\`${key}\` was not meant to be there.`);
  }
  return differences;
}

/** Reads the text back and compares it with what was meant, type by type. An empty list is the proof. */
export function findTomlFaults(text: string, meant: DatasetToml): readonly TomlFault[] {
  const lines = text.split("\n");
  let read: ParsedTable;
  try {
    read = parse(text, { integersAsBigInt: true });
  } catch (error) {
    return [unreadable(error)];
  }
  const odd = lines.findIndex((line) => !isPlain(line));
  if (odd >= 0) {
    const shown = (lines[odd] ?? "").trim().slice(0, 80);
    const why = `\`${shown}\` is written in a form that Python's TOML reader may take for something else.`;
    return [{ kind: "unreadable", line: odd + 1, text: why }];
  }
  return compareAll(meant, read).map((difference) => ({ kind: "differs", text: difference }));
}
