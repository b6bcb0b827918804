import { type FileHandle, open } from "node:fs/promises";
import { errorCode } from "./read-file.ts";

/** Reads a file that is still being written to, line by line. */

export interface Tail {
  /** Complete lines since the last call, without their ends. A last line without an end waits until it has one. */
  readonly readLines: () => Promise<readonly string[]>;
  /** What stands after the last line end: text that was cut off, once nobody writes any more. */
  readonly rest: () => string;
  readonly close: () => Promise<void>;
}

export interface TailOptions {
  /** A carriage return ends a line too: progress bars are written over themselves. */
  readonly lineEnds?: "newline" | "newline-or-return";
}

const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Follows `file`, which need not exist yet. Bytes are cut at line ends only, so that no character is torn. */
export function openTail(file: string, options: TailOptions = {}): Tail {
  const ends = options.lineEnds === "newline-or-return" ? [NEWLINE, RETURN] : [NEWLINE];
  let handle: FileHandle | undefined;
  let position = 0;
  let pending: Buffer = Buffer.alloc(0);
  // One for all looks: a new one for each, many times a second for days, is what a collector has to carry away.
  let chunk: Buffer | undefined;

  const readLines = async (): Promise<readonly string[]> => {
    handle ??= await openIfThere(file);
    if (handle === undefined) return [];
    const lines: string[] = [];
    chunk ??= Buffer.allocUnsafeSlow(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await handle.read(chunk, 0, CHUNK_BYTES, position);
      if (bytesRead === 0) return lines;
      position += bytesRead;
      pending = splitLines(Buffer.concat([pending, chunk.subarray(0, bytesRead)]), ends, lines);
    }
  };
  return {
    readLines,
    rest: () => pending.toString("utf8"),
    close: async () => {
      await handle?.close();
      handle = undefined;
    },
  };
}

/** Adds every complete line to `lines`; gives back what follows the last end. */
function splitLines(bytes: Buffer, ends: readonly number[], lines: string[]): Buffer {
  let start = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    if (!ends.includes(bytes[index] ?? -1)) continue;
    lines.push(bytes.toString("utf8", start, index));
    start = index + 1;
  }
  return Buffer.from(bytes.subarray(start));
}

async function openIfThere(file: string): Promise<FileHandle | undefined> {
  try {
    return await open(file, "r");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
