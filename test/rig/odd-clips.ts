/** Clips whose decoded frames are not what a glance at their header says: edits, fragments, cut ends, names that lie. */
import { execFile } from "node:child_process";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the trainer decodes of a clip (seen with PyAV 18), or a part of the reason why it can't. */
export type Expected =
  | {
      readonly width: number;
      readonly height: number;
      readonly frames: number;
      readonly rotation?: number;
      /** Damage that the decoder goes on after, or ends at without a word. */
      readonly damage?: RegExp;
    }
  | { readonly problem: RegExp }
  /** Damage that the decoder may fail at, and frames that it gives before at least. */
  | { readonly fails: RegExp; readonly after: number };

const SIZE = { width: 160, height: 96 };

/** File name to what is expected of it. */
export const ODD_CLIPS: Readonly<Record<string, Expected>> = {
  "b-frames.mp4": { ...SIZE, frames: 100 },
  "header-first.mp4": { ...SIZE, frames: 100 },
  "fragments.mp4": { ...SIZE, frames: 100 },
  // The first fragment's samples stand in the header, the others do not.
  "header-and-fragments.mp4": { ...SIZE, frames: 100 },
  // Cut without encoding: 40 samples are in the file, an edit list takes 27 of them.
  "cut.mp4": { ...SIZE, frames: 27 },
  "cut.mov": { ...SIZE, frames: 27 },
  "delayed.mp4": { ...SIZE, frames: 100 },
  "negative-offsets.mp4": { ...SIZE, frames: 100 },
  "no-key-first.mp4": { ...SIZE, frames: 80 },
  "no-key-first.mkv": { ...SIZE, frames: 80 },
  "streamed.webm": { ...SIZE, frames: 60 },
  "hidden-frames.webm": { ...SIZE, frames: 60 },
  "audio-first.mkv": { ...SIZE, frames: 100 },
  "anamorphic.mp4": { ...SIZE, frames: 20 },
  "odd-size.mp4": { width: 161, height: 97, frames: 20 },
  // The size in the container is another than the one in the stream.
  "stretched.mp4": { ...SIZE, frames: 100 },
  "stretched-h265.mp4": { width: 160, height: 98, frames: 20 },
  "interlaced.mp4": { ...SIZE, frames: 20 },
  "turned.mp4": { ...SIZE, frames: 100, rotation: 270 },
  "really-mp4.avi": { ...SIZE, frames: 100 },
  "really-webm.mp4": { ...SIZE, frames: 60 },
  "sound.mp4": { problem: /no video stream/ },
  "empty.mp4": { problem: /empty/ },
  "text.mp4": { problem: /not a video/ },
  "open-start.mp4": { ...SIZE, frames: 90 },
  // Fragments are not cut by an edit list; pictures that need one from before the beginning are left out.
  "cut-fragments-h265.mp4": { ...SIZE, frames: 61 },
  "cut-fragments-mpeg4.mp4": { ...SIZE, frames: 60 },
  "cut-short.mp4": { fails: /cut short: the last \d+ of its 100 frames/, after: 40 },
  "cut-between.mp4": { ...SIZE, frames: 60, damage: /cut short: the last 40 of its 100 frames/ },
  "cut-short-header.mp4": { problem: /before its header/ },
  "cut-short-tags.mp4": { ...SIZE, frames: 100, damage: /the end of its header is missing/ },
  "cut-short-fragments.mp4": { fails: /middle of a fragment/, after: 40 },
  "cut-short.webm": { ...SIZE, frames: 40, damage: /cut short: it should have at least \d+ bytes/ },
  "cut-short.mkv": { ...SIZE, frames: 40, damage: /cut short: it should have at least \d+ bytes/ },
  "unfinished.mp4": { fails: /zeros/, after: 40 },
  "padded.mkv": { ...SIZE, frames: 100 },
  "unfinished.mkv": { ...SIZE, frames: 70, damage: /nothing but zeros/ },
  "unfinished-vp9.mp4": { fails: /zeros/, after: 10 },
  "damaged.mp4": { fails: /frame 51 of 100 is damaged: its parts don't add up/, after: 30 },
  "hole.mp4": { ...SIZE, frames: 100, damage: /frame \d+ of 100 is damaged: a part of it is zeros/ },
  "no-key-first.webm": { fails: /doesn't begin with a key frame/, after: 0 },
  "no-key-first-vp8.webm": { fails: /doesn't begin with a key frame/, after: 0 },
  "no-key-first-av1.mp4": { fails: /doesn't begin with a key frame/, after: 0 },
  "raw-12-bits.mov": { problem: /12 bits a pixel/ },
};

/** Copies an MP4 with another size in its sample entry, 28 bytes behind the codec's name. */
async function stretch(from: string, to: string, codec: string): Promise<void> {
  const bytes = await readFile(from);
  const entry = bytes.indexOf(Buffer.from(codec, "latin1"), bytes.indexOf(Buffer.from("stsd", "latin1")));
  bytes.writeUInt16BE(200, entry + 28);
  bytes.writeUInt16BE(120, entry + 30);
  await writeFile(to, bytes);
}

/** Makes them all in a folder that exists. Some seconds. */
export async function makeOddClips(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  const ffmpeg = (...args: readonly string[]) => run("ffmpeg", ["-nostdin", "-loglevel", "error", "-y", ...args]);
  const pictures = (frames: number, size = "160x96") =>
    [
      "-f",
      "lavfi",
      "-i",
      `testsrc2=size=320x240:rate=25,scale=${size.replace("x", ":")}`,
      "-frames:v",
      String(frames),
    ] as const;
  const h264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "20"] as const;
  const base = at("b-frames.mp4");
  const copy = (name: string, ...args: readonly string[]) => ffmpeg("-i", base, "-c", "copy", ...args, at(name));

  await ffmpeg(...pictures(100), ...h264, base);
  await copy("header-first.mp4", "-movflags", "+faststart");
  await copy("fragments.mp4", "-movflags", "+frag_keyframe+empty_moov");
  await copy("header-and-fragments.mp4", "-movflags", "+frag_keyframe");
  for (const name of ["cut.mp4", "cut.mov"]) await ffmpeg("-ss", "1.3", "-i", base, "-t", "1", "-c", "copy", at(name));
  await ffmpeg("-itsoffset", "0.5", "-i", base, "-c", "copy", at("delayed.mp4"));
  await copy("negative-offsets.mp4", "-movflags", "+negative_cts_offsets");
  for (const name of ["no-key-first.mp4", "no-key-first.mkv"]) await copy(name, "-bsf:v", "noise=drop=lt(n\\,7)");
  await copy("turned.mp4", "-metadata:s:v", "rotate=90");
  const vp9 = ["-c:v", "libvpx-vp9", "-b:v", "60k", "-auto-alt-ref", "1", "-lag-in-frames", "25"] as const;
  await ffmpeg(...pictures(60), ...vp9, "-deadline", "good", "-cpu-used", "4", at("whole.webm"));
  await ffmpeg(
    "-i",
    at("whole.webm"),
    "-c",
    "copy",
    "-f",
    "webm",
    "-live",
    "1",
    "-flush_packets",
    "1",
    at("streamed.webm"),
  );
  await ffmpeg("-i", at("whole.webm"), "-c", "copy", "-bsf:v", "vp9_superframe_split", at("hidden-frames.webm"));
  const sound = ["-f", "lavfi", "-i", "sine=duration=1"] as const;
  await ffmpeg(...sound, "-i", base, "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac", at("audio-first.mkv"));
  await ffmpeg(...sound, "-c:a", "aac", at("sound.mp4"));
  await ffmpeg(...pictures(20), "-vf", "setsar=4/3", ...h264, at("anamorphic.mp4"));
  await ffmpeg(...pictures(20, "161x97"), "-c:v", "libx264", "-pix_fmt", "yuv444p", at("odd-size.mp4"));
  await ffmpeg(...pictures(20), "-flags", "+ilme+ildct", ...h264, at("interlaced.mp4"));
  const h265 = ["-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1"] as const;
  await ffmpeg(...pictures(20, "160x98"), ...h265, "-pix_fmt", "yuv420p", at("h265.mp4"));
  await stretch(base, at("stretched.mp4"), "avc1");
  await stretch(at("h265.mp4"), at("stretched-h265.mp4"), "hvc1");
  await copyFile(base, at("really-mp4.avi"));
  await copyFile(at("whole.webm"), at("really-webm.mp4"));
  await writeFile(at("empty.mp4"), "");
  await writeFile(at("text.mp4"), "This is not a video.");
  const cutShort = async (from: string, to: string) => {
    const bytes = await readFile(at(from));
    await writeFile(at(to), bytes.subarray(0, Math.floor(bytes.length * 0.7)));
  };
  await cutShort("header-first.mp4", "cut-short.mp4");
  await cutShort("b-frames.mp4", "cut-short-header.mp4");
  await cutShort("fragments.mp4", "cut-short-fragments.mp4");
  await makeDamagedClips({ at, ffmpeg, pictures, base });
}

interface Kitchen {
  readonly at: (name: string) => string;
  readonly ffmpeg: (...args: readonly string[]) => Promise<unknown>;
  readonly pictures: (frames: number, size?: string) => readonly string[];
  readonly base: string;
}

/** Where the packets of a clip's video lie, in decoding order. */
async function packetsOf(file: string): Promise<readonly { readonly at: number; readonly bytes: number }[]> {
  const entries = ["-select_streams", "v:0", "-show_entries", "packet=pos,size", "-of", "csv=p=0"];
  const { stdout } = await run("ffprobe", ["-v", "error", ...entries, file]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [bytes = 0, at = 0] = line.split(",").map(Number);
      return { at, bytes };
    });
}

/** Cut, unfinished and damaged in one place each. */
async function makeDamagedClips({ at, ffmpeg, pictures, base }: Kitchen): Promise<void> {
  const change = async (from: string, to: string, edit: (bytes: Buffer) => Buffer | undefined) => {
    const bytes = await readFile(at(from));
    await writeFile(at(to), edit(bytes) ?? bytes);
  };
  const zerosFrom = (part: number) => (bytes: Buffer) => bytes.fill(0, Math.floor(bytes.length * part));
  const x264 = "open-gop=1:keyint=10:bframes=3";
  await ffmpeg(...pictures(100), "-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", x264, at("open.mp4"));
  await ffmpeg("-i", at("open.mp4"), "-c", "copy", "-bsf:v", "noise=drop=lt(n\\,7)", at("open-start.mp4"));
  const x265 = "log-level=none:open-gop=1:keyint=12:bframes=4";
  await ffmpeg(...pictures(120), "-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", x265, at("long-h265.mp4"));
  await ffmpeg(...pictures(120), "-c:v", "mpeg4", "-bf", "2", at("long-mpeg4.mp4"));
  for (const codec of ["h265", "mpeg4"]) {
    const cut = ["-ss", "1.31", "-i", at(`long-${codec}.mp4`), "-t", "2", "-c", "copy"];
    await ffmpeg(...cut, "-movflags", "+frag_keyframe+empty_moov", at(`cut-fragments-${codec}.mp4`));
  }
  await ffmpeg("-i", base, "-c", "copy", at("whole.mkv"));
  await ffmpeg("-i", at("whole.webm"), "-c", "copy", "-movflags", "+faststart", at("vp9.mp4"));
  await change("header-first.mp4", "unfinished.mp4", zerosFrom(2 / 3));
  await change("vp9.mp4", "unfinished-vp9.mp4", zerosFrom(2 / 3));
  const packets = await packetsOf(at("header-first.mp4"));
  const packet = (index: number) => packets[index] ?? { at: 0, bytes: 0 };
  await change("header-first.mp4", "cut-between.mp4", (bytes) => bytes.subarray(0, packet(60).at));
  await change("header-first.mp4", "damaged.mp4", (bytes) => {
    bytes.writeUInt32BE(packet(50).bytes, packet(50).at);
    return bytes;
  });
  const key = packets.findIndex(({ bytes }, index) => index > 0 && bytes > 1500);
  await change("header-first.mp4", "hole.mp4", (bytes) =>
    bytes.fill(0, packet(key).at + packet(key).bytes - 600, packet(key).at + packet(key).bytes - 100),
  );
  for (const name of ["whole.webm", "whole.mkv"]) {
    const { at: start = 0, bytes: length = 0 } = (await packetsOf(at(name)))[40] ?? {};
    await change(name, name.replace("whole", "cut-short"), (bytes) => bytes.subarray(0, start + length / 2));
  }
  const last = (await packetsOf(at("whole.mkv")))[70]?.at ?? 0;
  await change("whole.mkv", "padded.mkv", (bytes) => Buffer.concat([bytes, Buffer.alloc(5000)]));
  // A packet's place is behind its block's header, which begins with the block's identifier.
  await change("whole.mkv", "unfinished.mkv", (bytes) => bytes.fill(0, bytes.lastIndexOf(0xa3, last)));
  await change("b-frames.mp4", "cut-short-tags.mp4", (bytes) => bytes.subarray(0, bytes.length - 30));
  const noKey = ["-c", "copy", "-bsf:v", "noise=drop=lt(n\\,7)"];
  await ffmpeg("-i", at("whole.webm"), ...noKey, at("no-key-first.webm"));
  await ffmpeg(...pictures(30), "-c:v", "libvpx", "-deadline", "realtime", at("vp8.webm"));
  await ffmpeg("-i", at("vp8.webm"), ...noKey, at("no-key-first-vp8.webm"));
  await ffmpeg(...pictures(30), "-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", at("av1.mp4"));
  await ffmpeg("-i", at("av1.mp4"), ...noKey, at("no-key-first-av1.mp4"));
  await ffmpeg(...pictures(5), "-c:v", "rawvideo", "-pix_fmt", "yuv420p", at("raw-12-bits.mov"));
}
