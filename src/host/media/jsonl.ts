import type { SourceKind } from "../../core/spec/spec.ts";
import { baseNameOf, decodeUtf8, hasHalfSurrogate, universalNewlines } from "./python-text.ts";

/** A row that names a file, or why a line can't be used. Lines count from 1. */
export type JsonlRow =
  | { readonly kind: "row"; readonly line: number; readonly path: string; readonly caption: string }
  | { readonly kind: "wrong"; readonly line: number; readonly text: string };

const shorten = (text: string) => (text.length > 60 ? `${text.slice(0, 57)}…` : text);

function describe(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `the ${typeof value} ${shorten(JSON.stringify(value))}`;
}

/** Digits of the longest integer that Python reads (`sys.get_int_max_str_digits`). */
const MAX_DIGITS = 4300;

/** How long an integer is that Python refuses. Numbers with a fraction or an exponent are floats, of any length. */
function tooManyDigits(text: string): number | undefined {
  let isInText = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') isInText = !isInText;
    else if (isInText && character === "\\") at++;
    else if (!isInText && character >= "0" && character <= "9") {
      NUMBER.lastIndex = at;
      const { 0: number = "", 1: digits = "" } = NUMBER.exec(text) ?? [];
      if (digits.length > MAX_DIGITS && number === digits) return digits.length;
      at += number.length - 1;
    }
  }
  return undefined;
}

/** Its digits, and what makes it a float; a sign before it counts for nothing. */
const NUMBER = /(\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** JSON as Python reads it: also the bare words `NaN`, `Infinity` and `-Infinity`. */
function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const standard = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (match) =>
      match.startsWith('"') ? match : "null",
    );
    if (standard === text) throw error;
    return JSON.parse(standard);
  }
}

function parseRow(text: string, line: number, kind: Extract<SourceKind, "video_jsonl" | "image_jsonl">): JsonlRow {
  const wrong = (reason: string): JsonlRow => ({ kind: "wrong", line, text: reason });
  if (text.trim() === "") return wrong("the line is empty; the trainer reads every line as JSON, so take it out");
  let row: unknown;
  try {
    row = parsePythonJson(text);
  } catch (error) {
    const reason = text.startsWith("\ufeff")
      ? "the file begins with a byte-order mark; save it as UTF-8 without one"
      : error instanceof Error
        ? error.message
        : String(error);
    return wrong(`the line is not JSON (${reason})`);
  }
  const digits = text.length > MAX_DIGITS ? tooManyDigits(text) : undefined;
  if (digits !== undefined)
    return wrong(`it holds an integer of ${digits} digits, and Python reads ${MAX_DIGITS} at most`);
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    return wrong(`the line holds ${describe(row)}, not an object`);
  }
  const fields = row as Readonly<Record<string, unknown>>;
  // The trainer reads `image_path_0` where there is no `image_path` (`ImageJsonlDatasource`).
  const key = kind === "video_jsonl" ? "video_path" : "image_path" in fields ? "image_path" : "image_path_0";
  const wanted = kind === "video_jsonl" ? "video_path" : "image_path";
  if (!(key in fields))
    return wrong(
      `the row has no \`${wanted}\`, only ${
        Object.keys(fields)
          .map((name) => `\`${shorten(name)}\``)
          .join(", ") || "nothing"
      }`,
    );
  const path = fields[key];
  if (typeof path !== "string") return wrong(`\`${wanted}\` is ${describe(path)}, not a path`);
  if (path === "" || path.includes("\0") || hasHalfSurrogate(path)) return wrong(`\`${wanted}\` is not a path`);
  if (/^\.{1,2}$/.test(baseNameOf(path))) {
    return wrong(
      `\`${wanted}\` ends in \`${baseNameOf(path)}\`, which its caches would be named after; write the folder's own name`,
    );
  }
  if (!("caption" in fields)) return wrong("the row has no `caption`");
  const { caption } = fields;
  if (typeof caption !== "string") return wrong(`\`caption\` is ${describe(caption)}, not text`);
  const control = Object.keys(fields).find((name) => name.startsWith("control_path"));
  if (control !== undefined) return wrong(`\`${control}\` is for control models, which this task is not; take it out`);
  return { kind: "row", line, path, caption };
}

/** Reads a JSONL file's rows as the trainer does, a line each. Undefined where the file is not UTF-8. */
export function parseJsonl(
  bytes: Uint8Array,
  kind: Extract<SourceKind, "video_jsonl" | "image_jsonl">,
): readonly JsonlRow[] | undefined {
  const text = decodeUtf8(bytes);
  if (text === undefined) return undefined;
  const lines = universalNewlines(text).split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line, index) => parseRow(line, index + 1, kind));
}
