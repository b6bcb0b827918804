import { link, lstat, mkdir, readdir, rename, stat, unlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { present } from "../../core/present.ts";
import { hasNoLinks, removeLeftBehind, temporaryOf } from "../atomic-file.ts";
import { sha256 } from "../hash.ts";
import { type FileSystem, fileSystemOf } from "../machine.ts";
import type { ProcessIdentity } from "../process.ts";
import { errorCode, ignoreSystemError, namingFile, readTextFile } from "../read-file.ts";
import { identifyFolder } from "./folder-identity.ts";
import {
  describeThisOwner,
  type LockOwner,
  type LockPlace,
  type LockWork,
  type OwnerStanding,
  parseOwner,
  standingOf,
  withProcess,
} from "./lock-owner.ts";

/**
 * One process at a time on a pipeline, or a GPU: a file that only one can make, and that says who did (docs/decisions/0011,
 * also for why it holds on NFS).
 */

export interface Lock {
  /** The dead owner whose lock was taken over. */
  readonly tookOverFrom?: LockOwner;
  /** The folder that its lock was copied from: the owner never had this one. */
  readonly copiedFrom?: string;
  /** Writes down which process does the work: from now on the lock lasts as long as that lives. */
  readonly nameProcess: (process: ProcessIdentity) => Promise<void>;
  /** Gives it back, if it is still ours. */
  readonly release: () => Promise<void>;
}

/** One that somebody has, or may have. */
export type HeldLock = Extract<OwnerStanding, { kind: "held" }> & { readonly file: string };

export type LockResult =
  | { readonly kind: "acquired"; readonly lock: Lock }
  | HeldLock
  /** Hard links are what makes a lock one process's alone, and this file system has none. */
  | { readonly kind: "unsupported"; readonly file: string; readonly fileSystem: FileSystem };

export interface LockOptions {
  /** What the lock is for: it is then held as long as that goes on. Work that goes on already takes its own lock over. */
  readonly work?: LockWork;
  /** Of the lock's folder; asked where it is left out. */
  readonly fileSystem?: FileSystem;
}

/** How a lock stands, seen from this process. */
export type LockStanding = { readonly kind: "free" } | OwnerStanding;

/** Looks at a lock without taking it. Nothing is thrown: one that can't be read may be anybody's. */
export async function lookAtLock(file: string): Promise<LockStanding> {
  const content = await readLock(file).catch(() => "");
  return content === undefined ? { kind: "free" } : standingOf(content, await placeOf(file));
}

async function placeOf(file: string): Promise<LockPlace> {
  const folder = dirname(file);
  return { folder, fileSystem: await fileSystemOf(folder) };
}

/** Two attempts are enough for a lock that vanishes between looking and taking; more only under a storm of starts. */
const MAX_ATTEMPTS = 20;
/** A lock is taken within milliseconds: what is older was left by a process that was killed meanwhile. */
const RUBBISH_MS = 60_000;

/**
 * Takes a lock file, or says who holds it. The owner's file appears whole (a link to one that was written before). A lock
 * whose owner on this machine is dead is taken over. Throws system errors (a folder that can't be written to).
 */
export async function acquireLock(file: string, options: LockOptions = {}): Promise<LockResult> {
  await mkdir(dirname(file), { recursive: true });
  const fileSystem = options.fileSystem ?? (await fileSystemOf(dirname(file)));
  const folder = dirname(file);
  const owner = { ...(await describeThisOwner(options.work)), ...present({ folder: await identifyFolder(folder) }) };
  // Looked at first: of many that ask, all but a few need nothing on disk to be told so.
  const content = await readLock(file);
  const standing = content === undefined ? undefined : await standingOf(content, { folder, fileSystem });
  if (standing?.kind === "held" && ownWork(standing, owner) === undefined) return { ...standing, file };
  await removeLeftBehind(file, { olderThanMs: RUBBISH_MS });
  await removeLeftClaims(file);
  try {
    return await withOwnerFile(file, owner, (temporary) => take({ file, temporary, owner, fileSystem }));
  } catch (error) {
    if (error instanceof NoLinks) return { kind: "unsupported", file, fileSystem };
    throw error;
  }
}

/** Claims of processes that were killed with the lock in their hands already. */
async function removeLeftClaims(file: string): Promise<void> {
  const folder = dirname(file);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(`${basename(file)}.claim-`) || !/\.claim-[0-9a-f]+$/.test(name)) continue;
    const claim = join(folder, name);
    const age = Date.now() - ((await stat(claim).catch(() => undefined))?.mtimeMs ?? Date.now());
    if (age >= RUBBISH_MS) await removeDeadLock(claim);
  }
}

/** Removes a lock whose owner is gone; taken first, as somebody else may be doing so. System errors leave it where it is. */
export async function removeDeadLock(file: string): Promise<void> {
  if ((await lookAtLock(file)).kind !== "dead") return;
  const taken = await acquireLock(file).catch(ignoreSystemError);
  if (taken?.kind === "acquired") await taken.lock.release();
}

