import { resolve } from "node:path";
import { baseName, joinPath, normalizePath } from "../../core/paths.ts";
import { storedName, type WantedCache } from "../../core/plan/caches/caches.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { isCaching } from "../../core/vocabulary.ts";
import { syncFolder } from "../../host/atomic-file.ts";
import { putIntoStore, takeFromStore } from "../../host/cache-store.ts";
import { ignoreSystemError } from "../../host/read-file.ts";
import { readEvents } from "../../host/records/run-store.ts";
import type { StageInput } from "../stage/stage.ts";
import { findIncompleteCaches } from "../stage/verify.ts";
import { explainSystemError } from "../system-error.ts";
import { fits, pendingCaches } from "./wanted-caches.ts";

/** What a caching stage takes from the store before it encodes anything, and puts there afterwards (docs/decisions/0018). */

/** Whether all that is to be made is made anew, whatever the store holds. */
function isRequested({ reasons }: StagePlan): boolean {
  return reasons[0]?.cause === "requested";
}

/** Of these files, those that may come from the store: all that are whole there, or those that another made anew meanwhile. */
function takeable({ stage }: Pick<StageInput, "stage">, wanted: readonly WantedCache[]): readonly WantedCache[] {
  if (stage.store === undefined) return [];
  const planned = new Set(stage.stored ?? []);
  return isRequested(stage) ? wanted.filter(({ file }) => planned.has(file)) : wanted;
}

/** Whether the stage has something to encode, as the store is now. */
export async function hasToEncode(input: Pick<StageInput, "apply" | "stage">): Promise<boolean> {
  const pending = pendingCaches(input);
  const found = takeable(input, pending);
  if (found.length < pending.length) return true;
  for (const cache of found) if (!(await fits(cache, cache.stored, input.apply.root))) return true;
  return false;
}

/** Links what is there, or copies it; comes back with what is still missing. Throws system errors. */
export async function takeStored(
  wanted: readonly WantedCache[],
  input: Pick<StageInput, "apply" | "stage">,
): Promise<{ readonly taken: readonly string[]; readonly missing: readonly WantedCache[] }> {
  const { root } = input.apply;
  const taken = new Set<string>();
  for (const cache of takeable(input, wanted)) {
    if (!(await fits(cache, cache.stored, root))) continue;
    const how = await takeFromStore(resolve(root, cache.stored), resolve(root, cache.file));
    if (how !== "gone") taken.add(cache.file);
  }
  return { taken: [...taken], missing: wanted.filter(({ file }) => !taken.has(file)) };
}

export interface PutRequest {
  /** The stage as it was carried out. */
  readonly stage: StagePlan;
  readonly runDir: string;
  /** The project's, absolute. */
  readonly root: string;
}

/**
 * Gives what the stage's process has encoded its names in the store: what it says itself, and no file that was found or taken
 * over. A sentence comes back where the system refuses; the pipeline has what it needs all the same.
 */
export async function storeEncoded({ stage, runDir, root }: PutRequest): Promise<string | undefined> {
  const { id, store, cache_digests: digests = {} } = stage;
  if (store === undefined || !isCaching(id)) return undefined;
  const events = await readEvents(runDir, id);
  const told = events.flatMap((event) => (event.type === "item" ? [normalizePath(event.file)] : []));
  const made = [...new Set(told)].filter((file) => digests[file] !== undefined);
  const incomplete = new Set(await findIncompleteCaches(made, root));
  const existing = isRequested(stage) ? "replace" : "keep";
  for (const file of made.filter((one) => !incomplete.has(one))) {
    const stored = joinPath(store, storedName(id, digests[file] ?? ""));
    try {
      await putIntoStore(resolve(root, file), resolve(root, stored), { existing });
    } catch (error) {
      const diagnostic = await explainSystemError(error, root);
      if (diagnostic === undefined) throw error;
      return `Not all caches could be put into the store for other pipelines: ${baseName(file)} is the first. ${diagnostic.detail}`;
    }
  }
  // A name that is lost with the power is encoded once more, no more than that.
  await syncFolder(resolve(root, store)).catch(ignoreSystemError);
  return undefined;
}
