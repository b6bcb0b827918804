import { describe, expect, test } from "vitest";
import { countDecoded, countDecodedOfFirst, type Decoding } from "../../../src/host/media/edit-list.ts";

interface Given {
  readonly times: readonly number[];
  /** Indices of those that can be decoded by themselves; all if left out. */
  readonly syncs?: readonly number[];
}

const samplesAt = ({ times, syncs }: Given) =>
  times.map((time, index) => ({
    offset: undefined,
    bytes: 1,
    decodeTime: index * 10,
    time,
    isSync: syncs === undefined || syncs.includes(index),
  }));

const fragmentsAt = (given: Given) => samplesAt(given).map((sample) => ({ ...sample, isOverlapping: false }));

/** Ten frames of 10 ticks each, shown in the order they are stored in. */
const TEN: Decoding = {
  samples: samplesAt({ times: [0, 10, 20, 30, 40, 50, 60, 70, 80, 90] }),
  fragments: [],
  edits: [],
  codec: "other",
};

const count = (edits: readonly (readonly [start: number, duration: number])[]) =>
  countDecoded({ ...TEN, edits: edits.map(([start, duration]) => ({ start, duration })) });

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

describe("pictures that need one from before the beginning", () => {
  // Stored: a frame, then a key frame, then one shown before it and one after it.
  const late = { times: [0, 30, 20, 40], syncs: [1] };

  test.each([
    ["h264", 2],
    ["hevc", 2],
    ["mpeg4", 4],
    ["other", 4],
  ] as const)("%s shows %i of four", (codec, frames) => {
    expect(countDecoded({ ...TEN, samples: samplesAt(late), codec })).toBe(frames);
    expect(countDecoded({ ...TEN, samples: [], fragments: fragmentsAt(late), codec })).toBe(frames);
  });

  test("MPEG-4 leaves them out behind a key frame that comes first", () => {
    const first = { times: [20, 0, 10, 30], syncs: [0] };
    expect(countDecoded({ ...TEN, samples: samplesAt(first), codec: "mpeg4" })).toBe(2);
  });

  test("flags that name no key frame at all mean nothing", () => {
    expect(countDecoded({ ...TEN, samples: samplesAt({ times: [0, 10, 20], syncs: [] }), codec: "h264" })).toBe(3);
  });
});

describe("fragments", () => {
  const fragments = fragmentsAt({ times: [100, 110, 120] });

  test("are taken whole, whatever the edit list says of the sample table", () => {
    expect(countDecoded({ ...TEN, fragments, edits: [{ start: 50, duration: 1000 }] })).toBe(5 + 3);
  });

  test("that lie over one another give their frames once", () => {
    const overlapping = fragments.map((sample, index) => ({ ...sample, isOverlapping: index === 0 }));
    expect(countDecoded({ ...TEN, fragments: overlapping })).toBe(10 + 2);
  });
});

describe("of the first samples alone", () => {
  test("those inside the edit count", () => {
    expect(countDecodedOfFirst(6, { ...TEN, edits: [{ start: 20, duration: 80 }] })).toBe(4);
    expect(countDecodedOfFirst(11, { ...TEN, fragments: fragmentsAt({ times: [100, 110] }) })).toBe(11);
  });

  test("nothing is certain under several edits, which are read one after the other", () => {
    const edits = [
      { start: 0, duration: 50 },
      { start: 20, duration: 50 },
    ];
    expect(countDecodedOfFirst(6, { ...TEN, edits })).toBe(0);
  });
});
