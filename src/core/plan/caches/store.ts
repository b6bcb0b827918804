import type { Facts } from "../../facts.ts";
import { baseName } from "../../paths.ts";
import type { Resolved } from "../../resolve/resolved.ts";
import type { State } from "../../state/state.ts";
import type { DatasetItems } from "../../trainer/dataset.ts";
import { type CachingId, isCaching } from "../../vocabulary.ts";
import type { Sha256 } from "../canonical.ts";
import type { StageInputs } from "../fingerprint.ts";
import { clipIdentities, knownModels } from "../identities.ts";
import { type InputsOptions, latentInputs, textInputs } from "../inputs.ts";
import type { PipelinePlan, Reason, StagePlan } from "../plan.ts";
import type { Planning } from "../stage.ts";
import { countText, listWords } from "../wording.ts";
import { storedName, type WantedCache, wantedLatents, wantedTexts } from "./caches.ts";

/** What of a pipeline's caches the store holds already, or will hold by then (docs/decisions/0018). */

/** The model that makes a stage's files. */
const ENCODER = { "cache-latents": "vae", "cache-text": "t5" } as const;

/** Whether the digests of a stage's files hold all that shapes them: not where nobody knows which model makes them. */
export function isStorable(id: CachingId, { spec }: Resolved, { identities }: StageInputs): boolean {
  // The rehearsal looks into no model.
  return spec.trainer.backend === "rehearsal" || identities[ENCODER[id]] !== undefined;
}

export interface WantedInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly inputs: InputsOptions;
  readonly sha256: Sha256;
}

/** The files of a caching stage, and what shapes them. */
export function wantedOf(
  id: CachingId,
  { inputs, ...options }: WantedInput,
): { readonly wanted: readonly WantedCache[]; readonly shaping: StageInputs } {
  if (id === "cache-text") {
    const shaping = textInputs(inputs);
    return { wanted: wantedTexts(options, shaping), shaping };
  }
  const shaping = latentInputs(inputs);
  return { wanted: wantedLatents(options, inputs.clips, shaping), shaping };
}

export interface StoreInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly facts: Pick<Facts, "models" | "sources">;
  readonly state: State | undefined;
  readonly sha256: Sha256;
}

/** Where in the store a pipeline's items would lie, so that it can be looked whether they do. */
export function filesInStore({ resolved, items, facts, state, sha256 }: StoreInput): readonly string[] {
  const inputs: InputsOptions = {
    resolved,
    models: knownModels(facts.models, state, sha256),
    clips: clipIdentities(items, facts.sources, sha256),
    weights: {},
    sha256,
  };
  return (["cache-latents", "cache-text"] as const).flatMap((id) => {
    const { wanted, shaping } = wantedOf(id, { resolved, items, inputs, sha256 });
    return isStorable(id, resolved, shaping) ? wanted.map((cache) => cache.stored) : [];
  });
}

/** What of a stage's pending files is not encoded. */
export interface Stored {
  /** As the pipeline calls them. */
  readonly files: readonly string[];
  /** The pipelines that put some of them there first, each once. */
  readonly makers: readonly string[];
}

/** `content`: whether what lies there counts, or, where all is to be made anew, only what another pipeline is about to make. */
export function findStored(
  pending: readonly WantedCache[],
  { disk, promised, content }: Pick<Planning, "disk" | "promised"> & { readonly content: "take" | "ignore" },
): Stored {
  const files: string[] = [];
  const makers = new Set<string>();
  for (const { file, stored, agrees } of pending) {
    const maker = promised.get(baseName(stored));
    const found = content === "take" ? disk?.store?.[stored] : undefined;
    const isThere = found?.whole === true && agrees(found);
    if (!isThere && maker === undefined) continue;
    files.push(file);
    if (!isThere && maker !== undefined) makers.add(maker);
  }
  return { files, makers: [...makers] };
}

/** `12 of 16 are taken from the store, 4 are encoded`; nothing where all are encoded. */
export function storedReason({ files, makers }: Stored, pending: number): readonly Reason[] {
  const [taken, encoded] = [files.length, pending - files.length];
  if (taken === 0) return [];
  const from =
    makers.length === 0
      ? "the store"
      : `the store, which ${listWords(makers)} ${makers.length === 1 ? "fills" : "fill"} before`;
  const are = (count: number) => (count === 1 ? "is" : "are");
  const one = pending === 1 ? "it is" : `all ${pending} are`;
  const text =
    encoded === 0
      ? `${one} taken from ${from}: nothing is encoded`
      : `${taken} of ${countText(pending, "file")} ${are(taken)} taken from ${from}, ${encoded} ${are(encoded)} encoded`;
  return [{ cause: "stored", text }];
}

/** The items that a pipeline adds to the store when it is carried out, by their names there. */
export function itemsMade({ stages }: Pick<PipelinePlan, "stages">): readonly string[] {
  return stages.flatMap(({ pending = [], stored = [], ...stage }) => {
    const taken = new Set(stored);
    return namesInStore(
      stage,
      pending.filter((file) => !taken.has(file)),
    );
  });
}

/** All items that it needs, whether it has them already or not. */
export function itemsWanted({ stages }: Pick<PipelinePlan, "stages">): readonly string[] {
  return stages.flatMap((stage) => namesInStore(stage, stage.cache_files ?? []));
}

/** The items that it takes from there. */
export function itemsTaken({ stages }: Pick<PipelinePlan, "stages">): readonly string[] {
  return stages.flatMap((stage) => namesInStore(stage, stage.stored ?? []));
}

function namesInStore(
  { id, store, cache_digests: digests = {} }: Pick<StagePlan, "id" | "store" | "cache_digests">,
  files: readonly string[],
): readonly string[] {
  if (store === undefined || !isCaching(id)) return [];
  return files.flatMap((file) => {
    const digest = digests[file];
    return digest === undefined ? [] : [storedName(id, digest)];
  });
}
