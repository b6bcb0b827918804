import type { FileHandle } from "node:fs/promises";
import { EncodedPacketSink, FilePathSource, Input, Logging, MATROSKA, WEBM } from "mediabunny";
import { readExactly } from "../read-file.ts";
import { decodedSize } from "./parameter-sets.ts";
import { countShownFrames } from "./vp-frames.ts";

/** WebM and Matroska, through mediabunny: by its names, so that a bundle takes in only what they need. */

const SEGMENT = 0x18538067;
const CLUSTER = 0x1f43b675;

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
  /** Bytes that its size is written in. */
  readonly sizeBytes: number;
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
  return { id: bytes.readUIntBE(0, idBytes), sizeBytes: size.bytes, contentStart, end: contentStart + size.value };
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

/** Elements of a file and of its segment: header, segment, SeekHead, Info, Tracks, Cues, Cluster, Tags, Attachments, Chapters. */
const OUTER_ELEMENTS: ReadonlySet<number> = new Set([
  ...[0x1a45dfa3, SEGMENT, 0x114d9b74, 0x1549a966, 0x1654ae6b],
  ...[0x1c53bb6b, CLUSTER, 0x1254c367, 0x1941a469, 0x1043a770],
]);
/** Padding, which may stand anywhere. */
const VOID = 0xec;

/**
 * Whether elements follow each other without a gap, those of the file and segment as well as those of each cluster. Where
 * they do not, mediabunny 1.61 looks for the next one and, with none left, never ends (`resync` in its `matroska/ebml.ts`):
 * it does not even give timers a turn.
 */
async function isWithoutGaps(handle: FileHandle, fileBytes: number): Promise<boolean> {
  /** Of the cluster that `at` is in; Infinity for one of unknown length, which ends where another outer element begins. */
  let clusterEnd: number | undefined;
  for (let at = 0; at < fileBytes; ) {
    if (at === clusterEnd) clusterEnd = undefined;
    const element = await readElement(handle, at, fileBytes);
    if (element === undefined) return false;
    const { id, end, contentStart } = element;
    const isOuter = OUTER_ELEMENTS.has(id);
    if (clusterEnd !== undefined && !isOuter) {
      if (!Number.isFinite(end) || end > clusterEnd) return false;
      at = end;
      continue;
    }
    if (Number.isFinite(clusterEnd) || (!isOuter && id !== VOID)) return false;
    // mediabunny takes a size of all ones for unknown only in its shortest and its longest form.
    if (!Number.isFinite(end) && ![1, 8].includes(element.sizeBytes)) return false;
    if (!Number.isFinite(end) && id !== SEGMENT && id !== CLUSTER) return false;
    clusterEnd = id === CLUSTER ? end : undefined;
    at = id === SEGMENT || id === CLUSTER ? contentStart : end;
  }
  return true;
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
  /** A codec of which a packet need not be a frame, or a container that is damaged in the middle. */
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
  if (!(await isWithoutGaps(handle, fileBytes))) return { kind: "unknown" };
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
