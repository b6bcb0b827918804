import { describe, expect, test } from "vitest";
import { readKeyword, readPythonLiteral } from "../../../src/core/trainer/python-literal.ts";

describe("a Python literal", () => {
  test.each([
    ["1e-3", { kind: "float", value: 0.001 }],
    ["3.0", { kind: "float", value: 3 }],
    ["1_000", 1000],
    ["-0x1F", -31],
    ["0b11", 3],
    ["1 \t", 1],
    ["True", true],
    ["None", null],
    ["9,10", { kind: "tuple", items: [9, 10] }],
    ["(9,)", { kind: "tuple", items: [9] }],
    ["(9)", 9],
    ["['.*ffn.*', \".*head.*\"]", { kind: "list", items: [".*ffn.*", ".*head.*"] }],
    ["{2, 4}", { kind: "set", items: [2, 4] }],
    ["{'a': 1}", { kind: "dict", entries: 1 }],
  ])("%s is read", (text, value) => {
    expect(readPythonLiteral(text)).toEqual(value);
  });

  test.each([
    [String.raw`'a\.b'`, String.raw`a\.b`],
    [String.raw`'a\\.b'`, String.raw`a\.b`],
    [String.raw`r'a\\.b'`, String.raw`a\\.b`],
    [String.raw`r'a\'b'`, String.raw`a\'b`],
    [String.raw`'it\'s'`, "it's"],
    [String.raw`'tab\tx41 \x41\u4e00\101'`, "tab\tx41 A一A"],
    ["'one' \"two\"", "onetwo"],
    ["u'text'", "text"],
  ])("%s is the text %s", (text, value) => {
    expect(readPythonLiteral(text)).toBe(value);
  });

  test.each([
    "",
    "ffn",
    "01",
    "1__0",
    "{1: 2, 3}",
    "[1",
    "1 2",
    "'a",
    String.raw`'\x4'`,
    String.raw`'\N{DASH}'`,
    "f'a'",
    "os.system('x')",
  ])("%s is none", (text) => {
    expect(readPythonLiteral(text)).toBeUndefined();
  });
});

test("a keyword has exactly one equals sign and a literal behind it", () => {
  expect(readKeyword("steps=1,2")).toEqual({ name: "steps", value: { kind: "tuple", items: [1, 2] } });
  expect(readKeyword("betas").problem).toContain("exactly one `=`");
  expect(readKeyword("a=b=1").problem).toContain("exactly one `=`");
  expect(readKeyword("a=b").problem).toContain("no Python literal");
});
