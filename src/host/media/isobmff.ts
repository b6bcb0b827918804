import type { FileHandle } from "node:fs/promises";
import { readExactly } from "../read-file.ts";
import { countDecoded, type Decoding, type Edit } from "./edit-list.ts";
import { decodedSize, type PictureSize } from "./parameter-sets.ts";
import { type Box, boxesIn, childOf, descend, readSampleTable, type SampleTable } from "./sample-table.ts";

/**
 * MP4, MOV and M4V (ISO 14496-12). Read here and not by mediabunny, because the frames that the trainer decodes also
 * depend on edit lists with an end, on fragments after a sample table, and on where the file ends.
 */

export interface VideoTrack {
  readonly width: number;
  readonly height: number;
  /** Frames that decoding yields: samples inside the edit list, and those of all fragments. */
  readonly frames: number;
  /** Average frames a second; undefined where the file gives no durations. */
  readonly fps?: number;
  /** Degrees clockwise that a player turns the picture by. The trainer does not. */
  readonly rotation: number;
  /** Frames of which the file holds less than all bytes. */
  readonly missingFrames: number;
}

export type IsoVideo =
  | { readonly kind: "video"; readonly track: VideoTrack }
  | { readonly kind: "no-video" }
  | { readonly kind: "broken"; readonly text: string }
  /** Compressed headers and the like: right, and not read here. */
  | { readonly kind: "unknown" };

interface Track {
  readonly id: number;
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  readonly rotation: number;
  readonly codec: Decoding["codec"];
  readonly edits: readonly Edit[];
  readonly samples: SampleTable;
}

interface Fragments {
  frames: number;
  /** In the track's timescale. */
  duration: number;
}

const TOP_LEVEL = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "sidx", "moof", "uuid"]);

/** Whether a file that begins with these bytes is of this family. */
export function isIsoFile(start: Buffer): boolean {
  return start.length >= 8 && TOP_LEVEL.has(start.toString("latin1", 4, 8));
}

/** A header larger than this is taken for a broken file rather than read into memory. */
const LARGEST_HEADER_BYTES = 1 << 29;

interface TopLevelBox {
  readonly type: string;
  readonly start: number;
  readonly headerBytes: number;
  /** Where it ends by its own size; may lie beyond the file. */
  readonly end: number;
}

async function readTopLevelBox(handle: FileHandle, start: number, fileBytes: number): Promise<TopLevelBox | undefined> {
  if (start + 8 > fileBytes) return undefined;
  const header = await readExactly(handle, start, Math.min(16, fileBytes - start));
  if (header === undefined) return undefined;
  const size = header.readUInt32BE(0);
  const type = header.toString("latin1", 4, 8);
  if (size === 0) return { type, start, headerBytes: 8, end: fileBytes };
  if (size !== 1) return size < 8 ? undefined : { type, start, headerBytes: 8, end: start + size };
  if (header.length < 16) return undefined;
  const large = Number(header.readBigUInt64BE(8));
  return large < 16 ? undefined : { type, start, headerBytes: 16, end: start + large };
}

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
function rotationOf(tkhd: Box | undefined): number {
  if (tkhd === undefined) return 0;
  const at = tkhd.content[0] === 1 ? 52 : 40;
  if (tkhd.content.length < at + 8) return 0;
  const degrees = (Math.atan2(tkhd.content.readInt32BE(at + 4), tkhd.content.readInt32BE(at)) * 180) / Math.PI;
  return (((Math.round(degrees / 90) * 90) % 360) + 360) % 360;
}

const CODECS: Readonly<Record<string, Decoding["codec"]>> = { avc1: "h264", avc3: "h264", hvc1: "hevc", hev1: "hevc" };

/** Of a sample entry, the boxes after its 86 bytes: the decoder's own account of the size. */
function sizeInStream(entry: Buffer, codec: Decoding["codec"]): PictureSize | undefined {
  if (codec === "other") return undefined;
  const wanted = codec === "h264" ? "avcC" : "hvcC";
  const end = Math.min(entry.length, entry.readUInt32BE(0));
  const record = boxesIn({ type: "", content: entry.subarray(86, end) }).find(({ type }) => type === wanted);
  return record === undefined ? undefined : decodedSize(codec, record.content);
}

function readVideoTrack(trak: Box, movieTimescale: number): Track | undefined {
  const handler = descend(trak, "mdia", "hdlr");
  if (handler?.content.toString("latin1", 8, 12) !== "vide") return undefined;
  const tkhd = childOf(trak, "tkhd");
  const table = descend(trak, "mdia", "minf", "stbl");
  // The first sample entry, after version, flags and count; its size stands 24 bytes behind its own header.
  const entry = descend(table, "stsd")?.content.subarray(8);
  if (table === undefined || tkhd === undefined || entry === undefined || entry.length < 36) return undefined;
  const timescale = timescaleOf(descend(trak, "mdia", "mdhd"));
  const codec = CODECS[entry.toString("latin1", 4, 8)] ?? "other";
  const size = sizeInStream(entry, codec) ?? { width: entry.readUInt16BE(32), height: entry.readUInt16BE(34) };
  return {
    id: tkhd.content.readUInt32BE(tkhd.content[0] === 1 ? 20 : 12),
    timescale,
    ...size,
    rotation: rotationOf(tkhd),
    codec,
    edits: readEdits(descend(trak, "edts", "elst"), movieTimescale, timescale),
    samples: readSampleTable(table),
  };
}

