import type { DatasetItems, Item } from "../../trainer/dataset.ts";
import type { Task } from "../../vocabulary.ts";
import { latentFrames } from "../caches.ts";
import type { CheckpointPlan } from "../plan.ts";

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

/** Bytes of all caches. */
export function cacheBytes(items: DatasetItems, task: Task, vaeDtype: string): readonly [number, number] {
  let low = 0;
  let high = 0;
  for (const source of items.sources) {
    for (const item of source.items) {
      const bytes = latentBytes(item, task, vaeDtype);
      low += bytes;
      high += bytes;
    }
    for (const { caption } of source.texts) {
      const [least, most] = textBytes(caption);
      low += least;
      high += most;
    }
  }
  return [low, high];
}

export interface CheckpointRoom {
  /** What there is when everything is done. */
  readonly left: number;
  /** The most at any one time. */
  readonly peak: number;
  /** How much of the peak is not on disk yet. */
  readonly added: number;
}

/** A pruned file lives until the next one of its kind is complete: the peak is what is left and one of each kind more. */
export function checkpointRoom(checkpoints: readonly CheckpointPlan[]): CheckpointRoom {
  const sum = (files: readonly CheckpointPlan[]) => files.reduce((bytes, file) => bytes + file.bytes, 0);
  const left = checkpoints.filter(({ action }) => action !== "prune");
  const pruned = checkpoints.filter(({ action }) => action === "prune");
  const largest = (kind: CheckpointPlan["kind"]) =>
    pruned.reduce((most, file) => (file.kind === kind ? Math.max(most, file.bytes) : most), 0);
  const passing = largest("checkpoint") + largest("state");
  const made = left.filter(({ action }) => action === "create" || action === "replace");
  return { left: sum(left), peak: sum(left) + passing, added: sum(made) + passing };
}
