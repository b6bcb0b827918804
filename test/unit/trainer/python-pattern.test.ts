import { describe, expect, test } from "vitest";
import { readPythonPattern } from "../../../src/core/trainer/python-pattern.ts";

/** Patterns that JavaScript reads as Python does, so that its engine can be asked where it does not go on for ever. */
const PATTERNS = [
  ...["", "a", "abc", ".", ".*", "a|b", "a|", "(a|b)c", "(?:ab)+", "a?b*c+", "a{2}", "a{1,3}", "a{2,}", "(a?){3}b"],
  ...["[abc]+", "[^a]+", "[a-c]x?", "[a-]", "[.]", "[\\d_]+", "\\d+", "\\w+\\.\\w+", "\\.", "\\n", "^a$", "^$"],
  ...["(?=ab)a.*", "(?!.*c).*", "((a|b)*c)*", "(.*)*", "(a*)*b", "(?:a|ab)(?:c|bcd)(?:d*)", ".*?b", "(a+?)b"],
  ...["blocks\\.([0-9]|1\\d)\\..*", ".*(?:ffn|self_attn).*", "(.*\\.(q|k))|.*ffn.*", "a{,2}b".replace("{,", "{0,")],
];

const TEXTS = [
  ...["", "a", "b", "ab", "abc", "aab", "aabb", "abab", "ababc", "abcd", "cc", "abcabc", "x", "ax", "a.b", ".", "]a"],
  ...["-", "12_3", "é", "\n", "blocks.1.ffn.0", "blocks.12.self_attn.q", "blocks.39.cross_attn.k"],
];

describe("a pattern", () => {
  test.each(PATTERNS)("%s matches the same texts as a whole as in other engines", (source) => {
    const pattern = readPythonPattern(source);
    const other = new RegExp(`^(?:${source})$`);
    const matches = TEXTS.filter((text) => pattern?.matchesWhole(text));
    expect(matches).toEqual(TEXTS.filter((text) => other.test(text)));
  });

  test.each([
    "(?i)a",
    "(?P<x>a)",
    "a++",
    "a**",
    "*a",
    "a)",
    "(a",
    "[a",
    "[b-a]",
    "\\1",
    "(?<=a)b",
    "a{3,2}",
    "\\Aa",
    "a\\",
  ])("%s is not read", (source) => {
    expect(readPythonPattern(source)).toBeUndefined();
  });

  test("holds a closing bracket where it stands first in a class, as JavaScript's do not", () => {
    expect(TEXTS.filter((text) => readPythonPattern("[]a]+")?.matchesWhole(text))).toEqual(["a", "]a"]);
  });

  test("is compared in time that grows with the text alone, however it repeats itself", () => {
    const pattern = readPythonPattern("(.*.*.*.*)*Z");
    expect(pattern?.matchesWhole(`${"a".repeat(300)}Z`)).toBe(true);
    expect(pattern?.matchesWhole("a".repeat(300))).toBe(false);
  });

  test.each([
    ["(.*.*.*.*)*Z", true],
    ["(.+)+#", true],
    ["(a|a|.)*(b|.)*(.*)*Z", true],
    [".*.*.*Z", false],
    ["(.*)*", false],
    ["(?:[a-z0-9_]+\\.)*x", false],
    [".*ffn.*", false],
  ] as const)("%s is endless in Python: %s", (source, endless) => {
    expect(readPythonPattern(source)?.isEndless("blocks.39.cross_attn.q")).toBe(endless);
  });
});
