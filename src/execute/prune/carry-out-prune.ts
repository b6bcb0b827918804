import { join, resolve } from "node:path";
import type { Diagnostic } from "../../core/diagnostic.ts";
import { normalizePath } from "../../core/paths.ts";
import type { PruneItem, PrunePlan } from "../../core/state/prune-plan.ts";
import type { State } from "../../core/state/state.ts";
import { STAGE_IDS } from "../../core/vocabulary.ts";
import { writeWholeFile } from "../../host/atomic-file.ts";
import { isThere } from "../../host/read-file.ts";
import {
  namesOfFiles,
  removeFile,
  removeFilesOf,
  removeFolder,
  removeTemporary,
} from "../../host/records/kept-folders.ts";
import { statePaths } from "../../host/records/run-store.ts";
import { openRecorder, stamp } from "../recorder.ts";
import { explainSystemError } from "../system-error.ts";
import { baseFile } from "./plan-prune.ts";

/** Removes what a prune's plan names, and nothing else. The caller holds the lock under which it was planned. */

export interface PruneOptions {
  /** Absolute. */
  readonly root: string;
  readonly stateDir: string;
  readonly state: State | undefined;
}

export interface Pruned {
  /** Bytes of what is gone. */
  readonly bytes: number;
  readonly items: number;
  /** What the system refused. */
  readonly diagnostics: readonly Diagnostic[];
}

export async function carryOutPrune(plan: PrunePlan, options: PruneOptions): Promise<Pruned> {
  let bytes = 0;
  let items = 0;
  try {
    await writeDown(plan, options);
    for (const item of plan.items) {
      await remove(item, options.root);
      bytes += item.bytes;
      items += 1;
    }
    return { bytes, items, diagnostics: [] };
  } catch (error) {
    const diagnostic = await explainSystemError(error, options.root);
    if (diagnostic === undefined) throw error;
    return { bytes, items, diagnostics: [diagnostic] };
  }
}

/** What the runs that go have told, and which caches are about to go: on disk before anything is removed. */
async function writeDown({ pipeline, base, items }: PrunePlan, { root, stateDir, state }: PruneOptions): Promise<void> {
  if (base !== undefined) {
    const file = baseFile(stateDir, pipeline, base.run);
    await writeWholeFile(file, `${JSON.stringify(base.before, null, 2)}\n`);
  }
  if (state?.run === undefined) return;
  const runDir = join(statePaths(stateDir, pipeline).runsDir, state.run);
  if (!(await isThere(resolve(root, runDir)))) return;
  const going = new Set(items.flatMap(({ files = [] }) => files).map(normalizePath));
  const entries = STAGE_IDS.flatMap((stage) =>
    Object.keys(state.stages[stage]?.caches ?? {})
      .filter((file) => going.has(file))
      .map((file) => ({ ...stamp(), type: "unlinked" as const, stage, file })),
  );
  if (entries.length > 0) await openRecorder({ run: state.run, runDir, stateDir, state }).record(...entries);
}

/** Whoever was asked took his time: what got another name meanwhile is in use. */
async function stillUnused(files: readonly string[]): Promise<readonly string[]> {
  return (await namesOfFiles(files)).flatMap(({ file, names }) => (names > 1 ? [] : [file]));
}

async function remove({ kind, path, files = [] }: PruneItem, root: string): Promise<void> {
  const absolute = resolve(root, path);
  switch (kind) {
    case "archive":
    case "run":
      return removeFolder(absolute);
    case "cache":
      return removeFilesOf(
        absolute,
        files.map((file) => resolve(root, file)),
      );
    case "store":
      return removeFilesOf(absolute, await stillUnused(files.map((file) => resolve(root, file))));
    case "log":
      return removeFile(absolute);
    case "temporary":
      return removeTemporary(absolute);
  }
}
