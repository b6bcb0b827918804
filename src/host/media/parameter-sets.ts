/**
 * Picture sizes of H.264 and HEVC from their sequence parameter sets. Decoders go by these, and not by the size that
 * the container gives, which some programs write as it is to be shown.
 */

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** Reads a NAL unit bit by bit, its emulation prevention bytes taken out. Reading past its end throws a `RangeError`. */
function bitReader(unit: Uint8Array) {
  const bytes = unit.filter((byte, at) => !(byte === 3 && at >= 2 && unit[at - 1] === 0 && unit[at - 2] === 0));
  let position = 0;
  const bit = (): number => {
    const byte = bytes[position >> 3];
    if (byte === undefined) throw new RangeError("the parameter set ends too early");
    return (byte >> (7 - (position++ & 7))) & 1;
  };
  const bits = (count: number): number => {
    let value = 0;
    for (let index = 0; index < count; index++) value = value * 2 + bit();
    return value;
  };
  /** Exp-Golomb, ue(v). */
  const number = (): number => {
    let zeros = 0;
    while (bit() === 0) zeros++;
    return 2 ** zeros - 1 + bits(zeros);
  };
  /** Exp-Golomb, se(v). */
  const signed = (): number => {
    const value = number();
    return value % 2 === 0 ? -value / 2 : (value + 1) / 2;
  };
  return { bit, bits, number, signed, skip: (count: number) => void bits(count) };
}

type BitReader = ReturnType<typeof bitReader>;

/** Samples of luma to one of chroma, across and down, by chroma_format_idc. */
const CHROMA = [
  [1, 1],
  [2, 2],
  [2, 1],
  [1, 1],
] as const;

/** Profiles whose sets tell the chroma format (H.264, 7.3.2.1.1). */
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

function skipScalingLists(reader: BitReader, lists: number): void {
  for (let list = 0; list < lists; list++) {
    if (reader.bit() === 0) continue;
    let next = 8;
    for (let index = 0; index < (list < 6 ? 16 : 64) && next !== 0; index++)
      next = (next + reader.signed() + 256) % 256;
  }
}

/** H.264, 7.3.2.1.1. */
function readH264Size(unit: Uint8Array): PictureSize {
  const reader = bitReader(unit.subarray(1));
  const profile = reader.bits(8);
  reader.skip(16);
  reader.number();
  let chroma = 1;
  if (HIGH_PROFILES.has(profile)) {
    chroma = reader.number();
    if (chroma === 3) reader.skip(1);
    reader.number();
    reader.number();
    reader.skip(1);
    if (reader.bit() === 1) skipScalingLists(reader, chroma === 3 ? 12 : 8);
  }
  reader.number();
  const order = reader.number();
  if (order === 0) reader.number();
  if (order === 1) {
    reader.skip(1);
    reader.signed();
    reader.signed();
    for (let left = reader.number(); left > 0; left--) reader.signed();
  }
  reader.number();
  reader.skip(1);
  const columns = reader.number() + 1;
  const rows = reader.number() + 1;
  const fields = reader.bit() === 1 ? 1 : 2;
  if (fields === 2) reader.skip(1);
  reader.skip(1);
  const [left, right, top, bottom] = readCrop(reader);
  const [across, down] = CHROMA[chroma] ?? [1, 1];
  return {
    width: columns * 16 - (left + right) * across,
    height: rows * 16 * fields - (top + bottom) * down * fields,
  };
}

/** HEVC, 7.3.2.2.1. */
function readHevcSize(unit: Uint8Array): PictureSize {
  const reader = bitReader(unit.subarray(2));
  reader.skip(4);
  const layers = reader.bits(3);
  reader.skip(1 + 96);
  const described = Array.from({ length: layers }, () => [reader.bit(), reader.bit()] as const);
  if (layers > 0) reader.skip(2 * (8 - layers));
  for (const [profile, level] of described) reader.skip(88 * profile + 8 * level);
  reader.number();
  const chroma = reader.number();
  if (chroma === 3) reader.skip(1);
  const width = reader.number();
  const height = reader.number();
  const [left, right, top, bottom] = readCrop(reader);
  const [across, down] = CHROMA[chroma] ?? [1, 1];
  return { width: width - (left + right) * across, height: height - (top + bottom) * down };
}

function readCrop(reader: BitReader): readonly [left: number, right: number, top: number, bottom: number] {
  if (reader.bit() === 0) return [0, 0, 0, 0];
  return [reader.number(), reader.number(), reader.number(), reader.number()];
}

/** The first sequence parameter set of an AVCDecoderConfigurationRecord. */
function h264Set(record: Uint8Array): Uint8Array | undefined {
  if (((record[5] ?? 0) & 31) === 0) return undefined;
  const bytes = (record[6] ?? 0) * 256 + (record[7] ?? 0);
  return record.subarray(8, 8 + bytes);
}

const HEVC_SEQUENCE_SET = 33;

/** The first sequence parameter set of an HEVCDecoderConfigurationRecord. */
function hevcSet(record: Uint8Array): Uint8Array | undefined {
  let at = 23;
  for (let arrays = record[22] ?? 0; arrays > 0 && at + 3 <= record.length; arrays--) {
    const type = (record[at] ?? 0) & 63;
    const units = (record[at + 1] ?? 0) * 256 + (record[at + 2] ?? 0);
    at += 3;
    for (let unit = 0; unit < units && at + 2 <= record.length; unit++) {
      const bytes = (record[at] ?? 0) * 256 + (record[at + 1] ?? 0);
      if (type === HEVC_SEQUENCE_SET) return record.subarray(at + 2, at + 2 + bytes);
      at += 2 + bytes;
    }
  }
  return undefined;
}

/** The decoded size by a decoder configuration (`avcC`, `hvcC`); undefined where it has none or is damaged. */
export function decodedSize(codec: "h264" | "hevc", record: Uint8Array): PictureSize | undefined {
  const unit = codec === "h264" ? h264Set(record) : hevcSet(record);
  if (unit === undefined) return undefined;
  try {
    const size = codec === "h264" ? readH264Size(unit) : readHevcSize(unit);
    return size.width > 0 && size.height > 0 ? size : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
