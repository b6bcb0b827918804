import { readdir, readFile, stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import pLimit from "p-limit";
import * as z from "zod";
import type { CacheFileFacts, DiskFacts, OutputFileFacts, TrainingStateFacts } from "../core/facts.ts";
import { baseName, folderOf, joinPath } from "../core/paths.ts";
import { observeFileSystems } from "./file-systems.ts";
import { hashFile } from "./hash.ts";
import { isWhole, readSafetensorsHeader } from "./safetensors.ts";
import type { StatCache } from "./stat-cache.ts";

/** Looks at what earlier runs left: caches, checkpoints, training states. Reads headers only, and nothing that it remembers. */

const CACHE_KIND = "cache-header-1";
/** Files open at once; more gain nothing. */
const MAX_OPEN_FILES = 32;

export interface DiskRequest {
  /** The project's root, absolute. */
  readonly root: string;
  /** Cache folders, relative to the root or absolute; they need not exist. */
  readonly cacheDirs: readonly string[];
  /** The cache store, with the files that are looked for in it; as the plan writes both. */
  readonly store?: { readonly folder: string; readonly files: readonly string[] };
  /** Output folders, as the plan writes them; they need not exist. */
  readonly outputDirs: readonly string[];
  /** Files in output folders whose digests are wanted, as the plan writes them; none if left out. */
  readonly hashed?: readonly string[];
  /** Where state and runs are kept: its disk can be full too. */
  readonly stateDir: string;
  readonly statCache?: StatCache | undefined;
}

/** What is there. A folder that is missing or closed is an empty one; nothing is thrown. */
export async function observeDisk(request: DiskRequest): Promise<DiskFacts> {
  const absolute = (path: string) => (isAbsolute(path) ? path : resolve(request.root, path));
  const outputDirs = [...new Set(request.outputDirs)];
  const folders = [...new Set(request.cacheDirs)];
  const { store = { folder: undefined, files: [] } } = request;
  const hashed = new Set(request.hashed);
  const asked = [...outputDirs, ...folders, request.stateDir, ...(store.folder === undefined ? [] : [store.folder])];
  const [caches, stored, outputs, fileSystems] = await Promise.all([
    pLimit(4).map(folders, async (dir) => [dir, await observeCaches(absolute(dir), request.statCache)] as const),
    observeStored(store.files, { absolute, statCache: request.statCache }),
    Promise.all(
      outputDirs.map((dir) => observeOutputs({ shown: dir, folder: absolute(dir), hashed }, request.statCache)),
    ),
    observeFileSystems(asked, request),
  ]);
  return {
    caches: Object.fromEntries(caches),
    store: stored,
    outputFolders: outputDirs,
    outputs: Object.fromEntries(outputs.flatMap((found) => found.outputs)),
    states: outputs.flatMap((found) => found.states),
    fileSystems,
  };
}

/** Every `*.safetensors` of a cache folder, sorted by name: the trainer trains on whatever lies there (trainer facts §5). */
async function observeCaches(folder: string, statCache: StatCache | undefined): Promise<readonly CacheFileFacts[]> {
  const names = (await listNames(folder)).filter((name) => name.endsWith(".safetensors"));
  return pLimit(MAX_OPEN_FILES).map(names, async (name) => {
    const file = join(folder, name);
    return { name, ...(await lookAtCache(file, statCache)) };
  });
}

/** Of files wanted in the store, those that are there. Its folder is listed once: most of what is wanted of a new dataset is not. */
async function observeStored(
  files: readonly string[],
  { absolute, statCache }: { absolute: (path: string) => string; statCache: StatCache | undefined },
): Promise<NonNullable<DiskFacts["store"]>> {
  const listed = new Map<string, ReadonlySet<string>>();
  for (const folder of new Set(files.map(folderOf))) listed.set(folder, new Set(await listNames(absolute(folder))));
  const there = [...new Set(files)].filter((file) => listed.get(folderOf(file))?.has(baseName(file)));
  const found = await pLimit(MAX_OPEN_FILES).map(there, async (file) => {
    return [file, { name: baseName(file), ...(await lookAtCache(absolute(file), statCache)) }] as const;
  });
  return Object.fromEntries(found);
}

type CacheLook = Omit<CacheFileFacts, "name">;

async function lookAtCache(file: string, statCache: StatCache | undefined): Promise<CacheLook> {
  try {
    return await remembered(statCache, CACHE_KIND, file, () => readCache(file));
  } catch {
    // Gone between listing and looking, or a link to nothing: there is no cache in it either way.
    return { bytes: 0, whole: false, metadata: {}, tensors: [] };
  }
}

/** Reads what is not remembered of a file. */
async function remembered<T>(
  statCache: StatCache | undefined,
  kind: string,
  file: string,
  read: () => Promise<T>,
): Promise<T> {
  if (statCache === undefined) return read();
  const { stats, value } = await statCache.lookup<T>(kind, file);
  if (value !== undefined) return value;
  const found = await read();
  await statCache.remember(kind, file, stats, found);
  return found;
}

async function readCache(file: string): Promise<CacheLook> {
  const reading = await readSafetensorsHeader(file);
  if (reading.kind === "problem") return { bytes: reading.fileBytes, whole: false, metadata: {}, tensors: [] };
  const { header } = reading;
  return {
    bytes: header.fileBytes,
    whole: isWhole(header),
    metadata: header.metadata,
    tensors: Object.keys(header.tensors).sort(),
  };
}

const OUTPUT_KIND = "output-1";

interface FoundOutputs {
  readonly outputs: readonly (readonly [string, OutputFileFacts])[];
  readonly states: readonly TrainingStateFacts[];
}

async function observeOutputs(
  { shown, folder, hashed }: { readonly shown: string; readonly folder: string; readonly hashed: ReadonlySet<string> },
  statCache: StatCache | undefined,
): Promise<FoundOutputs> {
  const found = await pLimit(MAX_OPEN_FILES).map(await listNames(folder), async (name) => {
    const file = join(folder, name);
    const stats = await stat(file).catch(() => undefined);
    const path = joinPath(shown, name);
    if (stats?.isFile()) {
      const seen = await lookAtOutput(file, stats.size, statCache);
      return { output: [path, hashed.has(path) ? await withDigest(seen, file, statCache) : seen] as const };
    }
    if (stats?.isDirectory() && name.endsWith("-state")) return { state: await observeTrainingState(file, path) };
    return {};
  });
  return {
    outputs: found.flatMap(({ output }) => (output === undefined ? [] : [output])),
    states: found.flatMap(({ state }) => (state === undefined ? [] : [state])),
  };
}

/** A file of the output folder; of a checkpoint also what its tensors take. */
async function lookAtOutput(file: string, bytes: number, statCache: StatCache | undefined): Promise<OutputFileFacts> {
  if (!file.endsWith(".safetensors")) return { bytes };
  return remembered<OutputFileFacts>(statCache, OUTPUT_KIND, file, async () => {
    const reading = await readSafetensorsHeader(file);
    if (reading.kind !== "header" || !isWhole(reading.header)) return { bytes };
    return { bytes, tensorBytes: reading.header.dataBytes };
  }).catch(() => ({ bytes }));
}

const DIGEST_KIND = "output-sha256-1";

async function withDigest(
  seen: OutputFileFacts,
  file: string,
  statCache: StatCache | undefined,
): Promise<OutputFileFacts> {
  const sha256 = await remembered(statCache, DIGEST_KIND, file, () => hashFile(file)).catch(() => undefined);
  return sha256 === undefined ? seen : { ...seen, sha256 };
}

const count = z.number().int().nonnegative();

/** `wan22.json` of a training state (design §7), as far as a plan needs it. */
const stateManifestSchema = z.looseObject({
  version: z.literal(1),
  stage: z.string(),
  fingerprint: z.string(),
  done_epochs: count,
  done_steps: count,
  done_batches: count,
  total_epochs: count,
  files: z.record(z.string(), count),
  kind: z.enum(["scheduled", "stop", "last"]).optional().catch(undefined),
});

/**
 * A training state is complete when its `wan22.json`, which is written last, names files that are all there with the sizes
 * it gives. Anything else is incomplete and says no more than its name.
 */
export async function observeTrainingState(folder: string, dir: string): Promise<TrainingStateFacts> {
  const manifest = await readManifest(join(folder, "wan22.json"));
  if (manifest === undefined) return { dir, complete: false };
  const sizes = await pLimit(MAX_OPEN_FILES).map(Object.entries(manifest.files), async ([name, bytes]) => {
    // A name that leads out of the folder is no part of the state.
    if (name.split(/[\\/]/).includes("..") || isAbsolute(name)) return false;
    const stats = await stat(join(folder, name)).catch(() => undefined);
    return stats?.isFile() === true && stats.size === bytes;
  });
  return {
    dir,
    complete: sizes.length > 0 && sizes.every((fits) => fits),
    fingerprint: manifest.fingerprint,
    stage: manifest.stage,
    doneEpochs: manifest.done_epochs,
    doneSteps: manifest.done_steps,
    doneBatches: manifest.done_batches,
    totalEpochs: manifest.total_epochs,
    ...(manifest.kind === undefined ? {} : { kind: manifest.kind }),
  };
}

async function readManifest(file: string): Promise<z.infer<typeof stateManifestSchema> | undefined> {
  try {
    const parsed = stateManifestSchema.safeParse(JSON.parse(await readFile(file, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

async function listNames(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort(compareNames);
  } catch {
    return [];
  }
}

/** By UTF-16 units: the same everywhere, whatever the machine's language. */
function compareNames(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
