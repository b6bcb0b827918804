import { existsSync, type Stats } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { pathInside } from "../core/paths.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { MAX_TEXT_LENGTH } from "../core/spec/read-yaml.ts";
import type { SourceText } from "../core/spec/spec.ts";
import { nearest } from "../core/spec/suggest.ts";
import { fileProblem } from "./read-file.ts";

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
  /** The root's wan22.yaml, where there is one. */
  readonly project?: SourceText;
}

/**
 * Reads a pipeline file and its project file. A file that is missing, no file, unreadable, too large or not UTF-8
 * is a diagnostic, which names it as the user did. Relative paths are relative to `folder`.
 */
export async function readProject(file: string, folder: string = process.cwd()): Promise<ProjectTexts | Diagnostic> {
  const path = resolve(folder, file);
  if (basename(path) === PROJECT_FILE) {
    return diagnose(
      SPEC_CODES.projectAsPipeline,
      `${file} holds what the project's pipelines share. Name a pipeline file, such as pipelines/quickstart.yaml.`,
      { at: { file } },
    );
  }
  const pipelineText = await readText(path, file);
  if (typeof pipelineText !== "string") return pipelineText;

  const root = findRoot(path);
  const rootName = withSlashes(root);
  const pipeline = { file: pathInside(rootName, withSlashes(path)), text: pipelineText };
  const projectPath = join(root, PROJECT_FILE);
  if (!existsSync(projectPath)) return { root: rootName, pipeline };
  const projectText = await readText(projectPath, PROJECT_FILE);
  if (typeof projectText !== "string") return projectText;
  return { root: rootName, pipeline, project: { file: PROJECT_FILE, text: projectText } };
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
