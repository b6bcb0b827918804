import { readFile } from "node:fs/promises";
import type { FileProblem } from "../../core/facts.ts";

/** What the trainer (Pillow) would make of an image: its stored size; it doesn't turn pictures by their EXIF orientation. */
export interface ImageProbe {
  readonly width?: number;
  readonly height?: number;
  readonly rotation?: number;
  readonly problem?: FileProblem;
}

/** What Pillow opens as a picture, whatever the file's name. */
const OPENED = new Set(["png", "jpg", "webp", "bmp", "avif", "gif", "tiff", "jp2", "ico", "pnm", "psd", "tga", "dds"]);

/** EXIF orientations that lie: degrees clockwise that a viewer turns by. Mirrored ones are left to the eye. */
const TURNED: Readonly<Record<number, number>> = { 3: 180, 5: 90, 6: 90, 7: 270, 8: 270 };

function isPngCutShort(bytes: Buffer): boolean {
  for (let at = 8; at + 12 <= bytes.length; ) {
    if (bytes.toString("latin1", at + 4, at + 8) === "IEND") return false;
    at += 12 + bytes.readUInt32BE(at);
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

function isCutShort(type: string, bytes: Buffer): boolean {
  switch (type) {
    case "png":
      return isPngCutShort(bytes);
    case "jpg":
      return isJpegCutShort(bytes);
    case "webp":
      return bytes.readUInt32LE(4) + 8 > bytes.length;
    case "avif":
      return isBoxFileCutShort(bytes);
    default:
      return false;
  }
}

function isBoxFileCutShort(bytes: Buffer): boolean {
  let at = 0;
  while (at + 8 <= bytes.length) {
    const size = bytes.readUInt32BE(at);
    if (size === 0) return false;
    if (size < 8) return false;
    at += size;
  }
  return at > bytes.length;
}

/** BMP's oldest header holds its size in 16 bits each, which image-size doesn't know. */
function oldBmpSize(bytes: Buffer): { readonly width: number; readonly height: number } | undefined {
  if (bytes.length < 26 || bytes.readUInt32LE(14) !== 12) return undefined;
  return { width: bytes.readUInt16LE(18), height: bytes.readUInt16LE(20) };
}

/** Reads an image's size out of its bytes. */
export async function measureImage(bytes: Buffer): Promise<ImageProbe> {
  const unreadable = (text: string): ImageProbe => ({ problem: { kind: "unreadable", text } });
  if (bytes.length === 0) return { problem: { kind: "empty", text: "the file is empty" } };
  const { imageSize } = await import("image-size");
  try {
    const { width, height, type, orientation } = imageSize(bytes);
    if (type === undefined || !OPENED.has(type))
      return unreadable(`it is a ${type ?? "file"} that the trainer can't open`);
    if (isCutShort(type, bytes)) return unreadable("it is cut short: its end is not in the file");
    const size = (type === "bmp" ? oldBmpSize(bytes) : undefined) ?? { width, height };
    if (!(size.width > 0 && size.height > 0)) return unreadable("its header gives no size");
    const rotation = orientation === undefined ? undefined : TURNED[orientation];
    return { ...size, ...(rotation === undefined ? {} : { rotation }) };
  } catch {
    return unreadable("it is not an image that the trainer can open");
  }
}

/** Looks at an image file. Throws what reading it throws. */
export async function probeImage(path: string): Promise<{ readonly probe: ImageProbe; readonly bytes: Buffer }> {
  const bytes = await readFile(path);
  return { probe: await measureImage(bytes), bytes };
}
