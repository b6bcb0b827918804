import { describe, expect, test } from "vitest";
import { devicesOf, processesOf } from "../../../src/core/resolve/devices.ts";

describe("the devices of a stage", () => {
  test("are left to what is found where none is named, with one process", () => {
    const choice = { gpus: undefined, noise: "separate" } as const;
    expect(devicesOf("train-low", choice)).toBeUndefined();
    expect(processesOf(choice)).toBe(1);
  });

  test("are all that are named in training, a process each, and the first in caching", () => {
    const choice = { gpus: [3, 1], noise: "dual" } as const;
    expect(devicesOf("train", choice)).toEqual([3, 1]);
    expect(devicesOf("cache-latents", choice)).toEqual([3]);
    expect(processesOf(choice)).toBe(2);
  });

  test.each([
    [[0], [0], [0], 1],
    [[0, 1], [0], [1], 1],
    [[5, 2, 7], [5], [2], 1],
    [[0, 1, 2, 3], [0, 1], [2, 3], 2],
  ])("are shared by the halves of `separate` where there are enough: %j", (gpus, low, high, processes) => {
    const choice = { gpus, noise: "separate" } as const;
    expect(devicesOf("train-low", choice)).toEqual(low);
    expect(devicesOf("train-high", choice)).toEqual(high);
    expect(processesOf(choice)).toBe(processes);
  });
});
