import { expect, test } from "vitest";
import { planPipeline } from "../../../src/core/plan/plan-pipeline.ts";
import { applied, planInput, planWorld } from "./world.ts";

/** Milliseconds of planning alone, the best of three. */
function planningMs(clipCount: number): number {
  const clips = Array.from({ length: clipCount }, (_, index) => ({ stem: `clip-${index}` }));
  const input = planInput({ ...applied({ clips }), clips });
  const times = [1, 2, 3].map(() => {
    const began = performance.now();
    planPipeline(input);
    return performance.now() - began;
  });
  return Math.min(...times);
}

test("planning takes time in proportion to the number of files", () => {
  planningMs(500);
  const [few, many] = [planningMs(1_000), planningMs(8_000)];
  // Eight times the files; twice as much again for noise.
  expect(many).toBeLessThan(Math.max(50, few) * 16);
}, 60_000);

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
