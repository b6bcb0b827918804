import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { FileProblem, MediaDamage } from "../../core/facts.ts";
import { LFS_PROBLEM, MAX_LFS_POINTER_BYTES, readLfsPointer } from "../git/git-lfs.ts";
import { fileProblem } from "../read-file.ts";
import type { StatCache } from "../stat-cache.ts";
import { listMedia } from "./listing.ts";
import { probeImage } from "./probe-image.ts";
import { probeVideo } from "./probe-video.ts";

/** What a media file holds, apart from its name and caption; of a file that is a pointer only, size and digest of what it points to. */
export interface MediaContent {
  readonly bytes: number;
  readonly sha256?: string;
  readonly width?: number;
  readonly height?: number;
  readonly frames?: number;
  readonly fps?: number;
  readonly headerFrames?: number;
  readonly rotation?: number;
  readonly damage?: MediaDamage;
  readonly problem?: FileProblem;
}

export interface MediaReader {
  readonly statCache: StatCache;
  /** The program's name or path. */
  readonly ffprobe: string;
}

/** Change with what a probe says of the same bytes: what was remembered under an older kind is then forgotten. */
const KINDS = { video: "video-2", image: "image-2" } as const;

/** Names are text in a plan, as they are in everything that the trainer is given. */
export const NAME_NOT_UTF8: FileProblem = {
  kind: "name-not-utf8",
  text: "its name is not UTF-8, as in an archive from a Windows of another language",
};

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

async function readVideo(path: string, bytes: number, { ffprobe }: MediaReader): Promise<MediaContent> {
  const probe = await probeVideo(path, { ffprobe });
  if (probe.problem !== undefined) return { bytes, ...probe };
  return { bytes, sha256: await hashFile(path), ...probe };
}

async function readImage(path: string): Promise<MediaContent> {
  const { probe, bytes } = await probeImage(path);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { bytes: bytes.length, ...(probe.problem === undefined ? { sha256, frames: 1 } : {}), ...probe };
}

/** Problems that lie in the file's bytes, and so stay as long as these do. */
function isLasting(content: MediaContent): boolean {
  return content.problem === undefined || content.problem.kind === "empty" || content.problem.kind === "broken";
}

/** Looks at one file, or remembers what was seen of it. A folder is a clip of images, but only where a video is wanted. */
export async function readMedia(path: string, kind: "video" | "image", reader: MediaReader): Promise<MediaContent> {
  try {
    const { stats, value } = await reader.statCache.lookup<MediaContent>(KINDS[kind], path);
    if (value !== undefined) return value;
    if (stats.kind === "folder") {
      if (kind === "video") return await readImageFolder(path, reader);
      return { bytes: 0, problem: { kind: "unsupported", text: "it is a folder, not an image" } };
    }
    if (stats.kind !== "file") {
      return { bytes: 0, problem: { kind: "unsupported", text: "it is a pipe or a device, not a file" } };
    }
    const pointer = stats.bytes <= MAX_LFS_POINTER_BYTES ? readLfsPointer(await readFile(path, "latin1")) : undefined;
    if (pointer !== undefined) return { ...pointer, problem: { kind: "missing", text: LFS_PROBLEM } };
    const content = kind === "video" ? await readVideo(path, stats.bytes, reader) : await readImage(path);
    if (isLasting(content)) await reader.statCache.remember(KINDS[kind], path, stats, content);
    return content;
  } catch (error) {
    return { bytes: 0, problem: fileProblem(error) };
  }
}

/** A folder of images as a clip: a frame each, in the order of their names; the first one's size counts for all. */
async function readImageFolder(path: string, reader: MediaReader): Promise<MediaContent> {
  const { taken, notUtf8 } = await listMedia(path, "image");
  const [first] = taken;
  if (first === undefined) return { bytes: 0, problem: { kind: "empty", text: "it is a folder without an image" } };
  const hash = createHash("sha256");
  let bytes = 0;
  let size: Pick<MediaContent, "width" | "height" | "rotation"> = {};
  let damage: MediaDamage | undefined;
  // One after the other: the files of one folder are one clip's work among several.
  for (const name of taken) {
    const { sha256, problem, ...image } = notUtf8.has(name)
      ? { bytes: 0, problem: NAME_NOT_UTF8 }
      : await readMedia(join(path, name), "image", reader);
    if (problem !== undefined)
      // A part of the folder is there, and stands for nothing as a whole.
      return {
        bytes,
        problem: {
          kind: problem.kind === "missing" ? "unreadable" : problem.kind,
          text: `its image ${name}: ${problem.text}`,
        },
      };
    if (image.damage !== undefined) damage ??= { text: `its image ${name}: ${image.damage.text}` };
    if (name === first) {
      const { width, height, rotation } = image;
      size = {
        ...(width === undefined ? {} : { width }),
        ...(height === undefined ? {} : { height }),
        ...(rotation === undefined ? {} : { rotation }),
      };
    }
    bytes += image.bytes;
    hash.update(`${name}\0${sha256}\n`);
  }
  return {
    bytes,
    sha256: hash.digest("hex"),
    frames: taken.length,
    ...size,
    ...(damage === undefined ? {} : { damage }),
  };
}
