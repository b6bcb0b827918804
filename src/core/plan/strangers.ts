import type { DiskFacts } from "../facts.ts";
import { baseName, joinPath } from "../paths.ts";
import { lastCheckpointName, lastStateName } from "../trainer/checkpoints.ts";
import { filesUnderNames, type OutputFile, type OutputsOptions, type StageOutputs } from "./outputs.ts";
import type { CheckpointPlan, Reason } from "./plan.ts";
import type { LastFilesMoves } from "./renames.ts";
import { countText, namesText } from "./wording.ts";

/**
 * Files under a stage's names of which its record does not tell: of a training that nobody remembers, copied in, or, where the
 * record is another checkout's, this one's own. What they hold is not known, so nothing is put in their place (docs/decisions/0016).
 */

export interface StrangersOptions extends OutputsOptions {
  /** This machine's disk, where `disk` is absent because the record speaks of another one. */
  readonly here: DiskFacts | undefined;
}

export function strangersOf(options: StrangersOptions, { files, usable }: StageOutputs): readonly OutputFile[] {
  const { here } = options;
  if (here !== undefined) {
    return filesUnderNames(here, options, new Set()).filter((file) => !isAsRecorded(file, here, options));
  }
  // A training state says for itself whose it is.
  const own = new Set(usable.map(({ path }) => path));
  return files.filter(({ path, recorded }) => !recorded && !own.has(path));
}

/** Whether a file is the very one that another machine's record tells of: copied from there, or on a disk that both have. */
function isAsRecorded({ path, kind }: OutputFile, here: DiskFacts, { stage, state }: StrangersOptions): boolean {
  if (kind === "checkpoint") {
    const recorded = state?.checkpoints.find(({ stage: of, file }) => of === stage && file === path);
    return recorded?.sha256 !== undefined && recorded.sha256 === here.outputs[path]?.sha256;
  }
  const recorded = state?.training_states.find(({ stage: of, dir }) => of === stage && dir === path);
  const found = here.states.find(({ dir }) => dir === path);
  if (recorded === undefined || found?.complete !== true) return false;
  const isOfStage = found.stage === stage && found.fingerprint === state?.stages[stage]?.fingerprint;
  return isOfStage && found.doneSteps === recorded.done_steps && found.doneEpochs === recorded.done_epochs;
}

export interface GoingOn {
  readonly outputDir: string;
  readonly outputName: string;
  /** The training state that training goes on from, by the name that it has before any is renamed. */
  readonly from: string;
  readonly moves: LastFilesMoves;
  /** What becomes of every file, the strangers among them. */
  readonly listed: readonly CheckpointPlan[];
}

/** Of strangers, those under names that training is about to write to, to remove, or to give to another file. Sorted as they come. */
export function inTheWay(
  strangers: readonly OutputFile[],
  { outputDir, outputName, from, moves, listed }: GoingOn,
): readonly string[] {
  const staying = new Set(
    listed.flatMap(({ file, action }) => (action === "keep" || action === "orphan" ? [file] : [])),
  );
  // The last ones are written at the end of every process, however little it had to train.
  for (const name of [lastCheckpointName(outputName), lastStateName(outputName)])
    staying.delete(joinPath(outputDir, name));
  for (const rename of moves.renames) for (const name of [rename.from, rename.to]) staying.delete(name);
  const archived = new Set(moves.archive);
  return strangers.flatMap(({ path }) => (path === from || staying.has(path) || archived.has(path) ? [] : [path]));
}

/** Why they are archived. */
export function strangersReason(paths: readonly string[]): readonly Reason[] {
  if (paths.length === 0) return [];
  const are = paths.length === 1 ? "is" : "are";
  const text = `${countText(paths.length, "file")} under its names that its record does not tell of ${are} archived: ${namesText(paths.map(baseName))}`;
  return [{ cause: "no-record", text }];
}
