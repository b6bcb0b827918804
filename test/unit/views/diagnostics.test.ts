import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import type { Diagnostic, SourceRange } from "../../../src/core/diagnostic.ts";
import { viewAnnotations } from "../../../src/views/github.ts";
import { viewDiagnostics } from "../../../src/views/human/diagnostics.ts";
import { aDiagnostic } from "./plans.ts";

function at(line: number, column: number, endLine: number, endColumn: number): { file: string; range: SourceRange } {
  return { file: "fox.yaml", range: { line, column, end_line: endLine, end_column: endColumn } };
}

/** The view without colour, of diagnostics in one text. */
function view(text: string, diagnostics: readonly Diagnostic[], width = 80): string {
  return viewDiagnostics(diagnostics, { colour: false, width, texts: new Map([["fox.yaml", text]]) });
}

/** Source line and underlining of one diagnostic. */
function frame(text: string, place: ReturnType<typeof at>, width = 80): readonly string[] {
  const lines = view(text, [aDiagnostic(place)], width).split("\n");
  return lines.slice(
    3,
    lines.findIndex((line) => line.trimStart().startsWith("=")),
  );
}

describe("viewDiagnostics", () => {
  it("shows the place in the text, underlined, and the whole detail", () => {
    const text = "version: 1\ntrain:\n  learing_rate: 2e-4\n";
    expect(view(text, [aDiagnostic({ ...at(3, 3, 3, 15), code: "S3" })])).toMatchInlineSnapshot(`
      "error[S3] Unknown key
       --> fox.yaml:3:3
        |
      3 |   learing_rate: 2e-4
        |   ^^^^^^^^^^^^
        = \`learing_rate\` is no key of \`train\`. Did you mean \`learning_rate\`?

      1 error
      "
    `);
  });

  it("wraps a long title between words, and no command at all", () => {
    const diagnostic = aDiagnostic({
      code: "D7",
      severity: "warning",
      summary: "A clip has another rate than the 16 frames a second that Wan is trained on",
      detail:
        "What was trained stays. To start over: `wan22 apply --replace train pipelines/fox.yaml`. Nothing is deleted.",
    });
    expect(view("", [diagnostic], 60)).toMatchInlineSnapshot(`
      "warning[D7] A clip has another rate than the 16 frames a
                  second that Wan is trained on
        = What was trained stays. To start over:
          \`wan22 apply --replace train pipelines/fox.yaml\`.
          Nothing is deleted.

      1 warning
      "
    `);
  });

  it("shows related places, each in its own file, with the gutter as wide as the largest number", () => {
    const texts = new Map([
      ["fox.yaml", `${"\n".repeat(11)}name: fox\n`],
      ["cat.yaml", "name: fox\n"],
    ]);
    const diagnostic = aDiagnostic({
      code: "S9",
      summary: "The same name twice",
      detail: "Both pipelines are called `fox`; give one of them another name.",
      ...at(12, 7, 12, 10),
      related: [
        { message: "The other one", file: "cat.yaml", range: { line: 1, column: 7, end_line: 1, end_column: 10 } },
        { message: "And a folder", file: "data" },
      ],
    });
    expect(viewDiagnostics([diagnostic], { colour: false, texts })).toMatchInlineSnapshot(`
      "error[S9] The same name twice
        --> fox.yaml:12:7
         |
      12 | name: fox
         |       ^^^
         = Both pipelines are called \`fox\`; give one of them another name.
         = The other one:
        --> cat.yaml:1:7
         |
       1 | name: fox
         |       ---
         = And a folder:
        --> data

      1 error
      "
    `);
  });

  it("counts related places that are too many to show", () => {
    const related = Array.from({ length: 1_000 }, (_, index) => ({ message: "Also", file: `clip-${index}.mp4` }));
    const text = view("", [aDiagnostic({ related })]);
    expect(text).toContain("= Also:\n --> clip-7.mp4\n  = and 992 more places\n");
  });

  it("puts errors first, leaves repetitions out, and counts", () => {
    const warning = aDiagnostic({ severity: "warning", code: "D1", summary: "Few words", detail: "Two." });
    const note = aDiagnostic({ severity: "note", code: "R1", summary: "Taken", detail: "One." });
    const error = aDiagnostic({ code: "S1", summary: "Wrong", detail: "Zero." });
    expect(view("", [note, warning, error, warning, { ...warning, detail: "Three." }])).toMatchInlineSnapshot(`
      "error[S1] Wrong
        = Zero.

      warning[D1] Few words
        = Two.

      warning[D1] Few words
        = Three.

      note[R1] Taken
        = One.

      1 error, 2 warnings, 1 note
      "
    `);
  });

  it("says nothing of nothing", () => {
    expect(view("", [])).toBe("");
  });

  it("names a place whose text it doesn't have", () => {
    const text = viewDiagnostics([aDiagnostic(at(3, 1, 3, 2))], { colour: false, texts: new Map() });
    expect(text.split("\n").slice(0, 3)).toEqual([
      "error[S3] Unknown key",
      " --> fox.yaml:3:1",
      "  = `learing_rate` is no key of `train`. Did you mean `learning_rate`?",
    ]);
  });

  it("colours by severity when asked to, and only then", () => {
    const [plain, coloured] = [false, true].map((colour) =>
      viewDiagnostics([aDiagnostic()], { colour, texts: new Map() }),
    );
    expect(coloured).toContain("\u001b[1m\u001b[31merror[S3]");
    expect(stripVTControlCharacters(coloured ?? "")).toBe(plain);
  });

  it("makes escape sequences and text turned around harmless, wherever they stand", () => {
    const evil = "\u001b[2J\u202e";
    const diagnostic = aDiagnostic({ detail: evil, summary: evil, file: evil, range: at(1, 1, 1, 4).range });
    const text = viewDiagnostics([diagnostic], { colour: false, texts: new Map([[evil, `${evil} x`]]) });
    expect(text).not.toMatch(/[^\n\P{C}]/u);
    expect(text).toContain("1 | \\x1b[2J\\u{202e} x");
  });
});

