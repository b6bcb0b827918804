import { expect, test } from "vitest";
import { datasetToml } from "../../../src/core/render/dataset-toml.ts";
import { relativeGrowth } from "../../rig/growth.ts";
import { resolveCase } from "../check/judge.ts";

const { dataset } = resolveCase({}).resolved;

function datasetOf(count: number): typeof dataset {
  const [source] = dataset.sources;
  if (source === undefined) throw new Error("The sample has a source.");
  return { ...dataset, sources: Array.from({ length: count }, (_, index) => ({ ...source, numRepeats: index + 1 })) };
}

test("What sources share is written once, what they don't with each", () => {
  const many = datasetOf(40);
  const { general, datasets } = datasetToml({ dataset: many });
  expect(general).not.toHaveProperty("num_repeats");
  expect(datasets.map(({ num_repeats }) => num_repeats?.value)).toEqual(
    many.sources.map(({ numRepeats }) => numRepeats),
  );
});

test("Thousands of sources take time in proportion: what they share is looked for once, not with every source", () => {
  const growth = relativeGrowth({
    from: 500,
    to: 4000,
    prepare: datasetOf,
    work: (sources) => datasetToml({ dataset: sources }),
  });
  expect(growth).toBeLessThan(4);
});
