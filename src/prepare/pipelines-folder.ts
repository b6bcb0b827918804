import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { nameIn } from "../core/spec/state-dir.ts";
import { PIPELINES_FOLDER, readProject } from "../host/project.ts";

/**
 * The pipeline files in a project's `pipelines/`, absolute and sorted. A file without a `name` that another one there extends is
 * a base and no pipeline; one that nobody extends was to be a pipeline, and is told that its name is missing.
 */
export async function pipelinesIn(root: string): Promise<readonly string[]> {
  const folder = join(root, PIPELINES_FOLDER);
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => /\.ya?ml$/.test(name)).sort();
  const read = await Promise.all(
    files.map(async (name) => ({ path: join(folder, name), texts: await readProject(name, folder) })),
  );
  const extended = new Set(
    read.flatMap(({ texts }) =>
      "bases" in texts ? [...texts.bases.keys()].map((base) => resolve(texts.root, base)) : [],
    ),
  );
  return read
    .filter(({ path, texts }) => !extended.has(path) || !("bases" in texts) || nameIn(texts.pipeline) !== undefined)
    .map(({ path }) => path);
}
