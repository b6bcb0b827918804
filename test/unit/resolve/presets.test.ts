import { describe, expect, test } from "vitest";
import { PRESET_FILES, type Presets, readOwnPresetFile, readPresets } from "../../../src/core/resolve/presets.ts";
import type { SourceText } from "../../../src/core/spec/spec.ts";
import { PRESET_TEXTS, PRESETS, resolveWith } from "./sample.ts";

/** The built-in presets with one text of one file replaced by another; the text must be there. */
function replaced(file: string, from: string, to: string): Readonly<Record<string, SourceText>> {
  const source = PRESET_TEXTS[file];
  if (source === undefined || !source.text.includes(from)) throw new Error(`${file} lacks ${from}`);
  return { ...PRESET_TEXTS, [file]: { ...source, text: source.text.replace(from, to) } };
}

function lineOf(file: string, text: string): number {
  const lines = (PRESET_TEXTS[file]?.text ?? "").split("\n");
  return lines.findIndex((line) => line.includes(text)) + 1;
}

test("every file is there, and each reason is told in English and Chinese", () => {
  expect(Object.keys(PRESET_TEXTS).sort()).toEqual([...PRESET_FILES].sort());
  const seen: { en: string; zh: string }[] = [];
  const collect = (node: unknown): void => {
    if (typeof node !== "object" || node === null) return;
    if ("en" in node && "zh" in node) seen.push(node as { en: string; zh: string });
    for (const child of Object.values(node)) collect(child);
  };
  collect(PRESETS);
  expect(seen.length).toBeGreaterThan(150);
  for (const { en, zh } of seen) {
    expect(en).not.toMatch(/[\u4e00-\u9fff]/);
    expect(zh).toMatch(/[\u4e00-\u9fff]|RTX|network_/);
  }
});

test("what lies in a folder of replacements takes effect", () => {
  const { value } = readPresets(replaced("size-rules.yaml", "value: [16, 20]", "value: [7, 7]"));
  const presets = value as Presets;
  const outcome = resolveWith("hardware: professional", { files: 60, presets });
  expect(outcome.train.max_train_epochs).toBe(7);
});

test("one file can be laid over presets that were read before, and says where each value stands", () => {
  const source = PRESET_TEXTS["tiers.yaml"];
  const own = source && readOwnPresetFile("tiers.yaml", source).value;
  expect(own).toMatchObject({ tiers: PRESETS.tiers });
  const line = lineOf("tiers.yaml", "      blocks_to_swap:");
  expect(own?.tiers?.tiers.professional.parameters.blocks_to_swap?.place).toMatchObject({
    file: "templates/presets/tiers.yaml",
    range: { line },
  });
});

