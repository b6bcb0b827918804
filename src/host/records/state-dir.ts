import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";

/** The folder of everything that `wan22` keeps for itself (design §6). */

/**
 * Makes the state folder, and keeps it out of Git: what it holds is of one machine, large, and written all the time. One that
 * is there already is left as it is, whatever its owner wants of it. Throws system errors.
 */
export async function makeStateDir(stateDir: string): Promise<void> {
  const made = await mkdir(stateDir, { recursive: true });
  // The topmost folder that was made is told: only where that is nothing was the state folder there.
  if (made !== undefined) await writeFile(join(resolve(stateDir), ".gitignore"), "*\n", { flag: "wx" });
}