/**
 * A file beside the lock with the owner's text, as long as it is used. On disk before: a lock that is empty after the power was
 * lost is nobody's.
 */
async function withOwnerFile<T>(lock: string, owner: LockOwner, use: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = temporaryOf(lock);
  try {
    const text = textOf(owner);
    await writeFile(temporary, text, { flag: "wx", flush: true }).catch((error: unknown) => {
      throw namingFile(error, { path: lock, bytes: Buffer.byteLength(text) });
    });
    return await use(temporary);
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

function textOf(owner: LockOwner): string {
  return `${JSON.stringify(owner)}\n`;
}

interface Taking {
  readonly file: string;
  /** Holds the owner's text. */
  readonly temporary: string;
  readonly owner: LockOwner;
  readonly fileSystem: FileSystem;
}

async function take(taking: Taking): Promise<LockResult> {
  const { file, temporary, owner, fileSystem } = taking;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    if (await linkIfFree(temporary, file)) return acquired(file, owner, undefined);
    const content = await readLock(file);
    if (content === undefined) continue;
    const standing = await standingOf(content, { folder: dirname(file), fileSystem });
    if (standing.kind === "dead") {
      if (await replace({ ...taking, content })) return acquired(file, owner, standing);
      continue;
    }
    if (standing.kind === "own") return { kind: "held", file, owner: parseOwner(content), by: "runner" };
    const work = ownWork(standing, owner);
    if (work === undefined) return { ...standing, file };
    const adopted: LockOwner = { ...owner, work };
    if (await replaceBy(adopted, { ...taking, content })) return acquired(file, adopted, undefined);
  }
  return { kind: "held", file, owner: parseOwner((await readLock(file)) ?? ""), by: "runner" };
}

/** The work of a lock whose runner is gone, if it is the very work that this one is taken for. */
function ownWork({ owner, by }: Extract<OwnerStanding, { kind: "held" }>, mine: LockOwner): LockWork | undefined {
  const same = owner?.work?.run === mine.work?.run && owner?.work?.stage === mine.work?.stage;
  return by === "work" && same ? owner?.work : undefined;
}

function acquired(
  file: string,
  owner: LockOwner,
  dead: Extract<OwnerStanding, { kind: "dead" }> | undefined,
): LockResult {
  let mine = owner;
  const isOurs = async () => (await readLock(file)) === textOf(mine);
  const nameProcess = async (process: ProcessIdentity) => {
    if (!(await isOurs())) return;
    const named = withProcess(mine, process);
    await withOwnerFile(file, named, (temporary) => rename(temporary, file));
    mine = named;
  };
  const release = async () => {
    if (await isOurs()) await unlink(file).catch(() => undefined);
  };
  const { owner: tookOverFrom, copiedFrom } = dead ?? {};
  return { kind: "acquired", lock: { nameProcess, release, ...present({ tookOverFrom, copiedFrom }) } };
}

class NoLinks extends Error {}

/** Whether the file got this name. Where a server's answer was lost the system says EEXIST of what it has done itself. */
async function linkIfFree(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return isSameFile(temporary, file);
    throw hasNoLinks(error) ? new NoLinks() : error;
  }
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [one, other].map((file) => stat(file, { bigint: true }).catch(() => undefined)),
  );
  return first !== undefined && first.ino === second?.ino && first.dev === second.dev;
}

interface Replacing extends Taking {
  /** What the lock holds that is replaced. */
  readonly content: string;
}

/**
 * Puts our lock in another's place. Of several that see the same one, only that which has the claim file, whose name comes
 * from the lock's content, may replace it; and only while it is still there. A claim is itself a lock: of one that was killed
 * while it had it, it is taken over in the same way.
 */
async function replace({ content, ...taking }: Replacing): Promise<boolean> {
  const { file, temporary } = taking;
  const claimed = await take({ ...taking, file: `${file}.claim-${sha256(content).slice(0, 12)}` });
  if (claimed.kind !== "acquired") return false;
  const replacement = temporaryOf(file);
  try {
    if ((await readLock(file)) !== content) return false;
    await link(temporary, replacement);
    await rename(replacement, file).catch(async (error: unknown) => {
      // Done, though the server's answer was lost.
      if (errorCode(error) !== "ENOENT" || !(await isSameFile(temporary, file))) throw error;
    });
    return true;
  } finally {
    await unlink(replacement).catch(() => undefined);
    await claimed.lock.release();
  }
}

/** The same with an owner whose text is not written yet. */
function replaceBy(owner: LockOwner, replacing: Omit<Replacing, "owner" | "temporary">): Promise<boolean> {
  return withOwnerFile(replacing.file, owner, (temporary) => replace({ ...replacing, owner, temporary }));
}

/**
 * What a lock says; undefined where nothing has its name. What is no file was made by no `wan22` and says nothing, whatever it is
 * or leads to: a pipe would be waited on for ever. Throws where nobody may look.
 */
export async function readLock(file: string): Promise<string | undefined> {
  try {
    return (await lstat(file)).isFile() ? await readTextFile(file) : "";
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
