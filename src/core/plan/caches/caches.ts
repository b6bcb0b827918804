import type { CacheFileFacts, DiskFacts } from "../../facts.ts";
import { folderOf, joinPath } from "../../paths.ts";
import type { Resolved, ResolvedSource } from "../../resolve/resolved.ts";
import type { Spec } from "../../spec/spec.ts";
import type { DatasetItems, Item, TextItem } from "../../trainer/dataset.ts";
import { latentFrames } from "../../trainer/frames.ts";
import type { Backend, CachingId } from "../../vocabulary.ts";
import { type Sha256, shortDigest } from "../canonical.ts";
import type { InputValue, StageInputs } from "../fingerprint.ts";
import type { ClipIdentity } from "../identities.ts";

/** Which cache files a plan wants, what each is made from, and which of them are already there (design §5, "Caches"). */

/** How each stage's files end (trainer facts §5). */
export const CACHE_SUFFIX: Readonly<Record<CachingId, string>> = {
  "cache-latents": "_wan.safetensors",
  "cache-text": "_wan_te.safetensors",
};

/** The store's folder, as a plan writes it: every item that was encoded, by what it was made from (docs/decisions/0018). */
export function storeFolder({ cacheDir }: Pick<Spec, "cacheDir">): string {
  return joinPath(cacheDir, "store");
}

/** The name of an item in the store. What digests are taken of tells latents and texts apart already; the ending says it to people. */
export function storedName(id: CachingId, digest: string): string {
  return `${digest}${CACHE_SUFFIX[id]}`;
}

/** A cache file as it should be. */
export interface WantedCache {
  /** Relative to the root. */
  readonly file: string;
  readonly folder: string;
  readonly name: string;
  readonly stem: string;
  /** Of what it is made from: what a state's ledger holds for it. */
  readonly digest: string;
  /** Where it lies in the store, whatever pipeline has made it. */
  readonly stored: string;
  /** Whether the file's own header agrees with what it should be made from, as far as a header tells. */
  readonly agrees: (found: CacheFileFacts) => boolean;
}

/** How a wanted file stands: there and right, or why it has to be made. */
export type CacheStanding = "fresh" | "missing" | "broken" | "stale" | "unproven";

export interface CacheSurvey {
  readonly wanted: readonly WantedCache[];
  /** Parallel to `wanted`. */
  readonly standings: readonly CacheStanding[];
  /** Files of this stage's kind that lie in the cache folders and are not wanted; training would take them in. */
  readonly leftover: readonly string[];
}

/** The mark that the rehearsal leaves in every file that it writes. */
const REHEARSAL_MARK = "wan22_rehearsal";

function madeBy(backend: Backend, found: CacheFileFacts): boolean {
  return (found.metadata[REHEARSAL_MARK] !== undefined) === (backend === "rehearsal");
}

export interface WantedOptions {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly sha256: Sha256;
}

/** Latent caches, an item each. `shaping` is the stage's inputs; of the dataset's settings an item holds what counts. */
export function wantedLatents(
  { resolved, items, sha256 }: WantedOptions,
  clips: readonly ClipIdentity[],
  shaping: StageInputs,
): readonly WantedCache[] {
  const clipOf = new Map(clips.map((clip) => [`${clip.key}\n${clip.media.file}`, clip]));
  // Once for all files: it is the same for each.
  const made = shortDigest({ inputs: withoutDataset(shaping.inputs), vae: shaping.identities.vae }, sha256);
  const backend = resolved.spec.trainer.backend;
  const i2v = resolved.spec.task === "i2v-A14B";
  return items.sources.flatMap((source, position) => {
    const settings = resolved.dataset.sources[position];
    if (settings === undefined) return [];
    return source.items.map((item): WantedCache => {
      const clip = clipOf.get(`${position}/${item.stem}\n${item.sourceFile}`);
      const folder = settings.cacheDir;
      const digest = shortDigest(
        {
          backend,
          made,
          content: clip?.content,
          // Which frames: counted after `source_fps` has picked them.
          first_frame: item.firstFrame,
          frames: item.frames,
          source_fps: item.kind === "video" ? settings.sourceFps : undefined,
          size: cachedSize(item),
        },
        sha256,
      );
      return {
        file: joinPath(folder, item.latentCache),
        folder,
        name: item.latentCache,
        stem: item.stem,
        digest,
        stored: joinPath(storeFolder(resolved.spec), storedName("cache-latents", digest)),
        agrees: (found) => madeBy(backend, found) && latentAgrees(found, { item, i2v, backend }),
      };
    });
  });
}

/** A video is cached in the bucket that its cache's name holds, an image in the one it is trained in. */
function cachedSize(item: Item): readonly [number, number] {
  return item.kind === "video" ? [item.width, item.height] : [item.bucket.width, item.bucket.height];
}

