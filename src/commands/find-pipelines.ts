import { hostname } from "node:os";
import { join, relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { NotifyHook } from "../core/notification.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import type { PipelinePlace } from "../execute/take-over.ts";
import { findRoot } from "../host/project.ts";
import { findRecorded, findStateDirs, type Recorded, recordedFile, stateDirOf } from "../host/records/state-folders.ts";
import { type ReadPipeline, readPipelines } from "../prepare/read.ts";
import { findSavedPlans } from "../prepare/read-saved-plans.ts";
import { yamlFilesOf } from "./pipeline-files.ts";
import type { Terminal } from "./terminal.ts";

/** Where pipelines are at home that were run, whatever is wrong with their files by now: they are looked at and stopped all the same. */

export interface FoundPipeline {
  readonly place: PipelinePlace;
  /** As the user's folder sees it; undefined where only the record is left. */
  readonly file: string | undefined;
  /** Who is to be told of what becomes of a run. */
  readonly notify: readonly NotifyHook[];
  /** What its file says, with what is wrong with that; undefined where only the record is left. */
  readonly read: ReadPipeline | undefined;
  /** A record of before its file named another state folder: that one is listed beside it. */
  readonly isEarlier?: boolean;
  /** What its file is called by now: a record of before it was given that name. */
  readonly renamed?: string;
}

export interface FoundPipelines {
  readonly found: readonly FoundPipeline[];
  readonly diagnostics: readonly Diagnostic[];
  /** What is wrong with files of the project that can't be read, and of which there is no record. */
  readonly unread: readonly Diagnostic[];
  /** Of those files, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
}

type Place = Pick<Terminal, "folder" | "environment">;

/** By file or name. Without words: all in `pipelines/`, and those of which only a record, a lock or runs are left. */
export async function findPipelines(words: readonly string[], terminal: Place): Promise<FoundPipelines> {
  const inProject = await findProject(terminal);
  if (words.length === 0) return { ...inProject, diagnostics: [] };
  const { found: project } = inProject;
  const found: FoundPipeline[] = [];
  const named = await withoutPlans(words, terminal);
  const diagnostics = [...named.diagnostics];
  for (const word of new Set(named.files)) {
    const all = await readPipelines([word], terminal);
    const [read] = all;
    const known = project.find(({ place }) => place.pipeline === word);
    if (read !== undefined && read.root !== "")
      found.push(...(await Promise.all(all.map((one) => foundOf(one, terminal)))));
    else if (known !== undefined) found.push(known);
    else if (/^[a-z0-9][a-z0-9-]*$/.test(word)) diagnostics.push(unknown(word, project));
    else diagnostics.push(...(read?.diagnostics ?? []));
  }
  return { found, diagnostics, unread: [], texts: new Map() };
}

/** A saved plan stands for the pipelines that it is of: what was applied can be looked at by the same word. */
async function withoutPlans(words: readonly string[], { folder }: Place) {
  const { plans, others, diagnostics } = await findSavedPlans([...words], folder);
  const files = plans.flatMap(({ pipelines }) => pipelines.map(({ path }) => relative(folder, path)));
  return { files: [...others, ...files], diagnostics };
}

function unknown(word: string, project: readonly FoundPipeline[]): Diagnostic {
  const names = project.map(({ place }) => place.pipeline).join(", ");
  const known = names === "" ? "This project has none" : `This project has ${names}`;
  const kind = EXECUTE_CODES.noSuchPipeline;
  return diagnose(kind, `There is no file ${word}, nor a pipeline of this name. ${known}. ${kind.mend}`);
}

async function findProject(terminal: Place): Promise<Omit<FoundPipelines, "diagnostics">> {
  const { folder, environment } = terminal;
  const root = findRoot(join(folder, "pipeline.yaml"));
  const read = await readPipelines(await yamlFilesOf(folder), terminal);
  const own = await Promise.all(read.filter((one) => one.root !== "").map((one) => foundOf(one, terminal)));
  const stateDirs = [...(await findStateDirs(root, environment)), ...own.map(({ place }) => place.stateDir)];
  const recorded = await findRecorded([...new Set(stateDirs)]);
  const found = own.filter(({ place, read }) => read?.spec !== undefined || recorded.some((one) => isSame(one, place)));
  const unread = read.filter((one) => !found.some((pipeline) => pipeline.read === one));
  const named = new Set(found.map(({ place }) => place.pipeline));
  for (const one of recorded) {
    if (found.some(({ place }) => isSame(one, place))) continue;
    const earlier = named.has(one.pipeline) ? { isEarlier: true } : {};
    found.push({ ...(await foundByRecord(one, root, terminal)), ...earlier });
  }
  const errors = unread.flatMap(({ diagnostics }) => diagnostics.filter(({ severity }) => severity === "error"));
  return { found, unread: errors, texts: new Map(unread.flatMap(({ texts }) => [...texts])) };
}

function isSame(a: Recorded, b: Recorded): boolean {
  return a.stateDir === b.stateDir && a.pipeline === b.pipeline;
}

async function foundOf(read: ReadPipeline, { folder, environment }: Place): Promise<FoundPipeline> {
  const { root, name, spec } = read;
  const file = resolve(root, read.file);
  const stateDir = spec === undefined ? await stateDirOf(file, root, environment) : resolve(root, spec.stateDir);
  return {
    place: { root, stateDir, pipeline: spec?.name ?? name, host: hostname() },
    file: relative(folder, file),
    notify: spec?.notify ?? [],
    read,
  };
}

/** One that `pipelines/` does not hold: its file may lie elsewhere. */
async function foundByRecord(recorded: Recorded, root: string, terminal: Place): Promise<FoundPipeline> {
  const file = await recordedFile(recorded, root);
  const [read] = file === undefined ? [] : await readPipelines([relative(terminal.folder, file)], terminal);
  const found = read === undefined || read.root === "" ? undefined : await foundOf(read, terminal);
  if (found !== undefined && isSame(found.place, recorded)) return found;
  const { pipeline = recorded.pipeline } = found?.read?.spec === undefined ? {} : found.place;
  return {
    place: { ...recorded, root, host: hostname() },
    file: undefined,
    notify: [],
    read: undefined,
    ...(pipeline === recorded.pipeline ? {} : { renamed: pipeline }),
  };
}
