/** Boxes and sample tables of ISO 14496-12, from memory. Reading past a box's end throws a `RangeError`. */

export interface Box {
  readonly type: string;
  readonly content: Buffer;
}

/** The bytes that the boxes inside a box take, from its content's start on. */
export function bytesOfBoxes(box: Box): number {
  const last = boxesIn(box).at(-1)?.content;
  return last === undefined ? 0 : last.byteOffset + last.length - box.content.byteOffset;
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

/** What a packet of the decoder's is made of. Times are in the track's timescale. */
export interface Sample {
  /** Where it begins in the file; undefined where the tables don't say. */
  readonly offset: number | undefined;
  readonly bytes: number;
  /** When it is decoded and when it is shown. */
  readonly decodeTime: number;
  readonly time: number;
  /** Whether it can be decoded by itself. */
  readonly isSync: boolean;
}

/** A track's samples, in decoding order. */
export interface SampleTable {
  readonly count: number;
  /** Of all samples together, in the track's timescale. */
  readonly duration: number;
  /** A sample takes a byte at least: to be called only where `count` can be true. */
  samples(): readonly Sample[];
  /** When the first sample is decoded that ends after the file does, without listing them all. */
  firstTimeBeyond(fileBytes: number): number | undefined;
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

function tableOf(box: Box | undefined, columns: number): readonly number[][] {
  return box === undefined ? [] : entries(box.content, { at: 8, count: box.content.readUInt32BE(4), columns });
}

type Runs = readonly (readonly [count: number, value: number])[];

function runLengths(box: Box | undefined): Runs {
  return tableOf(box, 2).map(([count = 0, value = 0]) => [count, value]);
}

interface Sizes {
  readonly count: number;
  readonly common?: number;
  readonly sizeOf: (index: number) => number;
}

/** Sample sizes of `stsz` (one for all, or a list) or `stz2` (a list of 4, 8 or 16 bits). */
function sampleSizes(stsz: Box | undefined, stz2: Box | undefined): Sizes {
  if (stsz !== undefined) {
    const { content } = stsz;
    const common = content.readUInt32BE(4);
    const count = content.readUInt32BE(8);
    if (common !== 0) return { count, common, sizeOf: () => common };
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
  if (stco !== undefined) return tableOf(stco, 1).map(([offset = 0]) => offset);
  return tableOf(co64, 2).map(([high = 0, low = 0]) => high * 2 ** 32 + low);
}

interface Chunk {
  readonly offset: number;
  readonly first: number;
  readonly samples: number;
}

function listChunks(offsets: readonly number[], perChunk: readonly number[][], count: number): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let first = 0;
  let row = 0;
  for (const [index, offset] of offsets.entries()) {
    if (first >= count) break;
    while (row + 1 < perChunk.length && (perChunk[row + 1]?.[0] ?? 0) <= index + 1) row++;
    const samples = Math.min(perChunk[row]?.[1] ?? 0, count - first);
    chunks.push({ offset, first, samples });
    first += samples;
  }
  return chunks;
}

/** The sum of the durations before a sample. */
function timeOf(sample: number, durations: Runs): number {
  let time = 0;
  let left = sample;
  for (const [samples, ticks] of durations) {
    const taken = Math.min(left, samples);
    time += taken * ticks;
    left -= taken;
  }
  return time;
}

/** The first sample of a chunk that ends after the file does. */
function firstBeyond(
  { offset, first, samples }: Chunk,
  { common, sizeOf }: Sizes,
  fileBytes: number,
): number | undefined {
  if (common !== undefined) {
    const whole = Math.max(0, Math.floor((fileBytes - offset) / common));
    return whole < samples ? first + whole : undefined;
  }
  let end = offset;
  for (let sample = first; sample < first + samples; sample++) {
    end += sizeOf(sample);
    if (end > fileBytes) return sample;
  }
  return undefined;
}

/** Values of run lengths, one for each sample, and `rest` where they are too few. */
function* spread(runs: Runs, rest: number): Generator<number, never> {
  for (const [count, value] of runs) for (let index = 0; index < count; index++) yield value;
  while (true) yield rest;
}

/** Reads `stbl`. */
export function readSampleTable(stbl: Box): SampleTable {
  const boxes = new Map(boxesIn(stbl).map((box) => [box.type, box]));
  const sizes = sampleSizes(boxes.get("stsz"), boxes.get("stz2"));
  const { count, sizeOf } = sizes;
  const durations = runLengths(boxes.get("stts"));
  const timeOffsets = runLengths(boxes.get("ctts"));
  const chunks = listChunks(chunkOffsets(boxes.get("stco"), boxes.get("co64")), tableOf(boxes.get("stsc"), 3), count);
  const stss = boxes.get("stss")?.content;
  // Without the table every sample is a sync sample.
  const syncs =
    stss === undefined || stss.length < 12
      ? undefined
      : new Set(tableOf(boxes.get("stss"), 1).map(([at = 0]) => at - 1));
  return {
    count,
    duration: durations.reduce((sum, [samples, ticks]) => sum + samples * ticks, 0),
    samples() {
      const offsets: number[] = [];
      for (const chunk of chunks) {
        let offset = chunk.offset;
        for (let sample = chunk.first; sample < chunk.first + chunk.samples; sample++) {
          offsets.push(offset);
          offset += sizeOf(sample);
        }
      }
      const lasting = spread(durations, 0);
      const shifting = spread(timeOffsets, 0);
      let decodeTime = 0;
      return Array.from({ length: count }, (_, index): Sample => {
        const at = decodeTime;
        decodeTime += lasting.next().value;
        // Unsigned by the standard's version 0, signed by version 1; as in FFmpeg, signed in both.
        const time = at + (shifting.next().value | 0);
        const isSync = syncs === undefined || syncs.has(index);
        return { offset: offsets[index], bytes: sizeOf(index), decodeTime: at, time, isSync };
      });
    },
    firstTimeBeyond(fileBytes) {
      const missing = chunks
        .map((chunk) => firstBeyond(chunk, sizes, fileBytes))
        .filter((sample) => sample !== undefined)
        .sort((a, b) => a - b);
      return missing[0] === undefined ? undefined : timeOf(missing[0], durations);
    },
  };
}