describe("the underlining", () => {
  it("stands under wide characters, emoji and behind tabs", () => {
    expect(frame("\t学习率: 🦊 x\n", at(1, 7, 1, 9))).toEqual(["1 |     学习率: 🦊 x", "  |             ^^"]);
    expect(frame("a\tb\n", at(1, 3, 1, 4))).toEqual(["1 | a   b", "  |     ^"]);
    expect(frame("cafe\u0301 x\n", at(1, 7, 1, 8))).toEqual(["1 | cafe\u0301 x", "  |      ^"]);
  });

  it("stands under what a control character is shown as", () => {
    expect(frame("a\u001bb\n", at(1, 2, 1, 3))).toEqual(["1 | a\\x1bb", "  |  ^^^^"]);
  });

  it("is one column for an empty range, also at the end of a line and of the text", () => {
    expect(frame("ab\n", at(1, 3, 1, 3))).toEqual(["1 | ab", "  |   ^"]);
    expect(frame("ab\n", at(2, 1, 2, 1))).toEqual(["2 |", "  | ^"]);
    expect(frame("ab", at(1, 99, 1, 120))).toEqual(["1 | ab", "  |   ^"]);
  });

  it("is left out where the range lies behind the text", () => {
    expect(frame("ab\n", at(9, 1, 9, 2))).toEqual([]);
  });

  it("doesn't see Windows' line ends", () => {
    expect(frame("a: 1\r\nb: 2\r\n", at(2, 1, 2, 5))).toEqual(["2 | b: 2", "  | ^^^^"]);
  });

  it("covers several lines, and leaves the middle of many out", () => {
    const text = "a:\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n  f: 5\n";
    expect(frame(text, at(1, 1, 3, 7))).toEqual([
      "1 | a:",
      "  | ^^",
      "2 |   b: 1",
      "  |   ^^^^",
      "3 |   c: 2",
      "  |   ^^^^",
    ]);
    expect(frame(text, at(1, 1, 7, 1))).toEqual([
      "1 | a:",
      "  | ^^",
      "2 |   b: 1",
      "  |   ^^^^",
      "  ⋮",
      "6 |   f: 5",
      "  |   ^^^^",
    ]);
  });

  it("is found in a line of any length, which is cut around it", () => {
    const line = `${"a ".repeat(200)}BAD${" z".repeat(200)}`;
    expect(frame(line, at(1, 401, 1, 404), 40)).toEqual([
      "1 | … a a a a a BAD z z z z z z z z z z…",
      "  |             ^^^",
    ]);
    expect(frame(`BAD${" z".repeat(200)}`, at(1, 1, 1, 4), 40)[1]).toBe("  | ^^^");
    expect(frame(`${"学".repeat(100)}`, at(1, 51, 1, 52), 40)[1]).toBe("  |             ^^");
    expect(frame(`${"x".repeat(5_000_000)}BAD`, at(1, 5_000_001, 1, 5_000_004), 40)[1]).toMatch(/^ {2}\| +\^\^\^$/);
  });
});

describe("viewAnnotations", () => {
  it("gives a command a diagnostic, with the last column GitHub's way", () => {
    expect(viewAnnotations([aDiagnostic(at(3, 3, 3, 15)), aDiagnostic({ severity: "note", detail: "Fine." })])).toBe(
      [
        "::error file=fox.yaml,line=3,endLine=3,col=3,endColumn=14,title=S3 Unknown key::`learing_rate` is no key of `train`. Did you mean `learning_rate`?",
        "::notice title=S3 Unknown key::Fine.",
        "",
      ].join("\n"),
    );
  });

  it("gives no columns where several lines are meant, and joins related places to the message", () => {
    const related = [{ message: "The other one", file: "cat.yaml", range: at(4, 1, 4, 2).range }];
    expect(viewAnnotations([aDiagnostic({ ...at(3, 3, 5, 1), detail: "Twice.", related })])).toBe(
      "::error file=fox.yaml,line=3,endLine=5,title=S3 Unknown key::Twice.%0AThe other one: cat.yaml:4\n",
    );
  });

  it("lets nothing break out of a command", () => {
    const diagnostic = aDiagnostic({
      file: "a,line=1::error ::x\n::set-output name=y::z.yaml",
      summary: "100%, sure: yes",
      detail: "one\r\n::stop-commands::token\u001b[0m 5%",
    });
    expect(viewAnnotations([diagnostic])).toBe(
      "::error file=a%2Cline=1%3A%3Aerror %3A%3Ax\\n%3A%3Aset-output name=y%3A%3Az.yaml,title=S3 100%25%2C sure%3A yes::one%0A::stop-commands::token\\x1b[0m 5%25\n",
    );
  });

  it("names files from the repository's root, where the project lies below it", () => {
    expect(viewAnnotations([aDiagnostic({ file: "fox.yaml" })], { folder: "projects/a" })).toContain(
      "file=projects/a/fox.yaml,",
    );
  });
});
