import type { FileHandle } from "node:fs/promises";
import {
  CustomSource,
  type EncodedPacket,
  EncodedPacketSink,
  Input,
  type InputVideoTrack,
  Logging,
  MATROSKA,
  type VideoCodec,
  WEBM,
} from "mediabunny";
import type { MediaDamage } from "../../core/facts.ts";
import { readExactly } from "../read-file.ts";
import { DECODER_DELAY_FRAMES, isConcealed, lengthBytesOf, type PacketCodec } from "./packet-damage.ts";
import { describeStreamDamage, packetInspector, type StreamDamage } from "./packet-scan.ts";
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

/** An identifier of 4 bytes and a size of 8. */
const LONGEST_HEADER_BYTES = 12;

async function readElement(handle: FileHandle, at: number, fileBytes: number): Promise<Element | undefined> {
  const bytes = await readExactly(handle, at, Math.min(LONGEST_HEADER_BYTES, fileBytes - at));
  const idBytes = bytes?.[0] === undefined || bytes[0] === 0 ? 0 : Math.clz32(bytes[0]) - 23;
  if (bytes === undefined || idBytes < 1 || idBytes > 4 || idBytes > bytes.length) return undefined;
  const size = readSize(bytes, idBytes);
  if (size === undefined) return undefined;
  const contentStart = at + idBytes + size.bytes;
  return { id: bytes.readUIntBE(0, idBytes), sizeBytes: size.bytes, contentStart, end: contentStart + size.value };
}

/** Elements of a file and of its segment: header, segment, SeekHead, Info, Tracks, Cues, Cluster, Tags, Attachments, Chapters. */
const OUTER_ELEMENTS: ReadonlySet<number> = new Set([
  ...[0x1a45dfa3, SEGMENT, 0x114d9b74, 0x1549a966, 0x1654ae6b],
  ...[0x1c53bb6b, CLUSTER, 0x1254c367, 0x1941a469, 0x1043a770],
]);
/** Padding, which may stand anywhere. */
const VOID = 0xec;

/** Whether a file is nothing but zeros from `at` on. */
async function endsInZeros(handle: FileHandle, at: number, fileBytes: number): Promise<boolean> {
  for (let start = at; start < fileBytes; start += ZEROS.length) {
    const bytes = await readExactly(handle, start, Math.min(ZEROS.length, fileBytes - start));
    if (bytes === undefined || !ZEROS.subarray(0, bytes.length).equals(bytes)) return false;
  }
  return true;
}

const ZEROS = Buffer.alloc(1 << 18);

/** Where a file's elements end. */
type Layout =
  /** Behind its first `wholeBytes` there may be padding. */
  | { readonly kind: "whole"; readonly wholeBytes: number }
  /** Its first `wholeBytes` hold all elements that are there from end to end. */
  | {
      readonly kind: "cut";
      readonly text: string;
      /** Zeros, or nothing. */
      readonly continues: "in zeros" | "nowhere";
      readonly wholeBytes: number;
      /** Segment and cluster that the file ends in. */
      readonly open: readonly Element[];
    }
  /** There is something between elements, or an element in another. */
  | { readonly kind: "gaps" };

/**
 * Walks through the elements, those of the file and segment as well as those of each cluster. Where they do not follow
 * each other, mediabunny 1.61 looks for the next one and, with none left, never ends (`resync` in its `matroska/ebml.ts`):
 * it does not even give timers a turn.
 */
