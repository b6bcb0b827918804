/**
 * TOML values as Python's `toml` 0.10.2 reads them, which is what the trainer uses (trainer facts §3). That reader has
 * faults: it misreads a basic string that starts with two quotes or is one quote, `\u005c`, and `\u` escapes beside an
 * escaped backslash that a `u` follows. What is written here avoids them all.
 */

/** A value of the dataset TOML. TOML tells integers from floats, and the trainer insists on the difference. */
export type TomlValue =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "boolean"; readonly value: boolean }
  | { readonly type: "integer"; readonly value: number }
  | { readonly type: "float"; readonly value: number }
  | { readonly type: "integers"; readonly value: readonly number[] };

const ESCAPES: Readonly<Record<string, string>> = {
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\f": "\\f",
  "\r": "\\r",
  '"': '\\"',
  "\\": "\\\\",
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that TOML wants escaped.
const TO_ESCAPE = /["\\\u0000-\u001f\u007f]/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a literal string can hold none of these.
const NOT_LITERAL = /['\u0000-\u0008\u000a-\u001f\u007f]/;

/** Whether the body of a basic string, as it stands between its quotes, is read rightly by Python's `toml`. */
export function isReadRightly(body: string): boolean {
  if (body === '\\"' || body.startsWith('\\"\\"')) return false;
  const hasUnicodeEscape = /(?<!\\)(?:\\\\)*\\[uU]/.test(body);
  return !hasUnicodeEscape || !/\\\\|\\u00(?:5c|22)|\\U000000(?:5c|22)/i.test(body);
}

/** A string as a TOML literal; undefined for the few that Python's `toml` reads wrongly however they are written. */
export function tomlString(text: string): string | undefined {
  // Half of a surrogate pair is no character, in no encoding.
  if (/\p{Surrogate}/u.test(text)) return undefined;
  const body = text.replaceAll(
    TO_ESCAPE,
    (character) => ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  if (isReadRightly(body)) return `"${body}"`;
  return NOT_LITERAL.test(text) ? undefined : `'${text}'`;
}

/** A number with a point or an exponent in it, so that no reader takes it for an integer: `30.0`, `29.97`, `1e-7`. */
export function tomlFloat(value: number): string {
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/** A value as a TOML literal; undefined where there is none that is read rightly. */
export function tomlLiteral(value: TomlValue): string | undefined {
  switch (value.type) {
    case "string":
      return tomlString(value.value);
    case "boolean":
      return String(value.value);
    case "integer":
      return Number.isSafeInteger(value.value) ? String(value.value) : undefined;
    case "float":
      return Number.isFinite(value.value) ? tomlFloat(value.value) : undefined;
    case "integers":
      return value.value.every((each) => Number.isSafeInteger(each)) ? `[${value.value.join(", ")}]` : undefined;
  }
}
