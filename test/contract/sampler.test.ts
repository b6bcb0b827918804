/** How many steps a sample may have, as the trainer's own sampler takes or refuses them. */
import { expect, test } from "vitest";
import { promptFaults } from "../../src/core/trainer/sample-prompts.ts";
import { askOracle, describeWithMusubi } from "../rig/musubi.ts";

const SHIFTS = [0, 0.5, 1, 2, 3, 5, 8, 12, 14.5, 20, 100, -3];
const STEPS = [-2, -1, 0, 1, 2, 3, 10, 20, 21, 53, 54, 75, 76, 91, 92, 143, 144, 250, 251, 500, 501, 503, 1000, 1001];

describeWithMusubi("the sampler", (musubi) => {
  test("takes exactly the steps that a plan takes", async () => {
    const cases = SHIFTS.flatMap((shift) => STEPS.map((steps) => ({ kind: "sampler" as const, steps, shift })));
    const answers = await askOracle<"sampler">(musubi, cases);
    const wrong = cases.filter(({ steps, shift }, index) => {
      const isRefused = promptFaults({ sample_steps: steps, discrete_flow_shift: shift }).length > 0;
      return isRefused !== (answers[index]?.error !== undefined);
    });
    expect(wrong).toEqual([]);
  });
});