function withoutDataset(inputs: Readonly<Record<string, InputValue>>): Readonly<Record<string, InputValue>> {
  return Object.fromEntries(Object.entries(inputs).filter(([name]) => !name.startsWith("dataset.")));
}

interface LatentExpectation {
  readonly item: Item;
  readonly i2v: boolean;
  readonly backend: Backend;
}

/** Latents hold the size that their name holds and the item's frames, and say in their tensor's name how large they are (trainer facts §5). */
function latentAgrees(found: CacheFileFacts, { item, i2v, backend }: LatentExpectation): boolean {
  const { metadata, tensors } = found;
  const told = (key: string, value: number) => metadata[key] === undefined || metadata[key] === String(value);
  if (!told("width", item.width) || !told("height", item.height)) return false;
  if (item.kind === "video" && !told("frame_count", item.frames)) return false;
  if (tensors.some((name) => name.startsWith("latents_image_")) !== i2v) return false;
  if (backend === "rehearsal") return true;
  const [width, height] = cachedSize(item);
  const shape = `latents_${latentFrames(item.frames)}x${Math.floor(height / 8)}x${Math.floor(width / 8)}_`;
  return tensors.some((name) => name.startsWith(shape));
}

/** Text caches, one a caption. */
export function wantedTexts({ resolved, items, sha256 }: WantedOptions, shaping: StageInputs): readonly WantedCache[] {
  const backend = resolved.spec.trainer.backend;
  const made = shortDigest({ inputs: shaping.inputs, t5: shaping.identities.t5 }, sha256);
  const wanted =
    (settings: ResolvedSource) =>
    (text: TextItem): WantedCache => {
      const digest = shortDigest({ backend, made, caption: text.caption }, sha256);
      return {
        file: joinPath(settings.cacheDir, text.textCache),
        folder: settings.cacheDir,
        name: text.textCache,
        stem: text.stem,
        digest,
        stored: joinPath(storeFolder(resolved.spec), storedName("cache-text", digest)),
        agrees: (found) => madeBy(backend, found) && found.metadata.caption1 === text.caption,
      };
    };
  return items.sources.flatMap((source, position) => {
    const settings = resolved.dataset.sources[position];
    return settings === undefined ? [] : source.texts.map(wanted(settings));
  });
}

export interface SurveyOptions {
  readonly wanted: readonly WantedCache[];
  /** The folders of all sources, also of those that yield nothing. */
  readonly folders: readonly string[];
  /** How this stage's files end: `_wan.safetensors` or `_wan_te.safetensors`. */
  readonly suffix: string;
  /** What files were made from, as far as it is written down. */
  readonly ledger: Readonly<Record<string, string>> | undefined;
  /** What a whole file is whose header agrees, and of which nothing is written down. */
  readonly unlisted: "fresh" | "unproven";
  /** Absent where the disk is another machine's. */
  readonly disk: DiskFacts | undefined;
}

/** Compares what is wanted with ledger and disk. Linear in the files of both. */
export function surveyCaches(options: SurveyOptions): CacheSurvey {
  const { wanted, folders, suffix, ledger, disk } = options;
  const found = disk === undefined ? undefined : foundFiles(disk, folders);
  const names = new Set(wanted.map(({ file }) => file));
  // A ledger may name anything, if somebody edits it: what lies elsewhere is no cache.
  const own = new Set(folders);
  const recorded = Object.keys(ledger ?? {}).filter((file) => own.has(folderOf(file)));
  const present = found === undefined ? recorded : [...found.keys()];
  return {
    wanted,
    standings: wanted.map((cache) => standingOf(cache, found, options)),
    leftover: present.filter((file) => file.endsWith(suffix) && !names.has(file)).sort(),
  };
}

function foundFiles(disk: DiskFacts, folders: readonly string[]): ReadonlyMap<string, CacheFileFacts> {
  const found = new Map<string, CacheFileFacts>();
  for (const folder of folders) {
    for (const file of disk.caches[folder] ?? []) found.set(joinPath(folder, file.name), file);
  }
  return found;
}

function standingOf(
  { file, digest, agrees }: WantedCache,
  found: ReadonlyMap<string, CacheFileFacts> | undefined,
  { ledger, unlisted }: SurveyOptions,
): CacheStanding {
  const recorded = ledger !== undefined && Object.hasOwn(ledger, file) ? ledger[file] : undefined;
  if (found === undefined) return recorded === undefined ? "missing" : recorded === digest ? "fresh" : "stale";
  const onDisk = found.get(file);
  if (onDisk === undefined) return "missing";
  if (!onDisk.whole) return "broken";
  if (recorded !== undefined) return recorded === digest && agrees(onDisk) ? "fresh" : "stale";
  if (!agrees(onDisk)) return "stale";
  // Made by a run that did not come to write it down, or before there was a record: then its header is all there is.
  return unlisted;
}
