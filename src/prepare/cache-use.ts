import { resolve } from "node:path";
import { storeFolder } from "../core/plan/caches/caches.ts";
import { itemsWanted } from "../core/plan/caches/store.ts";
import { cacheFolders } from "../core/resolve/dataset.ts";
import { readAddress } from "../core/spec/cell.ts";
import { isFault } from "../core/spec/sound-part.ts";
import type { Spec } from "../core/spec/spec.ts";
import { sha256 } from "../host/hash.ts";
import { findRecorded, recordedFile } from "../host/records/state-folders.ts";
import { pipelinesIn } from "./pipelines-folder.ts";
import { prepare } from "./prepare.ts";
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

/**
 * What the pipelines would have of a store if they were applied now, also those that never were: names of items. Planned as far
 * as they can be; the first time that takes as long as it takes to read their clips.
 */
export async function observeWantedItems(request: CacheUseRequest, store: string): Promise<ReadonlySet<string>> {
  const { folder, environment } = request;
  const options = { folder, environment, history: "read", lock: "show" } as const;
  const { pipelines } = await prepare(await projectFiles(request), options);
  const sharing = pipelines.filter(({ root, spec }) => resolve(root, storeFolder(spec)) === store);
  return new Set(sharing.flatMap(({ plan }) => itemsWanted(plan)));
}

function namedPaths({ overrides, models }: Spec): readonly string[] {
  const values = overrides.flatMap(({ value }) => (typeof value === "object" ? value : [String(value)]));
  return [...values, ...Object.values(models).map(({ path }) => path)];
}

/** Absolute, each once. */
async function projectFiles({ root, stateDir, files, folder }: CacheUseRequest): Promise<readonly string[]> {
  const own = await pipelinesIn(root);
  const recorded = await findRecorded([stateDir]);
  const addresses = (await Promise.all(recorded.map((one) => recordedFile(one, root)))).flatMap((file) => file ?? []);
  // All cells of a matrix, whichever of them are there by now.
  const applied = addresses.map((address) => readAddress(address).file);
  return [...new Set([...own, ...applied, ...files.map((file) => resolve(folder, file))])];
}
