import { dirname, resolve } from "node:path";
import type { Diagnostic } from "../../core/diagnostic.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import type { Resolved } from "../../core/resolve/resolved.ts";
import { scriptOf } from "../../core/vocabulary.ts";
import { proveWritable } from "../../host/atomic-file.ts";
import { explainSystemError } from "../system-error.ts";

/** The folders that stages write to: one that is closed is found before a trainer has worked for an hour. */

export interface WrittenFolders {
  /** The project root, absolute. */
  readonly root: string;
  readonly resolved: Resolved;
  /** Of the pipeline, absolute. */
  readonly workDir: string;
}

/** Makes the folders of these stages, and writes into each; or says which can't be written to. */
export async function findClosedFolder(
  stages: readonly StagePlan[],
  { root, resolved, workDir }: WrittenFolders,
): Promise<Diagnostic | undefined> {
  const named = stages.flatMap((stage) => foldersOf(stage, resolved)).map((folder) => resolve(root, folder));
  for (const folder of new Set([workDir, ...named])) {
    try {
      await proveWritable(folder);
    } catch (error) {
      const diagnostic = await explainSystemError(error, root);
      if (diagnostic === undefined) throw error;
      return diagnostic;
    }
  }
  return undefined;
}

/** As a plan writes paths. */
function foldersOf(stage: StagePlan, { spec, trainStages }: Resolved): readonly string[] {
  if (scriptOf(stage.id) !== "train") return (stage.pending ?? []).map((file) => dirname(file));
  const logs = trainStages.find(({ id }) => id === stage.id)?.parameters.logging_dir?.value;
  // The rehearsal keeps no logs beside its own.
  const isLogged = spec.trainer.backend !== "rehearsal" && typeof logs === "string" && logs !== "";
  return [stage.output_dir ?? ".", ...(isLogged ? [logs] : [])];
}
