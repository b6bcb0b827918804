import type { FileHandle } from "node:fs/promises";
import type { FileProblem, MediaDamage } from "../../core/facts.ts";
import { splitExtension } from "../../core/paths.ts";
import { readExactly, readOpenFile } from "../read-file.ts";
import { probeWithFfprobe } from "./ffprobe.ts";
import { isIsoFile, readIsoVideo } from "./isobmff.ts";

/** What the trainer would decode of a video, and what its header promises where that differs. */
export interface VideoProbe {
  readonly width?: number;
  readonly height?: number;
  readonly frames?: number;
  readonly fps?: number;
  readonly headerFrames?: number;
  readonly rotation?: number;
  readonly damage?: MediaDamage;
  readonly problem?: FileProblem;
}

/** Containers that neither reader here knows, by their first bytes; the rest of a clip's name says the same. */
const FFPROBE_EXTENSIONS = new Set([".avi", ".flv", ".wmv", ".mpg", ".mpeg"]);
const FFPROBE_BEGINNINGS = ["RIFF", "FLV", "\x30\x26\xb2\x75", "\0\0\x01\xba", "\0\0\x01\xb3", "\x47", "GIF8", "OggS"];

function broken(text: string): VideoProbe {
  return { problem: { kind: "broken", text } };
}

interface Measured {
  readonly width: number;
  readonly height: number;
  readonly frames: number;
  readonly fps?: number;
  readonly headerFrames?: number;
  readonly rotation: number;
  readonly damage?: MediaDamage;
}

function describe({ width, height, frames, fps, headerFrames, rotation, damage }: Measured): VideoProbe {
  if (frames === 0) return broken("it has a video stream, and no frame in it");
  if (width === 0 || height === 0) return broken("its header gives no picture size");
  const rate = fps === undefined ? 0 : Math.round(fps * 1000) / 1000;
  return {
    width,
    height,
    frames,
    // Less than a frame in half an hour is a damaged header's; nothing can be divided by it.
    ...(rate === 0 ? {} : { fps: rate }),
    ...(headerFrames === undefined || headerFrames === frames ? {} : { headerFrames }),
    ...(rotation === 0 ? {} : { rotation }),
    ...(damage === undefined ? {} : { damage }),
  };
}

/** Undefined where `ffprobe` has to look. */
async function probeByItself(path: string, handle: FileHandle, fileBytes: number): Promise<VideoProbe | undefined> {
  if (fileBytes === 0) return { problem: { kind: "empty", text: "the file is empty" } };
  const start = (await readExactly(handle, 0, Math.min(16, fileBytes))) ?? Buffer.alloc(0);
  if (isIsoFile(start)) {
    const video = await readIsoVideo(handle, fileBytes).catch((error: unknown) => {
      if (error instanceof RangeError) return { kind: "broken", text: "its header is damaged" } as const;
      throw error;
    });
    switch (video.kind) {
      case "no-video":
        return broken("it has no video stream");
      case "broken":
        return broken(video.text);
      case "unknown":
        return undefined;
      case "video":
        return describe(video.track);
    }
  }
  if (isMatroska(start)) {
    // Loaded only here: a plan whose clips are known reads none.
    const { readMatroskaVideo } = await import("./matroska.ts");
    const video = await readMatroskaVideo(handle, fileBytes);
    switch (video.kind) {
      case "no-video":
        return broken("it has no video stream");
      case "broken":
        return broken(video.text);
      case "unknown":
        return undefined;
      case "video":
        return describe(video);
    }
  }
  const beginning = start.toString("latin1");
  const known =
    FFPROBE_EXTENSIONS.has(splitExtension(path.slice(path.lastIndexOf("/") + 1)).extension.toLowerCase()) ||
    FFPROBE_BEGINNINGS.some((bytes) => beginning.startsWith(bytes));
  return known ? undefined : broken("it is not a video that any known container describes");
}

/** Looks at a video: by its content, not its name, as the trainer's decoder does. `ffprobe` is the program's name or path. */
export async function probeVideo(path: string, { ffprobe }: { readonly ffprobe: string }): Promise<VideoProbe> {
  const reading = await readOpenFile(path, (handle, fileBytes) => probeByItself(path, handle, fileBytes));
  if (reading.kind === "problem") return { problem: reading.problem };
  if (reading.value !== undefined) return reading.value;
  const probed = await probeWithFfprobe(path, { ffprobe });
  switch (probed.kind) {
    case "problem":
      return { problem: probed.problem };
    case "not-installed":
      return { problem: { kind: "needs-ffprobe", text: "`ffprobe` is not installed" } };
    case "failed":
      return { problem: { kind: "needs-ffprobe", text: `\`ffprobe\` ${probed.text}` } };
    case "video":
      return describe(probed);
  }
}

/** The magic number of WebM and Matroska. */
const EBML = 0x1a45dfa3;

/** Whether a file that begins with these bytes is WebM or Matroska. */
function isMatroska(start: Buffer): boolean {
  return start.length >= 4 && start.readUInt32BE(0) === EBML;
}
