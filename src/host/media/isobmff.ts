import type { FileHandle } from "node:fs/promises";
import type { MediaDamage } from "../../core/facts.ts";
import { readExactly } from "../read-file.ts";
import { countDecoded, countDecodedOfFirst, type Decoding } from "./edit-list.ts";
import { type FragmentSample, fragmentDefaultsOf, fragmentReader } from "./fragments.ts";
import { DECODER_DELAY_FRAMES } from "./packet-damage.ts";
import { describeStreamDamage, inspectSamples } from "./packet-scan.ts";
import { type Box, boxesIn, bytesOfBoxes, childOf } from "./sample-table.ts";
import { firstSecondBeyond, readVideoTrack, type Track } from "./video-track.ts";

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
  readonly damage?: MediaDamage;
}

export type IsoVideo =
  | { readonly kind: "video"; readonly track: VideoTrack }
  | { readonly kind: "no-video" }
  | { readonly kind: "broken"; readonly text: string }
  /** Compressed headers and the like: right, and not read here. */
  | { readonly kind: "unknown" };

const TOP_LEVEL = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "styp", "sidx", "moof", "uuid"]);

const ZEROS = "\0\0\0\0";

/** Whether a file that begins with these bytes is of this family. */
export function isIsoFile(start: Buffer): boolean {
  return start.length >= 8 && TOP_LEVEL.has(start.toString("latin1", 4, 8));
}

/** A header larger than this is taken for a broken file rather than read into memory. */
const LARGEST_HEADER_BYTES = 1 << 29;

/** Twenty hours at sixty frames a second: a clip of more is a damaged count, which must not be counted to. */
const MOST_SAMPLES = 1 << 22;

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

/** What a walk over the file's boxes brought. */
interface Found {
  readonly moov: Box;
  readonly track: Track;
  readonly fragments: readonly FragmentSample[];
  /** Of the fragments' samples, in the track's timescale. */
  readonly fragmentDuration: number;
  /** Samples in all fragments but the last. */
  readonly beforeLastFragment: number;
  /** The box that the file ends in the middle of. */
  readonly cutAt: string | undefined;
}

const broken = (text: string): IsoVideo => ({ kind: "broken", text });

function whyNoHeader(cutAt: string | undefined): IsoVideo {
  return broken(
    cutAt === undefined
      ? "it has no header (`moov`), so it was never finished"
      : `it ends in the middle of its ${cutAt}, before its header: it was cut short or never finished`,
  );
}

/** The whole of a box, or of the header as much as there is: the track may be in it. */
async function readBox(handle: FileHandle, box: TopLevelBox, fileBytes: number): Promise<Box | undefined> {
  const start = box.start + box.headerBytes;
  const content = await readExactly(handle, start, Math.min(box.end, fileBytes) - start);
  return content === undefined ? undefined : { type: box.type, content };
}

/** Whether a header that is cut short holds its tracks whole: what it ends in the middle of is something else. */
function endsBehindTracks(moov: Box): boolean {
  const { content } = moov;
  const end = bytesOfBoxes(moov);
  return content.length < end + 8 || content.toString("latin1", end + 4, end + 8) === "udta";
}

async function walk(handle: FileHandle, fileBytes: number): Promise<Found | IsoVideo> {
  let header: { readonly moov: Box; readonly track: Track } | undefined;
  let fragments: ReturnType<typeof fragmentReader> | undefined;
  let cutAt: string | undefined;
  let beforeLastFragment = 0;
  let previous = "";
  // A sample takes a byte at least.
  const mostSamples = Math.min(fileBytes, MOST_SAMPLES);
  for (let start = 0; start < fileBytes; ) {
    const box = await readTopLevelBox(handle, start, fileBytes);
    if (box === undefined) break;
    // FFmpeg doesn't even open such a file; zeros at its end it passes over.
    if (box.type === ZEROS && previous === "moof") return broken("zeros lie where the data of a fragment should be");
    previous = box.type;
    start = box.end;
    const isCut = box.end > fileBytes;
    if (isCut) cutAt = TOP_LEVEL.has(box.type) ? box.type : "contents";
    const isHeader = box.type === "moov" && header === undefined;
    if (!isHeader && (box.type !== "moof" || isCut || fragments === undefined)) continue;
    const bytes = box.end - box.start - box.headerBytes;
    if (bytes > LARGEST_HEADER_BYTES) return broken(`its ${box.type} header claims ${bytes} bytes`);
    const read = await readBox(handle, box, fileBytes);
    if (read === undefined) break;
    if (!isHeader) {
      beforeLastFragment = fragments?.samples.length ?? 0;
      if (fragments?.add(read, box.start, mostSamples) === false) return broken("its header is damaged");
      continue;
    }
    if (childOf(read, "cmov") !== undefined) return { kind: "unknown" };
    const reading = readVideoTrack(read);
    if (reading.kind === "broken") return broken(reading.text);
    if (reading.kind === "none") return isCut ? whyNoHeader(cutAt) : { kind: "no-video" };
    if (isCut && !endsBehindTracks(read)) return whyNoHeader(cutAt);
    const { track } = reading;
    if (track.table.count > mostSamples) return broken("its header is damaged");
    header = { moov: read, track };
    const { id, table } = track;
    fragments = fragmentReader({ id, defaults: fragmentDefaultsOf(read, id), start: table.duration });
  }
  if (header === undefined || fragments === undefined) return whyNoHeader(cutAt);
  const { samples, duration } = fragments;
  return { ...header, fragments: samples, fragmentDuration: duration(), beforeLastFragment, cutAt };
}

