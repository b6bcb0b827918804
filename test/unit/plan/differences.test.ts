import { describe, expect, it } from "vitest";
import { baseSchema } from "../../../src/core/plan/base.ts";
import { findDifferences } from "../../../src/core/plan/differences.ts";
import type { PipelinePlan } from "../../../src/core/plan/plan.ts";
import { describeDifference } from "../../../src/views/plan-base.ts";
import { aPipeline, aStage } from "../views/plans.ts";

/** What two plans of one pipeline differ in, and how that is said. */

const parameter = (value: string | number, layer: "pipeline" | "tier", line = 1) => ({
  value,
  source: { layer, text: layer, ...(layer === "pipeline" ? { file: "fox.yaml", line } : {}) },
});

function aTraining(given: Partial<PipelinePlan>, identities: Readonly<Record<string, string>> = {}): PipelinePlan {
  const train = aStage({ id: "train", action: "create", identities: { dataset: "d", ...identities } });
  return aPipeline({ stages: [train], ...given });
}

function said(base: PipelinePlan, now: PipelinePlan): readonly string[] {
  const differences = [...findDifferences(base, now)];
  expect(baseSchema.shape.pipelines.element.shape.differences.parse(differences)).toEqual(differences);
  return differences.map(describeDifference);
}

describe("what differs between two plans", () => {
  it("is nothing where they are the same, whatever their state", () => {
    const plan = aTraining({}, { "clip 0/01": "a.b" });
    expect(
      findDifferences(plan, { ...structuredClone(plan), state: { lineage: "x", serial: 1 }, digest: "other" }),
    ).toEqual([]);
  });

  it("is what somebody wrote first, with its place, then what follows from it", () => {
    const base = aTraining({
      noise: "dual",
      parameters: { network_alpha: parameter(16, "tier"), learning_rate: parameter(2e-4, "pipeline", 9) },
    });
    const now = aTraining({
      noise: "low",
      parameters: {
        network_alpha: parameter(32, "tier"),
        learning_rate: parameter(1e-4, "pipeline", 17),
        seed: parameter(7, "pipeline", 18),
      },
    });
    expect(said(base, now)).toEqual([
      "noise dual → low",
      "learning_rate 2e-4 → 1e-4 (fox.yaml:17)",
      "seed not set → 7 (fox.yaml:18)",
      "network_alpha 16 → 32",
    ]);
    expect(said(now, base).slice(1, 3)).toEqual(["learning_rate 1e-4 → 2e-4 (fox.yaml:9)", "seed 7 → not set"]);
  });

  it("is every clip and model by its name, and what of a clip is another", () => {
    const base = aTraining(
      {},
      { "clip 0/01": "a.b", "clip 0/02": "a.b", "clip 0/03": "a.b", "clip 1/04": "a.b", dit: "x" },
    );
    const now = aTraining(
      {},
      { "clip 0/01": "a.c", "clip 0/02": "b.c", "clip 1/04": "b.b", "clip 1/05": "a.a", dit: "y" },
    );
    expect(said(base, now)).toEqual([
      "clip 01: caption",
      "clip 02: content and caption",
      "clip 03",
      "clip 04 of source 2: content",
      "clip 05 of source 2",
      "models.dit is another file",
    ]);
  });

  it("is a policy that is loosened, and what a template makes of the same values", () => {
    const rule = { rule: "max_hours", verdict: "kept" } as const;
    const [before, after] = [["--a"], ["--a", "--b"]].map((argv) =>
      aPipeline({ stages: [aStage({ id: "train", action: "none", argv, files: { "prompts.txt": argv.join() } })] }),
    );
    if (before === undefined || after === undefined) throw new Error("no plans");
    expect(said({ ...before, policy: [{ ...rule, limit: 48 }] }, { ...after, policy: [] })).toEqual([
      "policy.max_hours 48 → not set",
      "prompts.txt is another text",
      "arguments of train: --b",
    ]);
    const resumed = aStage({ id: "train", action: "resume", argv: ["--a", "--resume", "x"] });
    expect(
      said(
        { ...before, stages: [aStage({ id: "train", action: "resume", argv: ["--a"] })] },
        { ...after, stages: [resumed] },
      ),
    ).toEqual([]);
  });

  it("is what a change comes to: actions, steps, time", () => {
    const time = (low: number, high: number) => ({ low, high, unit: "s", basis: "" });
    const base = aTraining({ estimates: { time: time(7200, 14_400) } });
    const now = aTraining({
      dataset: { ...base.dataset, total_steps: 128 },
      stages: [aStage({ id: "train", action: "replace", identities: { dataset: "d" } })],
      estimates: { time: time(14_400, 28_800), "steps per epoch": time(1, 2) },
    });
    expect(said(base, now)).toEqual([
      "stage train: create → replace",
      "steps in all 64 → 128",
      "time 2 to 4 h → 4 to 8 h",
    ]);
  });
});
