import { expect, test } from "vitest";
import { datasetToml } from "../../../src/core/render/dataset-toml.ts";
import { resolveCase } from "../check/judge.ts";

test("Thousands of sources are written in a moment: what they share is looked for once", () => {
  const { dataset } = resolveCase({}).resolved;
  const [source] = dataset.sources;
  if (source === undefined) throw new Error("The sample has a source.");
  const sources = Array.from({ length: 4000 }, (_, index) => ({ ...source, numRepeats: index + 1 }));
  const started = performance.now();
  const { general, datasets } = datasetToml({ dataset: { ...dataset, sources } });
  // Looking for it with every source took half a minute.
  expect(performance.now() - started).toBeLessThan(3000);
  expect(general).not.toHaveProperty("num_repeats");
  expect(datasets.map(({ num_repeats }) => num_repeats?.value)).toEqual(sources.map(({ numRepeats }) => numRepeats));
});
