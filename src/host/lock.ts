import { link, mkdir, rename, unlink, writeFile } from "node:fs/promises";
import { hostname, userInfo } from "node:os";
import { dirname } from "node:path";
import * as z from "zod";
import { removeLeftBehind, temporaryOf } from "./atomic-file.ts";
import { sha256 } from "./hash.ts";
import { identifyThisProcess, isProcessAlive } from "./process.ts";
import { errorCode, readTextFile } from "./read-file.ts";

/** One `apply` at a time on a pipeline: a file that only one process can make, and that says who did. */

const ownerSchema = z.looseObject({
  version: z.literal(1),
  who: z.string(),
  host: z.string(),
  pid: z.number().int(),
  boot_id: z.string(),
  start_time: z.string(),
  since: z.string(),
});

export type LockOwner = z.infer<typeof ownerSchema>;

export interface Lock {
  /** The dead owner whose lock was taken over. */
  readonly tookOverFrom?: LockOwner;
  /** Gives it back, if it is still ours. */
  readonly release: () => Promise<void>;
}

export type LockResult =
  | { readonly kind: "acquired"; readonly lock: Lock }
  /** `owner` is undefined where the file can't be understood. */
  | { readonly kind: "held"; readonly file: string; readonly owner: LockOwner | undefined };

/** How a lock stands, seen from this process. */
export type LockStanding =
  | { readonly kind: "free" | "own" }
  /** By a living process, or one of another machine. `owner` is undefined where the file can't be understood. */
  | { readonly kind: "held"; readonly owner: LockOwner | undefined }
  | { readonly kind: "dead"; readonly owner: LockOwner };

/** Looks at a lock without taking it. Nothing is thrown: one that can't be read may be anybody's. */
export async function lookAtLock(file: string): Promise<LockStanding> {
  const content = await readIfThere(file).catch(() => "");
  return content === undefined ? { kind: "free" } : standingOf(content);
}

async function standingOf(content: string): Promise<Exclude<LockStanding, { kind: "free" }>> {
  const owner = parseOwner(content);
  if (owner === undefined || owner.host !== hostname()) return { kind: "held", owner };
  if (!(await isProcessAlive(owner))) return { kind: "dead", owner };
  return owner.pid === process.pid ? { kind: "own" } : { kind: "held", owner };
}

/** Two attempts are enough for a lock that vanishes between looking and taking; more only under a storm of starts. */
const MAX_ATTEMPTS = 20;
/** A lock is taken within milliseconds: what is older was left by a process that was killed meanwhile. */
const RUBBISH_MS = 60_000;

/**
 * Takes a lock file, or says who holds it. The owner's file appears whole (a link to one that was written before). A lock
 * whose owner on this machine is dead is taken over. Throws system errors (a folder that can't be written to).
 */
export async function acquireLock(file: string): Promise<LockResult> {
  await mkdir(dirname(file), { recursive: true });
  const mine = await describeOwner();
  await removeLeftBehind(file, { olderThanMs: RUBBISH_MS });
  const temporary = temporaryOf(file);
  await writeFile(temporary, mine, { flag: "wx" });
  try {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (await linkIfFree(temporary, file)) return acquired(file, mine, undefined);
      const content = await readIfThere(file);
      if (content === undefined) continue;
      const standing = await standingOf(content);
      if (standing.kind !== "dead") return { kind: "held", file, owner: parseOwner(content) };
      if (await replaceDeadLock({ file, temporary, deadContent: content })) {
        return acquired(file, mine, standing.owner);
      }
    }
    return { kind: "held", file, owner: parseOwner((await readIfThere(file)) ?? "") };
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

function acquired(file: string, mine: string, tookOverFrom: LockOwner | undefined): LockResult {
  const release = async () => {
    if ((await readIfThere(file)) === mine) await unlink(file).catch(() => undefined);
  };
  return { kind: "acquired", lock: { release, ...(tookOverFrom === undefined ? {} : { tookOverFrom }) } };
}

async function describeOwner(): Promise<string> {
  const owner: LockOwner = {
    version: 1,
    who: userName(),
    host: hostname(),
    ...(await identifyThisProcess()),
    since: new Date().toISOString(),
  };
  return `${JSON.stringify(owner)}\n`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry, as in many containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

async function linkIfFree(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

interface DeadLock {
  readonly file: string;
  readonly temporary: string;
  readonly deadContent: string;
}

/**
 * Puts our lock in a dead one's place. Of several that see the same dead lock, only the one that makes the claim file, whose
 * name comes from the dead lock's content, may replace it; and only while it is still there.
 */
async function replaceDeadLock({ file, temporary, deadContent }: DeadLock): Promise<boolean> {
  const claim = `${file}.claim-${sha256(deadContent).slice(0, 12)}`;
  if (!(await linkIfFree(temporary, claim))) {
    const claimant = parseOwner((await readIfThere(claim)) ?? "");
    // One that died while it held the claim must not block the lock for ever.
    if (claimant !== undefined && !(await isProcessAlive(claimant))) await unlink(claim).catch(() => undefined);
    return false;
  }
  try {
    if ((await readIfThere(file)) !== deadContent) return false;
    const replacement = temporaryOf(file);
    await link(temporary, replacement);
    await rename(replacement, file);
    return true;
  } finally {
    await unlink(claim).catch(() => undefined);
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readTextFile(file);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

function parseOwner(content: string): LockOwner | undefined {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(content));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** Who holds a lock, and since when; a main clause. Whoever waits for an answer to its question holds it too. */
export function holderText({ who, host, pid, since }: LockOwner, pipeline: string): string {
  return `${who} on ${host} has an apply of ${pipeline} open since ${since} (process ${pid}), which is at work or waits for its question to be answered`;
}
