import { parse } from "smol-toml";
import { describe, expect, test } from "vitest";
import { tomlFloat, tomlLiteral, tomlString } from "../../../src/core/render/toml-literal.ts";

describe("a string", () => {
  test.each([
    ["data/fox", '"data/fox"'],
    ["C:\\clips\\new", '"C:\\\\clips\\\\new"'],
    ['a "b" c', '"a \\"b\\" c"'],
    ["it's", '"it\'s"'],
    ["a # b = c [d] {e}", '"a # b = c [d] {e}"'],
    ["狐狸/🦊", '"狐狸/🦊"'],
    ["tab\tline\n", '"tab\\tline\\n"'],
    ["bell\u0007", '"bell\\u0007"'],
    ["", '""'],
    // Python's reader loses the quotes of these as basic strings.
    ['"', "'\"'"],
    ['""a', "'\"\"a'"],
  ])("%j is written %s", (text, literal) => {
    expect(tomlString(text)).toBe(literal);
    expect(parse(`x = ${literal}`)).toEqual({ x: text });
  });

  test.each([
    ['""it\'s', "two quotes in front, and an apostrophe that forbids the other kind of string"],
    ["\\a\u0001", "an escape beside a backslash"],
    ["\ud800", "half a character"],
  ])("%j is not written at all: %s", (text) => {
    expect(tomlString(text)).toBeUndefined();
  });
});

describe("a number", () => {
  test.each([
    [30, "30.0"],
    [29.97, "29.97"],
    [23.976023976023978, "23.976023976023978"],
    [1e-7, "1e-7"],
    [1e21, "1e+21"],
  ])("that is a float stays one: %d is %s", (value, text) => {
    expect(tomlFloat(value)).toBe(text);
    expect(parse(`x = ${text}`, { integersAsBigInt: true })).toEqual({ x: value });
  });

  test("that is an integer stays one, and nothing else is written as one", () => {
    expect(tomlLiteral({ type: "integer", value: 25 })).toBe("25");
    expect(tomlLiteral({ type: "integer", value: 0.5 })).toBeUndefined();
    expect(tomlLiteral({ type: "float", value: Number.NaN })).toBeUndefined();
    expect(tomlLiteral({ type: "integers", value: [1, 25] })).toBe("[1, 25]");
  });
});
