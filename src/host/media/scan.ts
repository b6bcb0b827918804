import { readdir, readFile, stat } from "node:fs/promises";
import { posix } from "node:path";
import pLimit from "p-limit";
import type { CaptionFacts, FileProblem, MediaFacts, SourceFacts } from "../../core/facts.ts";
import { folderOf, joinPath, pathInside, splitExtension } from "../../core/paths.ts";
import { captionExtension } from "../../core/spec/caption-extension.ts";
import type { DatasetSettings, SourceSpec } from "../../core/spec/spec.ts";
import { nearest } from "../../core/spec/suggest.ts";
import { MAX_ITEMS } from "../../core/trainer/items.ts";
import { fileProblem } from "../read-file.ts";
import type { StatCache } from "../stat-cache.ts";
import { readCaption } from "./captions.ts";
import { parseJsonl } from "./jsonl.ts";
import { listMedia } from "./listing.ts";
import { type MediaContent, NAME_NOT_UTF8, readMedia } from "./media-facts.ts";
import { baseNameOf, compareText, hasHalfSurrogate } from "./python-text.ts";

export interface ScanOptions {
  /** The project's root, absolute with `/`: what relative paths, also those in JSONL rows, start from. */
  readonly root: string;
  /** The dataset's general settings; `caption_extension` of a source goes first. */
  readonly settings: DatasetSettings;
  readonly statCache: StatCache;
  /** The program's name or path; `ffprobe` if left out. */
  readonly ffprobe?: string | undefined;
  /** Called after each file of a scan, which can take minutes the first time. */
  readonly onFile?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
}

const CONCURRENT_FILES = 8;
/** A kilobyte for each item that a plan can hold. */
const MAX_JSONL_BYTES = MAX_ITEMS * 1024;

/** A media file to be looked at: where it is, what it is called, and where its caption comes from. */
interface Candidate {
  readonly path: string;
  /** As people see it: relative to the root where inside. */
  readonly shown: string;
  readonly name: string;
  readonly kind: "video" | "image";
  readonly caption: CaptionFacts | { readonly path: string };
  /** What is wrong with it before it is looked at. */
  readonly problem?: FileProblem;
  readonly line?: number;
  /** The path as a JSONL row writes it. */
  readonly written?: string;
  /** Where else the file would be, if the row's path were meant to be relative to the JSONL file. */
  readonly beside?: string;
}

/** A source listed, before any file was opened. */
interface Listed extends Omit<SourceFacts, "media"> {
  readonly candidates: readonly Candidate[];
}

const isFolderKind = (kind: SourceSpec["kind"]) => kind === "videos" || kind === "images";
const mediaKind = (kind: SourceSpec["kind"]) => (kind === "videos" || kind === "video_jsonl" ? "video" : "image");

/** The name beside a missing file or folder that it may have been meant to be. */
async function nearName(path: string): Promise<string | undefined> {
  const names = await readdir(folderOf(path)).catch(() => []);
  return nearest(baseNameOf(path), names.slice(0, 2000).sort(compareText));
}

async function describeMissing(path: string, problem: FileProblem, noun: "file" | "folder"): Promise<FileProblem> {
  if (problem.kind !== "missing") return problem;
  const near = await nearName(path);
  const hint = near === undefined ? "" : `; \`${near}\` lies beside it, and may be meant`;
  return { kind: "missing", text: `there is no such ${noun}${hint}` };
}