async function readLayout(handle: FileHandle, fileBytes: number): Promise<Layout> {
  /** Of the cluster that `at` is in; Infinity for one of unknown length, which ends where another outer element begins. */
  let clusterEnd: number | undefined;
  let promisedBytes = 0;
  let entered: readonly Element[] = [];
  const cutAt = (wholeBytes: number, continues: "in zeros" | "nowhere" = "nowhere"): Layout => {
    const open = entered.filter(({ end }) => Number.isFinite(end) && end > wholeBytes);
    const text =
      continues === "nowhere"
        ? `it is cut short: it should have at least ${promisedBytes} bytes and has ${fileBytes}`
        : `from byte ${wholeBytes} on it is nothing but zeros, as in a download that was never finished`;
    return { kind: "cut", text, continues, wholeBytes, open };
  };
  for (let at = 0; at < fileBytes; ) {
    if (at === clusterEnd) clusterEnd = undefined;
    const element = await readElement(handle, at, fileBytes);
    if (element === undefined) {
      if (promisedBytes > fileBytes && fileBytes - at < LONGEST_HEADER_BYTES) return cutAt(at);
      if (!(await endsInZeros(handle, at, fileBytes))) return { kind: "gaps" };
      return entered.every(({ end: until }) => until <= at) ? { kind: "whole", wholeBytes: at } : cutAt(at, "in zeros");
    }
    const { id, end, contentStart } = element;
    const isOuter = OUTER_ELEMENTS.has(id);
    const isInCluster = clusterEnd !== undefined && !isOuter;
    if (isInCluster && !(end <= (clusterEnd ?? 0) && Number.isFinite(end))) return { kind: "gaps" };
    if (!isInCluster) {
      if (Number.isFinite(clusterEnd) || (!isOuter && id !== VOID)) return { kind: "gaps" };
      // mediabunny takes a size of all ones for unknown only in its shortest and its longest form.
      if (!Number.isFinite(end) && ![1, 8].includes(element.sizeBytes)) return { kind: "gaps" };
      if (!Number.isFinite(end) && id !== SEGMENT && id !== CLUSTER) return { kind: "gaps" };
      clusterEnd = id === CLUSTER ? end : undefined;
    }
    if (Number.isFinite(end)) promisedBytes = Math.max(promisedBytes, end);
    const isEntered = !isInCluster && (id === SEGMENT || id === CLUSTER);
    if (!isEntered && end > fileBytes) return cutAt(at);
    if (isEntered) entered = [...entered.filter((outer) => outer.id === SEGMENT && id !== SEGMENT), element];
    at = isEntered ? contentStart : end;
  }
  return promisedBytes > fileBytes ? cutAt(fileBytes) : { kind: "whole", wholeBytes: fileBytes };
}

/** A file that is cut short, as it would be if it had been finished there: sizes that reach too far are made to fit. */
function finishedAt(handle: FileHandle, wholeBytes: number, open: readonly Element[]) {
  const sizes = open.map(({ contentStart, sizeBytes }) => {
    const size = Buffer.alloc(8);
    size.writeBigUInt64BE(BigInt(wholeBytes - contentStart) | (1n << BigInt(7 * sizeBytes)));
    return { start: contentStart - sizeBytes, bytes: size.subarray(8 - sizeBytes) };
  });
  return async (start: number, end: number): Promise<Buffer> => {
    const read = await readExactly(handle, start, end - start);
    if (read === undefined) throw new Error("it became shorter while it was read");
    for (const size of sizes) {
      for (const [index, byte] of size.bytes.entries()) {
        const at = size.start + index - start;
        if (at >= 0 && at < read.length) read[at] = byte;
      }
    }
    return read;
  };
}

