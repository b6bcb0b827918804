import { expect, test } from "vitest";
import { countShownFrames } from "../../../src/host/media/vp-frames.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

test("VP8: bit 4 of the first byte says whether the frame is shown", () => {
  expect(countShownFrames("vp8", bytes(0x10, 0, 0))).toBe(1);
  expect(countShownFrames("vp8", bytes(0x01, 0, 0))).toBe(0);
});

test("VP9: show_frame follows the frame's type", () => {
  expect(countShownFrames("vp9", bytes(0b1000_0010, 0))).toBe(1);
  expect(countShownFrames("vp9", bytes(0b1000_0000, 0))).toBe(0);
  expect(countShownFrames("vp9", bytes(0b1000_0110, 0))).toBe(1);
});

test("VP9: a frame that exists already is shown by a packet of its own", () => {
  expect(countShownFrames("vp9", bytes(0b1000_1000))).toBe(1);
});

test("VP9: profile 3 has one bit more before it", () => {
  expect(countShownFrames("vp9", bytes(0b1011_0001, 0))).toBe(1);
  expect(countShownFrames("vp9", bytes(0b1011_0000, 0))).toBe(0);
});

test("VP9: of a superframe each part counts for itself", () => {
  const hidden = [0b1000_0000, 7, 7];
  const shown = [0b1000_0010, 7];
  const marker = 0xc0 | 1;
  expect(countShownFrames("vp9", bytes(...hidden, ...shown, marker, 3, 2, marker))).toBe(1);
  expect(countShownFrames("vp9", bytes(...shown, ...shown, marker, 2, 2, marker))).toBe(2);
});

test("an empty packet shows nothing", () => {
  expect(countShownFrames("vp8", bytes())).toBe(0);
  expect(countShownFrames("vp9", bytes())).toBe(0);
});