/** Whether a source's path can be scanned: undefined if so. */
async function inputProblem(source: SourceSpec, path: string, root: string): Promise<FileProblem | undefined> {
  const { unset } = source.input;
  if (unset.length > 0) {
    return { kind: "missing", text: `the environment variable ${unset.join(" and ")} is not set` };
  }
  const wantsFolder = isFolderKind(source.kind);
  try {
    const stats = await stat(path);
    if (wantsFolder && !stats.isDirectory()) {
      const jsonl = source.kind === "videos" ? "video_jsonl" : "image_jsonl";
      return {
        kind: "unsupported",
        text: `it is a file; \`${source.kind}\` takes a folder, \`${jsonl}\` a JSONL file`,
      };
    }
    if (!wantsFolder && !stats.isFile()) {
      const folder = source.kind === "video_jsonl" ? "videos" : "images";
      return {
        kind: "unsupported",
        text: `it is a folder; \`${source.kind}\` takes a JSONL file, \`${folder}\` a folder`,
      };
    }
    return undefined;
  } catch (error) {
    const problem = fileProblem(error);
    const noun = wantsFolder ? "folder" : "file";
    const meant = problem.kind === "missing" ? await seenFromRoot(source, root) : undefined;
    if (meant === undefined) return describeMissing(path, problem, noun);
    const { written } = source.input;
    return {
      kind: "missing",
      text: `there is no such ${noun}; paths are relative to the file that they stand in, and ${written} lies in the project's root: write \`${meant}\``,
    };
  }
}

/** How a path would have to be written that is right only as seen from the project's root. */
async function seenFromRoot({ input }: SourceSpec, root: string): Promise<string | undefined> {
  const { written, place } = input;
  const folder = posix.dirname(place.file);
  if (folder === "." || folder.startsWith("/") || written.startsWith("/")) return undefined;
  const isThere = (await stat(joinPath(root, written)).catch(() => undefined)) !== undefined;
  return isThere ? posix.relative(folder, written) : undefined;
}

/** Base names, without extension, of the caption files that the trainer finds for images (`glob_images`). */
function captionStems(names: ReadonlySet<string>, extension: string): ReadonlySet<string> {
  const stems = new Set<string>();
  for (const name of names) {
    if (name.endsWith(extension) && !name.startsWith(".")) stems.add(splitExtension(name).stem);
  }
  return stems;
}

async function listFolder(source: SourceSpec, folder: string, options: ScanOptions): Promise<Listed> {
  const kind = mediaKind(source.kind);
  const extension = captionExtension(source, options.settings);
  const { taken, passedOver, all, notUtf8 } = await listMedia(folder, kind);
  const stems = kind === "image" ? captionStems(all, extension) : undefined;
  const candidates = taken.map((name): Candidate => {
    const { stem } = splitExtension(name);
    const caption = joinPath(folder, `${stem}${extension}`);
    // An image that the glob finds no caption for is left out, even where opening the caption would succeed.
    const leftOut = stems !== undefined && !stems.has(stem);
    return {
      path: `${folder === "/" ? "" : folder}/${name}`,
      shown: pathInside(options.root, joinPath(folder, name)),
      name,
      kind,
      caption: leftOut ? { file: pathInside(options.root, caption), problem: "left-out" } : { path: caption },
      ...(notUtf8.has(name) ? { problem: NAME_NOT_UTF8 } : {}),
    };
  });
  return { candidates, ...(passedOver.length === 0 ? {} : { passedOver }) };
}

async function listJsonl(source: SourceSpec, file: string, { root }: ScanOptions): Promise<Listed> {
  if (source.kind === "videos" || source.kind === "images") return { candidates: [] };
  const { size } = await stat(file);
  if (size > MAX_JSONL_BYTES) {
    const text = `it measures ${Math.round(size / 1e6)} MB, more than the rows of ${count(MAX_ITEMS)} items, which is what a plan can hold`;
    return { candidates: [], problem: { kind: "unsupported", text } };
  }
  const rows = parseJsonl(await readFile(file), source.kind);
  if (rows === undefined) {
    return { candidates: [], problem: { kind: "unreadable", text: "it is not UTF-8, which the trainer reads it as" } };
  }
  const candidates: Candidate[] = [];
  const wrong: { readonly line: number; readonly text: string }[] = [];
  for (const row of rows) {
    if (row.kind === "wrong") {
      wrong.push({ line: row.line, text: row.text });
      continue;
    }
    const path = joinPath(root, row.path);
    candidates.push({
      // As written: what a link's `..` leads to is the system's business.
      path: row.path.startsWith("/") ? row.path : `${root === "/" ? "" : root}/${row.path}`,
      shown: pathInside(root, path),
      name: baseNameOf(row.path),
      kind: mediaKind(source.kind),
      caption: hasHalfSurrogate(row.caption) ? { problem: "not-utf8" } : { text: row.caption },
      line: row.line,
      written: row.path,
      beside: joinPath(folderOf(file), row.path),
    });
  }
  return { candidates, ...(wrong.length === 0 ? {} : { rows: wrong }) };
}

