/** A pool of real, small media made with ffmpeg: containers, codecs, odd sizes, lengths and rates. */
import { execFile, spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export function hasFfmpeg(): boolean {
  return spawnSync("ffmpeg", ["-version"], { stdio: "ignore" }).error === undefined;
}

interface ClipRecipe {
  readonly file: string;
  readonly size: string;
  readonly rate: string;
  readonly frames: number;
  /** Encoder and container options. */
  readonly options: readonly string[];
}

const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
const MJPEG = ["-c:v", "mjpeg", "-pix_fmt", "yuvj444p"];

const CLIPS: readonly ClipRecipe[] = [
  { file: "h264-24.mp4", size: "128x72", rate: "24", frames: 49, options: H264 },
  {
    file: "h264-bframes.mp4",
    size: "96x64",
    rate: "25",
    frames: 33,
    options: ["-c:v", "libx264", "-bf", "3", "-pix_fmt", "yuv420p"],
  },
  { file: "h264-ntsc.mp4", size: "110x82", rate: "30000/1001", frames: 61, options: H264 },
  { file: "h264-16.mp4", size: "64x96", rate: "16", frames: 25, options: H264 },
  { file: "h264-8.mp4", size: "72x128", rate: "8", frames: 21, options: H264 },
  { file: "h264-one.mp4", size: "100x100", rate: "16", frames: 1, options: H264 },
  { file: "h264-four.mp4", size: "90x70", rate: "16", frames: 4, options: H264 },
  { file: "h264-60.mov", size: "120x68", rate: "60", frames: 70, options: H264 },
  {
    file: "h264-fragmented.mp4",
    size: "80x60",
    rate: "30",
    frames: 40,
    options: [...H264, "-movflags", "frag_keyframe+empty_moov"],
  },
  { file: "h264-anamorphic.mp4", size: "96x96", rate: "24", frames: 30, options: [...H264, "-vf", "setsar=16/9"] },
  { file: "h264.mkv", size: "130x74", rate: "23.976", frames: 37, options: H264 },
  {
    file: "h265.mp4",
    size: "144x80",
    rate: "24",
    frames: 26,
    options: ["-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1"],
  },
  { file: "h264.m4v", size: "98x50", rate: "12", frames: 29, options: H264 },
  {
    file: "vp9.webm",
    size: "101x67",
    rate: "24",
    frames: 34,
    options: ["-c:v", "libvpx-vp9", "-deadline", "realtime"],
  },
  { file: "vp8.webm", size: "66x122", rate: "15", frames: 17, options: ["-c:v", "libvpx", "-deadline", "realtime"] },
  { file: "mjpeg.avi", size: "97x61", rate: "25", frames: 45, options: MJPEG },
  { file: "mpeg4.avi", size: "88x56", rate: "29.97", frames: 50, options: ["-c:v", "mpeg4"] },
  { file: "mjpeg.mov", size: "51x133", rate: "10", frames: 19, options: MJPEG },
  { file: "ffv1.mkv", size: "63x63", rate: "50", frames: 53, options: ["-c:v", "ffv1"] },
  { file: "flv.flv", size: "112x64", rate: "25", frames: 23, options: ["-c:v", "flv"] },
  { file: "wmv2.wmv", size: "84x60", rate: "30", frames: 31, options: ["-c:v", "wmv2"] },
  { file: "mpeg1.mpg", size: "96x80", rate: "25", frames: 28, options: ["-c:v", "mpeg1video"] },
  { file: "mpeg2.mpeg", size: "160x64", rate: "30", frames: 41, options: ["-c:v", "mpeg2video"] },
  { file: "wide.mp4", size: "240x40", rate: "24", frames: 27, options: H264 },
  { file: "long.mp4", size: "48x48", rate: "30", frames: 181, options: H264 },
];

const IMAGES: readonly (readonly [file: string, size: string])[] = [
  ["wide.png", "200x80"],
  ["tall.png", "60x170"],
  ["square.jpg", "99x99"],
  ["small.jpeg", "40x33"],
  ["photo.webp", "150x100"],
  ["flat.bmp", "121x77"],
  ["large.jpg", "320x240"],
];

const FOLDERS: readonly (readonly [folder: string, size: string, images: number])[] = [
  ["frames-a", "100x60", 14],
  ["frames.b", "50x80", 30],
];

export interface MediaPool {
  readonly clips: readonly string[];
  readonly images: readonly string[];
  /** Folders of images, which the trainer takes as videos. */
  readonly folders: readonly string[];
}

function pictures(size: string, rate: string): readonly string[] {
  return ["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", `testsrc2=size=${size}:rate=${rate}`];
}

/** Makes the pool in a folder; absolute paths. A few seconds. */
export async function makeMediaPool(folder: string): Promise<MediaPool> {
  await mkdir(folder, { recursive: true });
  for (const { file, size, rate, frames, options } of CLIPS) {
    await run("ffmpeg", [...pictures(size, rate), "-frames:v", String(frames), ...options, join(folder, file)]);
  }
  // A telephone's clip lies on its side and says so; the trainer does not turn it.
  const turned = join(folder, "turned.mp4");
  const upright = ["-i", join(folder, "h264-24.mp4"), "-c", "copy", "-metadata:s:v", "rotate=90", turned];
  await run("ffmpeg", ["-nostdin", "-loglevel", "error", "-y", ...upright]);
  for (const [file, size] of IMAGES) {
    await run("ffmpeg", [...pictures(size, "1"), "-frames:v", "1", join(folder, file)]);
  }
  for (const [name, size, images] of FOLDERS) {
    await mkdir(join(folder, name), { recursive: true });
    await run("ffmpeg", [...pictures(size, "16"), "-frames:v", String(images), join(folder, name, "%04d.png")]);
  }
  return {
    clips: [...CLIPS.map(({ file }) => join(folder, file)), turned],
    images: IMAGES.map(([file]) => join(folder, file)),
    folders: FOLDERS.map(([name]) => join(folder, name)),
  };
}
