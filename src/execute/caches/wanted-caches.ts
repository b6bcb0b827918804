import { resolve } from "node:path";
import type { CacheFileFacts } from "../../core/facts.ts";
import { baseName } from "../../core/paths.ts";
import { type WantedCache, wantedLatents, wantedTexts } from "../../core/plan/caches/caches.ts";
import { clipIdentities } from "../../core/plan/identities.ts";
import { sha256 } from "../../host/hash.ts";
import { isWhole, readSafetensorsHeader } from "../../host/safetensors.ts";
import { startOf } from "../apply-input.ts";
import type { StageInput } from "../stage/stage.ts";

/** The files that a caching stage is to make, with what each must be: for whoever has some of them already. */

export function pendingCaches({ apply, stage }: Pick<StageInput, "apply" | "stage">): readonly WantedCache[] {
  const { resolved, items, sources } = startOf(apply);
  const shaping = { inputs: stage.inputs, identities: stage.identities };
  const wanted =
    stage.id === "cache-text"
      ? wantedTexts({ resolved, items, sha256 }, shaping)
      : wantedLatents({ resolved, items, sha256 }, clipIdentities(items, sources, sha256), shaping);
  const pending = new Set(stage.pending ?? []);
  return wanted.filter(({ file }) => pending.has(file));
}

/** Whether a file that lies somewhere else is whole, and by its header what is wanted. `path` as a plan writes it. */
export async function fits({ agrees }: WantedCache, path: string, root: string): Promise<boolean> {
  const found = await lookAt(resolve(root, path));
  return found?.whole === true && agrees(found);
}

async function lookAt(file: string): Promise<CacheFileFacts | undefined> {
  const reading = await readSafetensorsHeader(file);
  if (reading.kind === "problem") return undefined;
  const { header } = reading;
  const { fileBytes: bytes, metadata } = header;
  return { name: baseName(file), bytes, whole: isWhole(header), metadata, tensors: Object.keys(header.tensors) };
}
