import type { FileProblem, MediaDamage } from "../../core/facts.ts";
import { DECODER_DELAY_FRAMES } from "./packet-damage.ts";

/** What `ffprobe` says of a video, every frame decoded. */
export type ProbedVideo =
  | {
      readonly kind: "video";
      readonly width: number;
      readonly height: number;
      readonly frames: number;
      /** What the container's header says, where it says anything. */
      readonly headerFrames?: number;
      readonly fps?: number;
      readonly rotation: number;
      readonly damage?: MediaDamage;
    }
  | { readonly kind: "not-installed" }
  /** `ffprobe` itself failed, which says nothing about the file. */
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "problem"; readonly problem: FileProblem };

/** What `ffprobe` ends with when it can't go on by itself; other codes are a shell's, a linker's or a wrapper's. */
const OWN_FAILURE = 1;

/** FFmpeg's words for contents that it makes nothing of. Whatever else it says (memory, permission, a disk) passes. */
const BROKEN = /^(?:Invalid data found when processing input|End of file)$/;

/** Words for a shortage of the machine's, which may come at any point and passes. */
const SHORTAGE = /Cannot allocate memory|Resource temporarily unavailable|Input\/output error|Too many open files/;

/** Lines of `ffprobe`'s complaints that are kept; a damaged clip has one for each block. */
const KEPT_LINES = 50;

function positive(value: unknown): number | undefined {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number > 0 ? number : undefined;
}

function parseRate(value: unknown): number | undefined {
  const [over, under] = typeof value === "string" ? value.split("/").map(Number) : [];
  return over !== undefined && under !== undefined && under > 0 ? positive(over / under) : undefined;
}

function broken(text: string): ProbedVideo {
  return { kind: "problem", problem: { kind: "broken", text } };
}

/** A complaint without the decoder's address, which differs each time. */
function withoutAddress(line: string): string {
  return line.replace(/^\[[^\]]*\]\s*/, "").replace(/\.$/, "");
}

interface Ended {
  readonly exitCode?: number | undefined;
  readonly signal?: string | undefined;
  readonly stdout: string;
  /** The first lines, and those that name the file. */
  readonly complaints: readonly string[];
}

/** Why there is no answer: the file's fault, or `ffprobe`'s. */
function explainFailure({ exitCode, signal, complaints }: Ended, path: string): ProbedVideo {
  const named = complaints.findLast((line) => line.startsWith(`file:${path}: `))?.slice(`file:${path}: `.length);
  if (exitCode === OWN_FAILURE && named !== undefined && BROKEN.test(named)) {
    return broken(`ffprobe can't read it: ${named}`);
  }
  const last = complaints.at(-1);
  const reason = named ?? (last === undefined ? undefined : withoutAddress(last));
  if (exitCode === OWN_FAILURE && reason !== undefined) {
    return { kind: "problem", problem: { kind: "unreadable", text: `ffprobe can't read it: ${reason}` } };
  }
  const how = signal === undefined ? `exit code ${exitCode ?? "unknown"}` : `signal ${signal}`;
  return { kind: "failed", text: `ended with ${how}${reason === undefined ? "" : ` (${reason})`}` };
}

function readAnswer(stdout: string): Readonly<Record<string, unknown>> | "none" | undefined {
  try {
    const { streams } = JSON.parse(stdout) as { streams?: readonly Readonly<Record<string, unknown>>[] };
    return streams?.[0] ?? "none";
  } catch {
    return undefined;
  }
}

interface Run {
  readonly ffprobe: string;
  readonly path: string;
}

async function run({ ffprobe, path }: Run, args: readonly string[]): Promise<Ended | "not-installed"> {
  // Only here: starting up must not pay for it.
  const { execa } = await import("execa");
  const complaints: string[] = [];
  const result = await execa(
    ffprobe,
    // As a URL, so that no name is taken for a protocol or an option.
    ["-v", "error", "-select_streams", "v:0", ...args, `file:${path}`],
    {
      reject: false,
      stdin: "ignore",
      maxBuffer: 1 << 28,
      // Never more than a few lines are kept, whatever there is of them.
      stderr: function* (line: unknown) {
        if (complaints.length < KEPT_LINES || String(line).startsWith("file:")) complaints.push(String(line));
        yield* [];
      },
    },
  );
  if (result.code === "ENOENT" || result.code === "EACCES") return "not-installed";
  return { exitCode: result.exitCode, signal: result.signal, stdout: result.stdout, complaints };
}

/**
 * Frames that are decoded before the first packet that gives none. Frames tell where their packet stood, but for those of
 * program streams, which have no place, and of AV1, whose decoder works ahead. Of HEVC nothing is certain behind a gap.
 */
