import { readdir } from "node:fs/promises";
import { hostname } from "node:os";
import { join, relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { NotifyHook } from "../core/notification.ts";
import { DEFAULT_STATE_DIR } from "../core/spec/state-dir.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import type { PipelinePlace } from "../execute/take-over.ts";
import { findRoot } from "../host/project.ts";
import { type ReadPipeline, readPipelines } from "../prepare/read.ts";
import { findSavedPlans } from "../prepare/saved-plans.ts";
import { yamlFilesOf } from "./pipeline-files.ts";
import type { Terminal } from "./terminal.ts";

/** Where pipelines are at home that were run, whatever is wrong with their files by now: they are looked at and stopped all the same. */

export interface FoundPipeline {
  readonly place: PipelinePlace;
  /** As the user's folder sees it; undefined where only the record is left. */
  readonly file: string | undefined;
  /** Who is to be told of what becomes of a run. */
  readonly notify: readonly NotifyHook[];
}

export interface FoundPipelines {
  readonly found: readonly FoundPipeline[];
  readonly diagnostics: readonly Diagnostic[];
  /** What is wrong with files of the project that can't be read, and of which there is no record. */
  readonly unread: readonly Diagnostic[];
}

/** By file or name. Without words: all in `pipelines/`, and those of which only the record is left. */
export async function findPipelines(
  words: readonly string[],
  terminal: Pick<Terminal, "folder" | "environment">,
): Promise<FoundPipelines> {
  const { found: project, unread } = await findProject(terminal);
  if (words.length === 0) return { found: project, diagnostics: [], unread };
  const found: FoundPipeline[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const word of new Set(await withoutPlans(words, terminal))) {
    const [read] = await readPipelines([word], terminal);
    const named = project.find(({ place }) => place.pipeline === word);
    if (read !== undefined && read.root !== "") found.push(foundOf(read, terminal.folder));
    else if (named !== undefined) found.push(named);
    else if (/^[a-z0-9][a-z0-9-]*$/.test(word)) diagnostics.push(unknown(word, project));
    else diagnostics.push(...(read?.diagnostics ?? []));
  }
  return { found, diagnostics, unread: [] };
}

/** A saved plan stands for the pipelines that it is of: what was applied can be looked at by the same word. */
async function withoutPlans(
  words: readonly string[],
  { folder }: Pick<Terminal, "folder">,
): Promise<readonly string[]> {
  const { plans, others } = await findSavedPlans([...words], folder);
  const files = plans.flatMap(({ pipelines }) => pipelines.map(({ path }) => relative(folder, path)));
  return [...others, ...files];
}

function unknown(word: string, project: readonly FoundPipeline[]): Diagnostic {
  const names = project.map(({ place }) => place.pipeline).join(", ");
  const known = names === "" ? "This project has none" : `This project has ${names}`;
  const kind = EXECUTE_CODES.noSuchPipeline;
  return diagnose(kind, `There is no file ${word}, nor a pipeline of this name. ${known}. ${kind.mend}`);
}

async function findProject(
  terminal: Pick<Terminal, "folder" | "environment">,
): Promise<Pick<FoundPipelines, "found" | "unread">> {
  const { folder } = terminal;
  const files = await yamlFilesOf(folder);
  const read = (await readPipelines(files, terminal)).filter(({ root }) => root !== "");
  const found: FoundPipeline[] = [];
  const unread: Diagnostic[] = [];
  for (const one of read) {
    const pipeline = foundOf(one, folder);
    const { stateDir, pipeline: name } = pipeline.place;
    if (one.spec !== undefined || (await recordsIn(stateDir)).includes(name)) found.push(pipeline);
    else unread.push(...one.diagnostics.filter(({ severity }) => severity === "error"));
  }
  const root = findRoot(join(folder, "pipeline.yaml"));
  const stateDirs = new Set([resolve(root, DEFAULT_STATE_DIR), ...found.map(({ place }) => place.stateDir)]);
  for (const stateDir of stateDirs) {
    for (const pipeline of await recordsIn(stateDir)) {
      if (found.some(({ place }) => place.stateDir === stateDir && place.pipeline === pipeline)) continue;
      found.push({ place: { root, stateDir, pipeline, host: hostname() }, file: undefined, notify: [] });
    }
  }
  return { found, unread };
}

function foundOf({ root, name, spec, file }: ReadPipeline, folder: string): FoundPipeline {
  const stateDir = resolve(root, spec?.stateDir ?? DEFAULT_STATE_DIR);
  return {
    place: { root, stateDir, pipeline: spec?.name ?? name, host: hostname() },
    file: relative(folder, resolve(root, file)),
    notify: spec?.notify ?? [],
  };
}

async function recordsIn(stateDir: string): Promise<readonly string[]> {
  const names = await readdir(join(stateDir, "state")).catch(() => []);
  return names.flatMap((name) => /^([a-z0-9][a-z0-9-]*)\.json$/.exec(name)?.[1] ?? []).sort();
}
