import { existsSync, type Stats } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { type Bases, basesNamedIn, MAX_BASES } from "../core/spec/extend.ts";
import { MAX_TEXT_LENGTH } from "../core/spec/read-yaml.ts";
import type { SourceText } from "../core/spec/spec.ts";
import { nearest } from "../core/spec/suggest.ts";
import { fileProblem } from "./read-file.ts";
import { isInside } from "./real-paths.ts";
import { REVIEW_CODES } from "./review-codes.ts";

/** Finding a project and reading its two files as text. What they say is core's business. */

export const PROJECT_FILE = "wan22.yaml";

/** Where a project keeps its pipelines, by custom. */
export const PIPELINES_FOLDER = "pipelines";

/** A character takes at most four bytes in UTF-8. */
const MAX_BYTES = MAX_TEXT_LENGTH * 4;

/** A pipeline file with what belongs to it, read but not understood. */
export interface ProjectTexts {
  /** The project's root: absolute, with `/`. */
  readonly root: string;
  /** Named relative to the root. */
  readonly pipeline: SourceText;
  /** What it extends, and what that extends. */
  readonly bases: Bases;
  /** The root's wan22.yaml, where there is one. */
  readonly project?: SourceText;
  /** Every wan22.yaml further up, which counts for nothing here; named relative to the root. */
  readonly above?: readonly SourceText[];
}

export interface ReadProjectOptions {
  /** A folder, absolute, in which both files must really lie: what is wrong with them is shown with their lines. */
  readonly within?: string | undefined;
}

/**
 * Reads a pipeline file and its project file. A file that is missing, no file, unreadable, too large or not UTF-8
 * is a diagnostic, which names it as the user did. Relative paths are relative to `folder`.
 */
export async function readProject(
  file: string,
  folder: string = process.cwd(),
  { within }: ReadProjectOptions = {},
): Promise<ProjectTexts | Diagnostic> {
  const path = resolve(folder, file);
  if (basename(path) === PROJECT_FILE) {
    return diagnose(
      SPEC_CODES.projectAsPipeline,
      `${file} holds what the project's pipelines share. Name a pipeline file, such as pipelines/quickstart.yaml.`,
      { at: { file } },
    );
  }
  if (within !== undefined && !(await isInside(path, within))) return leadsOut(file);
  const pipelineText = await readText(path, file);
  if (typeof pipelineText !== "string") return pipelineText;

  const root = findRoot(path);
  const rootName = withSlashes(root);
  const pipeline = { file: pathInside(rootName, withSlashes(path)), text: pipelineText };
  const projectPath = join(root, PROJECT_FILE);
  const bases = await readBases(root, pipeline);
  const further = await readProjectsAbove(root);
  const above = further.length === 0 ? {} : { above: further };
  if (!existsSync(projectPath)) return { root: rootName, pipeline, bases, ...above };
  if (within !== undefined && !(await isInside(projectPath, within))) return leadsOut(PROJECT_FILE);
  const projectText = await readText(projectPath, PROJECT_FILE);
  if (typeof projectText !== "string") return projectText;
  return { root: rootName, pipeline, bases, project: { file: PROJECT_FILE, text: projectText }, ...above };
}

function leadsOut(file: string): Diagnostic {
  const kind = REVIEW_CODES.outsideRepository;
  return diagnose(kind, `${file} is not in the repository, or is a link that leads out of it. ${kind.mend}`, {
    at: { file },
  });
}

/** Every file that a pipeline extends, each once, as many as are read; what is wrong with one is said in its place. */
async function readBases(root: string, pipeline: SourceText): Promise<Bases> {
  const bases = new Map<string, SourceText | Diagnostic>();
  const unread: SourceText[] = [pipeline];
  for (let source = unread.pop(); source !== undefined; source = unread.pop()) {
    for (const { path } of basesNamedIn(source)) {
      if (path === pipeline.file || bases.has(path) || bases.size >= MAX_BASES) continue;
      const text = await readBase(root, path);
      bases.set(path, typeof text === "string" ? { file: path, text } : text);
      if (typeof text === "string") unread.push({ file: path, text });
    }
  }
  return bases;
}

/** Files of the project only, wherever links lead: a pull request must not make a runner print its machine's other files. */
async function readBase(root: string, path: string): Promise<string | Diagnostic> {
  const at = { at: { file: path } };
  if (isAbsolute(path) || path.split("/")[0] === "..") return outside(path, at);
  if (basename(path) === PROJECT_FILE) {
    const detail = `${path} is read for every pipeline of its project anyway. Remove it from \`extends\`.`;
    return diagnose(SPEC_CODES.projectAsPipeline, detail, at);
  }
  const file = join(root, path);
  const real = await realpath(file).catch(() => undefined);
  const inside = real === undefined ? path : pathInside(withSlashes(await realpath(root)), withSlashes(real));
  if (isAbsolute(inside)) return outside(path, at);
  return readText(file, path);
}

function outside(path: string, at: { readonly at: { readonly file: string } }): Diagnostic {
  const detail = `${path} does not lie in the project, or is a link that leads out of it. Write a path relative to this file, to a file in the project.`;
  return diagnose(SPEC_CODES.baseOutside, detail, at);
}

/** The project files above a root, as far as they can be read. */
async function readProjectsAbove(root: string): Promise<readonly SourceText[]> {
  const found: SourceText[] = [];
  for (let folder = root; dirname(folder) !== folder; ) {
    folder = dirname(folder);
    const path = join(folder, PROJECT_FILE);
    if (!existsSync(path)) continue;
    const text = await readText(path, path);
    if (typeof text === "string") found.push({ file: withSlashes(relative(root, path)), text });
  }
  return found;
}

