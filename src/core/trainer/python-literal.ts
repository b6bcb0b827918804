import { isPythonFloat, type PythonFloat } from "./python-data.ts";

/** Python literals as `ast.literal_eval` takes them: what may stand after the `=` of `optimizer_args` and `lr_scheduler_args`. */

export type PythonValue = string | number | boolean | null | PythonFloat | PythonCollection | PythonDict;

export interface PythonCollection {
  readonly kind: "list" | "tuple" | "set";
  readonly items: readonly PythonValue[];
}

/** A dict's entries are checked for their form and not kept. */
export interface PythonDict {
  readonly kind: "dict";
  readonly entries: number;
}

/** What Python takes for a number: truth values are, `True` is 1. */
export function numberOf(value: PythonValue | undefined): number | undefined {
  if (typeof value === "boolean") return Number(value);
  if (isPythonFloat(value)) return value.value;
  return typeof value === "number" ? value : undefined;
}

/** What Python takes for a whole number: `3.0` is none. */
export function integerOf(value: PythonValue | undefined): number | undefined {
  return isPythonFloat(value) ? undefined : numberOf(value);
}

/** The items of a list, a tuple or a set. */
export function itemsOf(value: PythonValue | undefined): readonly PythonValue[] | undefined {
  return typeof value === "object" && value !== null && "items" in value ? value.items : undefined;
}

/** Python's `if value`: empty, zero and None are not. */
export function isTruthy(value: PythonValue | undefined): boolean {
  const number = numberOf(value);
  if (number !== undefined) return number !== 0;
  if (typeof value === "object" && value !== null && "entries" in value) return value.entries > 0;
  return (itemsOf(value)?.length ?? (typeof value === "string" ? value.length : 0)) > 0;
}

interface Reading {
  readonly value: PythonValue;
  /** Where the next token starts. */
  readonly end: number;
}

/** A number with a base, with a point or an exponent, or without; `01` is none. */
const BASED = /([+-]?)(0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+)/y;
const FLOAT =
  /[+-]?(?:(?:\d(?:_?\d)*\.(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?|\d(?:_?\d)*[eE][+-]?\d(?:_?\d)*)/y;
const INTEGER = /[+-]?(?:[1-9](?:_?\d)*|0(?:_?0)*)(?![\d_])/y;
const WORD = /True|False|None/y;
const STRING = /(?<prefix>[rRuU]?)(?:'(?<single>(?:[^'\\\n]|\\.)*)'|"(?<double>(?:[^"\\\n]|\\.)*)")/y;
const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))/gs;
const ESCAPED: Readonly<Record<string, string>> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
const WORDS: Readonly<Record<string, boolean | null>> = { True: true, False: false, None: null };

/** Nested deeper than this is no option of any optimizer. */
const MAX_DEPTH = 20;

function match(pattern: RegExp, text: string, start: number): string | undefined {
  pattern.lastIndex = start;
  return pattern.exec(text)?.[0];
}

function skipSpace(text: string, start: number): number {
  let index = start;
  while (text[index] === " " || text[index] === "\t") index++;
  return index;
}

/** A literal's text with its escapes resolved; Python keeps those that it does not know. Undefined for `\N{…}` and cut ones. */
function resolveEscapes(body: string): string | undefined {
  let readable = true;
  const text = body.replace(ESCAPE, (whole, hex2, hex4, hex8, octal, other) => {
    const hex: string | undefined = hex2 ?? hex4 ?? hex8;
    const code =
      hex !== undefined ? Number.parseInt(hex, 16) : octal !== undefined ? Number.parseInt(octal, 8) : undefined;
    if (code !== undefined && code <= 0x10ffff) return String.fromCodePoint(code);
    if (code !== undefined || "NxuU".includes(other)) readable = false;
    return ESCAPED[other] ?? whole;
  });
  return readable ? text : undefined;
}

/** One string, or several side by side, which are one. */
function readStrings(text: string, start: number): Reading | undefined {
  let value: string | undefined;
  let end = start;
  for (;;) {
    STRING.lastIndex = end;
    const found = STRING.exec(text);
    if (found === null) return value === undefined ? undefined : { value, end };
    const body = found.groups?.single ?? found.groups?.double ?? "";
    const part = found.groups?.prefix?.toLowerCase() === "r" ? body : resolveEscapes(body);
    if (part === undefined) return undefined;
    value = (value ?? "") + part;
    end = skipSpace(text, found.index + found[0].length);
  }
}

