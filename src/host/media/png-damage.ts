import { crc32, createInflate } from "node:zlib";

import { errorCode } from "../read-file.ts";

/** What Pillow, which the trainer reads images with, makes of a PNG that is damaged (`PngImagePlugin`, `ZipDecode.c`). */

/** `broken`: an error there. `concealed`: a picture, which is not the one that was stored. In a sentence. */
export type PngDamage = { readonly kind: "broken" | "concealed"; readonly text: string };

interface Chunk {
  readonly type: string;
  /** As much of it as there is. */
  readonly data: Buffer;
  readonly isWhole: boolean;
  readonly isSound: boolean;
}

const SIGNATURE_BYTES = 8;
/** Length and type; the checksum follows the data. */
const CHUNK_HEADER_BYTES = 8;

function* chunksOf(bytes: Buffer): Generator<Chunk> {
  for (let at = SIGNATURE_BYTES; at + CHUNK_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const start = at + CHUNK_HEADER_BYTES;
    const end = start + length;
    const checksum = end + 4 <= bytes.length ? bytes.readUInt32BE(end) : undefined;
    yield {
      type: bytes.toString("latin1", at + 4, start),
      data: bytes.subarray(start, Math.min(end, bytes.length)),
      isWhole: end <= bytes.length,
      isSound: checksum === crc32(bytes.subarray(at + 4, Math.min(end, bytes.length))),
    };
    at = end + 4;
  }
}

/** Samples a pixel by colour type: grey, RGB, palette, grey with alpha, RGB with alpha. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** First pixel and step of Adam7's seven passes. */
const PASSES = [
  { x: 0, y: 0, across: 8, down: 8 },
  { x: 4, y: 0, across: 8, down: 8 },
  { x: 0, y: 4, across: 4, down: 8 },
  { x: 2, y: 0, across: 4, down: 4 },
  { x: 0, y: 2, across: 2, down: 4 },
  { x: 1, y: 0, across: 2, down: 2 },
  { x: 0, y: 1, across: 1, down: 2 },
];

/** Lengths of the rows as they are compressed, each with the byte that names its filter. */
function* rowLengths(header: Buffer): Generator<number> {
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  const bits = (header[8] ?? 8) * (CHANNELS[header[9] ?? 0] ?? 1);
  const passes = header[12] === 0 ? [{ x: 0, y: 0, across: 1, down: 1 }] : PASSES;
  for (const { x, y, across, down } of passes) {
    const columns = Math.ceil(Math.max(0, width - x) / across);
    const rows = columns === 0 ? 0 : Math.ceil(Math.max(0, height - y) / down);
    for (let row = 0; row < rows; row++) yield 1 + Math.ceil((columns * bits) / 8);
  }
}

/** Filters are numbered from 0 to 4. */
const LAST_FILTER = 4;
/** Output is lost with the call that fails: little at a time. */
const CHUNK_BYTES = 1 << 10;

/**
 * Whether the picture can be decompressed. A stream may end early by its own account, which leaves the rest black; where
 * the data ends before it, all rows must be there.
 */
async function canBeDecompressed(header: Buffer, compressed: Buffer): Promise<boolean> {
  const rows = rowLengths(header);
  let next = rows.next();
  /** Bytes until a row begins. */
  let left = 0;
  const inflate = createInflate({ chunkSize: CHUNK_BYTES });
  inflate.end(compressed);
  try {
    for await (const output of inflate as AsyncIterable<Buffer>) {
      let at = left;
      for (; at < output.length && !next.done; next = rows.next()) {
        if ((output[at] ?? 0) > LAST_FILTER) return false;
        at += next.value;
      }
      left = at - output.length;
    }
    return true;
  } catch (error) {
    return errorCode(error) === "Z_BUF_ERROR" && next.done === true && left <= 0;
  }
}

const broken = (text: string): PngDamage => ({ kind: "broken", text });

/** Finds what is wrong with a PNG; undefined where every checksum is right up to its end. */
export async function findPngDamage(bytes: Buffer): Promise<PngDamage | undefined> {
  const header = bytes.subarray(SIGNATURE_BYTES + CHUNK_HEADER_BYTES);
  if (header.length < 13) return broken("it is cut short: its end is not in the file");
  const compressed: Buffer[] = [];
  let isSound = true;
  let hasEnd = false;
  let isPastImage = false;
  for (const chunk of chunksOf(bytes)) {
    const isImage: boolean = chunk.type === "IDAT" && !isPastImage;
    if (chunk.type === "IEND") hasEnd = true;
    if (isImage) compressed.push(chunk.data);
    else if (compressed.length === 0 && !chunk.isSound) return broken("its header is damaged: a checksum is wrong");
    // Behind the picture chunks are read, but their checksums are not compared.
    else if (compressed.length > 0 && !chunk.isWhole) return broken("it is cut short: its end is not in the file");
    isPastImage ||= compressed.length > 0 && !isImage;
    isSound &&= chunk.isSound;
    // What follows belongs to later pictures of an animation, or to nothing.
    if (hasEnd || (isPastImage && chunk.type === "fcTL")) break;
  }
  if (isSound && hasEnd) return undefined;
  const text = hasEnd ? "its data is damaged: a checksum is wrong" : "it is cut short: its end is not in the file";
  if (compressed.length === 0 || !(await canBeDecompressed(header, Buffer.concat(compressed)))) return broken(text);
  return { kind: "concealed", text };
}
