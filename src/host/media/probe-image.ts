import { readFile } from "node:fs/promises";
import type { FileProblem } from "../../core/facts.ts";
import { type Box, boxesIn } from "./sample-table.ts";

/** What the trainer (Pillow) would make of an image: its stored size; it doesn't turn pictures by their EXIF orientation. */
export interface ImageProbe {
  readonly width?: number;
  readonly height?: number;
  readonly rotation?: number;
  readonly problem?: FileProblem;
}

/** What Pillow opens as a picture, whatever the file's name. */
const OPENED = new Set(["png", "jpg", "webp", "bmp", "gif", "tiff", "jp2", "ico", "pnm", "psd", "tga", "dds"]);

/** EXIF orientations that lie: degrees clockwise that a viewer turns by. Mirrored ones are left to the eye. */
const TURNED: Readonly<Record<number, number>> = { 3: 180, 5: 90, 6: 90, 7: 270, 8: 270 };

interface Size {
  readonly width: number;
  readonly height: number;
}

function isPngCutShort(bytes: Buffer): boolean {
  for (let at = 8; at + 8 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString("latin1", at + 4, at + 8) === "IEND") return false;
  }
  return true;
}

/** Walks to the scan: thumbnails in the header have an end of their own. */
function isJpegCutShort(bytes: Buffer): boolean {
  let at = 2;
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1];
    if (marker === 0xff) at += 1;
    else if (marker === 0xda) return bytes.indexOf(Buffer.from([0xff, 0xd9]), at) < 0;
    else at += 2 + bytes.readUInt16BE(at + 2);
  }
  return at + 4 > bytes.length;
}

/** Compressed ones (run lengths) are believed; of the others the rows are counted. */
function isBmpCutShort(bytes: Buffer, { width, height }: Size): boolean {
  if (bytes.length < 34) return true;
  const isOld = bytes.readUInt32LE(14) === 12;
  const bits = bytes.readUInt16LE(isOld ? 24 : 28);
  const compression = isOld ? 0 : bytes.readUInt32LE(30);
  if (compression !== 0 && compression !== 3) return false;
  return bytes.readUInt32LE(10) + Math.floor((bits * width + 31) / 32) * 4 * height > bytes.length + 3;
}

/** BMP's oldest header holds its size in 16 bits each, which image-size doesn't know. */
function oldBmpSize(bytes: Buffer): Size | undefined {
  if (bytes.length < 26 || bytes.readUInt32LE(14) !== 12) return undefined;
  return { width: bytes.readUInt16LE(18), height: bytes.readUInt16LE(20) };
}

/** Whether `ftyp` names AVIF, still or animated, among its brands. */
function isAvif(bytes: Buffer): boolean {
  if (bytes.length < 16 || bytes.toString("latin1", 4, 8) !== "ftyp") return false;
  const brands = bytes.toString("latin1", 8, Math.min(bytes.readUInt32BE(0), 256));
  return /^(.{4})*avi[fs]/s.test(brands);
}

const AVIF_BOXES = new Set(["ftyp", "meta", "mdat", "moov", "free", "skip"]);

/** The largest picture described: a grid's tiles and thumbnails are described beside the whole. */
function measureAvif(bytes: Buffer): ImageProbe {
  let size: Size = { width: 0, height: 0 };
  for (let at = 0; at + 8 <= bytes.length; ) {
    const boxBytes = bytes.readUInt32BE(at) || bytes.length - at;
    const type = bytes.toString("latin1", at + 4, at + 8);
    if (boxBytes < 8 || !AVIF_BOXES.has(type)) break;
    if (at + boxBytes > bytes.length) return unreadable("it is cut short: its end is not in the file");
    // `meta` is a box with a version, after which its children begin.
    const content = bytes.subarray(at + 12, at + boxBytes);
    const properties = type === "meta" ? find({ type, content }, "iprp", "ipco") : undefined;
    for (const box of properties === undefined ? [] : boxesIn(properties)) {
      if (box.type !== "ispe" || box.content.length < 12) continue;
      const found = { width: box.content.readUInt32BE(4), height: box.content.readUInt32BE(8) };
      if (found.width * found.height > size.width * size.height) size = found;
    }
    at += boxBytes;
  }
  return size.width > 0 && size.height > 0 ? size : unreadable("its header gives no size");
}

function find(box: Box, ...types: readonly string[]): Box | undefined {
  return types.reduce<Box | undefined>(
    (at, type) => (at === undefined ? undefined : boxesIn(at).find((candidate) => candidate.type === type)),
    box,
  );
}

function isCutShort(type: string, bytes: Buffer, size: Size): boolean {
  switch (type) {
    case "png":
      return isPngCutShort(bytes);
    case "jpg":
      return isJpegCutShort(bytes);
    case "webp":
      return bytes.readUInt32LE(4) + 8 > bytes.length;
    case "bmp":
      return isBmpCutShort(bytes, size);
    default:
      return false;
  }
}

function unreadable(text: string): ImageProbe {
  return { problem: { kind: "unreadable", text } };
}

/** Reads an image's size out of its bytes. */
export async function measureImage(bytes: Buffer): Promise<ImageProbe> {
  if (bytes.length === 0) return { problem: { kind: "empty", text: "the file is empty" } };
  if (isAvif(bytes)) return measureAvif(bytes);
  const { imageSize } = await import("image-size");
  try {
    const { width, height, type, orientation } = imageSize(bytes);
    if (type === undefined || !OPENED.has(type))
      return unreadable(`it is ${describeType(type)}, which the trainer can't open`);
    const size = (type === "bmp" ? oldBmpSize(bytes) : undefined) ?? { width, height };
    if (isCutShort(type, bytes, size)) return unreadable("it is cut short: its end is not in the file");
    if (!(size.width > 0 && size.height > 0)) return unreadable("its header gives no size");
    const rotation = orientation === undefined ? undefined : TURNED[orientation];
    return { ...size, ...(rotation === undefined ? {} : { rotation }) };
  } catch {
    return unreadable("it is not an image that the trainer can open");
  }
}

function describeType(type: string | undefined): string {
  return type === undefined ? "of an unknown kind" : `in the format ${type}`;
}

/** Looks at an image file. Throws what reading it throws. */
export async function probeImage(path: string): Promise<{ readonly probe: ImageProbe; readonly bytes: Buffer }> {
  const bytes = await readFile(path);
  return { probe: await measureImage(bytes), bytes };
}
