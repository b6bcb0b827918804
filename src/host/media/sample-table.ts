/** Boxes and sample tables of ISO 14496-12, from memory. Reading past a box's end throws a `RangeError`. */

export interface Box {
  readonly type: string;
  readonly content: Buffer;
}

/** The boxes inside a box. What is left over, or claims more than there is, is left out. */
export function boxesIn({ content }: Box): readonly Box[] {
  const boxes: Box[] = [];
  for (let at = 0; at + 8 <= content.length; ) {
    const size = content.readUInt32BE(at);
    const wide = size === 1 && at + 16 <= content.length;
    const bytes = wide ? Number(content.readBigUInt64BE(at + 8)) : size === 0 ? content.length - at : size;
    const headerBytes = wide ? 16 : 8;
    if (bytes < headerBytes || at + bytes > content.length) break;
    boxes.push({
      type: content.toString("latin1", at + 4, at + 8),
      content: content.subarray(at + headerBytes, at + bytes),
    });
    at += bytes;
  }
  return boxes;
}

export function childOf(box: Box, type: string): Box | undefined {
  return boxesIn(box).find((candidate) => candidate.type === type);
}

export function descend(box: Box | undefined, ...types: readonly string[]): Box | undefined {
  return types.reduce((at, type) => (at === undefined ? undefined : childOf(at, type)), box);
}

/** A track's samples, in decoding order. */
export interface SampleTable {
  readonly count: number;
  /** Of all samples together, in the track's timescale. */
  readonly duration: number;
  /** Index of the first sample that can be decoded by itself. */
  readonly firstSync: number;
  /** When each sample is shown, in the track's timescale. */
  presentationTimes(): readonly number[];
  /** Samples that end after the file does. */
  countBeyond(fileBytes: number): number;
}

/** Entries of a table of 32-bit numbers that begins at `at`, as many as there are. */
function entries(
  content: Buffer,
  { at, count, columns }: { at: number; count: number; columns: number },
): readonly number[][] {
  const there = Math.max(0, Math.min(count, Math.floor((content.length - at) / (4 * columns))));
  return Array.from({ length: there }, (_, row) =>
    Array.from({ length: columns }, (_, column) => content.readUInt32BE(at + 4 * (row * columns + column))),
  );
}

function runLengths(box: Box | undefined): readonly (readonly [count: number, value: number])[] {
  if (box === undefined) return [];
  return entries(box.content, { at: 8, count: box.content.readUInt32BE(4), columns: 2 }).map(
    ([count = 0, value = 0]) => [count, value],
  );
}

/** Sample sizes of `stsz` (one for all, or a list) or `stz2` (a list of 4, 8 or 16 bits). */
function sampleSizes(
  stsz: Box | undefined,
  stz2: Box | undefined,
): { count: number; sizeOf: (index: number) => number } {
  if (stsz !== undefined) {
    const { content } = stsz;
    const common = content.readUInt32BE(4);
    const count = content.readUInt32BE(8);
    if (common !== 0) return { count, sizeOf: () => common };
    const there = Math.min(count, Math.floor((content.length - 12) / 4));
    return { count: there, sizeOf: (index) => content.readUInt32BE(12 + 4 * index) };
  }
  if (stz2 === undefined) return { count: 0, sizeOf: () => 0 };
  const { content } = stz2;
  const bits = content[7] ?? 8;
  const there = Math.min(content.readUInt32BE(8), Math.floor(((content.length - 12) * 8) / bits));
  const sizeOf = (index: number) => {
    if (bits === 16) return content.readUInt16BE(12 + 2 * index);
    const byte = content.readUInt8(12 + Math.floor((index * bits) / 8));
    return bits === 8 ? byte : index % 2 === 0 ? byte >> 4 : byte & 15;
  };
  return { count: there, sizeOf };
}

function chunkOffsets(stco: Box | undefined, co64: Box | undefined): readonly number[] {
  if (stco !== undefined) {
    return entries(stco.content, { at: 8, count: stco.content.readUInt32BE(4), columns: 1 }).map(
      ([offset = 0]) => offset,
    );
  }
  if (co64 === undefined) return [];
  return entries(co64.content, { at: 8, count: co64.content.readUInt32BE(4), columns: 2 }).map(
    ([high = 0, low = 0]) => high * 2 ** 32 + low,
  );
}

/** Reads `stbl`. */
export function readSampleTable(stbl: Box): SampleTable {
  const boxes = new Map(boxesIn(stbl).map((box) => [box.type, box]));
  const { count, sizeOf } = sampleSizes(boxes.get("stsz"), boxes.get("stz2"));
  const durations = runLengths(boxes.get("stts"));
  const offsets = runLengths(boxes.get("ctts"));
  const chunks = chunkOffsets(boxes.get("stco"), boxes.get("co64"));
  const stsc = boxes.get("stsc");
  const perChunk =
    stsc === undefined ? [] : entries(stsc.content, { at: 8, count: stsc.content.readUInt32BE(4), columns: 3 });

  const stss = boxes.get("stss")?.content;
  // Without the table every sample is a sync sample.
  const firstSync = stss !== undefined && stss.length >= 12 ? Math.max(0, stss.readUInt32BE(8) - 1) : 0;

  return {
    count,
    firstSync,
    duration: durations.reduce((sum, [samples, ticks]) => sum + samples * ticks, 0),
    presentationTimes() {
      const times: number[] = [];
      let time = 0;
      for (const [samples, ticks] of durations) {
        for (let sample = 0; sample < samples && times.length < count; sample++) {
          times.push(time);
          time += ticks;
        }
      }
      while (times.length < count) times.push(time);
      let index = 0;
      for (const [samples, offset] of offsets) {
        // Unsigned by the standard's version 0, signed by version 1; as in FFmpeg, signed in both.
        const ticks = offset | 0;
        for (let sample = 0; sample < samples && index < count; sample++, index++)
          times[index] = (times[index] ?? 0) + ticks;
      }
      return times;
    },
    countBeyond(fileBytes) {
      let sample = 0;
      let beyond = 0;
      let row = 0;
      for (let chunk = 0; chunk < chunks.length && sample < count; chunk++) {
        while (row + 1 < perChunk.length && (perChunk[row + 1]?.[0] ?? 0) <= chunk + 1) row++;
        const samples = perChunk[row]?.[1] ?? 0;
        let end = chunks[chunk] ?? 0;
        for (let inChunk = 0; inChunk < samples && sample < count; inChunk++, sample++) {
          end += sizeOf(sample);
          if (end > fileBytes) beyond++;
        }
      }
      return beyond;
    },
  };
}
