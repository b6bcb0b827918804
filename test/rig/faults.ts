import { readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as z from "zod";

/** The system calls by which `wan22` keeps its records, each of which can be made to fail in the built command. */

const callSchema = z.object({ site: z.string(), occurrence: z.number(), isAsked: z.boolean() });

/** `site`: the call and the kind of file, such as `rename state`. */
export type Call = z.infer<typeof callSchema>;

export interface Fault extends Pick<Call, "site" | "occurrence"> {
  /** A system's code that the call ends with, or one of the ways that `faults.mjs` knows. */
  readonly how: string;
}

const preload = pathToFileURL(fileURLToPath(new URL("./faults.mjs", import.meta.url))).href;

/** The environment in which it happens. `log`: a file that gets a line for each call. */
export function faultEnvironment(log: string, fault?: Fault): Readonly<Record<string, string>> {
  return {
    NODE_OPTIONS: `--import ${preload}`,
    WAN22_FAULT_LOG: log,
    ...(fault === undefined ? {} : { WAN22_FAULT: JSON.stringify(fault) }),
  };
}

export async function readCalls(log: string): Promise<readonly Call[]> {
  const lines = (await readFile(log, "utf8")).split("\n").filter((line) => line !== "");
  return lines.map((line) => callSchema.parse(JSON.parse(line)));
}

/** Every way in which a call can go wrong that leaves something else on disk. */
export function waysToFail(site: string): readonly string[] {
  switch (site.split(" ")[0]) {
    case "write":
      return ["halfway", "kill halfway", "kill after"];
    case "fsync":
      return ["EIO", "kill before"];
    case "rename":
      return ["EIO", "kill before", "kill after"];
    case "link":
    case "copyFile":
      return ["ENOSPC", "kill before", "kill after"];
    case "close":
    case "unlink":
      return ["EIO", "kill before"];
    default:
      return ["ENOSPC", "kill before"];
  }
}
