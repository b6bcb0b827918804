/**
 * Whether an image's data reaches beyond the file's end, by its own header: such a file was cut short, and Pillow raises
 * an error at it. Formats by image-size's names. What is compressed without saying how long it is, is believed.
 */

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Reading past the end throws a `RangeError`, which is an answer as well. */
type ReachesBeyond = (bytes: Buffer, size: Size) => boolean;

/** Walks to the scan: thumbnails in the header have an end of their own. */
const isJpegCutShort: ReachesBeyond = (bytes) => {
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) at += 1;
    else if (marker === 0xda) return bytes.indexOf(Buffer.from([0xff, 0xd9]), at) < 0;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return at + 4 > bytes.length;
};

/** Run lengths are believed; of the others the rows are counted, the last without its padding. */
const isBmpCutShort: ReachesBeyond = (bytes, { width, height }) => {
  const isOld = bytes.readUInt32LE(14) === 12;
  const bits = bytes.readUInt16LE(isOld ? 24 : 28);
  const compression = isOld ? 0 : bytes.readUInt32LE(30);
  if (compression !== 0 && compression !== 3) return false;
  const paddedRow = Math.floor((bits * width + 31) / 32) * 4;
  return bytes.readUInt32LE(10) + paddedRow * (height - 1) + Math.ceil((bits * width) / 8) > bytes.length;
};

/** Zeros at the end of lossless data that no encoder leaves there: an unfinished download. */
const UNFINISHED = Buffer.alloc(32);

const isWebpCutShort: ReachesBeyond = (bytes) => {
  if (bytes.readUInt32LE(4) + 8 > bytes.length) return true;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + 2 * Math.ceil(bytes.readUInt32LE(at + 4) / 2)) {
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    // Only of lossless data: what is lossy ends as it may.
    if (bytes.toString("latin1", at, at + 4) !== "VP8L") continue;
    return bytes.subarray(Math.max(at + 8, end - UNFINISHED.length), end).equals(UNFINISHED);
  }
  return false;
};

const isGifCutShort: ReachesBeyond = (bytes) => {
  const colours = (flags: number) => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let at = 13 + colours(bytes.readUInt8(10));
  /** Blocks, each after its length, to an empty one: false where the file ends in one of them. */
  const skipBlocks = (): boolean => {
    while (at < bytes.length) {
      const length = bytes.readUInt8(at);
      at += 1 + length;
      if (length === 0) return true;
    }
    return at === bytes.length;
  };
  while (bytes.readUInt8(at) === 0x21) {
    at += 2;
    if (!skipBlocks()) return true;
  }
  if (bytes.readUInt8(at) !== 0x2c) return false;
  at += 11 + colours(bytes.readUInt8(at + 9));
  return at >= bytes.length || !skipBlocks();
};

/** Strips or tiles of the first picture: where they begin and how long they are. */
const TIFF_OFFSETS = new Set([273, 324]);
const TIFF_LENGTHS = new Set([279, 325]);

const isTiffCutShort: ReachesBeyond = (bytes) => {
  const isLittle = bytes.toString("latin1", 0, 2) === "II";
  const short = (at: number) => (isLittle ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const long = (at: number) => (isLittle ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  if (short(2) !== 42) return false;
  const directory = long(4);
  let offsets: readonly number[] = [];
  let lengths: readonly number[] = [];
  for (let entry = 0; entry < short(directory); entry++) {
    const at = directory + 2 + 12 * entry;
    const tag = short(at);
    if (!TIFF_OFFSETS.has(tag) && !TIFF_LENGTHS.has(tag)) continue;
    const valueBytes = short(at + 2) === 3 ? 2 : 4;
    const count = Math.min(long(at + 4), bytes.length);
    const start = count * valueBytes <= 4 ? at + 8 : long(at + 8);
    const values = Array.from({ length: count }, (_, index) =>
      valueBytes === 2 ? short(start + 2 * index) : long(start + 4 * index),
    );
    if (TIFF_OFFSETS.has(tag)) offsets = values;
    else lengths = values;
  }
  return offsets.some((offset, index) => offset + (lengths[index] ?? 0) > bytes.length);
};

/** JPEG 2000: the box with the picture ends with the marker that ends it. */
const isJp2CutShort: ReachesBeyond = (bytes) => {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const boxBytes = size === 1 ? Number(bytes.readBigUInt64BE(at + 8)) : size || bytes.length - at;
    if (boxBytes < 8) return false;
    const end = at + boxBytes;
    if (bytes.toString("latin1", at + 4, at + 8) === "jp2c") return bytes.readUInt16BE(end - 2) !== 0xffd9;
    at = end;
  }
  return true;
};

/** Portable bitmaps; those in plain text are believed. */
const isPnmCutShort: ReachesBeyond = (bytes, { width, height }) => {
  const token = "(?:\\s|#[^\\n]*\\n)+(\\d+)";
  const start = bytes.toString("latin1", 0, 1024);
  if (start.startsWith("P4")) {
    const header = new RegExp(`^P4${token}${token}\\s`).exec(start)?.[0];
    return header !== undefined && header.length + Math.ceil(width / 8) * height > bytes.length;
  }
  const header = new RegExp(`^P([56])${token}${token}${token}\\s`).exec(start);
  if (header === null) return false;
  const sampleBytes = Number(header[4]) > 255 ? 2 : 1;
  return header[0].length + width * height * sampleBytes * (header[1] === "6" ? 3 : 1) > bytes.length;
};

const isTgaCutShort: ReachesBeyond = (bytes, { width, height }) => {
  if (![1, 2, 3].includes(bytes.readUInt8(2))) return false;
  const palette = bytes.readUInt16LE(5) * Math.ceil(bytes.readUInt8(7) / 8);
  return 18 + bytes.readUInt8(0) + palette + width * height * Math.ceil(bytes.readUInt8(16) / 8) > bytes.length;
};

const isDdsCutShort: ReachesBeyond = (bytes, { width, height }) => {
  const format = bytes.toString("latin1", 84, 88);
  const blocks = Math.ceil(width / 4) * Math.ceil(height / 4);
  if (format === "DXT1") return 128 + blocks * 8 > bytes.length;
  if (/^DXT[2-5]$/.test(format)) return 128 + blocks * 16 > bytes.length;
  const isPlain = (bytes.readUInt32LE(80) & 0x40) !== 0;
  return isPlain && 128 + (width * height * bytes.readUInt32LE(88)) / 8 > bytes.length;
};

const isIcoCutShort: ReachesBeyond = (bytes) =>
  Array.from({ length: bytes.readUInt16LE(4) }, (_, index) => 6 + 16 * index).some(
    (at) => bytes.readUInt32LE(at + 12) + bytes.readUInt32LE(at + 8) > bytes.length,
  );

const FORMATS: Readonly<Record<string, ReachesBeyond>> = {
  jpg: isJpegCutShort,
  webp: isWebpCutShort,
  bmp: isBmpCutShort,
  gif: isGifCutShort,
  tiff: isTiffCutShort,
  jp2: isJp2CutShort,
  pnm: isPnmCutShort,
  tga: isTgaCutShort,
  dds: isDdsCutShort,
  ico: isIcoCutShort,
};

export function isCutShort(format: string, bytes: Buffer, size: Size): boolean {
  try {
    return FORMATS[format]?.(bytes, size) ?? false;
  } catch (error) {
    if (error instanceof RangeError) return true;
    throw error;
  }
}
