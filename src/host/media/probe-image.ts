import { readFile } from "node:fs/promises";
import type { FileProblem, MediaDamage } from "../../core/facts.ts";
import { isCutShort } from "./image-ends.ts";
import { findPngDamage } from "./png-damage.ts";
import { boxesIn, descend } from "./sample-table.ts";

/** What the trainer (Pillow) would make of an image: its stored size; it doesn't turn pictures by their EXIF orientation. */
export interface ImageProbe {
  readonly width?: number;
  readonly height?: number;
  readonly rotation?: number;
  readonly damage?: MediaDamage;
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
    if (at + boxBytes > bytes.length) return broken("it is cut short: its end is not in the file");
    // `meta` is a box with a version, after which its children begin.
    const content = bytes.subarray(at + 12, at + boxBytes);
    const properties = type === "meta" ? descend({ type, content }, "iprp", "ipco") : undefined;
    for (const box of properties === undefined ? [] : boxesIn(properties)) {
      if (box.type !== "ispe" || box.content.length < 12) continue;
      const found = { width: box.content.readUInt32BE(4), height: box.content.readUInt32BE(8) };
      if (found.width * found.height > size.width * size.height) size = found;
    }
    at += boxBytes;
  }
  return size.width > 0 && size.height > 0 ? size : broken("its header gives no size");
}

/** Pillow refuses more, for it could be an attack (`Image._decompression_bomb_check`). */
const MAX_PIXELS = 2 * 89_478_485;

function broken(text: string): ImageProbe {
  return { problem: { kind: "broken", text } };
}

/** Of everything but AVIF: stored size, orientation, and whether it is all there. */
async function measurePicture(bytes: Buffer): Promise<ImageProbe> {
  const { imageSize } = await import("image-size");
  try {
    const { width, height, type, orientation } = imageSize(bytes);
    if (type === undefined || !OPENED.has(type)) {
      return broken(
        `it is ${type === undefined ? "of an unknown kind" : `in the format ${type}`}; save it as PNG or JPEG`,
      );
    }
    const size = (type === "bmp" ? oldBmpSize(bytes) : undefined) ?? { width, height };
    const png = type === "png" ? await findPngDamage(bytes) : undefined;
    if (png?.kind === "broken") return broken(png.text);
    if (isCutShort(type, bytes, size)) return broken("it is cut short: its end is not in the file");
    const rotation = orientation === undefined ? undefined : TURNED[orientation];
    return {
      ...size,
      ...(rotation === undefined ? {} : { rotation }),
      ...(png === undefined ? {} : { damage: { text: png.text } }),
    };
  } catch {
    return broken("it is not an image that the trainer can open");
  }
}

/** Reads an image's size out of its bytes. */
export async function measureImage(bytes: Buffer): Promise<ImageProbe> {
  if (bytes.length === 0) return { problem: { kind: "empty", text: "the file is empty" } };
  const probe = isAvif(bytes) ? measureAvif(bytes) : await measurePicture(bytes);
  const { width = 0, height = 0, problem } = probe;
  if (problem !== undefined) return probe;
  if (!(width > 0 && height > 0)) return broken("its header gives no size");
  const pixels = width * height;
  if (pixels <= MAX_PIXELS) return probe;
  const count = (value: number) => value.toLocaleString("en-US");
  return broken(`it has ${count(pixels)} pixels, and the trainer opens no image of more than ${count(MAX_PIXELS)}`);
}

/** Looks at an image file. Throws what reading it throws. */
export async function probeImage(path: string): Promise<{ readonly probe: ImageProbe; readonly bytes: Buffer }> {
  const bytes = await readFile(path);
  return { probe: await measureImage(bytes), bytes };
}
