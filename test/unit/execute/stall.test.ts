import { describe, expect, test } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { type StallOptions, watchForStall } from "../../../src/core/stall.ts";

const step = (seconds: number): TrainerEvent => ({ v: 1, t: 0, type: "step", step: 1, epoch: 1, loss: 0.1, seconds });
const watch = (options: Partial<StallOptions> = {}) =>
  watchForStall({ usual: undefined, samples: false, now: 0, ...options });

describe("a training that takes no step", () => {
  test("is told of once, after twenty usual steps, and again after another sign of life", () => {
    const training = watch();
    training.hear([step(30), step(31), step(29), step(400)], 500);
    expect(training.look(500 + 600)).toBeUndefined();
    expect(training.look(500 + 640)).toEqual({ seconds: 640, usual: 31 });
    expect(training.look(500 + 9000)).toBeUndefined();
    training.hear([{ v: 1, t: 0, type: "warning", text: "slow" }], 10_000);
    expect(training.look(10_001)).toBeUndefined();
    expect(training.look(11_000)).toEqual({ seconds: 1000, usual: 31 });
  });

  test("is not told of for short steps before three minutes: epochs end, states are written", () => {
    const training = watch();
    training.hear([step(0.1), step(0.1), step(0.1)], 1);
    expect(training.look(180)).toBeUndefined();
    expect(training.look(182)).toMatchObject({ usual: 0.1 });
  });

  test("has half an hour where it makes samples, which say nothing before they are done", () => {
    const training = watch({ samples: true });
    training.hear([step(5), step(5), step(5)], 0);
    expect(training.look(1700)).toBeUndefined();
    expect(training.look(1801)).toBeDefined();
  });

  test("is unknown before there is something usual: loading may take as long as it likes", () => {
    const training = watch();
    training.hear([step(1), step(1)], 10);
    expect(training.look(100_000)).toBeUndefined();
  });

  test("is known by an earlier part of it where somebody attaches to one that hangs", () => {
    expect(watch({ usual: 10 }).look(199)).toBeUndefined();
    expect(watch({ usual: 10 }).look(201)).toEqual({ seconds: 201, usual: 10 });
  });
});
