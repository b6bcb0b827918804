import type { DiskFacts } from "../../facts.ts";
import { folderOf, joinPath } from "../../paths.ts";
import type { Resolved } from "../../resolve/resolved.ts";
import type { DatasetItems, Item } from "../../trainer/dataset.ts";
import { latentFrames } from "../../trainer/frames.ts";
import type { Task } from "../../vocabulary.ts";
import type { CheckpointPlan, FolderBytes, StagePlan } from "../plan.ts";

/** How much room caches and checkpoints take. */

/** Channels of a latent, and of what image to video keeps beside it: the first frame's latent and a mask of four. */
const LATENT_CHANNELS = 16;
const IMAGE_CHANNELS = 20;

/** A header of names, shapes and metadata. */
const HEADER_BYTES = 400;

const FLOAT32_NAMES: readonly string[] = ["float32", "fp32", "float"];

/** Bytes of one latent cache. */
function latentBytes(item: Item, task: Task, vaeDtype: string): number {
  const { width, height, frames } = item.kind === "video" ? item : item.bucket;
  const channels = LATENT_CHANNELS + (task === "i2v-A14B" ? IMAGE_CHANNELS : 0);
  const values = channels * latentFrames(frames) * Math.floor(height / 8) * Math.floor(width / 8);
  return values * (FLOAT32_NAMES.includes(vaeDtype) ? 4 : 2) + HEADER_BYTES;
}

/** The text encoder's tokens are 4096 values of 2 bytes each, 512 at most; a token is one to six characters. */
const TOKEN_BYTES = 4096 * 2;
const MOST_TOKENS = 512;

function textBytes(caption: string): readonly [number, number] {
  const characters = [...caption].length;
  const tokens = (count: number) => Math.min(MOST_TOKENS, count + 1) * TOKEN_BYTES + HEADER_BYTES;
  return [tokens(Math.ceil(characters / 6)), tokens(characters)];
}

/** Least and most bytes of one cache. */
export type CacheBytes = readonly [number, number];

/** What a rehearsal's cache takes at most: it keeps a few values of each frame. */
const REHEARSAL_CACHE_BYTES = 2 ** 19;

/** Bytes of each cache, by its path. */
export function cacheBytesByFile(items: DatasetItems, resolved: Resolved): ReadonlyMap<string, CacheBytes> {
  const { backend } = resolved.spec.trainer;
  const { task } = resolved.spec;
  const vaeDtype = String(resolved.cacheLatents.vae_dtype?.value ?? "");
  const folders = resolved.dataset.sources.map(({ cacheDir }) => cacheDir);
  const found = new Map<string, CacheBytes>();
  const add = (position: number, name: string, [low, high]: CacheBytes) => {
    const bytes: CacheBytes = backend === "rehearsal" ? [0, Math.min(high, REHEARSAL_CACHE_BYTES)] : [low, high];
    found.set(joinPath(folders[position] ?? ".", name), bytes);
  };
  for (const [position, source] of items.sources.entries()) {
    for (const item of source.items) {
      const bytes = latentBytes(item, task, vaeDtype);
      add(position, item.latentCache, [bytes, bytes]);
    }
    for (const { caption, textCache } of source.texts) add(position, textCache, textBytes(caption));
  }
  return found;
}

/**
 * What a caching stage adds to its folders. A file that is taken from the store is a further name of what lies there, and one
 * that goes is mostly kept by the store: neither changes what is free. On another file system than the store's, all are copies.
 */
export function cachingWrites(
  { pending = [], stored = [], store }: Pick<StagePlan, "pending" | "stored" | "store">,
  bytesOf: ReadonlyMap<string, CacheBytes>,
  disk: Pick<DiskFacts, "fileSystems"> | undefined,
): readonly FolderBytes[] {
  const folders = new Map<string, { low: number; high: number }>();
  const add = (folder: string, [low, high]: CacheBytes) => {
    const sum = folders.get(folder) ?? { low: 0, high: 0 };
    folders.set(folder, { low: sum.low + low, high: sum.high + high });
  };
  const taken = new Set(stored);
  for (const file of pending) {
    const bytes = bytesOf.get(file) ?? [0, 0];
    const isCopied = store !== undefined && liesApart(folderOf(file), store, disk);
    if (!taken.has(file) || isCopied) add(folderOf(file), bytes);
    if (!taken.has(file) && isCopied) add(store, bytes);
  }
  return [...folders].flatMap(([folder, { low, high }]) => (high <= 0 ? [] : [{ folder, low, high }]));
}

/** Whether two folders are known to lie on different file systems. */
export function liesApart(one: string, other: string, disk: Pick<DiskFacts, "fileSystems"> | undefined): boolean {
  const of = (folder: string) => disk?.fileSystems?.find(({ folders }) => folders.includes(folder));
  const [first, second] = [of(one), of(other)];
  return first !== undefined && second !== undefined && first !== second;
}

/** What there is of checkpoints and training states when everything is done. */
export function bytesLeft(checkpoints: readonly CheckpointPlan[]): number {
  return checkpoints.reduce((sum, { action, bytes }) => (action === "prune" ? sum : sum + bytes), 0);
}
