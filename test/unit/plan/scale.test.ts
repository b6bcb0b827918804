import { expect, test } from "vitest";
import { planPipeline } from "../../../src/core/plan/plan-pipeline.ts";
import { relativeGrowth } from "../../rig/growth.ts";
import { applied, planInput, planWorld } from "./world.ts";

test("planning takes time in proportion to the number of files", () => {
  const growth = relativeGrowth({
    from: 400,
    to: 4_000,
    prepare: (count) => {
      const clips = Array.from({ length: count }, (_, index) => ({ stem: `clip-${index}` }));
      return planInput({ ...applied({ clips }), clips });
    },
    work: (input) => void planPipeline(input),
  });
  expect(growth).toBeLessThan(4);
}, 120_000);

test("a plan of a thousand epochs lists every checkpoint", () => {
  const { plan } = planWorld({ yaml: planWorldYaml() });
  expect(plan.checkpoints.filter(({ kind }) => kind === "checkpoint")).toHaveLength(1000);
});

function planWorldYaml(): string {
  return `version: 1
name: long
task: t2v-A14B
hardware: entry
dataset:
  sources:
    - videos: data/fox
train:
  max_train_epochs: 1000
`;
}
