import type { Decoding, Edit } from "./edit-list.ts";
import { lengthBytesOf, type PacketCodec } from "./packet-damage.ts";
import { decodedSize, type PictureSize } from "./parameter-sets.ts";
import { type Box, boxesIn, childOf, descend, readSampleTable, type SampleTable } from "./sample-table.ts";

/** A track as an MP4's header (`moov`, ISO 14496-12) describes it. */
export interface Track {
  readonly id: number;
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  /** Degrees clockwise that a player turns the picture by. */
  readonly rotation: number;
  /** What decides which frames are shown. */
  readonly codec: Decoding["codec"];
  /** What a damaged packet is known by. */
  readonly packets: PacketCodec;
  readonly edits: readonly Edit[];
  readonly table: SampleTable;
}

export type VideoTrackReading =
  | { readonly kind: "track"; readonly track: Track }
  | { readonly kind: "none" }
  | { readonly kind: "broken"; readonly text: string };

/** The timescale of `mvhd` or `mdhd`: after version, flags and two times of 4 or 8 bytes. */
function timescaleOf(box: Box | undefined): number {
  if (box === undefined) return 0;
  return box.content.readUInt32BE(box.content[0] === 1 ? 20 : 12);
}

function readEdits(box: Box | undefined, movieTimescale: number, timescale: number): readonly Edit[] {
  if (box === undefined || movieTimescale === 0) return [];
  const { content } = box;
  const wide = content[0] === 1;
  const entryBytes = wide ? 20 : 12;
  const count = Math.min(content.readUInt32BE(4), Math.floor((content.length - 8) / entryBytes));
  return Array.from({ length: count }, (_, index) => {
    const at = 8 + index * entryBytes;
    const duration = wide ? Number(content.readBigUInt64BE(at)) : content.readUInt32BE(at);
    const start = wide ? Number(content.readBigInt64BE(at + 8)) : content.readInt32BE(at + 4);
    return { start, duration: Math.round((duration * timescale) / movieTimescale) };
  });
}

/** Degrees clockwise of a track's display matrix, to the next quarter turn. */
function rotationOf(tkhd: Box): number {
  const at = tkhd.content[0] === 1 ? 52 : 40;
  if (tkhd.content.length < at + 8) return 0;
  const degrees = (Math.atan2(tkhd.content.readInt32BE(at + 4), tkhd.content.readInt32BE(at)) * 180) / Math.PI;
  return (((Math.round(degrees / 90) * 90) % 360) + 360) % 360;
}

/** A sample entry: its four characters, and what stands in and after its 86 bytes. */
interface SampleEntry {
  readonly type: string;
  readonly width: number;
  readonly height: number;
  readonly bitsPerPixel: number;
  readonly boxes: readonly Box[];
}

function readEntry(stsd: Box): SampleEntry | undefined {
  // After version, flags and count.
  const entry = stsd.content.subarray(8);
  if (entry.length < 36) return undefined;
  const end = Math.min(entry.length, entry.readUInt32BE(0));
  return {
    type: entry.toString("latin1", 4, 8),
    width: entry.readUInt16BE(32),
    height: entry.readUInt16BE(34),
    bitsPerPixel: entry.length >= 84 ? entry.readUInt16BE(82) : 0,
    boxes: boxesIn({ type: "", content: entry.subarray(86, end) }),
  };
}

const CODECS: Readonly<Record<string, Decoding["codec"]>> = {
  avc1: "h264",
  avc3: "h264",
  hvc1: "hevc",
  hev1: "hevc",
  mp4v: "mpeg4",
};

const VP: Readonly<Record<string, "vp8" | "vp9" | "av1">> = { vp08: "vp8", vp09: "vp9", av01: "av1" };

/** Codecs of which no packet is all zeros; those that store pixels as they are have such packets. */
const NEVER_ZEROS = new Set([
  "jpeg",
  "mjpa",
  "apco",
  "apcs",
  "apcn",
  "apch",
  "ap4h",
  "ap4x",
  "png ",
  "h263",
  "s263",
  "SVQ1",
  "gif ",
]);

/** The decoder configuration of H.264 or HEVC. */
function configurationOf({ type, boxes }: SampleEntry): Buffer | undefined {
  const wanted = CODECS[type] === "h264" ? "avcC" : CODECS[type] === "hevc" ? "hvcC" : undefined;
  return boxes.find((box) => box.type === wanted)?.content;
}

/** What `mp4v` stands for: MPEG-4's own codec by this object type of its `esds` (ISO 14496-1), and many others by others. */
const MPEG4_VISUAL = 0x20;

