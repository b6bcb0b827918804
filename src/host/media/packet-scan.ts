import type { FileHandle } from "node:fs/promises";
import type { MediaDamage } from "../../core/facts.ts";
import { readExactly } from "../read-file.ts";
import {
  findPacketDamage,
  isConcealed,
  needsEarlierPackets,
  type PacketCodec,
  type PacketDamage,
} from "./packet-damage.ts";
import type { Sample } from "./sample-table.ts";

/** A packet of a stream, by its index in decoding order. */
export interface DamagedPacket {
  readonly index: number;
  readonly damage: PacketDamage | "no-beginning";
}

/** The first packet that the decoder may fail at, and before it the first that it makes a broken picture of. */
export interface StreamDamage {
  readonly failing?: DamagedPacket;
  readonly concealed?: DamagedPacket;
}

/** Looks at one packet after the other, until one is failing. */
export function packetInspector(codec: PacketCodec) {
  let seen = 0;
  let found: StreamDamage = {};
  return {
    inspect(packet: Uint8Array): StreamDamage {
      const index = seen++;
      if (found.failing !== undefined) return found;
      const damage = findPacketDamage(packet, codec);
      if (damage === undefined) {
        if (index === 0 && needsEarlierPackets(packet, codec)) found = { failing: { index, damage: "no-beginning" } };
      } else if (!isConcealed(damage, codec)) found = { ...found, failing: { index, damage } };
      else found = { concealed: { index, damage }, ...found };
      return found;
    },
    /** One that is not looked at. */
    pass() {
      seen++;
    },
  };
}

/** What is read at once: packets lie close together, with sound between them. */
const WINDOW_BYTES = 1 << 20;
/** A packet larger than this is passed over rather than read into memory. */
const LARGEST_PACKET_BYTES = 1 << 28;

/** Reads ranges of a file that mostly follow one another. */
function windowOn(handle: FileHandle, fileBytes: number) {
  let start = 0;
  let window: Buffer = Buffer.alloc(0);
  return async (at: number, bytes: number): Promise<Buffer | undefined> => {
    if (at < start || at + bytes > start + window.length) {
      const read = await readExactly(handle, at, Math.max(bytes, Math.min(WINDOW_BYTES, fileBytes - at)));
      if (read === undefined) return undefined;
      start = at;
      window = read;
    }
    return window.subarray(at - start, at - start + bytes);
  };
}

/**
 * Looks at every packet that lies whole in the file. Costs one more reading of the file, after which the system still
 * has at hand what its digest is made of.
 */
export async function inspectSamples(
  samples: readonly Sample[],
  {
    handle,
    fileBytes,
    codec,
  }: { readonly handle: FileHandle; readonly fileBytes: number; readonly codec: PacketCodec },
): Promise<StreamDamage> {
  if (codec.name === "unknown") return {};
  const read = windowOn(handle, fileBytes);
  const { inspect, pass } = packetInspector(codec);
  let found: StreamDamage = {};
  for (const { offset, bytes } of samples) {
    const isThere = offset !== undefined && offset + bytes <= fileBytes && bytes <= LARGEST_PACKET_BYTES;
    const packet = isThere ? await read(offset, bytes) : undefined;
    if (packet === undefined) pass();
    else found = inspect(packet);
    if (found.failing !== undefined) break;
  }
  return found;
}

/** A damaged packet in words; `packets` is how many there are. */
function describePacket({ index, damage }: DamagedPacket, packets: number): string {
  const where = `frame ${index + 1} of ${packets}`;
  switch (damage) {
    case "zeros":
      return `${where} is nothing but zeros, as in a download that was never finished`;
    case "lengths":
      return `the data of ${where} is damaged: its parts don't add up`;
    case "hole":
      return `the data of ${where} is damaged: a part of it is zeros`;
    case "no-beginning":
      return "it doesn't begin with a key frame, and its decoder does nothing without one";
  }
}

/** What is wrong with a stream of so many packets; `intactFrames` is asked for those before the failing one. */
export function describeStreamDamage(
  { failing, concealed }: StreamDamage,
  { packets, intactFrames }: { readonly packets: number; readonly intactFrames: (failing: number) => number },
): MediaDamage | undefined {
  if (failing !== undefined) {
    return { text: describePacket(failing, packets), intactFrames: intactFrames(failing.index) };
  }
  return concealed && { text: describePacket(concealed, packets) };
}