describe("what is wrong in a replaced file is said with its place", () => {
  test.each([
    ["not YAML", "tiers.yaml", "cards:\n", "cards: [\n", undefined, "S", "cards: ["],
    [
      "a key that is not known",
      "tiers.yaml",
      "memory_from_gib: 64",
      "memory_from_gib: 64\n    vram: 3",
      "R2",
      "R",
      undefined,
    ],
    [
      "a number that is a text",
      "tiers.yaml",
      "memory_from_gib: 64",
      "memory_from_gib: a lot",
      "R2",
      "R",
      "memory_from_gib: 64",
    ],
    ["a tier that is missing", "tiers.yaml", "  mid:\n", "  middle:\n", "R2", "R", undefined],
    [
      "a parameter that does not exist",
      "size-rules.yaml",
      "learning_rate:",
      "learning_rat:",
      "R3",
      "R",
      "learning_rate:",
    ],
    ["a value of another type", "defaults.yaml", "value: adamw8bit", "value: [1, 2]", "R4", "R", undefined],
    ["a value that the trainer refuses", "defaults.yaml", "value: shift", "value: shft", "R4", "R", undefined],
    [
      "a value out of bounds",
      "defaults.yaml",
      "blocks_to_swap:\n    value: 0",
      "blocks_to_swap:\n    value: 40",
      "R4",
      "R",
      undefined,
    ],
    [
      "a range of flags",
      "tiers.yaml",
      "fp8_base:\n        value: false",
      "fp8_base:\n        value: [0, 1]",
      "R4",
      "R",
      undefined,
    ],
    ["a range that ends before it begins", "size-rules.yaml", "value: [8, 12]", "value: [12, 8]", "R4", "R", undefined],
    [
      "such a range of percentages",
      "memory.yaml",
      "percent: [30, 40]",
      "percent: [40, 30]",
      "R5",
      "R",
      "percent: [30, 40]",
    ],
    [
      "such a span",
      "tiers.yaml",
      "suits: { from: 100, to: 1000 }",
      "suits: { from: 100, to: 10 }",
      "R5",
      "R",
      "suits: { from: 100, to: 1000 }",
    ],
    ["a value in a remedy", "remedies.yaml", "fp8_t5: true", "fp8_t5: maybe", "R4", "R", "fp8_t5: true"],
    [
      "a value by task",
      "remedies.yaml",
      "i2v-A14B: { timestep_boundary: 900 }",
      "i2v-A14B: { timestep_boundary: 0.9 }",
      "R4",
      "R",
      "i2v-A14B: { timestep_boundary: 900 }",
    ],
    ["a hint's value", "advice.yaml", "value: [4, 8]", "value: [-4, 8]", "R4", "R", "value: [4, 8]"],
    ["size rules out of order", "size-rules.yaml", "- files: 40", "- files: 10", "R5", "R", undefined],
    ["no last rule", "size-rules.yaml", "- from: 1000", "- files: 2000", "R5", "R", undefined],
    ["tiers out of order", "tiers.yaml", "memory_from_gib: 28", "memory_from_gib: 80", "R5", "R", undefined],
    ["no lowest tier", "tiers.yaml", "memory_from_gib: 0", "memory_from_gib: 4", "R5", "R", undefined],
    [
      "an architecture that is not listed",
      "tiers.yaml",
      "vram_gib: 32, architecture: blackwell",
      "vram_gib: 32, architecture: rubin",
      "R2",
      "R",
      "vram_gib: 32, architecture: blackwell",
    ],
    [
      "memory rows out of order",
      "memory.yaml",
      "ram_gib: 32\n    reason",
      "ram_gib: 8\n    reason",
      "R5",
      "R",
      undefined,
    ],
    ["another version", "tasks.yaml", "version: 1", "version: 2", "R2", "R", "version: 1"],
  ])("%s", (_, file, from, to, code, chapter, marked) => {
    const { value, diagnostics } = readPresets(replaced(file, from, to));
    expect(value).toBeUndefined();
    const [first] = diagnostics;
    expect(first?.severity).toBe("error");
    if (code !== undefined) expect(first?.code).toBe(code);
    expect(first?.code.startsWith(chapter)).toBe(true);
    expect(first?.file).toBe(`templates/presets/${file}`);
    expect(first?.range).toBeDefined();
    if (marked !== undefined && code !== undefined) expect(first?.range?.line).toBe(lineOf(file, marked));
  });

  test("a misspelt parameter gets a suggestion", () => {
    const { diagnostics } = readPresets(replaced("defaults.yaml", "optimizer_type:", "optimiser_type:"));
    expect(diagnostics[0]?.detail).toContain("Did you mean `optimizer_type`?");
  });

  test("a file that is missing, and all faults at once", () => {
    const { "advice.yaml": _, ...rest } = replaced("defaults.yaml", "value: shift", "value: shft");
    const { diagnostics } = readPresets(rest);
    expect(diagnostics.map((each) => each.code)).toEqual(["R4", "R1"]);
  });

  test("a range may reach beyond what the trainer takes, since resolving cuts it", () => {
    expect(readPresets(replaced("tiers.yaml", "value: [30, 40]", "value: [30, 60]")).diagnostics).toEqual([]);
    expect(readPresets(replaced("tiers.yaml", "value: [30, 40]", "value: [50, 60]")).diagnostics).toHaveLength(1);
  });
});

test("a value that is left out of a replaced file is said to be missing, in words for users", () => {
  const { diagnostics } = readPresets(replaced("size-rules.yaml", "  - files: 20\n", "  - filez: 20\n"));
  for (const { detail } of diagnostics) expect(detail).not.toMatch(/undefined|Invalid input/);
});
