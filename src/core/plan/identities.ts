import type { Facts, MediaFacts, ModelFacts, SourceFacts } from "../facts.ts";
import type { State } from "../state/state.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import { MODEL_ROLES, type ModelRole, STAGE_IDS } from "../vocabulary.ts";
import { canonicalJson, type Sha256, shortDigest } from "./canonical.ts";

/** Who the things are that a result is made from: clips with their captions, and model files (design §5). */

/** A clip or image that yields items, as far as a result depends on it. */
export interface ClipIdentity {
  /** `POSITION/STEM`: which source, and the name that caches and training know it by. */
  readonly key: string;
  readonly stem: string;
  readonly kind: "video" | "image";
  /** Of kind, size, frames and bytes. */
  readonly content: string;
  /** Of the caption as the trainer reads it. */
  readonly caption: string;
  readonly media: MediaFacts;
}

/** Every file that yields an item, in the items' order. Files that yield none shape nothing. */
export function clipIdentities(
  items: DatasetItems,
  facts: readonly SourceFacts[],
  sha256: Sha256,
): readonly ClipIdentity[] {
  return items.sources.flatMap((source, position) => {
    const mediaOf = new Map(facts[position]?.media.map((media) => [media.file, media]));
    const clips = new Map<string, ClipIdentity>();
    for (const { sourceFile, stem, caption, kind } of source.items) {
      const media = mediaOf.get(sourceFile);
      const id = `${stem}\n${sourceFile}`;
      if (media === undefined || clips.has(id)) continue;
      clips.set(id, {
        key: `${position}/${stem}`,
        stem,
        kind,
        content: shortDigest(
          {
            // The trainer reads a video and a still of the same bytes in different ways.
            kind,
            // Bucket and crop follow from the size, items from the frames; a rotated or re-timed copy differs here.
            width: media.width,
            height: media.height,
            frames: media.frames,
            // The pixels themselves.
            sha256: media.sha256,
          },
          sha256,
        ),
        caption: shortDigest(caption, sha256),
        media,
      });
    }
    return [...clips.values()];
  });
}

/** Clips by name, as a train stage's identities hold them: content and caption apart, so that a change can be named. */
export function clipEntries(clips: readonly ClipIdentity[]): Readonly<Record<string, string>> {
  const entries: Record<string, string> = {};
  for (const { key, content, caption } of clips) {
    const name = `clip ${key}`;
    // Two files of one stem are refused (T20); should they come this far, both count.
    entries[name] = entries[name] === undefined ? `${content}.${caption}` : `${entries[name]}+${content}.${caption}`;
  }
  return entries;
}

/** One digest of all clips: with captions, or of their content alone. */
export function clipsDigest(
  clips: readonly ClipIdentity[],
  part: "content" | "caption" | "both",
  sha256: Sha256,
): string {
  const told = clips.map(({ key, content, caption }) =>
    part === "both" ? [key, content, caption] : [key, part === "content" ? content : caption],
  );
  return sha256(canonicalJson(told.map((entry) => entry.join(" ")).sort()));
}

/** A model file's identity; undefined where the file is not there. */
export function modelIdentity(model: ModelFacts | undefined, sha256: Sha256): string | undefined {
  if (model === undefined || model.problem !== undefined) return undefined;
  return sha256(
    canonicalJson({
      bytes: model.bytes,
      // Names, dtypes and shapes of all tensors; absent for formats other than safetensors.
      header: model.headerSha256,
      // A sample of the weights: two models of one architecture have the same header.
      blocks: model.blocksSha256,
    }),
  );
}

export type ModelIdentities = Readonly<Partial<Record<ModelRole, string>>>;

/**
 * The identity of every model that is there. One that is not there is taken to be the one that finished work was made
 * with: a model file that was moved away, or is not on this machine, is no reason to train again.
 */
export function knownModels(models: Facts["models"], state: State | undefined, sha256: Sha256): ModelIdentities {
  const known: Partial<Record<ModelRole, string>> = {};
  for (const role of MODEL_ROLES) {
    const recorded = STAGE_IDS.map((stage) => state?.stages[stage]?.identities[role]).find((one) => one !== undefined);
    const identity = modelIdentity(models[role], sha256) ?? recorded;
    if (identity !== undefined) known[role] = identity;
  }
  return known;
}
