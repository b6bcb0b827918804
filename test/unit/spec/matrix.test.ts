import { expect, test } from "vitest";
import { cacheFolders } from "../../../src/core/resolve/dataset.ts";
import { parsePipelines } from "../../../src/core/spec/parse-pipeline.ts";
import type { Spec } from "../../../src/core/spec/spec.ts";
import { pipelineWith } from "./sample.ts";

const parse = (lines: string) =>
  parsePipelines({
    pipeline: { file: "pipelines/fox.yaml", text: pipelineWith(lines) },
    root: "/project",
    environment: {},
  });

function cells(lines: string): readonly Spec[] {
  return parse(lines).map(({ value, diagnostics }) => {
    if (value === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
    return value;
  });
}

const names = (lines: string) => cells(lines).map(({ name }) => name);
const valuesOf = ({ overrides }: Spec) => Object.fromEntries(overrides.map(({ name, value }) => [name, value]));

test("A matrix is the product of its values in the order of its lines, each cell with a name and an output of its own", () => {
  const found = cells("matrix:\n  learning_rate: [1e-4, 2e-4]\n  train.network_dim: [16, 32]\ntrain:\n  seed: 7");
  expect(found.map(({ name }) => name)).toEqual([
    "fox-lr-1e-4-dim-16",
    "fox-lr-1e-4-dim-32",
    "fox-lr-2e-4-dim-16",
    "fox-lr-2e-4-dim-32",
  ]);
  expect(found[2]).toMatchObject({
    file: "pipelines/fox.yaml#fox-lr-2e-4-dim-16",
    files: ["pipelines/fox.yaml"],
    output: { dir: { path: "output/fox/fox-lr-2e-4-dim-16" }, name: "fox-lr-2e-4-dim-16" },
  });
  expect(found.map(valuesOf)).toMatchObject([
    { learning_rate: 1e-4, network_dim: 16, seed: 7 },
    { learning_rate: 1e-4, network_dim: 32, seed: 7 },
    { learning_rate: 2e-4, network_dim: 16, seed: 7 },
    { learning_rate: 2e-4, network_dim: 32, seed: 7 },
  ]);
});

test("A value's place is its own in the matrix", () => {
  const [, second] = cells("matrix:\n  learning_rate:\n    - 1e-4\n    - 2e-4");
  expect(second?.places.get("train.learning_rate")).toEqual({
    file: "pipelines/fox.yaml",
    range: { line: 11, column: 7, end_line: 11, end_column: 11 },
  });
});

test("A cell's folder and checkpoints are named within what the file says of its output", () => {
  const [first] = cells("matrix: {seed: [1]}\noutput: {dir: ../out, name: Fox}");
  expect(first?.output).toMatchObject({ dir: { path: "out/fox-seed-1" }, name: "Fox-seed-1" });
});

test("Any key varies, also in a list, and where nothing of its section is written yet", () => {
  const found = cells(
    "matrix:\n  noise: [low, high]\n  dataset.sources.0.num_repeats: [2]\n  dataset.resolution: [640x360]\n  hardware: [RTX 4090]\n  cache_text.fp8_t5: [true]",
  );
  expect(found[1]).toMatchObject({
    name: "fox-noise-high-num-repeats-2-resolution-640x360-hardware-rtx-4090-fp8-t5-true",
    noise: "high",
    hardware: { name: "RTX 4090" },
    dataset: { settings: { resolution: [640, 360] }, sources: [{ num_repeats: 2 }] },
  });
});

test("Names stay what they are when other values come to be", () => {
  const few = names("matrix: {seed: [1, 2], network_dim: [8]}");
  expect(names("matrix: {seed: [3, 1, 2], network_dim: [4, 8]}")).toEqual(expect.arrayContaining([...few]));
});

test("exclude leaves out, include adds values where it fits or a cell of its own", () => {
  const lines = "matrix:\n  seed: [1, 2]\n  network_dim: [8, 16]\n";
  expect(names(`${lines}  exclude: [{ seed: 2, network_dim: 8 }]`)).toEqual([
    "fox-seed-1-dim-8",
    "fox-seed-1-dim-16",
    "fox-seed-2-dim-16",
  ]);
  expect(names(`${lines}  include: [{ seed: 3, network_dim: 4 }]`).at(-1)).toBe("fox-seed-3-dim-4");
  expect(names(`${lines}  include: [{ network_dim: 16, network_alpha: 1 }]`)).toEqual([
    "fox-seed-1-dim-8",
    "fox-seed-1-dim-16-alpha-1",
    "fox-seed-2-dim-8",
    "fox-seed-2-dim-16-alpha-1",
  ]);
});

test("Each cell has cache folders of its own", () => {
  const folders = cells("matrix: {seed: [1, 2]}").map((spec) => cacheFolders(spec, () => "12345678")[0]);
  expect(folders).toEqual([".wan22/cache/fox-seed-1/fox-12345678", ".wan22/cache/fox-seed-2/fox-12345678"]);
});

test("A wrong value or key is said at its place in the matrix, beside the file's other faults", () => {
  const [first, second] = parse("strategy: bold\nmatrix:\n  network_dim: [8, many]\n  trian.seed: [1]");
  const said = [first, second].map((one) => one?.diagnostics.map(({ range, detail }) => `${range?.line} ${detail}`));
  expect(said[0]).toEqual([expect.stringMatching(/^8 /), expect.stringMatching(/^11 `trian` .*Did you mean `train`/)]);
  expect(said[1]).toContainEqual(expect.stringMatching(/^10 `train.network_dim` must be/));
});
