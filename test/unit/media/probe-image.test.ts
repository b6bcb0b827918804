import { crc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import { measureImage } from "../../../src/host/media/probe-image.ts";
import { png } from "../../rig/png.ts";

const at = (bytes: Buffer, type: string) => bytes.indexOf(Buffer.from(type, "latin1"));

describe("a PNG", () => {
  test("is as large as its header says", async () => {
    expect(await measureImage(png(123, 77))).toEqual({ width: 123, height: 77 });
  });

  test("with a wrong checksum in its header is broken", async () => {
    const bytes = png(40, 30);
    bytes.writeUInt8(99, at(bytes, "IHDR") + 7);
    expect((await measureImage(bytes)).problem).toEqual({
      kind: "broken",
      text: "its header is damaged: a checksum is wrong",
    });
  });

  test("with data that can't be decompressed is broken", async () => {
    const bytes = png(40, 30);
    bytes.writeUInt8(0xff, at(bytes, "IDAT") + 8);
    expect((await measureImage(bytes)).problem?.text).toContain("a checksum is wrong");
  });

  test("of which only a checksum is wrong is a picture all the same", async () => {
    const bytes = png(40, 30);
    bytes.writeUInt32BE(crc32(bytes), at(bytes, "IEND") - 8);
    expect(await measureImage(bytes)).toEqual({
      width: 40,
      height: 30,
      damage: { text: "its data is damaged: a checksum is wrong" },
    });
  });

  test("without its end is a picture where all rows are there, and broken where not", async () => {
    const bytes = png(40, 30);
    expect((await measureImage(bytes.subarray(0, -12))).damage?.text).toContain("cut short");
    expect((await measureImage(bytes.subarray(0, at(bytes, "IDAT") + 8))).problem?.text).toContain("cut short");
    expect((await measureImage(bytes.subarray(0, 20))).problem?.kind).toBe("broken");
  });
});

describe("more pixels than Pillow opens", () => {
  test.each([
    [14_000, 13_000, "182,000,000 pixels"],
    [13_377, 13_379, "178,970,883 pixels"],
  ])("%i x %i are refused", async (width, height, says) => {
    const bytes = Buffer.alloc(54);
    bytes.write("BM", "latin1");
    bytes.writeUInt32LE(54, 10);
    bytes.writeUInt32LE(40, 14);
    bytes.writeInt32LE(width, 18);
    bytes.writeInt32LE(height, 22);
    // Run lengths are believed, so that no picture is needed.
    bytes.writeUInt16LE(8, 28);
    bytes.writeUInt32LE(1, 30);
    expect((await measureImage(bytes)).problem?.text).toContain(says);
    bytes.writeInt32LE(13_000, 18);
    bytes.writeInt32LE(13_000, 22);
    expect(await measureImage(bytes)).toEqual({ width: 13_000, height: 13_000 });
  });
});

test("of a BMP every row must be there, the last without its padding", async () => {
  // 9 pixels of 8 bits: rows of 12 bytes, of which 9 count.
  const whole = Buffer.alloc(54 + 12 * 4 + 9);
  whole.write("BM", "latin1");
  whole.writeUInt32LE(54, 10);
  whole.writeUInt32LE(40, 14);
  whole.writeInt32LE(9, 18);
  whole.writeInt32LE(5, 22);
  whole.writeUInt16LE(8, 28);
  expect(await measureImage(whole)).toEqual({ width: 9, height: 5 });
  expect((await measureImage(whole.subarray(0, -1))).problem?.text).toContain("cut short");
});

test("of another format under an image's name the end must be there too", async () => {
  const pnm = Buffer.concat([Buffer.from("P6\n4 3\n255\n", "latin1"), Buffer.alloc(36)]);
  expect(await measureImage(pnm)).toEqual({ width: 4, height: 3 });
  expect((await measureImage(pnm.subarray(0, -1))).problem?.text).toContain("cut short");
});
