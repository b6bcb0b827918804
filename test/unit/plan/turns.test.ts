import { expect, test } from "vitest";
import type { StagePlan } from "../../../src/core/plan/plan.ts";
import { turnsOf } from "../../../src/core/plan/turns.ts";
import type { StageId } from "../../../src/core/vocabulary.ts";
import { PIPELINE, planWorld } from "./world.ts";

type Cause = StagePlan["reasons"][number]["cause"];

const stage = (id: StageId, gpus?: number[], cause: Cause = "no-record") => ({
  id,
  reasons: [{ cause, text: "" }],
  ...(gpus === undefined ? {} : { gpus }),
});
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

test("trainers that live are followed together and first, wherever they stand and whatever they run on", () => {
  const living = (id: StageId, gpus?: number[]) => stage(id, gpus, "running");
  expect(ids([living("train-low", [0]), living("train-high", [0])])).toEqual([["train-low", "train-high"]]);
  expect(ids([stage("cache-latents"), living("train-low"), stage("train-high")])).toEqual([
    ["train-low"],
    ["cache-latents"],
    ["train-high"],
  ]);
});

test("beside one that lives a half is begun that never was; one that ended there waits for it", () => {
  const low = stage("train-low", [0], "running");
  expect(ids([low, stage("train-high", [1])])).toEqual([["train-low", "train-high"]]);
  expect(ids([low, stage("train-high", [1], "unfinished")])).toEqual([["train-low"], ["train-high"]]);
  expect(ids([low, stage("train-high", [0])])).toEqual([["train-low"], ["train-high"]]);
});

test("a plan's time is that of the longer half, its memory that of both", () => {
  const yaml = (gpus: string) => PIPELINE.replace("hardware: entry", `hardware: entry\nnoise: separate\n${gpus}`);
  const after = planWorld({ yaml: yaml("gpus: [0]") }).plan.estimates;
  const beside = planWorld({ yaml: yaml("gpus: [0, 1]") }).plan.estimates;
  expect(beside.time?.high).toBeCloseTo((after.time?.high ?? 0) / 2);
  expect(beside.time?.basis).toMatch(/; both halves at the same time$/);
  expect(after.time?.basis).not.toMatch(/at the same time/);
});