/** Values with commas between them up to `close`, or up to the end of the text. */
function readSequence(text: string, start: number, close: string | undefined, depth: number): Reading | undefined {
  const values: PythonValue[] = [];
  let index = skipSpace(text, start);
  let commas = 0;
  let entries = 0;
  while (close === undefined ? index < text.length : text[index] !== close) {
    const item = readValue(text, index, depth);
    if (item === undefined) return undefined;
    values.push(item.value);
    index = skipSpace(text, item.end);
    if (close === "}" && text[index] === ":") {
      const entry = readValue(text, skipSpace(text, index + 1), depth);
      if (entry === undefined) return undefined;
      entries++;
      index = skipSpace(text, entry.end);
    }
    if (text[index] === ",") {
      commas++;
      index = skipSpace(text, index + 1);
    } else if (close === undefined ? index < text.length : text[index] !== close) return undefined;
  }
  const end = close === undefined ? index : index + 1;
  if (close === "}") {
    if (entries !== (entries > 0 ? values.length : 0)) return undefined;
    return { value: values.length === entries ? { kind: "dict", entries } : { kind: "set", items: values }, end };
  }
  // `(1)` and `1` are a number, `(1,)` and `1,` a tuple.
  const [only] = values;
  if (close !== "]" && values.length === 1 && commas === 0 && only !== undefined) return { value: only, end };
  if (close === undefined && values.length === 0) return undefined;
  return { value: { kind: close === "]" ? "list" : "tuple", items: values }, end };
}

function readValue(text: string, start: number, depth: number): Reading | undefined {
  if (depth > MAX_DEPTH) return undefined;
  const first = text[start];
  if (first === "(") return readSequence(text, start + 1, ")", depth + 1);
  if (first === "[") return readSequence(text, start + 1, "]", depth + 1);
  if (first === "{") return readSequence(text, start + 1, "}", depth + 1);
  const strings = readStrings(text, start);
  if (strings !== undefined) return strings;
  const word = match(WORD, text, start);
  if (word !== undefined) return { value: WORDS[word] ?? null, end: start + word.length };
  return readNumber(text, start);
}

function readNumber(text: string, start: number): Reading | undefined {
  BASED.lastIndex = start;
  const based = BASED.exec(text);
  if (based !== null) {
    const value = Number((based[2] ?? "").replaceAll("_", ""));
    return { value: based[1] === "-" ? -value : value, end: start + based[0].length };
  }
  const float = match(FLOAT, text, start);
  if (float !== undefined) {
    return { value: { kind: "float", value: Number(float.replaceAll("_", "")) }, end: start + float.length };
  }
  const integer = match(INTEGER, text, start);
  return integer === undefined
    ? undefined
    : { value: Number(integer.replaceAll("_", "")), end: start + integer.length };
}

/** The value of a literal (`0.9,0.999` is a tuple); undefined for anything that Python would not read as one. */
export function readPythonLiteral(text: string): PythonValue | undefined {
  const start = skipSpace(text, 0);
  if (start === text.length) return undefined;
  const reading = readSequence(text, start, undefined, 0);
  return reading === undefined || reading.end < text.length ? undefined : reading.value;
}

/** One `name=value` word; `problem` is a clause on why the trainer would refuse it. */
export type Keyword =
  | { readonly name: string; readonly value: PythonValue; readonly problem?: undefined }
  | { readonly name: string; readonly problem: string };

/** Reads a word as the trainer does: `key, value = word.split("=")`, then `literal_eval`. */
export function readKeyword(word: string): Keyword {
  const [name = "", text, ...more] = word.split("=");
  if (text === undefined || more.length > 0) return { name, problem: "it has to be name=value with exactly one `=`" };
  const value = readPythonLiteral(text);
  if (value === undefined) {
    return { name, problem: `\`${text}\` is no Python literal, such as 0.1, True, (0.9, 0.99) or 'text'` };
  }
  return { name, value };
}