export type MatroskaVideo =
  | {
      readonly kind: "video";
      readonly width: number;
      readonly height: number;
      readonly frames: number;
      readonly fps?: number;
      readonly rotation: number;
      readonly damage?: MediaDamage;
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

/** The codecs that mediabunny names, as packets of them are looked at. */
function packetCodecOf(codec: VideoCodec, record: Uint8Array | undefined): PacketCodec {
  switch (codec) {
    case "avc":
    case "hevc": {
      const name = codec === "avc" ? "h264" : "hevc";
      const lengthBytes = record === undefined ? undefined : lengthBytesOf(name, record);
      return lengthBytes === undefined ? { name: "unknown" } : { name, lengthBytes };
    }
    case "vp8":
    case "vp9":
    case "av1":
      return { name: codec };
    default:
      return { name: "unknown" };
  }
}

/** Compressed data doesn't end with so many zeros by itself. */
const ZEROS_IN_DOUBT = 4;

/** Counts packets one after the other, and of VP8 and VP9 the frames in them that are shown. */
function frameCounter(codec: VideoCodec, packets: PacketCodec) {
  const { inspect } = packetInspector(packets);
  let seen = 0;
  let frames = 0;
  let firstKey: number | undefined;
  const times: number[] = [];
  let found: StreamDamage = {};
  /** Before the packet that the decoder may fail at. */
  let intact: number | undefined;
  let last: Uint8Array = new Uint8Array();
  const count = ({ timestamp, data, type }: EncodedPacket) => {
    found = inspect(data);
    last = data;
    if (found.failing !== undefined) intact ??= Math.max(0, frames - DECODER_DELAY_FRAMES);
    seen++;
    if (type === "key") firstKey ??= timestamp;
    // Frames that need one from before the beginning: decoders leave them out.
    if ((codec === "avc" || codec === "hevc") && (firstKey === undefined || timestamp < firstKey)) return;
    const shown = codec === "vp8" || codec === "vp9" ? countShownFrames(codec, data) : 1;
    frames += shown;
    for (let frame = 0; frame < shown; frame++) times.push(timestamp);
  };
  const result = (layout: Layout) => {
    // Where zeros follow they may have begun in the last packet.
    const isDoubtful = layout.kind === "cut" && layout.continues === "in zeros";
    if (isDoubtful && last.subarray(-ZEROS_IN_DOUBT).every((byte) => byte === 0)) {
      const hole = { index: seen - 1, damage: "hole" } as const;
      found = isConcealed(hole.damage, packets) ? { concealed: hole, ...found } : { failing: hole, ...found };
      intact ??= Math.max(0, frames - 1 - DECODER_DELAY_FRAMES);
    }
    times.sort((a, b) => a - b);
    // Where the end is missing, frames shown before the last ones may be missing too.
    const timed = layout.kind === "cut" ? times.slice(0, -DECODER_DELAY_FRAMES) : times;
    const fps = rateOf(timed.length, (timed.at(-1) ?? 0) - (timed[0] ?? 0));
    const damage = describeStreamDamage(found, { packets: seen, intactFrames: () => intact ?? 0 });
    return { frames, ...(fps === undefined ? {} : { fps }), ...(damage === undefined ? {} : { damage }) };
  };
  return { count, result };
}

async function readTrack(track: InputVideoTrack, layout: Layout): Promise<MatroskaVideo> {
  const codec = await track.getCodec();
  if (codec === null) return { kind: "unknown" };
  const description = codec === "avc" || codec === "hevc" ? (await track.getDecoderConfig())?.description : undefined;
  const record = description === undefined ? undefined : bytesOf(description);
  const size = (record === undefined ? undefined : decodedSize(codec === "avc" ? "h264" : "hevc", record)) ?? {
    width: await track.getCodedWidth(),
    height: await track.getCodedHeight(),
  };
  const counter = frameCounter(codec, packetCodecOf(codec, record));
  for await (const packet of new EncodedPacketSink(track).packets()) counter.count(packet);
  return { kind: "video", ...size, rotation: await track.getRotation(), ...counter.result(layout) };
}

/**
 * Reads the first video track. Of a file that is cut short the packets are counted that are whole, as the trainer's
 * decoder reads it: it ends there without a word. Throws what reading the file throws.
 */
export async function readMatroskaVideo(handle: FileHandle, fileBytes: number): Promise<MatroskaVideo> {
  const layout = await readLayout(handle, fileBytes);
  if (layout.kind === "gaps") return { kind: "unknown" };
  const { wholeBytes } = layout;
  Logging.level = 0;
  const read = finishedAt(handle, wholeBytes, layout.kind === "cut" ? layout.open : []);
  let readError: unknown;
  const source = new CustomSource({
    getSize: () => wholeBytes,
    read: (start, end) =>
      read(start, end).catch((error: unknown) => {
        readError = error;
        throw error;
      }),
    prefetchProfile: "fileSystem",
    handleUnhandledError: () => undefined,
  });
  const input = new Input({ formats: [WEBM, MATROSKA], source });
  const cut = layout.kind === "cut" ? layout.text : undefined;
  try {
    const [track] = await input.getVideoTracks();
    if (track === undefined) return cut === undefined ? { kind: "no-video" } : { kind: "broken", text: cut };
    const video = await readTrack(track, layout);
    if (cut === undefined || video.kind !== "video" || video.damage?.intactFrames !== undefined) return video;
    return video.frames === 0 ? { kind: "broken", text: cut } : { ...video, damage: { text: cut } };
  } catch {
    if (readError !== undefined) throw readError;
    // The reader's own words are about its insides.
    return { kind: "broken", text: cut ?? "its container is damaged" };
  } finally {
    input.dispose();
  }
}
