import { stat } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import type { FileProblem } from "../core/facts.ts";

/** Looks whether folders that do not exist yet could be made. */

/** What stands in the way of each folder, by the path as given; those that nothing stands in the way of are left out. Nothing is thrown. */
export async function observeFolders(
  paths: readonly string[],
  { root }: { readonly root: string },
): Promise<Readonly<Record<string, FileProblem>>> {
  const looked = paths.map(async (path) => [path, await findObstacle(path, root)] as const);
  const found = await Promise.all(looked);
  return Object.fromEntries(found.flatMap(([path, problem]) => (problem === undefined ? [] : [[path, problem]])));
}

/** The first thing upward that exists has to be a folder. */
async function findObstacle(path: string, root: string): Promise<FileProblem | undefined> {
  const folder = resolve(root, path);
  for (let above = folder; ; above = dirname(above)) {
    const found = await kindOf(above);
    if (found === "nothing" && dirname(above) !== above) continue;
    if (found !== "file") return undefined;
    const shown = isAbsolute(path) ? above : relative(root, above);
    const text = above === folder ? "there is a file of this name" : `${shown} is a file`;
    return { kind: "unreadable", text };
  }
}

async function kindOf(path: string): Promise<"folder" | "file" | "nothing"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    // Below a file there is nothing either; whether a closed folder could hold it shows when it is made.
    return "nothing";
  }
}
