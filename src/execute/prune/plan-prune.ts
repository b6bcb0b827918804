import { join, resolve } from "node:path";
import { pathInside } from "../../core/paths.ts";
import type { Spec } from "../../core/spec/spec.ts";
import { clearRuns } from "../../core/state/clear-runs.ts";
import type { KeptItem, PruneItem, PruneKind, PrunePlan } from "../../core/state/prune-plan.ts";
import type { State } from "../../core/state/state.ts";
import {
  bytesBelow,
  listArchives,
  listBackgroundLogs,
  listCacheFolders,
  listCaches,
  listFolder,
  listLeftBehind,
  namesOfFiles,
} from "../../host/records/kept-folders.ts";
import { runFiles, statePaths } from "../../host/records/run-store.ts";
import { readBackup, readRuns } from "../../host/records/state-store.ts";
import type { CacheUse } from "../../prepare/cache-use.ts";
import { outputFolders } from "../../prepare/run-list.ts";

/** Finds what of a pipeline nothing needs any more. Changes nothing. The caller holds the lock, and has it settled. */

export interface PruneRequest {
  /** Absolute. */
  readonly root: string;
  readonly pipeline: string;
  /** Absent of a pipeline that is no longer in the project: its record tells what it has made. */
  readonly spec: Spec | undefined;
  /** Absolute. */
  readonly stateDir: string;
  /** Absolute. Absent where no file says it: caches are not looked for then. */
  readonly cacheDir: string | undefined;
  /** Read after `settlePipeline`. */
  readonly state: State | undefined;
  readonly use: CacheUse;
  readonly kinds: ReadonlySet<PruneKind>;
  /** Newest runs, archive folders and logs that stay. */
  readonly keep: number;
}

interface Found {
  readonly items: readonly PruneItem[];
  readonly kept: readonly KeptItem[];
}

export async function planPrune(request: PruneRequest): Promise<PrunePlan> {
  const { kinds, pipeline } = request;
  const runs = kinds.has("run") ? await findRuns(request) : { items: [], kept: [], base: undefined };
  const found: readonly Found[] = [
    ...(kinds.has("archive") ? [await findArchives(request)] : []),
    runs,
    ...(kinds.has("log") ? [await findLogs(request)] : []),
    ...(kinds.has("cache") ? [await findCaches(request)] : []),
    ...(kinds.has("temporary") ? [await findTemporary(request)] : []),
  ];
  const going = runs.items.map(({ path }) => `${path}/`);
  return {
    pipeline,
    // What lies in a run that goes is counted with it.
    items: found.flatMap(({ items }) => items).filter(({ path }) => !going.some((run) => path.startsWith(run))),
    kept: found.flatMap(({ kept }) => kept),
    base: runs.base,
  };
}

async function findRuns({ root, stateDir, pipeline, state, keep }: PruneRequest) {
  const paths = statePaths(stateDir, pipeline);
  // A folder that is a link leads to what is not ours.
  const links = new Set((await listFolder(paths.runsDir)).filter((one) => !one.isDirectory()).map(({ name }) => name));
  const runs = (await readRuns(paths.runsDir, pipeline)).filter(({ name }) => !links.has(name));
  const backup = await readBackup(paths, pipeline);
  const { remove, base, kept } = clearRuns({ state, backup, runs, keep });
  const shown = (run: string) => pathInside(root, join(paths.runsDir, run));
  const items = remove.map(async (run): Promise<PruneItem> => {
    const folder = join(paths.runsDir, run);
    const told = state?.history.some((ended) => ended.run === run) === true;
    const text = told ? "its record is kept without it" : "of a history that was given up";
    return { kind: "run", path: shown(run), bytes: await bytesBelow(folder), text };
  });
  return {
    items: await Promise.all(items),
    kept: Object.entries(kept).map(([run, why]): KeptItem => ({ kind: "run", path: shown(run), why })),
    base,
  };
}

async function findArchives({ root, pipeline, spec, state, use, keep }: PruneRequest): Promise<Found> {
  const items: PruneItem[] = [];
  const kept: KeptItem[] = [];
  const recorded = [
    ...(state?.checkpoints ?? []).map(({ file }) => file),
    ...(state?.training_states ?? []).map(({ dir }) => dir),
  ].map((path) => resolve(root, path));
  const folders = outputFolders(spec, state).map((dir) => listArchives(resolve(root, dir), pipeline));
  const archives = (await Promise.all(folders)).flat().sort((a, b) => (a.run < b.run ? -1 : 1));
  const newest = new Set(keep > 0 ? archives.slice(-keep) : []);
  for (const archive of archives) {
    const { folder, files, bytes, run } = archive;
    const path = pathInside(root, folder);
    const isBelow = (file: string) => file === folder || file.startsWith(`${folder}/`);
    const isOurs = pathInside(root, folder) !== folder || state?.history.some((ended) => ended.run === run) === true;
    if (newest.has(archive)) kept.push({ kind: "archive", path, why: `one of the newest ${keep}` });
    else if (recorded.some(isBelow)) kept.push({ kind: "archive", path, why: "the record speaks of a file in it" });
    else if (use.kind === "unknown") kept.push({ kind: "archive", path, why: unknownUse(use.file) });
    else if (use.named.some(isBelow)) kept.push({ kind: "archive", path, why: "a pipeline names a file in it" });
    else if (!isOurs) kept.push({ kind: "archive", path, why: "no run of this project is known to have made it" });
    else items.push({ kind: "archive", path, bytes, text: filesText(files) });
  }
  return { items, kept };
}

