import { describe, expect, test } from "vitest";
import { readKeyword, readPythonLiteral } from "../../../src/core/trainer/python-literal.ts";

describe("a Python literal", () => {
  test.each([
    ["1e-3", 0.001],
    ["1_000", 1000],
    ["True", true],
    ["None", null],
    ["0.9,0.999", [0.9, 0.999]],
    ["(0.9,)", [0.9]],
    ["(0.9)", 0.9],
    ["['.*ffn.*', \".*head.*\"]", [".*ffn.*", ".*head.*"]],
    ["{'a': 1}", { kind: "dict" }],
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

  test.each(["", "ffn", "[1", "1 2", "'a", String.raw`'\x4'`, String.raw`'\N{DASH}'`, "f'a'", "os.system('x')"])(
    "%s is none",
    (text) => {
      expect(readPythonLiteral(text)).toBeUndefined();
    },
  );
});

test("a keyword has exactly one equals sign and a literal behind it", () => {
  expect(readKeyword("betas=0.9,0.99")).toEqual({ name: "betas", value: [0.9, 0.99] });
  expect(readKeyword("betas").problem).toContain("exactly one `=`");
  expect(readKeyword("a=b=1").problem).toContain("exactly one `=`");
  expect(readKeyword("a=b").problem).toContain("no Python literal");
});
