import { describe, expect, test } from "vitest";
import { splitExtension } from "../../../src/core/paths.ts";
import { compareText, decodeUtf8, stripText, universalNewlines } from "../../../src/host/media/python-text.ts";

describe("stripText is str.strip()", () => {
  test.each([
    ["  a fox \n", "a fox"],
    ["\u3000狐狸\u3000", "狐狸"],
    ["\x1c\x85\xa0a\u2028", "a"],
    ["\t \n", ""],
    ["a  b", "a  b"],
  ])("%j gives %j", (text, stripped) => {
    expect(stripText(text)).toBe(stripped);
  });

  test("a byte-order mark is not a space to Python, as it is to trim()", () => {
    expect(stripText("\ufeffa")).toBe("\ufeffa");
  });

  test("a million spaces inside a text stay, without looking at each from each", () => {
    const text = `a${" ".repeat(1_000_000)}b`;
    expect(stripText(text)).toBe(text);
  });
});

test("every way to end a line becomes \\n", () => {
  expect(universalNewlines("a\r\nb\rc\nd\r\r\n")).toBe("a\nb\nc\nd\n\n");
});

test("UTF-8 is read strictly, and a byte-order mark stays", () => {
  expect(decodeUtf8(new TextEncoder().encode("狐狸 🦊"))).toBe("狐狸 🦊");
  expect(decodeUtf8(new Uint8Array([0xef, 0xbb, 0xbf, 0x61]))).toBe("\ufeffa");
  // GB18030, a surrogate half, an overlong slash, a cut character.
  for (const bytes of [
    [0xba, 0xfc],
    [0xed, 0xa0, 0x80],
    [0xc0, 0xaf],
    [0x61, 0xe7, 0x8b],
  ]) {
    expect(decodeUtf8(new Uint8Array(bytes))).toBeUndefined();
  }
});

test.each([
  ["a.mp4", "a", ".mp4"],
  ["a.b.mp4", "a.b", ".mp4"],
  ["frames", "frames", ""],
  [".mp4", ".mp4", ""],
  ["..mp4", "..mp4", ""],
  [".a.mp4", ".a", ".mp4"],
  ["a.", "a", "."],
  ["", "", ""],
])("splitExtension takes %j apart like os.path.splitext", (name, stem, extension) => {
  expect(splitExtension(name)).toEqual({ stem, extension });
});

test("names sort by code point, as Python's do", () => {
  const sorted = ["A", "B", "a", "é", "狐", "\uff5e", "🦊"];
  expect([...sorted].reverse().sort(compareText)).toEqual(sorted);
  expect(["a1", "a", "a10", "a2"].sort(compareText)).toEqual(["a", "a1", "a10", "a2"]);
});
