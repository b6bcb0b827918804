import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { readAddress } from "../../core/spec/cell.ts";
import { DEFAULT_STATE_DIR, nameIn, stateDirIn } from "../../core/spec/state-dir.ts";
import { readState } from "../../core/state/migrate.ts";
import { PIPELINES_FOLDER, PROJECT_FILE } from "../project.ts";
import { isThere } from "../read-file.ts";
import { pipelineOfRun, statePaths } from "./run-store.ts";

/**
 * Where the records of a project lie, and whose they are, for commands that must work whatever is wrong with its files: what
 * can't be read is passed over.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** Every state folder that the project's files name, absolute, the one that they share first; last the one where they name none. */
export async function findStateDirs(root: string, environment: Environment): Promise<readonly string[]> {
  const folder = join(root, PIPELINES_FOLDER);
  const files = (await readdir(folder).catch(() => [])).filter((name) => /\.ya?ml$/.test(name)).sort();
  const own = await Promise.all(files.map((name) => dirNamedBy(join(folder, name), environment)));
  const shared = await dirNamedBy(join(root, PROJECT_FILE), environment);
  // What was begun before the files named a folder may still be at work in the usual one.
  return [...new Set([shared, ...own, resolve(root, DEFAULT_STATE_DIR)])].filter((dir) => dir !== undefined);
}

/** The state folder of a pipeline file, absolute, as far as that or its project's file tells. */
export async function stateDirOf(file: string, root: string, environment: Environment): Promise<string> {
  const own = await dirNamedBy(file, environment);
  return own ?? (await dirNamedBy(join(root, PROJECT_FILE), environment)) ?? resolve(root, DEFAULT_STATE_DIR);
}

/** Absolute. */
async function dirNamedBy(file: string, environment: Environment): Promise<string | undefined> {
  const text = await readFile(file, "utf8").catch(() => undefined);
  const dir = text === undefined ? undefined : stateDirIn({ file, text }, environment);
  return dir === undefined ? undefined : resolve(dirname(file), dir);
}

/** The name of the pipeline that a file holds; the file's own without its ending where it doesn't tell. */
export async function pipelineNameOf(file: string): Promise<string> {
  const text = await readFile(file, "utf8").catch(() => "");
  return nameIn({ file, text }) ?? basename(file).replace(/\.ya?ml$/, "");
}

/** A pipeline of which a state folder keeps anything: a record, a lock or runs. */
export interface Recorded {
  /** Absolute. */
  readonly stateDir: string;
  readonly pipeline: string;
}

/** Everything that is recorded in state folders, in their order, by name. */
export async function findRecorded(stateDirs: readonly string[]): Promise<readonly Recorded[]> {
  const recorded = await Promise.all(
    stateDirs.map(async (stateDir) => (await listRecorded(stateDir)).map((pipeline) => ({ stateDir, pipeline }))),
  );
  return recorded.flat();
}

async function listRecorded(stateDir: string): Promise<readonly string[]> {
  const files = await readdir(join(stateDir, "state")).catch(() => []);
  const runs = await readdir(join(stateDir, "runs")).catch(() => []);
  const names = [
    ...files.flatMap((name) => /^(.+)\.(?:json|lock)$/.exec(name)?.[1] ?? []),
    ...runs.flatMap((name) => pipelineOfRun(name) ?? []),
  ];
  return [...new Set(names)].sort();
}

/** The pipeline file that a record was written for, absolute, with its cell where it is one of a matrix; where both can be read. */
export async function recordedFile({ stateDir, pipeline }: Recorded, root: string): Promise<string | undefined> {
  const { stateFile } = statePaths(stateDir, pipeline);
  const text = await readFile(stateFile, "utf8").catch(() => "");
  const reading = readState(text, { file: stateFile, pipeline });
  if (reading.kind !== "state") return undefined;
  const address = resolve(root, reading.state.file);
  return (await isThere(readAddress(address).file)) ? address : undefined;
}
