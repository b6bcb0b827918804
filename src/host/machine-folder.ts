import { readdir } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { isAbsolute, join } from "node:path";
import { errorCode } from "./read-file.ts";

/** What a user's projects on one machine have in common lies in one place, whatever project a command is called in. */

export type Environment = Readonly<Record<string, string | undefined>>;

/** Homes are shared by machines that have GPU 0 each, so a machine has a folder of its own in it. */
export function machineFolder(kind: "gpus" | "queues", { XDG_STATE_HOME: given = "" }: Environment): string {
  // The standard says that a relative one is to be ignored.
  const stateHome = isAbsolute(given) ? given : join(homedir(), ".local", "state");
  return join(stateHome, "wan22", kind, hostname());
}

/** Files in such a folder, sorted; none where nobody has made it yet, or it can't be read. */
export async function namesInFolder(folder: string, pattern: RegExp): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => pattern.test(name)).sort();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}
