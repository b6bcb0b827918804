import { expect, test } from "vitest";
import { turnsOf } from "../../../src/core/plan/turns.ts";
import type { StageId } from "../../../src/core/vocabulary.ts";
import { PIPELINE, planWorld } from "./world.ts";

const stage = (id: StageId, gpus?: number[]) => (gpus === undefined ? { id } : { id, gpus });
const ids = (stages: Parameters<typeof turnsOf>[0]) => turnsOf(stages).map((turn) => turn.map(({ id }) => id));

test("the halves run at the same time where each has GPUs of its own", () => {
  expect(ids([stage("cache-text", [0]), stage("train-low", [0]), stage("train-high", [1])])).toEqual([
    ["cache-text"],
    ["train-low", "train-high"],
  ]);
  expect(ids([stage("train-low", [0, 1]), stage("train-high", [2, 3])])).toEqual([["train-low", "train-high"]]);
});

test.each([
  ["none is named", undefined, undefined],
  ["both are on one", [0], [0]],
  ["they share one of several", [0, 1], [1, 2]],
  ["only one names its own", [0], undefined],
])("they run one after the other where %s", (_, low, high) => {
  expect(ids([stage("train-low", low), stage("train-high", high)])).toEqual([["train-low"], ["train-high"]]);
});

test("caching never runs beside anything", () => {
  expect(ids([stage("cache-latents", [0]), stage("cache-text", [1]), stage("train-high", [2])])).toHaveLength(3);
  expect(ids([])).toEqual([]);
});

test("a plan's time is that of the longer half, its memory that of both", () => {
  const yaml = (gpus: string) => PIPELINE.replace("hardware: entry", `hardware: entry\nnoise: separate\n${gpus}`);
  const after = planWorld({ yaml: yaml("gpus: [0]") }).plan.estimates;
  const beside = planWorld({ yaml: yaml("gpus: [0, 1]") }).plan.estimates;
  expect(beside.time?.high).toBeCloseTo((after.time?.high ?? 0) / 2);
  expect(beside.time?.basis).toMatch(/; both halves at the same time$/);
  expect(after.time?.basis).not.toMatch(/at the same time/);
});
