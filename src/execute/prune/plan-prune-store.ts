import { hostname } from "node:os";
import { resolve } from "node:path";
import { baseName, pathInside } from "../../core/paths.ts";
import { storedName } from "../../core/plan/caches/caches.ts";
import { countText } from "../../core/plan/wording.ts";
import type { PrunePlan } from "../../core/state/prune-plan.ts";
import { isCaching, STAGE_IDS } from "../../core/vocabulary.ts";
import { listCaches, listLeftBehind, namesOfFiles } from "../../host/records/kept-folders.ts";
import { findRecorded } from "../../host/records/state-folders.ts";
import { type CacheUse, type CacheUseRequest, observeWantedItems } from "../../prepare/cache-use.ts";
import { loadPlace } from "../take-over.ts";

/** Finds what of a cache store nothing uses any more. Changes nothing. */

/** Of a project that has its caches from the store. */
export interface StorePruneRequest extends CacheUseRequest {
  /** The store's folder, absolute. */
  readonly store: string;
  /** Cache files that go before; absolute. */
  readonly going: readonly string[];
  readonly use: CacheUse;
}

/**
 * A file goes that has no other name, in the folder of whatever pipeline of whatever project, and that no record here speaks
 * of, nor a pipeline here would take: where there are no hard links a pipeline has a copy, and only its record tells. A copy of
 * another project's loses nothing.
 */
export async function planStorePrune(request: StorePruneRequest): Promise<PrunePlan> {
  const { root, store, going, use } = request;
  const shown = pathInside(root, store);
  const plan = { pipeline: `Cache store ${shown}`, base: undefined };
  const files = await listCaches(store);
  const recorded = await recordedNames(request);
  const own = await namesOfFiles(files);
  const lost = new Map<string, number>();
  for (const { inode } of await namesOfFiles(going)) lost.set(inode, (lost.get(inode) ?? 0) + 1);
  const alone = own.filter(
    ({ file, names, inode }) => names <= 1 + (lost.get(inode) ?? 0) && !recorded.has(baseName(file)),
  );
  // Planning may take a while: only where something would go.
  const wanted = alone.length === 0 ? new Set() : await observeWantedItems(request, store);
  const unused = alone.filter(({ file }) => !wanted.has(baseName(file)));
  const left = await listLeftBehind(store, () => true);
  if (unused.length + left.length === 0) return { ...plan, items: [], kept: [] };
  if (use.kind === "unknown") {
    const why = `${use.file} can't be read, and may use it`;
    return { ...plan, items: [], kept: [{ kind: "store", path: shown, why }] };
  }
  const sum = (bytes: readonly number[]) => bytes.reduce((all, one) => all + one, 0);
  const temporary = (await namesOfFiles(left)).map(({ file, bytes }) => {
    return { kind: "temporary" as const, path: pathInside(root, file), bytes, text: "nobody writes it any more" };
  });
  if (unused.length === 0) return { ...plan, items: temporary, kept: [] };
  const text = `${countText(unused.length, "file")} that no pipeline has in its folder any more`;
  const item = { kind: "store" as const, path: shown, bytes: sum(unused.map(({ bytes }) => bytes)), text };
  const named = unused.map(({ file }) => pathInside(root, file));
  return { ...plan, items: [{ ...item, files: named }, ...temporary], kept: [] };
}

/** By their names in the store, what records say that pipelines have; without what goes. */
async function recordedNames({ root, stateDir, going }: StorePruneRequest): Promise<ReadonlySet<string>> {
  const recorded = await findRecorded([stateDir]);
  const loaded = await Promise.all(recorded.map((one) => loadPlace({ ...one, root, host: hostname() })));
  const states = loaded.flatMap(({ state }) => state ?? []);
  const gone = new Set(going);
  const names = states.flatMap(({ stages }) =>
    STAGE_IDS.filter(isCaching).flatMap((id) =>
      Object.entries(stages[id]?.caches ?? {}).flatMap(([file, digest]) =>
        gone.has(resolve(root, file)) ? [] : [storedName(id, digest)],
      ),
    ),
  );
  return new Set(names);
}
