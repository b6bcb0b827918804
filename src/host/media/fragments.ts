import { type Box, boxesIn, childOf, type Sample } from "./sample-table.ts";

/** Samples in fragments (`moof`) of ISO 14496-12, 8.8, as FFmpeg lists them (`mov_read_trun`). */

/** What a track's fragments say when they leave something out (`trex`). */
export interface FragmentDefaults {
  readonly duration: number;
  readonly bytes: number;
  readonly flags: number;
}

export interface FragmentedTrack {
  readonly id: number;
  readonly defaults: FragmentDefaults;
  /** When the samples of its sample table end, in the track's timescale: fragments without a time go on from there. */
  readonly start: number;
}

/** A sample of a fragment. */
export interface FragmentSample extends Sample {
  /** Not after the one before it: FFmpeg decodes it, and throws the frame away. */
  readonly isOverlapping: boolean;
}

const NOT_SYNC = 0x10000;
const DEPENDS_ON_OTHERS = 0x1000000;

export function fragmentDefaultsOf(moov: Box, trackId: number): FragmentDefaults {
  const mvex = childOf(moov, "mvex");
  const trex = (mvex === undefined ? [] : boxesIn(mvex)).find(
    ({ type, content }) => type === "trex" && content.readUInt32BE(4) === trackId,
  )?.content;
  return {
    duration: trex?.readUInt32BE(12) ?? 0,
    bytes: trex?.readUInt32BE(16) ?? 0,
    flags: trex?.readUInt32BE(20) ?? 0,
  };
}

const flagsOf = (content: Buffer) => content.readUInt32BE(0) & 0xffffff;

/** Reads 32-bit numbers one after the other where a flag says that they are there. */
function optionalFields(content: Buffer, flags: number, from: number) {
  let at = from;
  const take = (flag: number): number | undefined => {
    if (!(flags & flag)) return undefined;
    const value = content.readUInt32BE(at);
    at += 4;
    return value;
  };
  return { take, left: () => content.length - at };
}

interface TrackFragment {
  readonly base: number;
  readonly defaults: FragmentDefaults;
}

/** `tfhd`: where the data is counted from, and what this fragment's own defaults are. */
function readHeader(tfhd: Buffer, moofStart: number, impliedBase: number, defaults: FragmentDefaults): TrackFragment {
  const flags = flagsOf(tfhd);
  const base = flags & 0x1 ? Number(tfhd.readBigUInt64BE(8)) : flags & 0x20000 ? moofStart : impliedBase;
  const { take } = optionalFields(tfhd, flags, flags & 0x1 ? 16 : 8);
  take(0x2);
  return {
    base,
    defaults: {
      duration: take(0x8) ?? defaults.duration,
      bytes: take(0x10) ?? defaults.bytes,
      flags: take(0x20) ?? defaults.flags,
    },
  };
}

/** Collects a track's samples, fragment by fragment. */
export function fragmentReader({ id, defaults, start }: FragmentedTrack) {
  const samples: FragmentSample[] = [];
  let duration = 0;
  let time = start;

  const addRun = (trun: Buffer, { base, defaults: own }: TrackFragment): number => {
    const flags = flagsOf(trun);
    const { take, left } = optionalFields(trun, flags, 8);
    let offset = base + ((take(0x1) ?? 0) | 0);
    let firstFlags = take(0x4);
    const before = samples.at(-1)?.decodeTime ?? Number.NEGATIVE_INFINITY;
    const fieldBytes = [0x100, 0x200, 0x400, 0x800].reduce((sum, flag) => sum + (flags & flag ? 4 : 0), 0);
    for (let count = trun.readUInt32BE(4); count > 0 && left() >= fieldBytes; count--) {
      const ticks = take(0x100) ?? own.duration;
      const bytes = take(0x200) ?? own.bytes;
      const sampleFlags = take(0x400) ?? firstFlags ?? own.flags;
      const shift = (take(0x800) ?? 0) | 0;
      firstFlags = undefined;
      samples.push({
        offset,
        bytes,
        decodeTime: time,
        time: time + shift,
        isSync: (sampleFlags & (NOT_SYNC | DEPENDS_ON_OTHERS)) === 0,
        isOverlapping: time <= before,
      });
      offset += bytes;
      time += ticks;
      duration += ticks;
    }
    return offset;
  };

  return {
    samples: samples as readonly FragmentSample[],
    /** Of all samples together, in the track's timescale. */
    duration: () => duration,
    /** Adds those of a fragment that begins at `moofStart`. False where there would be more than `mayHold` of them. */
    add(moof: Box, moofStart: number, mayHold: number): boolean {
      let impliedBase = moofStart;
      for (const traf of boxesIn(moof)) {
        const tfhd = traf.type === "traf" ? childOf(traf, "tfhd")?.content : undefined;
        if (tfhd === undefined || tfhd.readUInt32BE(4) !== id) continue;
        const header = readHeader(tfhd, moofStart, impliedBase, defaults);
        const tfdt = childOf(traf, "tfdt")?.content;
        if (tfdt !== undefined) time = tfdt[0] === 1 ? Number(tfdt.readBigUInt64BE(4)) : tfdt.readUInt32BE(4);
        for (const { type, content } of boxesIn(traf)) {
          if (type !== "trun") continue;
          if (samples.length + content.readUInt32BE(4) > mayHold) return false;
          impliedBase = addRun(content, header);
        }
      }
      return true;
    },
  };
}
