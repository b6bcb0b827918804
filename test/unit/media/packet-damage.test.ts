import { describe, expect, test } from "vitest";
import {
  findPacketDamage,
  isConcealed,
  lengthBytesOf,
  needsEarlierPackets,
} from "../../../src/host/media/packet-damage.ts";

const H264 = { name: "h264", lengthBytes: 4 } as const;

/** A NAL unit of so many bytes behind its length. */
function unit(bytes: number): Buffer {
  const whole = Buffer.alloc(4 + bytes, 0xa5);
  whole.writeUInt32BE(bytes);
  return whole;
}

describe("a packet of H.264 or HEVC", () => {
  test.each([
    ["one unit", unit(20), undefined],
    ["several", Buffer.concat([unit(5), unit(1), unit(300)]), undefined],
    [
      "less than a length at the end, which FFmpeg takes for padding",
      Buffer.concat([unit(20), Buffer.alloc(3)]),
      undefined,
    ],
    ["a length of nothing at the end", Buffer.concat([unit(20), Buffer.alloc(4)]), "lengths"],
    ["a unit that is longer than the packet", unit(20).subarray(0, 20), "lengths"],
    ["a length beyond all bounds", Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff]), unit(9)]), "lengths"],
    ["nothing but zeros", Buffer.alloc(500), "zeros"],
    ["a unit with zeros in it", Buffer.concat([unit(900)]).fill(0, 200, 600), "hole"],
    ["nothing", Buffer.alloc(0), undefined],
  ])("%s: %#", (_, packet, damage) => {
    expect(findPacketDamage(packet, H264)).toBe(damage);
  });

  test("tells its units' lengths by as many bytes as its configuration says", () => {
    const short = Buffer.concat([Buffer.from([0, 20]), Buffer.alloc(20, 0xa5)]);
    expect(findPacketDamage(short, { name: "hevc", lengthBytes: 2 })).toBeUndefined();
    expect(findPacketDamage(short, H264)).toBe("lengths");
    expect(lengthBytesOf("h264", Buffer.from([1, 100, 0, 31, 0xff]))).toBe(4);
    expect(lengthBytesOf("hevc", Buffer.alloc(23, 1))).toBe(2);
    expect(lengthBytesOf("h264", Buffer.from([0, 0, 0, 1, 0x67]))).toBeUndefined();
  });

  test("of H.264 is decoded to a broken picture where zeros are inside a unit; anything else may cost frames", () => {
    expect(isConcealed("hole", H264)).toBe(true);
    expect(isConcealed("lengths", H264)).toBe(false);
    expect(isConcealed("hole", { ...H264, name: "hevc" })).toBe(false);
    expect(isConcealed("hole", { name: "vp9" })).toBe(false);
  });
});

describe("a packet of another codec", () => {
  const holed = Buffer.alloc(1000, 0xa5).fill(0, 300, 700);

  test.each([
    ["vp9", "hole"],
    ["vp8", "hole"],
    ["mpeg4", "hole"],
    ["other", undefined],
    ["unknown", undefined],
  ] as const)("%s with zeros in it: %s", (name, damage) => {
    expect(findPacketDamage(holed, { name })).toBe(damage);
  });

  test("that stores pixels may be all zeros: a black picture", () => {
    expect(findPacketDamage(Buffer.alloc(500), { name: "other" })).toBe("zeros");
    expect(findPacketDamage(Buffer.alloc(500), { name: "unknown" })).toBeUndefined();
  });

  test("AV1's padding is zeros by right, its frames are not", () => {
    const obu = (type: number, content: Buffer) =>
      Buffer.concat([Buffer.from([(type << 3) | 2, (content.length & 127) | 128, content.length >> 7]), content]);
    const frame = obu(6, Buffer.alloc(900, 0xa5));
    expect(findPacketDamage(Buffer.concat([frame, obu(15, Buffer.alloc(900))]), { name: "av1" })).toBeUndefined();
    expect(findPacketDamage(obu(6, holed), { name: "av1" })).toBe("hole");
  });
});

describe("a stream can't begin with", () => {
  test.each([
    ["vp8", [0x11], true],
    ["vp8", [0x10], false],
    // Marker, profile 0, key frame, shown; an inter frame, shown; one that shows an earlier frame; an intra-only one.
    ["vp9", [0b1000_0010], false],
    ["vp9", [0b1000_0110], true],
    ["vp9", [0b1000_1000], true],
    ["vp9", [0b1000_0100], false],
    // Temporal delimiter, then a frame; with a sequence header between.
    ["av1", [0x12, 0x00, 0x32, 0x01, 0xaa], true],
    ["av1", [0x12, 0x00, 0x0a, 0x01, 0xaa, 0x32, 0x01, 0xaa], false],
    ["other", [0xff], false],
  ] as const)("%s %j: %s", (name, bytes, needs) => {
    expect(needsEarlierPackets(Uint8Array.from(bytes), { name })).toBe(needs);
  });
});
