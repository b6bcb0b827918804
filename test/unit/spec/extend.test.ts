import { expect, test } from "vitest";
import type { Diagnostic } from "../../../src/core/diagnostic.ts";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import { pipelineWith } from "./sample.ts";

/** Parses `pipelines/fox.yaml` over files that it extends. */
function parseOver(pipeline: string, bases: Readonly<Record<string, string | Diagnostic>> = {}) {
  const entries = Object.entries(bases).map(
    ([file, text]) => [file, typeof text === "string" ? { file, text } : text] as const,
  );
  return parsePipelines({
    pipeline: { file: "pipelines/fox.yaml", text: pipeline },
    bases: new Map(entries),
    root: "/project",
    environment: {},
  })[0];
}

const said = ({ diagnostics }: ReturnType<typeof parseOver>) =>
  diagnostics.map(({ code, file, range, detail }) => `${code} ${file}:${range?.line} ${detail}`);

const BASE = pipelineWith("train:\n  learning_rate: 1e-4\n  network_dim: 16").replace("name: fox\n", "");

test("A file is laid over its base key by key; lists and single values are replaced whole", () => {
  const { value, diagnostics } = parseOver(
    "extends: base.yaml\nname: fox\ntrain:\n  network_dim: 32\ndataset:\n  sources: [{images: stills}]",
    { "pipelines/base.yaml": BASE },
  );
  expect(diagnostics).toEqual([]);
  expect(value?.overrides.map(({ name, value }) => [name, value])).toEqual([
    ["learning_rate", 1e-4],
    ["network_dim", 32],
  ]);
  expect(value?.dataset).toMatchObject({ settings: { resolution: [1280, 720] }, sources: [{ kind: "images" }] });
  expect(value?.files).toEqual(["pipelines/fox.yaml", "pipelines/base.yaml"]);
});

test("Every value keeps the file and the line that it came from, and every path is relative to its own file", () => {
  const { value } = parseOver("extends: ../bases/base.yaml\nname: fox\ntrain:\n  network_dim: 32\n", {
    "bases/base.yaml": BASE,
  });
  expect(value?.places.get("train.learning_rate")).toMatchObject({ file: "bases/base.yaml", range: { line: 8 } });
  expect(value?.places.get("train.network_dim")).toMatchObject({ file: "pipelines/fox.yaml", range: { line: 4 } });
  expect(value?.dataset.sources[0]?.input.path).toBe("bases/data/fox");
});

test("Of several bases the later wins, each over what it extends itself; null takes a key away", () => {
  const { value, diagnostics } = parseOver(
    "extends: [a.yaml, b.yaml]\nname: fox\ntrain:\n  network_alpha: null\n  seed:\n",
    {
      "pipelines/a.yaml": `extends: c.yaml\ntrain: {learning_rate: 2e-4, network_alpha: 8, seed: 7}`,
      "pipelines/b.yaml": "train: {network_dim: 64}",
      "pipelines/c.yaml": BASE,
    },
  );
  expect(diagnostics).toEqual([]);
  expect(value?.overrides.map(({ name, value }) => `${name} ${value}`)).toEqual([
    "learning_rate 0.0002",
    "network_dim 64",
  ]);
});

test("The memory of a card goes with its card", () => {
  const { value } = parseOver("extends: base.yaml\nname: fox\nhardware: {gpu: RTX 5090}", {
    "pipelines/base.yaml": `${BASE}\nhardware: {gpu: RTX 4090, vram_gb: 24, ram_gb: 64}`,
  });
  expect(value?.hardware).toMatchObject({ gpu: "RTX 5090", ramGiB: 64 });
  expect(value?.hardware).not.toHaveProperty("vramGiB");
});

test("What is wrong in a file between is said at its line there", () => {
  const found = parseOver("extends: mid.yaml\nname: fox\nstrategy: bold", {
    "pipelines/mid.yaml": "extends: base.yaml\ntrain:\n  learning_rat: 1\n  network_dim: none\n",
    "pipelines/base.yaml": BASE,
  });
  expect(said(found)).toEqual([
    expect.stringContaining("pipelines/fox.yaml:3 `strategy` must be"),
    expect.stringMatching(/pipelines\/mid\.yaml:3 .*Did you mean `learning_rate`\?/),
    expect.stringContaining("pipelines/mid.yaml:4 `train.network_dim` must be"),
  ]);
});

test("A syntax error in a base hides what may have been swallowed by it, and nothing else", () => {
  const found = parseOver("extends: base.yaml\nname: fox\nstrategy: bold", {
    "pipelines/base.yaml": "task: t2v-A14B\ndataset: [\n",
  });
  expect(said(found)).toEqual([
    expect.stringContaining("pipelines/fox.yaml:3 `strategy` must be"),
    expect.stringContaining("S1 pipelines/base.yaml:"),
  ]);
});

test("A file that extends itself is told so, and a longer way round is told whole, with its lines", () => {
  expect(said(parseOver("name: fox\nextends: fox.yaml"))).toEqual([
    "S80 pipelines/fox.yaml:2 pipelines/fox.yaml extends itself. Remove the line, or name the file that was meant.",
  ]);
  const found = parseOver("extends: a.yaml\nname: fox", {
    "pipelines/a.yaml": "train:\n  seed: 1\nextends:\n  - b.yaml\n",
    "pipelines/b.yaml": "\n\nextends: a.yaml",
  });
  expect(said(found)).toEqual([
    "S80 pipelines/b.yaml:3 pipelines/a.yaml (line 4) extends pipelines/b.yaml, pipelines/b.yaml (line 3) extends pipelines/a.yaml. Remove one of these lines.",
  ]);
  expect(found.diagnostics[0]?.related).toMatchObject([{ file: "pipelines/a.yaml", range: { line: 4 } }]);
});

test("A base that can't be read is said where it is named, and nothing is said of what it would have held", () => {
  const missing = {
    severity: "error",
    code: "S37",
    summary: "s",
    detail: "There is none.",
    message: "m",
    related: [],
  } as const;
  expect(
    said(parseOver("name: fox\nextends: [bse.yaml]\ntrain:\n  dim: 3", { "pipelines/bse.yaml": missing })),
  ).toEqual([
    "S37 pipelines/fox.yaml:2 There is none.",
    expect.stringContaining("pipelines/fox.yaml:4 `dim` is not read."),
  ]);
});

test("A base is a map of keys", () => {
  expect(said(parseOver("name: fox\nextends: base.yaml", { "pipelines/base.yaml": "- 1" }))).toEqual([
    expect.stringContaining("pipelines/base.yaml:1 pipelines/base.yaml is a list."),
  ]);
});

test.each([["extends: 5"], ["extends: []"], ["extends: {a: b}"], ["extends: [a.yaml, 5]"], ["extends:"]])(
  "`%s` is told what belongs there",
  (line) => {
    const found = parseOver(`${pipelineWith("")}${line}`);
    expect(found.diagnostics).toHaveLength(1);
    expect(found.diagnostics[0]?.detail).toMatch(/`extends/);
  },
);

test("Files that extend each other many times over are read once each", () => {
  const bases = Object.fromEntries(
    Array.from({ length: 30 }, (_, at) => [
      `pipelines/${at}.yaml`,
      at === 29 ? BASE : `extends: [${at + 1}.yaml, ${at + 1}.yaml]`,
    ]),
  );
  expect(parseOver("extends: 0.yaml\nname: fox", bases).value?.files).toHaveLength(31);
});