const count = (value: number) => value.toLocaleString("en-US");

/** Said before any of the files is opened: each would give an item at least. */
function tooMany(files: number): Listed {
  const text = `it names ${count(files)} files, and a plan can hold ${count(MAX_ITEMS)} items; split the dataset`;
  return { candidates: [], problem: { kind: "unsupported", text } };
}

async function listSource(source: SourceSpec, options: ScanOptions): Promise<Listed> {
  const path = joinPath(options.root, source.input.path);
  const problem = await inputProblem(source, path, options.root);
  if (problem !== undefined) return { candidates: [], problem };
  try {
    const listed = isFolderKind(source.kind)
      ? await listFolder(source, path, options)
      : await listJsonl(source, path, options);
    return listed.candidates.length > MAX_ITEMS ? tooMany(listed.candidates.length) : listed;
  } catch (error) {
    return { candidates: [], problem: fileProblem(error) };
  }
}

/** A row's file that lies beside the JSONL file instead of under the root: said, because that is what people expect. */
async function explainMissingRow(
  candidate: Candidate,
  content: MediaContent,
  { root }: ScanOptions,
): Promise<MediaContent> {
  const { beside, path } = candidate;
  if (content.problem?.kind !== "missing" || content.sha256 !== undefined || beside === undefined) return content;
  const found = beside !== path && (await stat(beside).catch(() => undefined)) !== undefined;
  const text = found
    ? `there is no such file; rows are relative to the project's root, so it is looked for at ${candidate.shown} and lies at ${pathInside(root, beside)}`
    : "there is no such file; rows are relative to the project's root";
  return { ...content, problem: { kind: "missing", text } };
}

async function scanCaption({ caption, problem }: Candidate, { root, statCache }: ScanOptions): Promise<CaptionFacts> {
  if (!("path" in caption)) return caption;
  const shown = pathInside(root, caption.path);
  // Of a name that can't be written down there is no caption to be found.
  return problem === undefined ? readCaption(caption.path, { shown, statCache }) : { file: shown };
}

async function scanMedia(candidate: Candidate, options: ScanOptions): Promise<MediaFacts> {
  const { path, shown, name, kind, line, written, problem } = candidate;
  const { statCache, ffprobe = "ffprobe" } = options;
  const content =
    problem === undefined
      ? await explainMissingRow(candidate, await readMedia(path, kind, { statCache, ffprobe }), options)
      : { bytes: 0, problem };
  const caption = await scanCaption(candidate, options);
  return {
    kind,
    file: shown,
    ...(path === joinPath(options.root, path) ? {} : { opened: path }),
    name,
    stem: splitExtension(name).stem,
    ...content,
    caption,
    ...(line === undefined ? {} : { line }),
    ...(written === undefined ? {} : { written }),
  };
}

/**
 * Finds out what the dataset's sources hold: names in the trainer's order, sizes, decoded frames, captions, digests.
 * What can't be read is said in the facts; nothing is thrown for a user's file. The stat cache is not saved here.
 */
export async function scanSources(sources: readonly SourceSpec[], options: ScanOptions): Promise<SourceFacts[]> {
  const listed = await pLimit(CONCURRENT_FILES).map(sources, (source) => listSource(source, options));
  const total = listed.reduce((sum, { candidates }) => sum + candidates.length, 0);
  let done = 0;
  const facts: SourceFacts[] = [];
  for (const { candidates, ...source } of listed) {
    const media = await pLimit(CONCURRENT_FILES).map(candidates, async (candidate) => {
      const found = await scanMedia(candidate, options);
      done++;
      options.onFile?.({ done, total });
      return found;
    });
    facts.push({ media, ...source });
  }
  return facts;
}
