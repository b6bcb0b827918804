import { readdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { DEFAULT_STATE_DIR, nameIn, stateDirIn } from "../core/spec/state-dir.ts";
import { PIPELINES_FOLDER, PROJECT_FILE } from "./project.ts";
import { pipelineOfRun } from "./run-store.ts";

/**
 * Where the records of a project lie, and whose they are, for commands that must work whatever is wrong with its files: what
 * can't be read is passed over.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** Every state folder that the project's files name, absolute, the one that they share first. */
export async function findStateDirs(root: string, environment: Environment): Promise<readonly string[]> {
  const shared = resolve(root, (await dirNamedBy(join(root, PROJECT_FILE), environment)) ?? DEFAULT_STATE_DIR);
  const folder = join(root, PIPELINES_FOLDER);
  const files = (await readdir(folder).catch(() => [])).filter((name) => /\.ya?ml$/.test(name)).sort();
  const own = await Promise.all(files.map((name) => dirNamedBy(join(folder, name), environment)));
  return [...new Set([shared, ...own.flatMap((dir) => (dir === undefined ? [] : [resolve(folder, dir)]))])];
}

async function dirNamedBy(file: string, environment: Environment): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : stateDirIn({ file, text }, environment);
}

/** The name of the pipeline that a file holds; the file's own without its ending where it doesn't tell. */
export async function pipelineNameOf(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return nameIn({ file, text }) ?? basename(file).replace(/\.ya?ml$/, "");
}

/** Names of pipelines of which a state folder keeps anything: a record, a lock or runs. Sorted. */
export async function listRecorded(stateDir: string): Promise<readonly string[]> {
  const files = await readdir(join(stateDir, "state")).catch(() => []);
  const runs = await readdir(join(stateDir, "runs")).catch(() => []);
  const names = [
    ...files.flatMap((name) => /^(.+)\.(?:json|lock)$/.exec(name)?.[1] ?? []),
    ...runs.flatMap((name) => pipelineOfRun(name) ?? []),
  ];
  return [...new Set(names)].sort();
}
