import { expect, test } from "vitest";
import { countDecoded } from "../../../src/host/media/edit-list.ts";

/** Ten frames of 10 ticks each, shown in the order they are stored in. */
const samples = {
  count: 10,
  duration: 100,
  firstSync: 0,
  presentationTimes: () => [0, 10, 20, 30, 40, 50, 60, 70, 80, 90],
  countBeyond: () => 0,
};

const count = (edits: readonly (readonly [start: number, duration: number])[]) =>
  countDecoded({ samples, codec: "other", edits: edits.map(([start, duration]) => ({ start, duration })) });

test.each([
  ["no edit list takes all", [], 10],
  ["a whole edit takes all", [[0, 100]], 10],
  ["a frame is in when it is shown at the edit's start, out when it is shown at its end", [[20, 30]], 3],
  [
    "a delay is not a frame",
    [
      [-1, 40],
      [0, 100],
    ],
    10,
  ],
  ["a delay alone shows nothing", [[-1, 40]], 0],
  ["an edit without a length shows nothing", [[0, 0]], 0],
  [
    "edits add up, also where they overlap",
    [
      [0, 50],
      [20, 50],
    ],
    10,
  ],
  [
    "a delay after the first edit takes what its numbers say",
    [
      [0, 50],
      [-1, 30],
    ],
    8,
  ],
] as const)("%s", (_, edits, frames) => {
  expect(count(edits)).toBe(frames);
});

test("H.264 shows nothing before its first sync sample, HEVC nor what is shown before that", () => {
  // Stored: a frame, then a key frame, then two frames shown before and after it.
  const times = [0, 30, 20, 40];
  const late = { ...samples, count: 4, firstSync: 1, presentationTimes: () => times };
  expect(countDecoded({ samples: late, edits: [], codec: "h264" })).toBe(3);
  expect(countDecoded({ samples: late, edits: [], codec: "hevc" })).toBe(2);
  expect(countDecoded({ samples: late, edits: [], codec: "other" })).toBe(4);
});