/** Adds the samples that a fragment (`moof`) holds of one track. */
function addFragment(moof: Box, trackId: number, defaultDuration: number, fragments: Fragments): void {
  for (const traf of boxesIn(moof)) {
    const header = traf.type === "traf" ? childOf(traf, "tfhd")?.content : undefined;
    if (header === undefined || header.readUInt32BE(4) !== trackId) continue;
    const flags = header.readUInt32BE(0) & 0xffffff;
    const durationAt = 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0);
    const duration = flags & 0x8 ? header.readUInt32BE(durationAt) : defaultDuration;
    for (const { type, content } of boxesIn(traf)) {
      if (type !== "trun") continue;
      const runFlags = content.readUInt32BE(0) & 0xffffff;
      const count = content.readUInt32BE(4);
      fragments.frames += count;
      if (!(runFlags & 0x100)) {
        fragments.duration += count * duration;
        continue;
      }
      const stride = [0x100, 0x200, 0x400, 0x800].reduce((sum, flag) => sum + (runFlags & flag ? 4 : 0), 0);
      const first = 8 + (runFlags & 0x1 ? 4 : 0) + (runFlags & 0x4 ? 4 : 0);
      for (let at = first; at + 4 <= content.length; at += stride) fragments.duration += content.readUInt32BE(at);
    }
  }
}

function defaultDurationOf(moov: Box, trackId: number): number {
  const extends_ = childOf(moov, "mvex");
  const trex =
    extends_ && boxesIn(extends_).find(({ type, content }) => type === "trex" && content.readUInt32BE(4) === trackId);
  return trex?.content.readUInt32BE(12) ?? 0;
}

/** Reads the first video track. Throws only what reading the file throws, and `RangeError` where a box ends too early. */
export async function readIsoVideo(handle: FileHandle, fileBytes: number): Promise<IsoVideo> {
  let moov: Box | undefined;
  let track: Track | undefined;
  let cutAt: string | undefined;
  const fragments: Fragments = { frames: 0, duration: 0 };
  for (let start = 0; start < fileBytes; ) {
    const box = await readTopLevelBox(handle, start, fileBytes);
    if (box === undefined) break;
    if (box.end > fileBytes) cutAt = TOP_LEVEL.has(box.type) ? box.type : "contents";
    if (box.end <= fileBytes && ((box.type === "moov" && moov === undefined) || box.type === "moof")) {
      const bytes = box.end - box.start - box.headerBytes;
      if (bytes > LARGEST_HEADER_BYTES) return { kind: "broken", text: `its ${box.type} header claims ${bytes} bytes` };
      const content = await readExactly(handle, box.start + box.headerBytes, bytes);
      if (content === undefined) break;
      const read: Box = { type: box.type, content };
      if (box.type === "moof") {
        if (moov !== undefined && track !== undefined) {
          addFragment(read, track.id, defaultDurationOf(moov, track.id), fragments);
        }
      } else {
        moov = read;
        if (childOf(moov, "cmov") !== undefined) return { kind: "unknown" };
        const movieTimescale = timescaleOf(childOf(moov, "mvhd"));
        track = boxesIn(moov)
          .filter(({ type }) => type === "trak")
          .map((trak) => readVideoTrack(trak, movieTimescale))
          .find((candidate) => candidate !== undefined);
        if (track === undefined) return { kind: "no-video" };
      }
    }
    start = box.end;
  }
  if (moov === undefined || track === undefined) {
    const text =
      cutAt === undefined
        ? "it has no header (`moov`), so it was never finished"
        : `it ends in the middle of its ${cutAt}, before its header: it was cut short or never finished`;
    return { kind: "broken", text };
  }
  if (fragments.frames > 0 && (cutAt === "mdat" || cutAt === "moof")) {
    return { kind: "broken", text: "it ends in the middle of a fragment: it was cut short" };
  }
  // A sample takes a byte at least: a damaged count must not be believed, nor counted to.
  if (track.samples.count + fragments.frames > fileBytes) return { kind: "broken", text: "its header is damaged" };
  return { kind: "video", track: describeTrack(track, fragments, fileBytes) };
}

function describeTrack(track: Track, fragments: Fragments, fileBytes: number): VideoTrack {
  const { samples } = track;
  const duration = samples.duration + fragments.duration;
  const seconds = track.timescale > 0 ? duration / track.timescale : 0;
  return {
    width: track.width,
    height: track.height,
    frames: countDecoded(track) + fragments.frames,
    ...(seconds > 0 ? { fps: (samples.count + fragments.frames) / seconds } : {}),
    rotation: track.rotation,
    missingFrames: samples.countBeyond(fileBytes),
  };
}
