import { expect, test } from "vitest";
import { parseJsonl } from "../../../src/host/media/jsonl.ts";

const parse = (text: string, kind: "video_jsonl" | "image_jsonl" = "video_jsonl") =>
  parseJsonl(new TextEncoder().encode(text), kind);

/** The reasons, line by line; a good row is its path. */
const verdicts = (text: string, kind?: "video_jsonl" | "image_jsonl") =>
  parse(text, kind)?.map((row) => (row.kind === "row" ? row.path : row.text));

test("each line is a row with a path and a caption, taken as it is", () => {
  expect(parse('{"video_path": "data/a.mp4", "caption": " a fox\\n"}\n')).toEqual([
    { kind: "row", line: 1, path: "data/a.mp4", caption: " a fox\n" },
  ]);
});

test("lines end as in Python: \\n, \\r\\n or \\r, and not at U+2028", () => {
  const row = (name: string) => `{"video_path": "${name}", "caption": "x\u2028y"}`;
  expect(verdicts(`${row("a")}\r\n${row("b")}\r${row("c")}\n${row("d")}`)).toEqual(["a", "b", "c", "d"]);
});

test("an empty line is an error, also the last but one; the end of the last line is not a line", () => {
  const row = '{"video_path": "a", "caption": "x"}';
  expect(verdicts(`${row}\n\n${row}\n`)).toEqual(["a", expect.stringContaining("empty"), "a"]);
  expect(verdicts(`${row}\n`)).toEqual(["a"]);
  expect(verdicts(`${row}\n\n`)).toEqual(["a", expect.stringContaining("empty")]);
  expect(verdicts("")).toEqual([]);
});

test.each([
  ['{"video": "a.mp4", "caption": "x"}', "no `video_path`"],
  ['{"video_path": "a.mp4"}', "no `caption`"],
  ['{"video_path": 3, "caption": "x"}', "`video_path` is the number 3"],
  ['{"video_path": "a.mp4", "caption": ["x"]}', "`caption` is a list"],
  ['{"video_path": "", "caption": "x"}', "not a path"],
  ['{"video_path": "data/fox/.", "caption": "x"}', "ends in `.`"],
  ['["a.mp4", "x"]', "holds a list"],
  ["null", "holds null"],
  ["{'video_path': 'a.mp4', 'caption': 'x'}", "not JSON"],
  ['{"video_path": "a.mp4", "caption": "x", "control_path": "c.mp4"}', "control models"],
])("%s can't be used: %s", (line, reason) => {
  expect(verdicts(line)).toEqual([expect.stringContaining(reason)]);
});

test("NaN and Infinity, which Python writes, are read as Python reads them", () => {
  expect(verdicts('{"video_path": "NaN.mp4", "caption": "x", "score": NaN, "low": -Infinity}')).toEqual(["NaN.mp4"]);
});

test("images may be under image_path_0, as the trainer's own fallback has it", () => {
  expect(verdicts('{"image_path_0": "a.png", "caption": "x"}', "image_jsonl")).toEqual(["a.png"]);
  expect(verdicts('{"video_path": "a.png", "caption": "x"}', "image_jsonl")).toEqual([
    expect.stringContaining("no `image_path`, only `video_path`, `caption`"),
  ]);
});

test("a byte-order mark is named as the reason", () => {
  expect(verdicts('\ufeff{"video_path": "a", "caption": "x"}')).toEqual([expect.stringContaining("byte-order mark")]);
});

test("a file that is not UTF-8 has no rows", () => {
  expect(parseJsonl(new Uint8Array([0xba, 0xfc]), "video_jsonl")).toBeUndefined();
});

test("a line of ten megabytes is read like any other", () => {
  const caption = "fox ".repeat(2_500_000);
  expect(parse(`{"video_path": "a", "caption": "${caption}"}`)).toMatchObject([{ kind: "row", caption }]);
});

test("an integer of more digits than Python reads is an error; a float of as many is none, nor are digits in a text", () => {
  const row = (value: string) => `{"video_path": "a", "caption": "x", "n": ${value}}`;
  const digits = "9".repeat(4301);
  expect(verdicts(row(digits))).toEqual([expect.stringContaining("an integer of 4301 digits")]);
  expect(verdicts(row(`-${digits}`))).toEqual([expect.stringContaining("4301 digits")]);
  for (const value of [
    "9".repeat(4300),
    `${digits}.5`,
    `0.${digits}`,
    `${digits}e-5`,
    `"${digits}"`,
    `"\\"${digits}"`,
  ]) {
    expect(verdicts(row(value))).toEqual(["a"]);
  }
});

test("half a surrogate pair is no path", () => {
  expect(verdicts('{"video_path": "a\\ud83e.mp4", "caption": "x"}')).toEqual(["`video_path` is not a path"]);
});