/** The lock tells nothing of a runner that waits for it. */
async function findLogs({ root, pipeline, spec, stateDir, keep }: PruneRequest): Promise<Found> {
  if (spec === undefined) return { items: [], kept: [] };
  const items: PruneItem[] = [];
  const kept: KeptItem[] = [];
  const logs = await listBackgroundLogs(statePaths(stateDir, pipeline).backgroundDir, pipeline);
  const newest = new Set(keep > 0 ? logs.slice(-keep) : []);
  for (const log of logs) {
    const path = pathInside(root, log.file);
    if (log.isAlive) kept.push({ kind: "log", path, why: `process ${log.pid} still writes it` });
    else if (newest.has(log)) kept.push({ kind: "log", path, why: `one of the newest ${keep}` });
    else items.push({ kind: "log", path, bytes: await bytesBelow(log.file), text: "the runs keep logs of their own" });
  }
  return { items, kept };
}

function filesText(files: readonly string[]): string {
  const more = files.length - 2;
  const named = files.slice(0, 2).join(", ");
  return files.length === 0 ? "empty" : more > 0 ? `${named} and ${more} more` : named;
}

function unknownUse(file: string): string {
  return `${file} can't be read, and may use it`;
}

async function findCaches({ root, pipeline, cacheDir, state, use }: PruneRequest): Promise<Found> {
  const items: PruneItem[] = [];
  const kept: KeptItem[] = [];
  const recorded = new Set(
    Object.values(state?.stages ?? {}).flatMap(({ caches = {} }) =>
      Object.keys(caches).map((file) => resolve(root, file, "..")),
    ),
  );
  const folders = cacheDir === undefined ? [] : await listCacheFolders(join(cacheDir, pipeline));
  for (const folder of folders) {
    const path = pathInside(root, folder);
    if (use.kind === "unknown") {
      kept.push({ kind: "cache", path, why: unknownUse(use.file) });
      continue;
    }
    const isUsed = [...use.folders].some(
      (used) => used === folder || used.startsWith(`${folder}/`) || folder.startsWith(`${used}/`),
    );
    if (isUsed) continue;
    // Beyond the root other projects may keep theirs in the same folder.
    if (path === folder && !recorded.has(folder)) {
      kept.push({ kind: "cache", path, why: "no run of this project is known to have made it" });
      continue;
    }
    const files = await listCaches(folder);
    // What has another name in the store stays until it goes from there.
    const sizes = (await namesOfFiles(files)).map(({ bytes, names }) => (names > 1 ? 0 : bytes));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const text = `${files.length} ${files.length === 1 ? "file" : "files"} of a source that no pipeline names any more`;
    items.push({ kind: "cache", path, bytes, text, files: files.map((file) => pathInside(root, file)) });
  }
  return { items, kept };
}

/** What killed processes left of writing: nobody writes on what is locked, and whose writer is gone. */
async function findTemporary({ root, pipeline, spec, stateDir, cacheDir, state }: PruneRequest): Promise<Found> {
  const ofPipeline = (name: string) => name.startsWith(`${pipeline}.`);
  const all = () => true;
  const { runsDir } = statePaths(stateDir, pipeline);
  const caches = cacheDir === undefined ? [] : await listCacheFolders(join(cacheDir, pipeline));
  const runs = (await readRuns(runsDir, pipeline)).map((run) => join(runsDir, run.name));
  const places: readonly (readonly [string, (written: string) => boolean])[] = [
    [join(stateDir, "state"), ofPipeline],
    [join(stateDir, "index"), ofPipeline],
    [join(stateDir, "work", pipeline), all],
    ...runs.map((folder) => [folder, all] as const),
    ...caches.map((folder) => [folder, all] as const),
    ...(spec === undefined ? [] : outputPlaces(spec, state)).map(
      ([dir, isOurs]) => [resolve(root, dir), isOurs] as const,
    ),
  ];
  const found = await Promise.all(places.map(([folder, isWanted]) => listLeftBehind(folder, isWanted)));
  const items = found.flat().map(async (file): Promise<PruneItem> => {
    return {
      kind: "temporary",
      path: pathInside(root, file),
      bytes: await bytesBelow(file),
      text: "nobody writes it any more",
    };
  });
  return { items: await Promise.all(items), kept: [] };
}

/** Output folders, with what tells this pipeline's files in them from others'. */
function outputPlaces(spec: Spec, state: State | undefined) {
  const { name } = spec.output;
  const isOurs = (file: string) => [name, `${name}-`, `${name}.`].some((start) => file.startsWith(start));
  return outputFolders(spec, state).map((dir) => [dir, isOurs] as const);
}

/** Where the state before a run is written down (`clearRuns`). */
export function baseFile(stateDir: string, pipeline: string, run: string): string {
  return runFiles.before(join(statePaths(stateDir, pipeline).runsDir, run));
}
