import { describe, expect, it } from "vitest";
import { hideCredentials, withoutCredentials } from "../../../src/core/credentials.ts";
import { diagnose } from "../../../src/core/diagnostic.ts";
import { SPEC_CODES } from "../../../src/core/spec/codes.ts";
import { viewDiagnostics } from "../../../src/views/human/diagnostics.ts";

/** What must be read nowhere: words that a user puts into an address. */

describe("an address", () => {
  it.each([
    ["https://ada:s3cret@host/x.git", "https://***@host/x.git"],
    ["https://s3cret@host", "https://***@host"],
    ["https://ada:s3@cret@host/x", "https://***@host/x"],
    ["see `https://host/x?token=s3cret`.", "see `https://host/x?***`."],
    ["https: //ada:s3cret@host", "https: //***@host"],
    ["pipelines/https:/ada:s3cret@host/clips", "pipelines/https:/***@host/clips"],
    ['{"url":"ssh://s3cret@host/x"}', '{"url":"ssh://***@host/x"}'],
  ])("shows no secret: %s", (text, shown) => {
    expect(withoutCredentials(text)).toBe(shown);
    const hidden = hideCredentials(text);
    expect(hidden).toHaveLength(text.length);
    expect(hidden).not.toMatch(/s3|cret/);
  });

  it.each(["https://host/a@b", "C:/me@home/clips", "git@host:x.git", "a: b@c", "time 10:30 / ann@host"])(
    "that has none stays: %s",
    (text) => {
      expect(withoutCredentials(text)).toBe(text);
      expect(hideCredentials(text)).toBe(text);
    },
  );

  it("is looked for in a hostile text as fast as in another", () => {
    const begun = performance.now();
    for (const text of ["a-", "ab://", "ab://x?", "a@"]) withoutCredentials(text.repeat(50_000));
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});

it("a finding tells no password, nor does the line that it points at", () => {
  const line = "notify: [https://ada:s3cret@host/hook?token=s3cret]";
  const range = { line: 1, column: 10, end_line: 1, end_column: line.length };
  const at = { file: "fox.yaml", range };
  const found = diagnose(SPEC_CODES.unknownKey, `It is ${line}.`, {
    at,
    related: [{ ...at, message: line }],
    below: `\n${line}`,
  });
  expect(JSON.stringify(found)).not.toContain("s3cret");
  for (const before of ["", "x".repeat(5_000)]) {
    const place = { ...range, column: before.length + 10, end_column: before.length + line.length };
    const texts = new Map([["fox.yaml", `${before}${line}`]]);
    const shown = viewDiagnostics([{ ...found, range: place, related: [] }], { colour: false, texts, width: 100 });
    expect(shown).not.toContain("s3cret");
    expect(shown).toMatch(/https:\/\/\*{10}@host\/hook\?\*{12}/);
  }
});
