/** Words of Python source: enough to find a function and to read the literals of a call. Nothing is run. */

export interface PythonToken {
  readonly kind: "name" | "string" | "number" | "operator";
  /** Of a string: what it holds, escapes read as far as names and choices need it. */
  readonly text: string;
  /** From 0, in its line. */
  readonly column: number;
}

const PATTERN = new RegExp(
  [
    String.raw`(?<space>[ \t\r\f]+|\\\n|#[^\n]*)`,
    String.raw`(?<line>\n)`,
    `(?<prefix>[rRbBuUfF]{0,2})(?<quote>"""|'''|"|')`,
    String.raw`(?<name>[\p{L}_][\p{L}\p{N}_]*)`,
    String.raw`(?<number>\.?\d[\w.]*)`,
    "(?<operator>.)",
  ].join("|"),
  "uy",
);

/** The tokens of a module. A string that never ends ends with the text. */
export function readPythonTokens(text: string): readonly PythonToken[] {
  const tokens: PythonToken[] = [];
  let at = 0;
  let lineStart = 0;
  while (at < text.length) {
    PATTERN.lastIndex = at;
    const groups = PATTERN.exec(text)?.groups;
    if (groups === undefined) {
      // Half of a surrogate pair: no part of any name.
      at += 1;
      continue;
    }
    const column = at - lineStart;
    const start = at;
    at = PATTERN.lastIndex;
    if (groups.line !== undefined) lineStart = at;
    else if (groups.quote !== undefined) {
      const { value, end } = readString(text, at, groups.quote, (groups.prefix ?? "").toLowerCase().includes("r"));
      tokens.push({ kind: "string", text: value, column });
      const newline = text.lastIndexOf("\n", end - 1);
      if (newline >= start) lineStart = newline + 1;
      at = end;
    } else if (groups.name !== undefined) tokens.push({ kind: "name", text: groups.name, column });
    else if (groups.number !== undefined) tokens.push({ kind: "number", text: groups.number, column });
    else if (groups.operator !== undefined) tokens.push({ kind: "operator", text: groups.operator, column });
  }
  return tokens;
}

function readString(text: string, from: number, quote: string, raw: boolean): { value: string; end: number } {
  let value = "";
  let at = from;
  while (at < text.length && !text.startsWith(quote, at)) {
    // A line ends a string that is quoted once.
    if (quote.length === 1 && text[at] === "\n") return { value, end: at };
    if (text[at] === "\\" && at + 1 < text.length) {
      value += raw ? text.slice(at, at + 2) : text[at + 1];
      at += 2;
    } else {
      value += text[at];
      at += 1;
    }
  }
  return { value, end: Math.min(text.length, at + quote.length) };
}
