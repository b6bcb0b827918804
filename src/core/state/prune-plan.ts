import type { State } from "./state.ts";

/** What `wan22 prune` would remove of a pipeline, as data: shown, asked about, and carried out as it is. */

/**
 * `archive`: what was moved out of the way of a new start. `log`: what a runner in the background said. `cache`: the caches of a
 * source that nobody uses any more. `store`: items that no pipeline has any more.
 */
export const PRUNE_KINDS = ["archive", "run", "log", "cache", "store", "temporary"] as const;
export type PruneKind = (typeof PRUNE_KINDS)[number];

export interface PruneItem {
  readonly kind: PruneKind;
  /** Relative to the root where inside it. */
  readonly path: string;
  readonly bytes: number;
  /** What it is; a fragment. */
  readonly text: string;
  /** Of caches, and of the store: the files; anything else in the folder stays. */
  readonly files?: readonly string[];
}

export interface KeptItem {
  readonly kind: PruneKind;
  readonly path: string;
  /** A clause. */
  readonly why: string;
}

export interface PrunePlan {
  /** Its name, or what else it is about. */
  readonly pipeline: string;
  readonly items: readonly PruneItem[];
  readonly kept: readonly KeptItem[];
  /** What the runs that go have told, to be written into the first that stays before any of them goes. */
  readonly base: { readonly run: string; readonly before: State } | undefined;
}
