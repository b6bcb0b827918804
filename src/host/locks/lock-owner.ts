import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import * as z from "zod";
import { STAGE_IDS } from "../../core/vocabulary.ts";
import type { FileSystem } from "../machine.ts";
import {
  identifyThisProcess,
  isOfThisBoot,
  isProcessAlive,
  type ProcessIdentity,
  processIdentitySchema,
  readContainerLayer,
  readPidNamespace,
} from "../process.ts";
import { findMembers } from "../process-group.ts";
import { stageMark } from "../records/run-store.ts";
import { folderIdentitySchema, isCopyOf } from "./folder-identity.ts";

/** What a lock says about who has it, and whether that one lives. */

/** A stage that is at work: the lock is its process's too, and lasts as long as either the runner or that lives. */
const workSchema = z.looseObject({
  project: z.string(),
  pipeline: z.string(),
  stage: z.enum(STAGE_IDS),
  run: z.string(),
  /** Absent until it is started, and where its runner was killed before it came to write it down. */
  process: processIdentitySchema.optional(),
});

const ownerSchema = processIdentitySchema.extend({
  version: z.literal(1),
  who: z.string(),
  host: z.string(),
  /** The installation's id: hosts of the same name are told apart by it. Absent where the machine has none. */
  machine_id: z.string().optional(),
  /** Where its pids mean something, beside the boot; absent outside Linux, and in locks of earlier versions. */
  pid_namespace: z.string().optional(),
  /** Names the container that it ran in; absent outside of containers. */
  container_layer: z.string().optional(),
  since: z.string(),
  /** Where the lock lies; absent in locks of earlier versions. */
  folder: folderIdentitySchema.optional(),
  work: workSchema.optional(),
});

export type LockOwner = z.infer<typeof ownerSchema>;
export type LockWork = z.infer<typeof workSchema>;

/** What is not of this process is somebody's, or nobody's any more. */
export type OwnerStanding =
  | { readonly kind: "own" }
  /** `by`: who lives. Neither can be seen from another machine. `owner` is undefined where the lock can't be understood. */
  | { readonly kind: "held"; readonly owner: LockOwner | undefined; readonly by: "runner" | "work" | "unseen" }
  /** `copiedFrom`: the folder that the lock was copied from; whether its owner lives is that folder's matter. */
  | { readonly kind: "dead"; readonly owner: LockOwner; readonly copiedFrom?: string };

/** Where a lock lies. */
export interface LockPlace {
  /** Absolute. */
  readonly folder: string;
  /** On one that several machines share, a start of this machine and another machine look alike. */
  readonly fileSystem: FileSystem;
}

export async function standingOf(content: string, { folder, fileSystem }: LockPlace): Promise<OwnerStanding> {
  const owner = parseOwner(content);
  if (owner === undefined || !isOfThisMachine(owner, fileSystem) || isOfOtherContainer(owner))
    return { kind: "held", owner, by: "unseen" };
  if (owner.folder !== undefined && (await isCopyOf(folder, owner.folder)))
    return { kind: "dead", owner, copiedFrom: owner.folder.path };
  if (await isProcessAlive(owner)) {
    return owner.pid === process.pid ? { kind: "own" } : { kind: "held", owner, by: "runner" };
  }
  return (await isAtWork(owner.work)) ? { kind: "held", owner, by: "work" } : { kind: "dead", owner };
}

function isOfThisMachine(owner: LockOwner, { kind }: FileSystem): boolean {
  if (owner.host !== hostname()) return false;
  const own = readMachineId();
  if (owner.machine_id !== undefined && own !== undefined) return owner.machine_id === own;
  return kind === "local" || isOfThisBoot(owner);
}

/** Where a process lives, as far as others can tell by it whether they would see it. */
export type Surroundings = Pick<LockOwner, "pid_namespace" | "container_layer">;

/**
 * Whether it is of this boot, and of a pid namespace that is not ours: another container under the same host name, whose processes
 * can't be seen from here, so that nobody knows whether they live. Those of this container from before it was started anew are gone.
 */
export function isOfOtherContainer(owner: LockOwner, here: Surroundings = surroundings()): boolean {
  const { pid_namespace, container_layer } = owner;
  const isElsewhere =
    pid_namespace !== undefined && here.pid_namespace !== undefined && pid_namespace !== here.pid_namespace;
  const isOfThisContainer = container_layer !== undefined && container_layer === here.container_layer;
  return isElsewhere && !isOfThisContainer && isOfThisBoot(owner);
}

function surroundings(): Surroundings {
  const [pid_namespace, container_layer] = [readPidNamespace(), readContainerLayer()];
  return {
    ...(pid_namespace === undefined ? {} : { pid_namespace }),
    ...(container_layer === undefined ? {} : { container_layer }),
  };
}

/** Whether anything lives that came of the stage: also what nobody came to write down, and what outlived its parent. */
export async function isAtWork(work: LockWork | undefined): Promise<boolean> {
  if (work === undefined) return false;
  return (await findMembers({ leader: work.process, mark: stageMark(work.run, work.stage) })).length > 0;
}

/** Undefined for what is no lock of ours, or one that is torn. */
export function parseOwner(content: string): LockOwner | undefined {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(content));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** This process, with what it is about to do. */
export async function describeThisOwner(work: LockWork | undefined): Promise<LockOwner> {
  const machine_id = readMachineId();
  return {
    version: 1,
    who: userName(),
    host: hostname(),
    ...(machine_id === undefined ? {} : { machine_id }),
    ...surroundings(),
    ...(await identifyThisProcess()),
    since: new Date().toISOString(),
    ...(work === undefined ? {} : { work }),
  };
}

/** The owner once its stage's process is known. */
export function withProcess(owner: LockOwner, process: ProcessIdentity): LockOwner {
  return owner.work === undefined ? owner : { ...owner, work: { ...owner.work, process: { ...process } } };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry, as in many containers.
    return `uid ${process.getuid?.() ?? "unknown"}`;
  }
}

function readMachineId(): string | undefined {
  try {
    return readFileSync("/etc/machine-id", "utf8").trim() || undefined;
  } catch {
    // Outside Linux, and in many containers.
    return undefined;
  }
}

/** Who holds a pipeline's lock, and since when; a main clause. Whoever waits for an answer to its question holds it too. */
export function holderText({ who, host, pid, since }: LockOwner, pipeline: string): string {
  return `${who} on ${host} has an apply of ${pipeline} open since ${since} (process ${pid}), which is at work or waits for its question to be answered`;
}

/** Whose a lock is, whatever it is for; a main clause. */
export function ownerText({ who, host, pid, since, work }: LockOwner): string {
  if (work === undefined) return `${who} on ${host} has it since ${since} (process ${pid})`;
  const process = work.process?.pid ?? pid;
  return `${work.stage} of ${work.pipeline} in ${work.project} has it since ${since} (${who} on ${host}, process ${process})`;
}
