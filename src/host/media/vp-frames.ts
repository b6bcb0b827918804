/** Frames that a VP8 or VP9 packet shows: alternate reference frames are coded, and not shown. */

/** VP9's superframe index, at the packet's end, gives the sizes of the frames in it (VP9 bitstream, annex B). */
function superframeParts(packet: Uint8Array): readonly Uint8Array[] {
  const marker = packet.at(-1) ?? 0;
  if ((marker & 0xe0) !== 0xc0) return [packet];
  const count = (marker & 7) + 1;
  const sizeBytes = ((marker >> 3) & 3) + 1;
  const indexBytes = 2 + sizeBytes * count;
  const index = packet.length - indexBytes;
  if (index < 0 || packet[index] !== marker) return [packet];
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let frame = 0; frame < count; frame++) {
    let size = 0;
    for (let byte = 0; byte < sizeBytes; byte++) {
      size += (packet[index + 1 + frame * sizeBytes + byte] ?? 0) * 2 ** (8 * byte);
    }
    if (size > 0) parts.push(packet.subarray(start, start + size));
    start += size;
  }
  return parts;
}

/** The uncompressed header's first bits: marker 10, profile, a reserved bit at profile 3, show_existing_frame, frame_type, show_frame. */
function isShownVp9(frame: Uint8Array): boolean {
  const bits = ((frame[0] ?? 0) << 8) | (frame[1] ?? 0);
  const bit = (position: number) => (bits >> (15 - position)) & 1;
  const profile = bit(2) + 2 * bit(3);
  const at = profile === 3 ? 5 : 4;
  return bit(at) === 1 || bit(at + 2) === 1;
}

export function countShownFrames(codec: "vp8" | "vp9", packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  // VP8 (RFC 6386, 9.1): bit 4 of the first byte is show_frame.
  if (codec === "vp8") return ((packet[0] ?? 0) >> 4) & 1;
  return superframeParts(packet).filter(isShownVp9).length;
}
