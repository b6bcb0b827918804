import { hostname } from "node:os";
import { basename, isAbsolute, resolve } from "node:path";
import { folderOf, joinPath, pathInside } from "../core/paths.ts";
import type { Spec } from "../core/spec/spec.ts";
import { type ListedArchive, type ListedRun, tellRun } from "../core/state/run-list.ts";
import type { State } from "../core/state/state.ts";
import { bytesBelow, listArchives } from "../host/records/kept-folders.ts";
import { listRuns, readJournal, readResult, statePaths } from "../host/records/run-store.ts";
import { loadState } from "../host/records/state-store.ts";

/** What the runs of a pipeline were, and what they have archived. Changes nothing. */

export interface PipelineRuns {
  readonly runs: readonly ListedRun[];
  readonly archives: readonly ListedArchive[];
}

export interface PipelineHome {
  /** The project's root, absolute. */
  readonly root: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly pipeline: string;
  readonly spec: Spec | undefined;
}

/** `spec` is absent where no file of the pipeline can be read: its record tells where its checkpoints lie. */
export async function observeRuns({ root, stateDir, pipeline, spec }: PipelineHome): Promise<PipelineRuns> {
  const { runsDir, stateFile } = statePaths(stateDir, pipeline);
  const shownFile = pathInside(root, stateFile);
  const { state, alive } = await loadState({ root, stateDir, pipeline, shownFile, host: hostname() });
  const running = new Set(alive.map((stage) => state?.stages[stage]?.run));
  const runs = await Promise.all(
    (await listRuns(runsDir, pipeline)).map(async (folder): Promise<ListedRun> => {
      const entries = await readJournal(folder);
      const name = basename(folder);
      const lineage = entries.find((entry) => entry.type === "run")?.lineage;
      return {
        run: name,
        folder: pathInside(root, folder),
        ...tellRun({ entries, result: await readResult(folder), standing: running.has(name) ? "running" : "ended" }),
        bytes: await bytesBelow(folder),
        history: state !== undefined && lineage === state.lineage ? "living" : "given-up",
      };
    }),
  );
  const archives = await Promise.all(
    outputFolders(spec, state).map((dir) => listArchives(resolve(root, dir), pipeline)),
  );
  return {
    runs,
    archives: archives.flat().map(({ folder, ...archive }) => ({
      folder: pathInside(root, folder),
      ...archive,
      files: [...archive.files],
    })),
  };
}

/** Where a pipeline's checkpoints lie, or lay before it was edited; as a plan writes paths. */
export function outputFolders(spec: Pick<Spec, "output"> | undefined, state: State | undefined): readonly string[] {
  const recorded = [
    ...Object.values(state?.stages ?? {}).flatMap(({ output_dir }) => output_dir ?? []),
    ...(state?.checkpoints ?? []).map(({ file }) => folderOf(file)),
    ...(state?.training_states ?? []).map(({ dir }) => folderOf(dir)),
  ];
  // A record that somebody edited may name anything: outside the project only the file's own word counts.
  const inside = recorded.map((dir) => joinPath(".", dir)).filter((dir) => !isAbsolute(dir) && !dir.startsWith(".."));
  return [...new Set([...(spec === undefined ? [] : [spec.output.dir.path]), ...inside])];
}
