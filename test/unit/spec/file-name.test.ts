import { expect, test } from "vitest";
import { utf8Length, whyNoFileName } from "../../../src/core/spec/file-name.ts";

test.each(["fox", "fox-t2v", "Fox_2.1", "狐狸", "🦊", "a b", "con2", "-fox", "x".repeat(200)])(
  "%j can be a file name",
  (name) => {
    expect(whyNoFileName(name)).toBeUndefined();
  },
);

test.each([
  [".", "means a folder"],
  ["..", "means a folder"],
  ["a/b", "holds a slash"],
  ["a\\b", "holds a slash"],
  ["a:b", "Windows refuses"],
  ["what?", "Windows refuses"],
  ["a\nb", "line break"],
  ["a\u0001b", "control character"],
  [" fox", "begins or ends with a space or a dot"],
  ["fox.", "begins or ends with a space or a dot"],
  ["CON", "device on Windows"],
  ["nul.txt", "device on Windows"],
  ["\uD800", "half a character"],
  ["x".repeat(201), "longer than 200 bytes"],
  ["狐".repeat(67), "longer than 200 bytes"],
])("%j cannot: it %s", (name, why) => {
  expect(whyNoFileName(name)).toContain(why);
});

test("Bytes are counted as UTF-8 counts them", () => {
  for (const text of ["", "fox", "é", "狐", "🦊", "a\u0301"]) expect(utf8Length(text)).toBe(Buffer.byteLength(text));
});
