// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { expect, test } from "vitest";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import { parse, SOUND } from "./sample.ts";

/** Broken files that are tried; `WAN22_RANDOM_FILES=10000` tries more of them. */
const ROUNDS = Number(process.env.WAN22_RANDOM_FILES ?? 1000);

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

// biome-ignore format: a pile of things
const FRAGMENTS = [
  "", "\t", "\u0000", "\r", "\uFEFF", "\uD800", "🦊", "狐", "*", "&a ", "*a", "!!binary ", "!x ", "<<: *a", "? ", "- ", ": ", "{", "}",
  "[", "]", "'", '"', "|", ">", "%", "@", "`", "#", "---\n", "...\n", "\n", "  ", "~", "null", "yes", "1e999", ".inf", "-0", "0x1F",
  "${HOME}", "${", "${A:-", "__proto__", "constructor", "toString", "[[[[[[[[", "{{{{", "9".repeat(40), "x".repeat(2000), "-1", "true",
] as const;

type Mutate = (text: string, random: () => number) => string;

const pick = <T>(list: readonly T[], random: () => number): T => list[Math.floor(random() * list.length)] as T;

/** One small thing that goes wrong in an editor, or that someone tries on purpose. */
const MUTATIONS: readonly Mutate[] = [
  (text, random) => withLines(text, random, (lines, at) => lines.toSpliced(at, 1)),
  (text, random) => withLines(text, random, (lines, at) => lines.toSpliced(at, 0, lines[at] ?? "")),
  (text, random) => withLines(text, random, (lines, at) => lines.with(at, `  ${lines[at] ?? ""}`)),
  (text, random) => withLines(text, random, (lines, at) => lines.with(at, (lines[at] ?? "").replace(/^ {2}/, ""))),
  (text, random) =>
    withLines(text, random, (lines, at) => lines.with(at, (lines[at] ?? "").replace(/[a-z_]+:/, "renamed:"))),
  (text, random) =>
    withLines(text, random, (lines, at) =>
      lines.with(at, (lines[at] ?? "").replace(/: .*$/, `: ${pick(FRAGMENTS, random)}`)),
    ),
  (text, random) => withLines(text, random, (lines, at) => [...lines.slice(at), ...lines.slice(0, at)]),
  (text, random) => {
    const at = Math.floor(random() * text.length);
    return text.slice(0, at) + pick(FRAGMENTS, random) + text.slice(at);
  },
  (text, random) => {
    const at = Math.floor(random() * text.length);
    return text.slice(0, at) + text.slice(at + 1 + Math.floor(random() * 5));
  },
  (text, random) => {
    const at = Math.floor(random() * text.length);
    return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 0x3000)) + text.slice(at + 1);
  },
  (text, random) => text.slice(0, Math.floor(random() * text.length)),
];

function withLines(text: string, random: () => number, change: (lines: string[], at: number) => string[]): string {
  const lines = text.split("\n");
  return change(lines, Math.floor(random() * lines.length)).join("\n");
}

function isInside(text: string, { range }: Diagnostic): boolean {
  if (range === undefined) return false;
  const lines = text.replace(/^\uFEFF/, "").split("\n");
  const first = lines[range.line - 1];
  const last = lines[range.end_line - 1];
  if (first === undefined || last === undefined) return false;
  const ordered = range.end_line > range.line || range.end_column > range.column;
  // A mark may stand one column after the end of its line, where something is missing.
  return ordered && range.column >= 1 && range.column <= first.length + 1 && range.end_column <= last.length + 2;
}

/** What a finding lacks; empty for one that can be shown to a user. */
function faultsOf(text: string, finding: Diagnostic): string[] {
  const faults: readonly (readonly [boolean, string])[] = [
    [/^S\d+$/.test(finding.code), "a code"],
    [/[.?]$/.test(finding.detail), "a full sentence"],
    [!/undefined|\[object|Invalid input|expected string|NaN/.test(finding.detail), "words for users"],
    [isInside(text, finding), "a range inside the text"],
  ];
  return faults.filter(([holds]) => !holds).map(([, what]) => `lacks ${what}: ${JSON.stringify(finding)}`);
}

test("However a pipeline is broken: no throw, and every finding has a code, a detail and a range inside the text", {
  timeout: 120_000,
}, () => {
  const random = randomNumbers(22);
  for (let round = 0; round < ROUNDS; round += 1) {
    let text = SOUND;
    for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) text = pick(MUTATIONS, random)(text, random);
    const asProject = round % 5 === 0;
    const { value, diagnostics } = asProject ? parse(SOUND, text) : parse(text);
    const errors = diagnostics.filter(({ severity, code }) => severity === "error" && code !== "S31");
    if (errors.length === 0) expect(value, `a value where nothing is wrong, in\n${text}`).toBeDefined();
    const faults = diagnostics.flatMap((finding) =>
      faultsOf(finding.file === "wan22.yaml" || !asProject ? text : SOUND, finding),
    );
    expect(faults, text).toEqual([]);
  }
});

test("However a matrix is broken: no throw, and every finding has a place inside the text", {
  timeout: 120_000,
}, () => {
  const random = randomNumbers(23);
  const matrix = `${SOUND}matrix:\n  network_alpha: [1, 2]\n  dataset.sources.0.num_repeats: [1, 2]\n  hardware.gpu: [RTX 4090]\n  exclude:\n    - { network_alpha: 1, dataset.sources.0.num_repeats: 2 }\n  include:\n    - { seed: 7 }\n`;
  expect(parse(matrix).diagnostics).toEqual([]);
  for (let round = 0; round < ROUNDS / 8; round += 1) {
    let text = matrix;
    for (let count = 1 + Math.floor(random() * 3); count > 0; count -= 1) {
      const at = text.indexOf("matrix:");
      text = text.slice(0, at) + pick(MUTATIONS, random)(text.slice(at), random);
    }
    const { value, diagnostics } = parse(text);
    const errors = diagnostics.filter(({ severity, code }) => severity === "error" && code !== "S31");
    if (errors.length === 0) expect(value, text).toBeDefined();
    expect(
      diagnostics.flatMap((finding) => faultsOf(text, finding)),
      text,
    ).toEqual([]);
  }
});

test("What is read from a mutated pipeline is the same every time", () => {
  const random = randomNumbers(7);
  for (let round = 0; round < 50; round += 1) {
    const text = pick(MUTATIONS, random)(SOUND, random);
    expect(parse(text)).toEqual(parse(text));
  }
});

test.each([
  ["flow lists", "[".repeat(60_000)],
  ["flow maps", "{a: ".repeat(60_000)],
  ["block lists", "- ".repeat(60_000)],
  ["complex keys", "? ".repeat(60_000)],
  ["indented maps", Array.from({ length: 600 }, (_, level) => `${" ".repeat(level)}a:`).join("\n")],
  ["open quotes", `${"[".repeat(3000)}"`],
  ["closed brackets", "[".repeat(5000) + "]".repeat(5000)],
])("Thousands of nested %s end in a clear finding", (_, text) => {
  const { value, diagnostics } = parse(text);
  expect(value).toBeUndefined();
  expect(diagnostics.map(({ code }) => code)).toContain("S9");
});