async function countIntact(probe: Run, codec: unknown): Promise<number> {
  if (codec === "av1" || codec === "hevc") return 0;
  const ended = await run(probe, [
    "-show_packets",
    "-show_frames",
    "-show_entries",
    "packet=pos:frame=pkt_pos",
    "-of",
    "csv",
  ]);
  if (ended === "not-installed") return 0;
  const packets: string[] = [];
  const decoded = new Set<string>();
  for (const line of ended.stdout.split("\n")) {
    const [section, place = "N/A"] = line.split(",");
    if (section === "packet") packets.push(place);
    if (section === "frame") decoded.add(place);
  }
  if (packets.includes("N/A")) return 0;
  const first = packets.findIndex((place) => !decoded.has(place));
  return Math.max(0, (first < 0 ? packets.length : first) - DECODER_DELAY_FRAMES);
}

/** FLV: a tag whose end is not where it should be. One of 11 bytes is empty: padding behind the last. */
function isTornTag(line: string): boolean {
  const bytes = /Packet mismatch -?\d+ (\d+)/.exec(line)?.[1];
  return bytes !== undefined && Number(bytes) > 11;
}

/**
 * The decoder of the trainer raises an error at a packet that it can make nothing of, where `ffprobe` complains and goes
 * on to the next. Damage inside a packet is complained of too, and gives a frame all the same.
 */
async function findDamage(
  { complaints }: Ended,
  { probe, packets, frames, codec }: { probe: Run; packets: number | undefined; frames: number; codec: unknown },
): Promise<MediaDamage | undefined> {
  const [first] = complaints;
  if (first === undefined) return undefined;
  const lost = packets === undefined ? 0 : packets - frames;
  // What is shown of HEVC behind a gap differs from one version of FFmpeg to the next.
  if (lost <= 0 && codec !== "hevc" && !complaints.some(isTornTag)) return undefined;
  const missing =
    lost > 0
      ? `${lost} of its ${packets} packets ${lost === 1 ? "gives" : "give"} no frame`
      : "a part of it is not what its header says";
  return {
    text: `its data is damaged: ${missing} (${withoutAddress(first)})`,
    intactFrames: await countIntact(probe, codec),
  };
}

async function describeStream(
  stream: Readonly<Record<string, unknown>>,
  ended: Ended,
  probe: Run,
): Promise<ProbedVideo> {
  const width = positive(stream.width);
  const height = positive(stream.height);
  const frames = positive(stream.nb_read_frames);
  if (frames === undefined && ended.complaints.some((line) => /unsupported codec|decoder .*not found/i.test(line))) {
    return { kind: "failed", text: `has no decoder for it (${withoutAddress(ended.complaints[0] ?? "")})` };
  }
  if (width === undefined || height === undefined || frames === undefined)
    return broken("none of its frames can be decoded");
  const headerFrames = positive(stream.nb_frames);
  const fps = parseRate(stream.avg_frame_rate);
  const sideData = Array.isArray(stream.side_data_list)
    ? (stream.side_data_list as readonly Record<string, unknown>[])
    : [];
  const turned = sideData.map(({ rotation }) => rotation).find((rotation) => typeof rotation === "number") ?? 0;
  const packets = positive(stream.nb_read_packets);
  const damage = await findDamage(ended, { probe, packets, frames, codec: stream.codec_name });
  return {
    kind: "video",
    width,
    height,
    frames,
    ...(headerFrames === undefined ? {} : { headerFrames }),
    ...(fps === undefined ? {} : { fps }),
    // ffprobe counts counter-clockwise.
    rotation: (((-Math.round((turned as number) / 90) * 90) % 360) + 360) % 360,
    ...(damage === undefined ? {} : { damage }),
  };
}

/** Decodes a video with `ffprobe` to count its frames. Takes about as long as playing it ten times as fast. */
export async function probeWithFfprobe(path: string, { ffprobe }: { readonly ffprobe: string }): Promise<ProbedVideo> {
  const probe = { ffprobe, path };
  const entries = "codec_name,width,height,nb_frames,nb_read_frames,nb_read_packets,avg_frame_rate";
  const ended = await run(probe, [
    ...["-count_frames", "-count_packets", "-of", "json"],
    ...["-show_entries", `stream=${entries}:stream_side_data=rotation`],
  ]);
  if (ended === "not-installed") return { kind: "not-installed" };
  const shortage = ended.complaints.find((line) => SHORTAGE.test(line));
  if (shortage !== undefined) return { kind: "failed", text: `ran short of something (${withoutAddress(shortage)})` };
  if (ended.exitCode !== 0) return explainFailure(ended, path);
  const stream = readAnswer(ended.stdout);
  if (stream === undefined) return { kind: "failed", text: "gave no answer that can be read" };
  return stream === "none" ? broken("it has no video stream") : describeStream(stream, ended, probe);
}
