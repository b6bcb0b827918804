import { join, resolve } from "node:path";
import { readAddress } from "../core/spec/cell.ts";
import { findRepository } from "../host/git/repository.ts";
import { PIPELINES_FOLDER } from "../host/project.ts";
import { statePaths } from "../host/records/run-store.ts";
import { type ReadOptions, readPipelines } from "./read.ts";
import { placesOf } from "./touched.ts";

export interface WatchedFiles extends ReadOptions {
  readonly files: readonly string[];
  /** The project whose `pipelines/` they are all in, absolute; undefined where they were named. */
  readonly project: string | undefined;
}

/** Where a change may make another plan: all that pipelines are made from, and their records. Absolute, sorted. */
export async function watchedPlaces({ files, project, ...options }: WatchedFiles): Promise<readonly string[]> {
  const found = new Set<string>(project === undefined ? [] : [join(project, PIPELINES_FOLDER)]);
  for (const file of files) {
    // One that is not there may come.
    found.add(resolve(options.folder, readAddress(file).file));
    for (const pipeline of await readPipelines([file], options)) {
      const { root, spec } = pipeline;
      if (root === "") continue;
      for (const place of await placesOf(pipeline, findRepository(root) ?? root)) found.add(place);
      if (spec === undefined) continue;
      found.add(statePaths(resolve(root, spec.stateDir), spec.name).stateFile);
      const { path } = spec.trainer;
      // Its version, and its commit.
      if (path !== undefined) found.add(resolve(root, path.path, ".git", "HEAD"));
    }
  }
  return [...found].sort();
}
