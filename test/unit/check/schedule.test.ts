import { describe, expect, test } from "vitest";
import { codes, findings } from "./judge.ts";

const train = (...lines: readonly string[]) => `train:\n${lines.map((line) => `  ${line}`).join("\n")}`;
const trained = (...lines: readonly string[]) => codes({ pipeline: [train(...lines)] });

describe("only the last checkpoint", () => {
  test("comes of an interval as long as the run, or longer", () => {
    expect(trained("max_train_epochs: 8", "save_every_n_epochs: 8")).toEqual(["T34"]);
    expect(trained("max_train_epochs: 8", "save_every_n_epochs: 9")).toEqual(["T34"]);
    expect(trained("max_train_epochs: 8", "save_every_n_epochs: 7")).toEqual([]);
  });

  test("does not come where steps are saved between", () => {
    // 60 clips are 60 steps an epoch.
    const lines = ["max_train_epochs: 2", "save_every_n_epochs: 2"];
    expect(trained(...lines, "save_every_n_steps: 50")).toEqual([]);
    expect(trained(...lines, "save_every_n_steps: 120")).toEqual(["T34"]);
  });

  test("is what a run of one epoch is for", () => {
    expect(trained("max_train_epochs: 1", "save_every_n_epochs: 1")).toEqual([]);
  });

  test("comes of retention that counts steps where files were meant", () => {
    const [finding] = findings({ pipeline: [train("save_every_n_steps: 100", "save_last_n_steps: 3")] });
    expect(finding?.detail).toContain("it counts steps, not files");
  });
});

test("without a training state nothing can be resumed", () => {
  expect(trained("save_state: false")).toEqual(["T35"]);
  expect(trained("save_state: false", "save_state_on_train_end: true")).toEqual(["T35"]);
});

describe("timesteps", () => {
  test("of dual training have the boundary among them", () => {
    expect(trained("timestep_boundary: 875")).toEqual([]);
    expect(trained("timestep_boundary: 0")).toEqual(["T36"]);
    expect(trained("timestep_boundary: 1")).toEqual(["T36"]);
    expect(trained("max_timestep: 875")).toEqual(["T36"]);
    expect(trained("min_timestep: 875")).toEqual(["T36"]);
  });

  test("of two halves in runs of their own are cut, and judged, when they are resolved", () => {
    const range = train("min_timestep: 500", "max_timestep: 400");
    expect(codes({ pipeline: ["noise: low", range] })).toEqual(["T36"]);
    expect(codes({ pipeline: ["noise: separate", range] })).toEqual([]);
  });

  test("of one half alone have no boundary to fit", () => {
    expect(codes({ pipeline: ["noise: low", train("max_timestep: 800")] })).toEqual([]);
  });
});

describe("samples", () => {
  test("need a moment and prompts", () => {
    expect(trained("sample_prompts: [a fox]", "sample_at_first: true")).toEqual([]);
    expect(trained("sample_prompts: [a fox]", "sample_every_n_steps: 100")).toEqual([]);
    expect(trained("sample_prompts: [a fox]")).toEqual(["T37"]);
    expect(trained("sample_every_n_epochs: 1")).toEqual(["T37"]);
  });
});

test("what is wrong with both halves of `noise: separate` is said once", () => {
  expect(codes({ pipeline: ["noise: separate", train("lr_scheduler: constant", "lr_warmup_steps: 10")] })).toEqual([
    "T18",
  ]);
});

test("a warm-up as a fraction counts once it is a step", () => {
  // 60 steps an epoch: a hundredth of one epoch is no whole step.
  const lines = ["max_train_epochs: 1", "save_every_n_epochs: 1", "lr_scheduler: constant"];
  expect(trained(...lines, "lr_warmup_steps: 0.01")).toEqual([]);
  expect(trained(...lines, "lr_warmup_steps: 0.02")).toEqual(["T18"]);
});
