import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { pathInside } from "../../core/paths.ts";
import { findRoot } from "../../host/project.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { findRecorded, findStateDirs, pipelineNameOf, type Recorded } from "../../host/records/state-folders.ts";
import type { StateRequest } from "../../host/records/state-store.ts";
import { elsewhereOf } from "../on-branch.ts";
import type { Terminal } from "../terminal.ts";

/** Which record a `wan22 state` command is about: by a pipeline's name or file, whatever is wrong with that file. */

export interface StatePlaceOptions {
  /** As given; the folders that the project's files name if left out. */
  readonly stateDir?: string | undefined;
}

/** The project root above the user's folder, absolute. */
export function rootOf({ folder }: Pick<Terminal, "folder">): string {
  return findRoot(join(folder, "pipeline.yaml"));
}

async function stateDirsOf({ stateDir }: StatePlaceOptions, terminal: Terminal): Promise<readonly string[]> {
  if (stateDir !== undefined) return [resolve(terminal.folder, stateDir)];
  return findStateDirs(rootOf(terminal), terminal.environment);
}

/** Everything that is recorded in the project. */
export async function findRecords(options: StatePlaceOptions, terminal: Terminal): Promise<readonly StateRequest[]> {
  const recorded = await findRecorded(await stateDirsOf(options, terminal));
  return recorded.map((one) => requestOf(one, terminal));
}

/** `word`: a pipeline's name, or its file. Undefined where nothing is recorded of it; that is said. */
export async function findRecord(
  word: string,
  options: StatePlaceOptions,
  terminal: Terminal,
): Promise<StateRequest | undefined> {
  const pipeline = await pipelineOf(word, terminal);
  const stateDirs = await stateDirsOf(options, terminal);
  const recorded = (await findRecorded(stateDirs)).find((one) => one.pipeline === pipeline);
  if (recorded !== undefined) return requestOf(recorded, terminal);
  const shown = stateDirs.map((dir) => pathInside(rootOf(terminal), join(dir, "state"))).join(", ");
  const elsewhere = options.stateDir === undefined ? await elsewhereOf(word, terminal) : undefined;
  terminal.err(
    `Nothing is recorded of a pipeline ${pipeline} in ${shown}. ${
      elsewhere ?? "`wan22 state list` shows what is; `--state-dir` names another folder."
    }`,
  );
  return undefined;
}

async function pipelineOf(word: string, { folder }: Terminal): Promise<string> {
  const file = resolve(folder, word);
  return /\.ya?ml$/.test(word) && existsSync(file) ? pipelineNameOf(file) : word;
}

function requestOf({ pipeline, stateDir }: Recorded, terminal: Terminal): StateRequest {
  const root = rootOf(terminal);
  const shownFile = pathInside(root, statePaths(stateDir, pipeline).stateFile);
  return { root, stateDir, pipeline, shownFile, host: hostname() };
}
