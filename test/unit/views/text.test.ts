import { describe, expect, it, onTestFinished } from "vitest";
import { printable } from "../../../src/core/printable.ts";
import { layoutTable } from "../../../src/views/text/columns.ts";
import { printableLines } from "../../../src/views/text/printable.ts";
import { count, formatBytes, formatDuration, formatNumber, listWords } from "../../../src/views/text/quantity.ts";
import { formatTime, withLocalTimes } from "../../../src/views/text/time.ts";
import { textColumns } from "../../../src/views/text/width.ts";
import { fitText, wrapText } from "../../../src/views/text/wrap.ts";

describe("textColumns", () => {
  it.each([
    ["", 0],
    ["plain", 5],
    ["学习率", 6],
    ["ﾊﾟ", 2],
    ["한글", 4],
    ["e\u0301", 1],
    ["🦊", 2],
    ["👩‍👩‍👧", 2],
    ["🇩🇪", 2],
    ["❤️", 2],
    ["❤", 1],
    ["1️⃣", 2],
    ["\u200b", 0],
    ["→ … é", 5],
  ])("of %j are %i", (text, columns) => {
    expect(textColumns(text)).toBe(columns);
  });
});

describe("printable", () => {
  it("makes visible what a terminal would obey", () => {
    expect(printable("\u001b[31mred\u001b[0m\u0007")).toBe("\\x1b[31mred\\x1b[0m\\x07");
    expect(printable("a\r\n\tb\0")).toBe("a\\r\\n\\tb\\0");
    expect(printable("\u009b2J")).toBe("\\x9b2J");
  });

  it("makes visible what would hide or turn text around", () => {
    expect(printable("a\u202eb\u2066c\u200bd\ufeff\u00ad\u2028")).toBe(
      "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}\\xad\\u{2028}",
    );
    expect(printable("\ud83e")).toBe("\\u{d83e}");
  });

  it("leaves the languages and emoji alone", () => {
    for (const text of ["学习率", "می‌خواهم", "👩‍👩‍👧 ❤️", "naïve"]) expect(printable(text)).toBe(text);
  });

  it("keeps line breaks where lines are wanted", () => {
    expect(printableLines("a\r\nb\tc\nd")).toBe("a\nb\\tc\nd");
  });
});

describe("wrapText", () => {
  it("breaks at spaces, and keeps a long word whole so that it can be copied", () => {
    expect(wrapText("see output/fox/a-very-long-name.safetensors for it", 20)).toEqual([
      "see",
      "output/fox/a-very-long-name.safetensors",
      "for it",
    ]);
  });

  it("breaks Chinese between characters", () => {
    expect(wrapText("学习率太高 lr", 6)).toEqual(["学习率", "太高", "lr"]);
  });

  it("keeps line breaks, and lines that begin with two spaces as they are", () => {
    expect(wrapText("Write:\n  train:\n    learning_rate: 0.0002 # long enough\n\nDone.", 12)).toEqual([
      "Write:",
      "  train:",
      "    learning_rate: 0.0002 # long enough",
      "",
      "Done.",
    ]);
  });

  it("keeps a number and its unit together", () => {
    expect(wrapText("it takes up to 0.3 s of 48 h", 18)).toEqual(["it takes up to", "0.3 s of 48 h"]);
    expect(wrapText("all 12 sources", 6)).toEqual(["all 12", "sources"]);
  });

  it("leaves a separating dot at the end of a line", () => {
    expect(wrapText("aaaa · bbbb · cccc", 8)).toEqual(["aaaa ·", "bbbb ·", "cccc"]);
  });
});

describe("fitText", () => {
  it("wraps each line under its own indent, a label's text by two more, and keeps what stands in a file", () => {
    const file = `    learning_rate: 2e-4 # ${"long ".repeat(8)}enough`;
    const text = `rules\n  They hold for every pipeline of the project.\n\n  max_hours: Hours that a training may take.\n${file}`;
    expect(fitText(text, 30).split("\n")).toEqual([
      "rules",
      "  They hold for every pipeline",
      "  of the project.",
      "",
      "  max_hours: Hours that a",
      "    training may take.",
      file,
    ]);
    expect(fitText(text, 0)).toBe(text);
  });
});

describe("layoutTable", () => {
  const rows = [
    [{ text: "学习率" }, { text: "2e-4", align: "right" as const }, { text: "size rule 60 files, of the manual" }],
    [{ text: "dim" }, { text: "32", align: "right" as const }, { text: "tier" }],
  ];

  it("aligns columns by what is seen", () => {
    expect(layoutTable(rows, { columns: 80, indent: 2 })).toEqual([
      "  学习率  2e-4  size rule 60 files, of the manual",
      "  dim       32  tier",
    ]);
  });

  it("hangs a long last cell under itself, and puts it below where there is no room", () => {
    expect(layoutTable(rows, { columns: 42, indent: 2 }).slice(0, 2)).toEqual([
      "  学习率  2e-4  size rule 60 files, of the",
      "                manual",
    ]);
    expect(layoutTable(rows, { columns: 30, indent: 2 }).slice(0, 3)).toEqual([
      "  学习率  2e-4",
      "      size rule 60 files, of",
      "      the manual",
    ]);
  });
});

describe("quantities", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1 kB"],
    [613_417_760, "613 MB"],
    [999_600_000, "1 GB"],
    [28_577_000_000, "28.6 GB"],
    [99_960_000_000, "100 GB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  it.each([
    [0.04, "0 s"],
    [4.24, "4.2 s"],
    [9.97, "10 s"],
    [98, "98 s"],
    [100, "2 min"],
    [720, "12 min"],
    [6_000, "1 h 40 min"],
    [12_000, "3 h 20 min"],
    [35_999, "10 h"],
    [50_400, "14 h"],
    [190_800, "2 d 5 h"],
  ])("%d seconds are %s", (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it.each([
    [0.0002, "2e-4"],
    [0.00015, "1.5e-4"],
    [1e-6, "1e-6"],
    [0.001, "0.001"],
    [0.1 + 0.2, "0.3"],
    [2_147_483_647, "2147483647"],
    [-0.0005, "-5e-4"],
    [0, "0"],
  ])("%d is %s, as a pipeline has it", (value, text) => {
    expect(formatNumber(value)).toBe(text);
  });

  it("counts and lists in English", () => {
    expect([count(1, "step"), count(2, "step"), count(2, "batch", "batches")]).toEqual([
      "1 step",
      "2 steps",
      "2 batches",
    ]);
    expect([listWords([]), listWords(["a"]), listWords(["a", "b"]), listWords(["a", "b", "c"])]).toEqual([
      "",
      "a",
      "a and b",
      "a, b and c",
    ]);
  });
});

describe("a time", () => {
  it("has its date, is to the minute, and goes by this machine's clock", () => {
    const zone = process.env.TZ;
    onTestFinished(() => {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    });
    process.env.TZ = "Asia/Kolkata";
    expect(formatTime("2026-07-01T20:05:59.999Z")).toBe("2026-07-02 01:35");
    process.env.TZ = "America/New_York";
    expect(formatTime("2026-01-01T03:00:00Z")).toBe("2025-12-31 22:00");
    expect(formatTime("yesterday")).toBe("yesterday");
    const note = "ann has an apply open since 2026-07-01T20:05:59.999Z (process 7); log 2026-07-01T20:05:59Z";
    expect(withLocalTimes(note)).toBe(
      "ann has an apply open since 2026-07-01 16:05 (process 7); log 2026-07-01T20:05:59Z",
    );
  });
});
