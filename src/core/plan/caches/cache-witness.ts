import type { DiskFacts } from "../../facts.ts";
import type { StageRecord } from "../../state/state.ts";
import type { CachingId } from "../../vocabulary.ts";
import { canonicalJson } from "../canonical.ts";
import type { StageInputs } from "../fingerprint.ts";
import type { Planning } from "../stage.ts";
import { CACHE_SUFFIX } from "./caches.ts";

/** By whose word a stage's cache files are taken for what is wanted, where a header doesn't tell. */

/** Who tells how a stage's files stand: a record, and the disk that it speaks of, where that can be asked. */
export interface Witness {
  readonly record: StageRecord | undefined;
  readonly disk: DiskFacts | undefined;
  /** Whether the record that counts is this checkout's. */
  readonly isOwn: boolean;
}

/**
 * By the record of another machine its files are right, and these may be others under the same names: what lies here is told by
 * this checkout's own record. Where nothing lies here the other's is believed, as it is everywhere else.
 */
export function witnessOf(id: CachingId, folders: readonly string[], { state, disk, here }: Planning): Witness {
  const isHere = folders.some((folder) =>
    here?.disk.caches[folder]?.some(({ name }) => name.endsWith(CACHE_SUFFIX[id])),
  );
  if (here === undefined || !isHere) return { record: state?.stages[id], disk, isOwn: here === undefined };
  return { record: here.state?.stages[id], disk: here.disk, isOwn: false };
}

/**
 * Whether a whole file without an entry in the ledger can be what is wanted, as the stage's last process wrote it. A text
 * cache holds its caption, so that only how it was encoded must be the same; of latents no header tells the clip's content.
 */
export function recordMatches(
  id: CachingId,
  record: StageRecord | undefined,
  { inputs, identities }: StageInputs,
  { resolved }: Planning,
): boolean {
  // Before its process was started, stale files still lay where the new ones were to be.
  if (record?.begun !== true || record.backend !== resolved.spec.trainer.backend) return false;
  const told = ({ dataset, ...models }: Readonly<Record<string, string>>) =>
    id === "cache-latents" ? { dataset, ...models } : models;
  return canonicalJson([record.inputs, told(record.identities)]) === canonicalJson([inputs, told(identities)]);
}
