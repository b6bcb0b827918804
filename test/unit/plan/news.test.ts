import { describe, expect, it } from "vitest";
import type { PipelinePlan, Plan } from "../../../src/core/plan/plan.ts";
import { findNews, type Seen, seeing } from "../../../src/core/plan/watch/news.ts";
import { describeDifference } from "../../../src/views/plan-base.ts";
import { aPipeline, aStage } from "../views/plans.ts";

/** What somebody who has seen the plans before is told of the next one. */

const parameter = (value: number) => ({ value, source: { layer: "tier" as const, text: "tier" } });

function aPlan(pipelines: readonly PipelinePlan[], diagnostics: Plan["diagnostics"] = []): Plan {
  return { format_version: "1.0", changes: false, pipelines: [...pipelines], diagnostics };
}

function fox(rate: number, given: Partial<PipelinePlan> = {}): PipelinePlan {
  const train = aStage({ id: "train", action: "create", identities: { dataset: "d" } });
  return aPipeline({ name: "fox", file: "fox.yaml", stages: [train], parameters: { rate: parameter(rate) }, ...given });
}

const broken = fox(0, { valid: false, stages: [], parameters: {} });

const finding = (line: number, detail = "It is wrong."): Plan["diagnostics"][number] => ({
  severity: "error",
  code: "X1",
  summary: "Wrong",
  detail,
  message: `Wrong: ${detail}`,
  file: "fox.yaml",
  range: { line, column: 1, end_line: line, end_column: 2 },
  related: [],
});

/** What is told of each plan to somebody who sees one after the other, the first for nothing. */
function story(...plans: readonly Plan[]): readonly string[] {
  let seen: Seen | undefined;
  return plans.flatMap((plan) => {
    const news = seen === undefined ? undefined : findNews(seen, plan);
    seen = seeing(plan, seen);
    if (news === undefined) return [];
    const { pipelines, appeared, gone } = news;
    const changes = pipelines.map(({ name, change, differences, plan: whole }) =>
      [name, change, ...differences.map(describeDifference), ...(whole === undefined ? [] : ["whole"])].join(" "),
    );
    return [[...changes, ...appeared.map(({ code }) => `+${code}`), ...gone.map(({ code }) => `-${code}`)].join(", ")];
  });
}

describe("the news of a plan", () => {
  it("are none where nothing is another, how far its record has come and a moved line included", () => {
    const later = fox(1, { state: { lineage: "x", serial: 9 }, digest: "other" });
    expect(story(aPlan([fox(1)], [finding(3)]), aPlan([later], [finding(7)]))).toEqual([]);
  });

  it("are no estimates alone, which move while a pipeline trains, but those beside another difference", () => {
    const time = (high: number) => ({ estimates: { time: { low: 1, high, unit: "h", basis: "measured here" } } });
    expect(story(aPlan([fox(1, time(2))]), aPlan([fox(1, time(3))]), aPlan([fox(2, time(4))]))).toEqual([
      "fox changed rate 1 → 2 time 60 min to 3 h → 60 min to 4 h",
    ]);
  });

  it("are what differs from the plan before", () => {
    expect(story(aPlan([fox(1)]), aPlan([fox(2)]), aPlan([fox(2)]), aPlan([fox(1)]))).toEqual([
      "fox changed rate 1 → 2",
      "fox changed rate 2 → 1",
    ]);
  });

  it("skip what could not be planned, and go on from the last plan that was good", () => {
    expect(
      story(aPlan([fox(1)]), aPlan([broken], [finding(1)]), aPlan([broken], [finding(2)]), aPlan([fox(3)])),
    ).toEqual(["fox broken, +X1", "fox mended rate 1 → 3, -X1"]);
    expect(story(aPlan([fox(1)]), aPlan([broken]), aPlan([fox(1)]))).toEqual(["fox broken", "fox mended"]);
    expect(story(aPlan([broken], [finding(1)]), aPlan([fox(1)]))).toEqual(["fox mended whole, -X1"]);
  });

  it("call no note gone while nobody can say whether it holds, and tell none twice", () => {
    const note = { ...finding(2, "It follows."), severity: "note" as const, code: "N1" };
    expect(story(aPlan([fox(1)], [note]), aPlan([broken], [finding(1)]), aPlan([fox(1)], [note]))).toEqual([
      "fox broken, +X1",
      "fox mended, -X1",
    ]);
    expect(story(aPlan([fox(1)], [note]), aPlan([broken], [finding(1)]), aPlan([fox(1)]))).toEqual([
      "fox broken, +X1",
      "fox mended, -X1, -N1",
    ]);
    expect(story(aPlan([fox(1)], [note]), aPlan([fox(1)]))).toEqual(["-N1"]);
  });

  it("say of a matrix whose file can't be read that it is broken, once, and not that its cells are gone", () => {
    const cell = (value: number, rate: number) =>
      fox(rate, { name: `fox-dim-${value}`, file: `fox.yaml#fox-dim-${value}` });
    const cells = aPlan([cell(4, 1), cell(8, 1)]);
    expect(story(cells, aPlan([broken], [finding(1)]), aPlan([broken], [finding(2)]), cells)).toEqual([
      "fox broken, +X1",
      "fox-dim-4 mended, fox-dim-8 mended, -X1",
    ]);
    expect(story(cells, aPlan([broken]), aPlan([cell(4, 2)]))).toEqual([
      "fox broken",
      "fox-dim-4 mended rate 1 → 2, fox-dim-8 removed",
    ]);
    expect(story(aPlan([broken]), cells)).toEqual(["fox-dim-4 new whole, fox-dim-8 new whole"]);
    expect(story(cells, aPlan([fox(1)]))).toEqual(["fox new whole, fox-dim-4 removed, fox-dim-8 removed"]);
  });

  it("tell what comes and goes, and know a pipeline by its name, or by its file", () => {
    const owl = fox(1, { name: "owl", file: "owl.yaml" });
    expect(story(aPlan([fox(1)]), aPlan([fox(1), owl]), aPlan([owl]))).toEqual(["owl new whole", "fox removed"]);
    expect(story(aPlan([fox(1)]), aPlan([fox(1, { file: "moved.yaml" })]))).toEqual([]);
    expect(story(aPlan([fox(1)]), aPlan([fox(2, { name: "renamed" })]))).toEqual(["renamed changed rate 1 → 2"]);
    expect(story(aPlan([]), aPlan([broken]))).toEqual(["fox new"]);
  });

  it("keep no lists as long as the dataset", () => {
    const stage = aStage({
      id: "cache-latents",
      action: "create",
      cache_files: ["a", "b"],
      pending: ["a"],
      cache_digests: { a: "1" },
    });
    const [seen] = seeing(aPlan([fox(1, { stages: [stage] })])).pipelines;
    expect(seen?.plan?.stages[0]).not.toHaveProperty("cache_files");
    expect(seen?.plan?.stages[0]).not.toHaveProperty("cache_digests");
    expect(story(aPlan([fox(1, { stages: [stage] })]), aPlan([fox(1, { stages: [stage] })]))).toEqual([]);
  });
});