/**
 * The nearest folder upward from a file that holds `wan22.yaml` or `.git`. Without either it is the file's own, or the one
 * around `pipelines/`, where pipelines are looked for: a `git init` there later finds the state where it was.
 */
export function findRoot(file: string): string {
  const own = dirname(resolve(file));
  for (let folder = own; ; folder = dirname(folder)) {
    if (existsSync(join(folder, PROJECT_FILE)) || existsSync(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return basename(own) === PIPELINES_FOLDER ? dirname(own) : own;
  }
}

/** Windows' paths with the one separator that core knows. */
function withSlashes(path: string): string {
  return process.platform === "win32" ? path.replaceAll("\\", "/") : path;
}

/** A file's text without a byte order mark, or what is wrong with it. `shown` is the name for people. */
async function readText(path: string, shown: string): Promise<string | Diagnostic> {
  let stats: Stats;
  let bytes: Buffer;
  try {
    stats = await stat(path);
    if (stats.isDirectory()) return await describeFolder(path, shown);
    if (!stats.isFile()) {
      return diagnose(SPEC_CODES.notAFile, `${shown} is a device or a pipe. Name a YAML file.`, {
        at: { file: shown },
      });
    }
    if (stats.size > MAX_BYTES) {
      return diagnose(
        SPEC_CODES.tooLarge,
        `${shown} has ${stats.size.toLocaleString("en-US")} bytes; a pipeline is a page of text. Name the right file.`,
        { at: { file: shown } },
      );
    }
    bytes = await readFile(path);
  } catch (error) {
    return await describeFailure(error, path, shown);
  }
  return decode(bytes, shown);
}

function decode(bytes: Uint8Array, shown: string): string | Diagnostic {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    const what = isUtf16 ? "is UTF-16" : `is not UTF-8: ${describeBadByte(bytes)}`;
    return diagnose(SPEC_CODES.notUtf8, `${shown} ${what}. Save it as UTF-8 in your editor.`, { at: { file: shown } });
  }
}

/** `line 3 holds the byte 0xE9`: the first byte that no UTF-8 text can hold there. */
function describeBadByte(bytes: Uint8Array): string {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isUtf8(bytes.subarray(0, middle), "unfinished")) good = middle;
    else bad = middle;
  }
  // What looked like the beginning of a character until its next byte came is the one to blame.
  while (!isUtf8(bytes.subarray(0, good), "finished")) good -= 1;
  const line = bytes.subarray(0, good).filter((byte) => byte === 0x0a).length + 1;
  return `line ${line} holds the byte 0x${(bytes[good] ?? 0).toString(16).toUpperCase().padStart(2, "0")}`;
}

function isUtf8(bytes: Uint8Array, end: "finished" | "unfinished"): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: end === "unfinished" });
    return true;
  } catch {
    return false;
  }
}

async function describeFolder(path: string, shown: string): Promise<Diagnostic> {
  const beside = [".yaml", ".yml"].find((extension) => existsSync(path + extension));
  if (beside !== undefined) {
    return diagnose(SPEC_CODES.notAFile, `${shown} is a folder. Did you mean ${shown}${beside}?`, {
      at: { file: shown },
    });
  }
  const files = await yamlFilesIn(path);
  const inside =
    files.length === 0
      ? ""
      : ` In it: ${files
          .slice(0, 5)
          .map((name) => join(shown, name))
          .join(", ")}.`;
  return diagnose(SPEC_CODES.notAFile, `${shown} is a folder. Name a pipeline file.${inside}`, { at: { file: shown } });
}

async function describeFailure(error: unknown, path: string, shown: string): Promise<Diagnostic> {
  const at = { file: shown };
  const problem = fileProblem(error);
  if (problem.kind === "missing") return diagnose(SPEC_CODES.fileMissing, await describeMissing(path, shown), { at });
  return diagnose(SPEC_CODES.fileUnreadable, `${shown} cannot be read: ${problem.text}.`, { at });
}

/** Says how far a path goes, and what is there instead. */
async function describeMissing(path: string, shown: string): Promise<string> {
  const folder = dirname(path);
  if (!existsSync(folder))
    return `There is no folder ${dirname(shown)}, so there is no ${shown}. Check the path and the folder you are in.`;
  const files = await yamlFilesIn(folder);
  const other = existsSync(join(folder, PROJECT_FILE))
    ? `pipeline beside ${PROJECT_FILE}`
    : "other YAML file in that folder";
  // What was meant as the value of an option, or a name without its folder.
  const inPipelines = (await yamlFilesIn(join(folder, "pipelines"))).map((name) => join("pipelines", name));
  const near = nearest(basename(path), files) ?? files.find((name) => name.startsWith(`${basename(path)}.`));
  if (near !== undefined) return `There is no ${shown}. Did you mean ${join(dirname(shown), near)}?`;
  if (files.length === 0 && inPipelines.length > 0)
    return `There is no ${shown}. There ${inPipelines.length === 1 ? "is" : "are"} ${listFiles(inPipelines)}.`;
  if (files.length === 0) return `There is no ${shown}, nor any ${other}. Check the path.`;
  return `There is no ${shown}. That folder holds ${listFiles(files)}.`;
}

function listFiles(files: readonly string[]): string {
  return `${files.slice(0, 5).join(", ")}${files.length > 5 ? " and others" : ""}`;
}

async function yamlFilesIn(folder: string): Promise<string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /\.ya?ml$/i.test(name) && name !== PROJECT_FILE).sort();
  } catch {
    return [];
  }
}
