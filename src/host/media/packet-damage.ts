/**
 * What is wrong with a packet, as far as that shows without decoding. Each rule was compared with PyAV on packets damaged
 * in this very way. Single wrong bits are not seen: most of them FFmpeg's decoders conceal.
 */

/** Frames that a decoder may hold back, at most those that H.264 and HEVC keep for later ones. */
export const DECODER_DELAY_FRAMES = 16;

/** A codec as it lies in MP4 and Matroska. */
export type PacketCodec =
  | { readonly name: "h264" | "hevc"; readonly lengthBytes: number }
  | { readonly name: "vp8" | "vp9" | "av1" | "mpeg4" }
  /** Its packets are never nothing but zeros. */
  | { readonly name: "other" }
  /** Zeros may be a picture, or nobody has looked. */
  | { readonly name: "unknown" };

/** How a decoder configuration (`avcC`, `hvcC`) says that NAL units are told apart; undefined where it doesn't. */
export function lengthBytesOf(codec: "h264" | "hevc", record: Uint8Array): number | undefined {
  const at = codec === "h264" ? 4 : 21;
  return record[0] === 1 && record[at] !== undefined ? (record[at] & 3) + 1 : undefined;
}

/** NAL units lie one behind the other, each after its length. Fewer than four bytes at the end are padding. */
function hasImpossibleLength(packet: Uint8Array, lengthBytes: number): boolean {
  for (let at = 0; packet.length - at >= 4; ) {
    let length = 0;
    for (let index = 0; index < lengthBytes; index++) length = length * 256 + (packet[at + index] ?? 0);
    at += lengthBytes;
    if (length === 0 || length > packet.length - at) return true;
    at += length;
  }
  return false;
}

/**
 * `zeros`: nothing else is in it. `lengths`: its units don't add up to it. `hole`: a part of it is zeros, which compressed
 * data has none of: H.264 and HEVC escape them, and what VP9 and AV1 would need for so many no clip holds.
 */
export type PacketDamage = "zeros" | "lengths" | "hole";

const HOLE = Buffer.alloc(256);

function hasHole(packet: Uint8Array): boolean {
  return Buffer.from(packet.buffer, packet.byteOffset, packet.length).includes(HOLE);
}

export function findPacketDamage(packet: Uint8Array, codec: PacketCodec): PacketDamage | undefined {
  if (codec.name === "unknown" || packet.length === 0) return undefined;
  if (packet[0] === 0 && packet.every((byte) => byte === 0)) return "zeros";
  switch (codec.name) {
    case "h264":
    case "hevc":
      return hasImpossibleLength(packet, codec.lengthBytes) ? "lengths" : hasHole(packet) ? "hole" : undefined;
    case "av1":
      return hasHole(packet) && obusOf(packet).some((obu) => obu.type !== AV1_PADDING && hasHole(obu.content))
        ? "hole"
        : undefined;
    case "other":
      return undefined;
    default:
      return hasHole(packet) ? "hole" : undefined;
  }
}

/** Whether the decoder goes on after it with a picture that is broken, and no fewer of them. HEVC's may leave one out. */
export function isConcealed(damage: PacketDamage, { name }: PacketCodec): boolean {
  return damage === "hole" && name === "h264";
}

/** VP9's header: marker 10, two bits of profile, show_existing_frame, frame_type, show_frame. */
function vp9NeedsAnother(packet: Uint8Array): boolean {
  const byte = packet[0] ?? 0;
  const isProfile3 = (byte & 0x30) === 0x30;
  const [existing, inter, shown] = isProfile3 ? [byte & 4, byte & 2, byte & 1] : [byte & 8, byte & 4, byte & 2];
  // One that is not shown may be intra-only, which needs none.
  return existing !== 0 || (inter !== 0 && shown !== 0);
}

const AV1_SEQUENCE_HEADER = 1;
const AV1_PADDING = 15;

/** The open bitstream units of an AV1 packet. */
function obusOf(packet: Uint8Array): readonly { readonly type: number; readonly content: Uint8Array }[] {
  const obus: { readonly type: number; readonly content: Uint8Array }[] = [];
  for (let at = 0; at < packet.length; ) {
    const header = packet[at] ?? 0;
    at += (header & 4) === 0 ? 1 : 2;
    // Without a size it reaches to the packet's end.
    let bytes = packet.length - at;
    if ((header & 2) !== 0) {
      bytes = 0;
      for (let shift = 0; shift < 56; shift += 7) {
        const byte = packet[at++] ?? 0;
        bytes += (byte & 127) * 2 ** shift;
        if (byte < 128) break;
      }
    }
    obus.push({ type: (header >> 3) & 15, content: packet.subarray(at, at + bytes) });
    at += bytes;
  }
  return obus;
}

/** Whether a stream can't begin with this packet: VP8, VP9 and AV1 raise an error where the pictures it needs are not there. */
export function needsEarlierPackets(packet: Uint8Array, { name }: PacketCodec): boolean {
  if (packet.length === 0) return false;
  switch (name) {
    case "vp8":
      return ((packet[0] ?? 0) & 1) !== 0;
    case "vp9":
      return vp9NeedsAnother(packet);
    case "av1":
      // Without one AV1's decoder does nothing.
      return !obusOf(packet).some(({ type }) => type === AV1_SEQUENCE_HEADER);
    default:
      return false;
  }
}
