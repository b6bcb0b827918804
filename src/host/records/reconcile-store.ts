import { join } from "node:path";
import type { Seen } from "../../core/plan/watch/news.ts";
import { type ReconcileRecord, reconcileRecordSchema } from "../../core/plan/watch/reconcile-record.ts";
import { present } from "../../core/present.ts";
import type { WatchStatus } from "../../core/status.ts";
import { writeWholeFile } from "../atomic-file.ts";
import { findGitDir } from "../git/git-commit.ts";
import { findRepository } from "../git/repository.ts";
import { lookAtLock } from "../locks/lock.ts";
import { errorCode, readTextFile } from "../read-file.ts";

/** What a watch remembers, in the folder that Git keeps for the checkout: no commit can put anything there, and no clean removes it. */

export function reconcilePaths(gitDir: string) {
  const folder = join(gitDir, "wan22");
  return {
    record: join(folder, "watch.json"),
    /** The plan as it was shown last. */
    seen: join(folder, "watch.plan.json"),
    /** Whoever follows the branch, for as long as it does. */
    watchLock: join(folder, "watch.lock"),
    /** Whoever looks at it at this moment. */
    roundLock: join(folder, "watch.round.lock"),
  };
}

/** Undefined where nothing is remembered, or nothing that can be understood. */
export async function readReconcileRecord(gitDir: string): Promise<ReconcileRecord | undefined> {
  const text = await readIfThere(reconcilePaths(gitDir).record);
  return text === undefined ? undefined : reconcileRecordSchema.safeParse(parseJson(text)).data;
}

/** Throws system errors: what was begun and not written down would be begun again. */
export async function writeReconcileRecord(gitDir: string, record: ReconcileRecord): Promise<void> {
  await writeWholeFile(reconcilePaths(gitDir).record, `${JSON.stringify(record, null, 2)}\n`);
}

/** Undefined where no plan was shown, or by another version. It is written by `writeSeen` alone. */
export async function readSeen(gitDir: string): Promise<Seen | undefined> {
  const text = await readIfThere(reconcilePaths(gitDir).seen);
  const read = text === undefined ? undefined : parseJson(text);
  return isSeen(read) ? read : undefined;
}

function isSeen(read: unknown): read is Seen {
  return typeof read === "object" && read !== null && "pipelines" in read && "diagnostics" in read;
}

export async function writeSeen(gitDir: string, seen: Seen): Promise<void> {
  await writeWholeFile(reconcilePaths(gitDir).seen, JSON.stringify(seen), { durability: "none" });
}

/** How the watch of the checkout around a folder stands; undefined where there never was one. Nothing is thrown. */
export async function lookAtWatch(folder: string): Promise<WatchStatus | undefined> {
  const top = findRepository(folder);
  const gitDir = top === undefined ? undefined : await findGitDir(top);
  const record = gitDir === undefined ? undefined : await readReconcileRecord(gitDir).catch(() => undefined);
  if (gitDir === undefined || record === undefined) return undefined;
  const lock = await lookAtLock(reconcilePaths(gitDir).watchLock);
  const owner = lock.kind === "held" ? lock.owner : undefined;
  return {
    branch: `${record.remote}/${record.branch}`,
    alive: lock.kind === "held",
    looked: record.looked,
    ...present({ commit: record.commit, pid: owner?.pid, since: owner?.since }),
  };
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readTextFile(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