/** Of `esds`: descriptors in one another, each a tag, a length of bytes with a bit for more, and its content. */
function objectTypeOf({ boxes }: SampleEntry): number | undefined {
  const esds = boxes.find(({ type }) => type === "esds")?.content;
  if (esds === undefined) return undefined;
  const contentOf = (tag: number, at: number): number | undefined => {
    if (esds[at] !== tag) return undefined;
    let end = at + 1;
    while ((esds[end] ?? 0) >= 0x80) end++;
    return end + 1;
  };
  // After version and flags: a number, what optional fields there are, and the decoder configuration.
  const stream = contentOf(3, 4);
  if (stream === undefined) return undefined;
  const flags = esds[stream + 2] ?? 0;
  if ((flags & 0x40) !== 0) return undefined;
  const configuration = contentOf(4, stream + 3 + ((flags & 0x80) === 0 ? 0 : 2) + ((flags & 0x20) === 0 ? 0 : 2));
  return configuration === undefined ? undefined : esds[configuration];
}

function packetCodecOf(entry: SampleEntry): PacketCodec {
  const codec = CODECS[entry.type];
  if (codec === "h264" || codec === "hevc") {
    const record = configurationOf(entry);
    const lengthBytes = record === undefined ? undefined : lengthBytesOf(codec, record);
    return lengthBytes === undefined ? { name: "unknown" } : { name: codec, lengthBytes };
  }
  if (codec === "mpeg4") return { name: objectTypeOf(entry) === MPEG4_VISUAL ? "mpeg4" : "other" };
  const vp = VP[entry.type];
  if (vp !== undefined) return { name: vp };
  return { name: NEVER_ZEROS.has(entry.type) ? "other" : "unknown" };
}

/** The decoder's own account of the size. */
function sizeInStream(entry: SampleEntry): PictureSize | undefined {
  const codec = CODECS[entry.type];
  const record = configurationOf(entry);
  return record === undefined || (codec !== "h264" && codec !== "hevc") ? undefined : decodedSize(codec, record);
}

/** Bits a pixel of QuickTime's uncompressed pictures for which FFmpeg has a form. */
const RAW_DEPTHS = new Set([1, 2, 4, 8, 15, 16, 24, 32]);

/** Why the trainer's decoder would not even start. */
function whyNotDecodable({ type, bitsPerPixel }: SampleEntry): string | undefined {
  if (type === "encv") return "it is encrypted";
  // From 33 on they are shades of grey.
  if (type === "raw " && bitsPerPixel < 33 && !RAW_DEPTHS.has(bitsPerPixel)) {
    return `its pictures are uncompressed with ${bitsPerPixel} bits a pixel, which the trainer's decoder doesn't know`;
  }
  return undefined;
}

function readTrack(trak: Box, movieTimescale: number): VideoTrackReading {
  const handler = descend(trak, "mdia", "hdlr");
  const tkhd = childOf(trak, "tkhd");
  const table = descend(trak, "mdia", "minf", "stbl");
  const stsd = descend(table, "stsd");
  const entry = stsd === undefined ? undefined : readEntry(stsd);
  if (handler?.content.toString("latin1", 8, 12) !== "vide") return { kind: "none" };
  if (table === undefined || tkhd === undefined || stsd === undefined || entry === undefined) return { kind: "none" };
  const why = whyNotDecodable(entry);
  if (why !== undefined) return { kind: "broken", text: why };
  const timescale = timescaleOf(descend(trak, "mdia", "mdhd"));
  const isOneKind = stsd.content.readUInt32BE(4) === 1;
  const track: Track = {
    id: tkhd.content.readUInt32BE(tkhd.content[0] === 1 ? 20 : 12),
    timescale,
    ...(sizeInStream(entry) ?? { width: entry.width, height: entry.height }),
    rotation: rotationOf(tkhd),
    codec: CODECS[entry.type] ?? "other",
    packets: isOneKind ? packetCodecOf(entry) : { name: "unknown" },
    edits: readEdits(descend(trak, "edts", "elst"), movieTimescale, timescale),
    table: readSampleTable(table),
  };
  return { kind: "track", track };
}

/** The first video track of `moov`. */
export function readVideoTrack(moov: Box): VideoTrackReading {
  const movieTimescale = timescaleOf(childOf(moov, "mvhd"));
  for (const trak of boxesIn(moov)) {
    const reading: VideoTrackReading = trak.type === "trak" ? readTrack(trak, movieTimescale) : { kind: "none" };
    if (reading.kind !== "none") return reading;
  }
  return { kind: "none" };
}

/** When the first sample of any track is decoded that ends after the file does, in seconds; undefined where none does. */
export function firstSecondBeyond(moov: Box, fileBytes: number): number | undefined {
  const seconds = boxesIn(moov).flatMap((trak) => {
    const table = trak.type === "trak" ? descend(trak, "mdia", "minf", "stbl") : undefined;
    const timescale = timescaleOf(descend(trak, "mdia", "mdhd"));
    const time = table === undefined ? undefined : readSampleTable(table).firstTimeBeyond(fileBytes);
    return time === undefined || timescale === 0 ? [] : [time / timescale];
  });
  return seconds.length === 0 ? undefined : Math.min(...seconds);
}
