import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cacheFolders } from "../core/resolve/dataset.ts";
import { isFault } from "../core/spec/sound-part.ts";
import type { Spec } from "../core/spec/spec.ts";
import { readState } from "../core/state/migrate.ts";
import { sha256 } from "../host/hash.ts";
import { PIPELINES_FOLDER } from "../host/project.ts";
import { isThere, readTextFile } from "../host/read-file.ts";
import { readPipelines } from "./read.ts";

/** Which caches the pipelines of a project use: those in `pipelines/`, those named, and those that were ever applied. */

export type CacheUse =
  | {
      readonly kind: "known";
      /** Folders that caches are kept in or taken from, absolute. */
      readonly folders: ReadonlySet<string>;
      /** Paths that pipelines name among their values, absolute: weights to start from, for instance. */
      readonly named: readonly string[];
    }
  /** A pipeline can't be read: its caches could not be told from others'. */
  | { readonly kind: "unknown"; readonly file: string };

export interface CacheUseRequest {
  /** The project's root, absolute. */
  readonly root: string;
  /** Absolute. */
  readonly stateDir: string;
  /** Pipeline files that were named, relative to `folder`. */
  readonly files: readonly string[];
  /** Absolute. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export async function observeCacheUse(request: CacheUseRequest): Promise<CacheUse> {
  const { root, folder, environment } = request;
  const read = await readPipelines(await projectFiles(request), { folder, environment });
  const folders = new Set<string>();
  const named: string[] = [];
  for (const { file, spec, diagnostics } of read) {
    if (spec === undefined || diagnostics.some(isFault)) return { kind: "unknown", file };
    for (const cache of cacheFolders(spec, sha256)) folders.add(resolve(root, cache));
    for (const { cache_directory } of spec.dataset.sources) {
      if (cache_directory === undefined) continue;
      if (cache_directory.unset.length > 0) return { kind: "unknown", file };
      folders.add(resolve(root, cache_directory.path));
    }
    named.push(...namedPaths(spec).map((path) => resolve(root, path)));
  }
  return { kind: "known", folders, named };
}

function namedPaths({ overrides, models }: Spec): readonly string[] {
  const values = overrides.flatMap(({ value }) => (typeof value === "object" ? value : [String(value)]));
  return [...values, ...Object.values(models).map(({ path }) => path)];
}

/** Absolute, each once. */
async function projectFiles({ root, stateDir, files, folder }: CacheUseRequest): Promise<readonly string[]> {
  const inFolder = await readdir(join(root, PIPELINES_FOLDER)).catch(() => []);
  const own = inFolder.filter((name) => /\.ya?ml$/.test(name)).map((name) => join(root, PIPELINES_FOLDER, name));
  const applied: string[] = [];
  for (const name of await readdir(join(stateDir, "state")).catch(() => [])) {
    if (!name.endsWith(".json")) continue;
    const pipeline = name.slice(0, -".json".length);
    const text = await readTextFile(join(stateDir, "state", name)).catch(() => "");
    const reading = readState(text, { file: name, pipeline });
    if (reading.kind !== "state") continue;
    const file = resolve(root, reading.state.file);
    if (await isThere(file)) applied.push(file);
  }
  return [...new Set([...own, ...applied, ...files.map((file) => resolve(folder, file))])];
}
