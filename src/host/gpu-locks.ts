import { readdir } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { isAbsolute, join } from "node:path";
import { type LockWork, parseOwner } from "./lock-owner.ts";
import { errorCode, readTextFile } from "./read-file.ts";

/** Where it is written down who uses a GPU: one folder for all pipelines and projects of a user (docs/decisions/0011). */

export type Environment = Readonly<Record<string, string | undefined>>;

/** Homes are shared by machines that have GPU 0 each, so a machine has a folder of its own in it. */
export function gpuLocksFolder({ XDG_STATE_HOME: given = "" }: Environment): string {
  // The standard says that a relative one is to be ignored.
  const stateHome = isAbsolute(given) ? given : join(homedir(), ".local", "state");
  return join(stateHome, "wan22", "gpus", hostname());
}

/** `device`: nvidia-smi's index, or what `CUDA_VISIBLE_DEVICES` calls it. */
export function gpuLockFile(device: string, environment: Environment): string {
  return join(gpuLocksFolder(environment), `${encodeURIComponent(device)}.lock`);
}

/** The locks that a stage has, whoever took them. */
export async function findGpuLocks({ run, stage }: LockWork, environment: Environment): Promise<readonly string[]> {
  const found: string[] = [];
  const folder = gpuLocksFolder(environment);
  for (const name of await namesIn(folder)) {
    const file = join(folder, name);
    const work = parseOwner(await readTextFile(file).catch(() => ""))?.work;
    if (work?.run === run && work.stage === stage) found.push(file);
  }
  return found;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith(".lock")).sort();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}
