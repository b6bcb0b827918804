/** Random datasets on disk, as a pipeline would mean them and as the trainer would read them. */
import { copyFile, mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { ResolvedSource } from "../../src/core/resolve/resolved.ts";
import type { SourceKind, SourceSpec } from "../../src/core/spec/spec.ts";
import type { FrameExtraction } from "../../src/core/trainer/dataset.ts";
import type { MediaPool } from "./clips.ts";
import type { Random } from "./random.ts";

const NAMES = [
  "clip",
  "a.b",
  "x_y",
  "片段",
  "with space",
  "00000-005",
  "q_00000-005_0096x0064",
  "[odd]",
  "-dash",
  "émoji🦊",
  "UPPER",
  "trailing.",
  "a_wan",
] as const;

/** As texts are found in the wild: line ends of three systems, a byte order mark, spaces of other scripts. */
const CAPTIONS = [
  "a fox runs through snow",
  "two lines\r\nof a caption\r\n",
  "old\rline ends\r",
  "  padded \t\n",
  "\ufeffwith a byte order mark",
  "\u3000全角空格\u3000",
  "\u00a0no break\u2028\u0085",
  "\u001cseparators\u001f",
  "",
] as const;

const EXTRACTIONS: readonly FrameExtraction[] = ["head", "chunk", "slide", "uniform", "full"];

export interface RandomDataset {
  /** Folder of the dataset, relative to the root. */
  readonly folder: string;
  /** `dataset.toml`, relative to the root. */
  readonly toml: string;
  readonly specs: readonly SourceSpec[];
  readonly sources: readonly ResolvedSource[];
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function float(value: number): string {
  return Number.isInteger(value) ? `${value}.0` : String(value);
}

function toml({ kind, input, cacheDir, ...source }: ResolvedSource): string {
  const video = kind === "videos" || kind === "video_jsonl";
  const key = {
    videos: "video_directory",
    images: "image_directory",
    video_jsonl: "video_jsonl_file",
    image_jsonl: "image_jsonl_file",
  }[kind];
  const lines = [
    "[[datasets]]",
    `${key} = ${quoted(input.path)}`,
    `cache_directory = ${quoted(cacheDir)}`,
    `resolution = [${source.resolution.join(", ")}]`,
    `caption_extension = ${quoted(source.captionExtension)}`,
    `batch_size = ${source.batchSize}`,
    `num_repeats = ${source.numRepeats}`,
    `enable_bucket = ${source.enableBucket}`,
    `bucket_no_upscale = ${source.bucketNoUpscale}`,
  ];
  if (video) {
    lines.push(
      `target_frames = [${source.targetFrames.join(", ")}]`,
      `frame_extraction = ${quoted(source.frameExtraction)}`,
      `frame_stride = ${source.frameStride}`,
      `frame_sample = ${source.frameSample}`,
      `max_frames = ${source.maxFrames}`,
    );
    if (source.sourceFps !== undefined) lines.push(`source_fps = ${float(source.sourceFps)}`);
  }
  return `${lines.join("\n")}\n`;
}

/** A name that no other file of the folder has, but for the few that share a stem, which the trainer allows. */
function fileName(random: Random, index: number, from: string): string {
  const extension = extname(from);
  const stem = random.chance(0.05) ? "same" : `${random.pick(NAMES)}${index}`;
  return `${stem}${random.chance(0.2) ? extension.toUpperCase() : extension}`;
}

async function place(random: Random, from: string, to: string): Promise<void> {
  if (random.chance(0.5)) await copyFile(from, to);
  else await symlink(from, to);
}

/** A folder of media with captions beside them, and things that a scan must pass over. */
async function makeFolder(
  random: Random,
  files: readonly string[],
  folder: string,
  options: { readonly captionExtension: string; readonly uncaptioned: number },
): Promise<void> {
  await mkdir(join(folder, "nested"), { recursive: true });
  const taken = new Set<string>();
  for (const [index, from] of files.entries()) {
    const name = fileName(random, index, from);
    if (taken.has(name)) continue;
    taken.add(name);
    await place(random, from, join(folder, name));
    if (random.chance(options.uncaptioned)) continue;
    await writeFile(
      join(folder, `${name.slice(0, -extname(name).length)}${options.captionExtension}`),
      random.pick(CAPTIONS),
    );
  }
  const [any] = files;
  if (any === undefined) return;
  const extension = extname(any);
  await place(random, any, join(folder, `.hidden${extension}`));
  await place(random, any, join(folder, "nested", `deep${extension}`));
  // Of mixed case: the trainer's lists have lower and upper case only.
  await place(
    random,
    any,
    join(folder, `Mixed.${extension.charAt(1).toUpperCase()}${extension.slice(2).toLowerCase()}`),
  );
  await writeFile(join(folder, "notes.md"), "not a caption\n");
}

async function makeJsonl(
  random: Random,
  files: readonly string[],
  {
    root,
    folder,
    file,
    key,
  }: { readonly root: string; readonly folder: string; readonly file: string; readonly key: string },
): Promise<void> {
  await mkdir(join(root, folder), { recursive: true });
  const rows: string[] = [];
  for (const [index, from] of files.entries()) {
    const isFolder = extname(from) === "" || basename(from).startsWith("frames");
    const name = isFolder ? `${index}${basename(from)}` : fileName(random, index, from);
    const path = `${folder}/${index}/${name}`;
    await mkdir(join(root, folder, String(index)), { recursive: true });
    if (isFolder) await symlink(from, join(root, path));
    else await place(random, from, join(root, path));
    rows.push(JSON.stringify({ [key]: random.chance(0.3) ? join(root, path) : path, caption: random.pick(CAPTIONS) }));
  }
  await writeFile(join(root, file), `${rows.join("\n")}\n`);
}

async function makeSource(
  random: Random,
  pool: MediaPool,
  { root, folder }: { readonly root: string; readonly folder: string },
): Promise<ResolvedSource> {
  const kind = random.pick<SourceKind>(["videos", "videos", "videos", "video_jsonl", "images", "image_jsonl"]);
  const captionExtension = random.pick([".txt", ".txt", ".caption"]);
  const video = kind === "videos" || kind === "video_jsonl";
  const media = random.some(
    video ? (kind === "videos" ? pool.clips : [...pool.clips, ...pool.folders]) : pool.images,
    1,
    6,
  );
  const inside = `${folder}/data`;
  const jsonl = `${folder}/rows.jsonl`;
  if (kind === "videos" || kind === "images") {
    await makeFolder(random, media, join(root, inside), { captionExtension, uncaptioned: video ? 0 : 0.25 });
  } else {
    await makeJsonl(random, media, { root, folder: inside, file: jsonl, key: video ? "video_path" : "image_path" });
  }
  const path = kind === "videos" || kind === "images" ? inside : jsonl;
  const at = { file: "random.yaml" };
  const frameExtraction = random.pick(EXTRACTIONS);
  const targets = random.some([1, 5, 9, 13, 17, 21, 25, 33, 45, 6, 27], 1, 3);
  return {
    kind,
    input: { written: path, path, place: at, unset: [] },
    cacheDir: `${folder}/cache`,
    // Narrow enough that resizing costs nothing, and not only multiples of 16.
    resolution: [random.integer(40, 260), random.integer(40, 260)],
    enableBucket: random.chance(0.7),
    bucketNoUpscale: random.chance(0.4),
    batchSize: random.integer(1, 4),
    numRepeats: random.pick([1, 1, 2, 3]),
    captionExtension,
    // One frame at a time, `chunk` and `slide` make thousands of items of nothing new.
    targetFrames:
      frameExtraction === "chunk" || frameExtraction === "slide" ? targets.map((t) => Math.max(t, 5)) : targets,
    frameExtraction,
    frameStride: random.integer(1, 12),
    frameSample: random.integer(1, 6),
    maxFrames: random.pick([129, 129, 30, 81]),
    ...(random.chance(0.5)
      ? { sourceFps: random.pick([8, 12, 15, 16, 23.976, 24, 25, 29.97, 30, 50, 59.94, 60]) }
      : {}),
    place: at,
  };
}

/** Makes a random dataset of one to three sources under `root`, its trainer configuration included. */
export async function makeRandomDataset(
  random: Random,
  pool: MediaPool,
  { root, folder }: { readonly root: string; readonly folder: string },
): Promise<RandomDataset> {
  const sources: ResolvedSource[] = [];
  const count = random.integer(1, 3);
  for (let index = 0; index < count; index++) {
    sources.push(await makeSource(random, pool, { root, folder: `${folder}/${index}` }));
  }
  const file = `${folder}/dataset.toml`;
  await writeFile(join(root, file), sources.map(toml).join("\n"));
  const specs = sources.map(
    ({ kind, input, captionExtension, place: at }): SourceSpec => ({
      kind,
      input,
      caption_extension: captionExtension,
      place: at,
    }),
  );
  return { folder, toml: file, specs, sources };
}
