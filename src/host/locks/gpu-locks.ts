import { join } from "node:path";
import { type Environment, machineFolder, namesInFolder } from "../machine-folder.ts";
import { readTextFile } from "../read-file.ts";
import { type LockWork, parseOwner } from "./lock-owner.ts";

/** Where it is written down who uses a GPU: one folder for all pipelines and projects of a user (docs/decisions/0011). */

export function gpuLocksFolder(environment: Environment): string {
  return machineFolder("gpus", environment);
}

/** `device`: nvidia-smi's index, or what `CUDA_VISIBLE_DEVICES` calls it. */
export function gpuLockFile(device: string, environment: Environment): string {
  return join(gpuLocksFolder(environment), `${encodeURIComponent(device)}.lock`);
}

/** The locks that a stage has, whoever took them. */
export async function findGpuLocks({ run, stage }: LockWork, environment: Environment): Promise<readonly string[]> {
  const found: string[] = [];
  const folder = gpuLocksFolder(environment);
  for (const name of await namesInFolder(folder, /\.lock$/)) {
    const file = join(folder, name);
    const work = parseOwner(await readTextFile(file).catch(() => ""))?.work;
    if (work?.run === run && work.stage === stage) found.push(file);
  }
  return found;
}
