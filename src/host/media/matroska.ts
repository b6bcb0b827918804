import type { FileHandle } from "node:fs/promises";
import { EncodedPacketSink, FilePathSource, Input, Logging, MATROSKA, WEBM } from "mediabunny";
import { readExactly } from "../read-file.ts";
import { decodedSize } from "./parameter-sets.ts";
import { countShownFrames } from "./vp-frames.ts";

/** WebM and Matroska, through mediabunny: by its names, so that a bundle takes in only what they need. */

const SEGMENT = 0x18538067;

/** A number of 1 to 8 bytes whose length its leading zeros tell. All ones stand for "unknown". */
function readSize(bytes: Buffer, at: number): { readonly value: number; readonly bytes: number } | undefined {
  const first = bytes[at];
  if (first === undefined || first === 0) return undefined;
  const length = Math.clz32(first) - 23;
  if (at + length > bytes.length) return undefined;
  let value = first & (0xff >> length);
  let unknown = value === 0xff >> length;
  for (let index = 1; index < length; index++) {
    const byte = bytes[at + index] ?? 0;
    value = value * 256 + byte;
    unknown &&= byte === 0xff;
  }
  return { value: unknown ? Number.POSITIVE_INFINITY : value, bytes: length };
}

interface Element {
  readonly id: number;
  readonly contentStart: number;
  /** Infinite where it was written without knowing. */
  readonly end: number;
}

async function readElement(handle: FileHandle, at: number, fileBytes: number): Promise<Element | undefined> {
  const bytes = await readExactly(handle, at, Math.min(12, fileBytes - at));
  const idBytes = bytes?.[0] === undefined || bytes[0] === 0 ? 0 : Math.clz32(bytes[0]) - 23;
  if (bytes === undefined || idBytes < 1 || idBytes > 4 || idBytes > bytes.length) return undefined;
  const size = readSize(bytes, idBytes);
  if (size === undefined) return undefined;
  const contentStart = at + idBytes + size.bytes;
  return { id: bytes.readUIntBE(0, idBytes), contentStart, end: contentStart + size.value };
}

/** Where the file should end by its own account. Elements of unknown length are walked through, so one jump a cluster or block. */
async function promisedEnd(handle: FileHandle, fileBytes: number): Promise<number> {
  let at = 0;
  while (at < fileBytes) {
    const element = await readElement(handle, at, fileBytes);
    if (element === undefined) return at;
    if (element.id === SEGMENT && Number.isFinite(element.end)) return element.end;
    at = Number.isFinite(element.end) ? element.end : element.contentStart;
  }
  return at;
}

export type MatroskaVideo =
  | {
      readonly kind: "video";
      readonly width: number;
      readonly height: number;
      readonly frames: number;
      readonly fps?: number;
      readonly rotation: number;
    }
  | { readonly kind: "no-video" }
  | { readonly kind: "broken"; readonly text: string }
  /** A codec of which a packet need not be a frame. */
  | { readonly kind: "unknown" };

/** Rates that clips are made with; a rate measured in whole milliseconds within reach of one of them is that one. */
const COMMON_RATES = [10, 12, 15, 16, 20, 24000 / 1001, 24, 25, 30000 / 1001, 30, 48, 50, 60000 / 1001, 60, 120];

/** The average rate of frames whose first and last are `seconds` apart, by a clock of whole milliseconds. */
function rateOf(frames: number, seconds: number): number | undefined {
  if (frames < 2 || seconds <= 0) return undefined;
  const near = COMMON_RATES.filter((rate) => Math.abs((frames - 1) / rate - seconds) <= 0.0011);
  const measured = (frames - 1) / seconds;
  return near.sort((a, b) => Math.abs(a - measured) - Math.abs(b - measured))[0] ?? measured;
}

function bytesOf(source: ArrayBufferView | ArrayBufferLike): Uint8Array {
  return ArrayBuffer.isView(source)
    ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength)
    : new Uint8Array(source);
}

/** Reads the first video track. Packets are counted, and of VP8 and VP9 the frames in them that are shown. */
export async function readMatroskaVideo(
  path: string,
  { handle, fileBytes }: { readonly handle: FileHandle; readonly fileBytes: number },
): Promise<MatroskaVideo> {
  const promised = await promisedEnd(handle, fileBytes);
  if (promised > fileBytes) {
    return { kind: "broken", text: `it is cut short: it should have at least ${promised} bytes and has ${fileBytes}` };
  }
  Logging.level = 0;
  const input = new Input({ formats: [WEBM, MATROSKA], source: new FilePathSource(path) });
  try {
    const [track] = await input.getVideoTracks();
    if (track === undefined) return { kind: "no-video" };
    const codec = await track.getCodec();
    if (codec === null) return { kind: "unknown" };
    const record = codec === "avc" || codec === "hevc" ? (await track.getDecoderConfig())?.description : undefined;
    const size = (record === undefined
      ? undefined
      : decodedSize(codec === "avc" ? "h264" : "hevc", bytesOf(record))) ?? {
      width: await track.getCodedWidth(),
      height: await track.getCodedHeight(),
    };
    const rotation = await track.getRotation();
    const hidden = codec === "vp8" || codec === "vp9";
    let frames = 0;
    let firstKey: number | undefined;
    let earliest = Number.POSITIVE_INFINITY;
    let latest = Number.NEGATIVE_INFINITY;
    for await (const packet of new EncodedPacketSink(track).packets(undefined, undefined, { metadataOnly: !hidden })) {
      if (packet.type === "key") firstKey ??= packet.timestamp;
      // Frames that need one from before the beginning: decoders leave them out.
      if ((codec === "avc" || codec === "hevc") && firstKey === undefined) continue;
      if (codec === "hevc" && packet.timestamp < (firstKey ?? 0)) continue;
      frames += hidden ? countShownFrames(codec, packet.data) : 1;
      earliest = Math.min(earliest, packet.timestamp);
      latest = Math.max(latest, packet.timestamp);
    }
    const fps = rateOf(frames, latest - earliest);
    return { kind: "video", ...size, frames, ...(fps === undefined ? {} : { fps }), rotation };
  } catch {
    // The reader's own words are about its insides.
    return { kind: "broken", text: "its container is damaged" };
  } finally {
    input.dispose();
  }
}
