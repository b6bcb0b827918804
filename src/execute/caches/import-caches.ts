import { resolve } from "node:path";
import { joinPath } from "../../core/paths.ts";
import type { WantedCache } from "../../core/plan/caches/caches.ts";
import { copyWholeFile } from "../../host/atomic-file.ts";
import { startOf } from "../apply-input.ts";
import type { StageInput } from "../stage/stage.ts";
import { fits } from "./wanted-caches.ts";

/** Takes caches that a source's `cache_directory` has already, instead of making them. That folder is only read. */

export interface ImportedCaches {
  readonly from: string;
  readonly files: readonly string[];
}

/** Copies every cache wanted that lies whole in the folder named, and whose header agrees with what is wanted. */
export async function importCaches(
  wanted: readonly WantedCache[],
  { apply }: Pick<StageInput, "apply">,
): Promise<readonly ImportedCaches[]> {
  const imports: ImportedCaches[] = [];
  for (const { importFrom, cacheDir } of startOf(apply).resolved.dataset.sources) {
    if (importFrom === undefined) continue;
    const files: string[] = [];
    for (const cache of wanted.filter(({ folder }) => folder === cacheDir)) {
      const path = joinPath(importFrom.path, cache.name);
      if (!(await fits(cache, path, apply.root))) continue;
      await copyWholeFile(resolve(apply.root, path), resolve(apply.root, cache.file));
      files.push(cache.file);
    }
    if (files.length > 0) imports.push({ from: importFrom.path, files });
  }
  return imports;
}