/** The end of a file that is missing. */
interface Cut {
  readonly text: string;
  /** Samples that are read for certain, in decoding order. */
  readonly certain: number;
  /** Whether reading ends there without a word: then no sample is there in part. */
  readonly isClean: boolean;
}

type Placed = Pick<FragmentSample, "offset" | "bytes">;

/** FFmpeg reads tracks by where they lie in the file, unless that would take one a second ahead of another: half is certain. */
const AHEAD_SECONDS = 0.5;

/** Reading ends at the first sample, of any track, that is not there. */
function findCut(
  found: Found,
  all: readonly (Placed & { readonly decodeTime: number })[],
  fileBytes: number,
): Cut | undefined {
  const { moov, track, fragments, beforeLastFragment, cutAt } = found;
  const isMissing = ({ offset, bytes }: Placed) => offset !== undefined && offset + bytes > fileBytes;
  const isPartial = (sample: Placed) => isMissing(sample) && (sample.offset ?? 0) < fileBytes;
  const first = all.findIndex(isMissing);
  const whole = first < 0 ? all.length : first;
  if (fragments.length > 0 && cutAt !== undefined && ["mdat", "moof"].includes(cutAt)) {
    const text = "it ends in the middle of a fragment: it was cut short";
    const isAlone = boxesIn(moov).filter(({ type }) => type === "trak").length === 1;
    const certain = isAlone ? whole : Math.min(whole, track.table.count + beforeLastFragment);
    return { text, certain, isClean: certain === whole && !all.some(isPartial) };
  }
  const second = firstSecondBeyond(moov, fileBytes);
  if (second === undefined) return undefined;
  const missing = all.filter(isMissing).length;
  const text =
    missing === 0
      ? "it is cut short: the end of another track of it is not in the file"
      : `it is cut short: the last ${missing === 1 ? "" : `${missing} `}of its ${all.length} frames ${missing === 1 ? "is" : "are"} not in the file`;
  const late = all.findIndex(({ decodeTime }) => decodeTime > (second + AHEAD_SECONDS) * track.timescale);
  const certain = late < 0 ? whole : Math.min(whole, late);
  return { text, certain, isClean: certain === whole && !all.some(isPartial) };
}

interface Inspected {
  readonly frames: number;
  readonly damage?: MediaDamage;
}

async function inspect(
  found: Found,
  decoding: Decoding,
  { handle, fileBytes }: { readonly handle: FileHandle; readonly fileBytes: number },
): Promise<Inspected> {
  const all = [...decoding.samples, ...decoding.fragments];
  const frames = countDecoded(decoding);
  const intact = (samples: number) => Math.max(0, countDecodedOfFirst(samples, decoding) - DECODER_DELAY_FRAMES);
  const cut = findCut(found, all, fileBytes);
  const there = cut === undefined ? all : all.slice(0, cut.certain);
  const stream = await inspectSamples(there, { handle, fileBytes, codec: found.track.packets });
  const damage = describeStreamDamage(stream, { packets: all.length, intactFrames: intact });
  if (cut !== undefined && damage?.intactFrames === undefined) {
    if (!cut.isClean) return { frames, damage: { text: cut.text, intactFrames: intact(cut.certain) } };
    const left = cut.certain === all.length ? frames : countDecodedOfFirst(cut.certain, decoding);
    return { frames: left, damage: { text: cut.text } };
  }
  if (damage !== undefined) return { frames, damage };
  // What the decoder needs of the header is there, or there would be no track.
  const text = "the end of its header is missing: it was cut short";
  return found.cutAt === "moov" ? { frames, damage: { text } } : { frames };
}

/** Reads the first video track. Throws only what reading the file throws, and `RangeError` where a box ends too early. */
export async function readIsoVideo(handle: FileHandle, fileBytes: number): Promise<IsoVideo> {
  const found = await walk(handle, fileBytes);
  if ("kind" in found) return found;
  const { track, fragments } = found;
  const { width, height, rotation, codec, edits, table, timescale } = track;
  const decoding: Decoding = { samples: table.samples(), fragments, edits, codec };
  const count = table.count + fragments.length;
  const seconds = timescale > 0 ? (table.duration + found.fragmentDuration) / timescale : 0;
  const { frames, damage } = await inspect(found, decoding, { handle, fileBytes });
  return {
    kind: "video",
    track: {
      width,
      height,
      frames,
      ...(seconds > 0 ? { fps: count / seconds } : {}),
      rotation,
      ...(damage === undefined ? {} : { damage }),
    },
  };
}
