import { unlink } from "node:fs/promises";
import { basename } from "node:path";
import * as z from "zod";
import { writeWholeFile } from "../atomic-file.ts";
import { identifyThisProcess, isProcessAlive, processIdentitySchema } from "../process.ts";
import { errorCode, readTextFile } from "../read-file.ts";
import { listRuns, runFiles } from "./run-store.ts";

/**
 * Whose end the hooks have yet to be told of: a file in the run's folder that names the process which will tell it, from before
 * the end is in the journal until it has been told. Where that process is gone, whoever settles the pipeline next tells it: a
 * kill costs no hook its word, and only one that falls between the telling and the removal has it told again.
 *
 * Nothing is thrown here: a hook never harms a run.
 */

const untoldSchema = z.looseObject({
  version: z.literal(1),
  teller: processIdentitySchema,
});

/** Has this process tell of the run's end. Whether that is on disk. */
export async function promiseToTell(runDir: string): Promise<boolean> {
  try {
    const { pid, boot_id, start_time } = await identifyThisProcess();
    const untold = { version: 1, teller: { pid, boot_id, start_time } };
    await writeWholeFile(runFiles.untold(runDir), `${JSON.stringify(untold)}\n`);
    return true;
  } catch {
    return false;
  }
}

/** It was told, or there is nothing to tell. */
export async function forgetToTell(runDir: string): Promise<void> {
  await unlink(runFiles.untold(runDir)).catch(() => undefined);
}

/** Names of the runs whose end, come or still to come, nobody who lives is going to tell; oldest first. */
export async function findUntold(runsDir: string, pipeline: string): Promise<readonly string[]> {
  const folders = await listRuns(runsDir, pipeline).catch(() => []);
  const untold = await Promise.all(folders.map(isUntold));
  return folders.filter((_, index) => untold[index]).map((folder) => basename(folder));
}

async function isUntold(runDir: string): Promise<boolean> {
  try {
    const { teller } = untoldSchema.parse(JSON.parse(await readTextFile(runFiles.untold(runDir))));
    return !(await isProcessAlive(teller));
  } catch (error) {
    // What can't be understood names nobody; what can't be read is not ours to judge.
    return errorCode(error) === undefined;
  }
}
