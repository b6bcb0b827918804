import { resolve } from "node:path";
import type { CacheFileFacts } from "../core/facts.ts";
import { joinPath } from "../core/paths.ts";
import { type WantedCache, wantedLatents, wantedTexts } from "../core/plan/caches.ts";
import { clipIdentities } from "../core/plan/identities.ts";
import { copyWholeFile } from "../host/atomic-file.ts";
import { sha256 } from "../host/hash.ts";
import { isWhole, readSafetensorsHeader } from "../host/safetensors.ts";
import { startOf } from "./apply-input.ts";
import type { StageInput } from "./stage.ts";

/** Takes caches that a source's `cache_directory` has already, instead of making them. That folder is only read. */

export interface ImportedCaches {
  readonly from: string;
  readonly files: readonly string[];
}

/** Copies every pending cache that lies whole in the folder named, and whose header agrees with what is wanted. */
export async function importCaches(input: StageInput): Promise<readonly ImportedCaches[]> {
  const { apply, stage } = input;
  const pending = new Set(stage.pending ?? []);
  const imports: ImportedCaches[] = [];
  const { dataset } = startOf(apply).resolved;
  if (!dataset.sources.some(({ importFrom }) => importFrom !== undefined)) return imports;
  const wanted = wantedCaches(input).filter(({ file }) => pending.has(file));
  for (const { importFrom, cacheDir } of dataset.sources) {
    if (importFrom === undefined) continue;
    const files: string[] = [];
    for (const cache of wanted.filter(({ folder }) => folder === cacheDir)) {
      const source = resolve(apply.root, joinPath(importFrom.path, cache.name));
      const found = await readFacts(source, cache.name);
      if (found?.whole !== true || !cache.agrees(found)) continue;
      await copyWholeFile(source, resolve(apply.root, cache.file));
      files.push(cache.file);
    }
    if (files.length > 0) imports.push({ from: importFrom.path, files });
  }
  return imports;
}

function wantedCaches({ apply, stage }: StageInput): readonly WantedCache[] {
  const { resolved, items, sources } = startOf(apply);
  const shaping = { inputs: stage.inputs, identities: stage.identities };
  if (stage.id === "cache-text") return wantedTexts({ resolved, items, sha256 }, shaping);
  return wantedLatents({ resolved, items, sha256 }, clipIdentities(items, sources, sha256), shaping);
}

async function readFacts(file: string, name: string): Promise<CacheFileFacts | undefined> {
  const reading = await readSafetensorsHeader(file);
  if (reading.kind === "problem") return undefined;
  const { header } = reading;
  const { fileBytes: bytes, metadata } = header;
  return { name, bytes, whole: isWhole(header), metadata, tensors: Object.keys(header.tensors) };
}
