import { join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { PROVENANCE_CODES } from "../core/provenance/codes.ts";
import {
  type ComparedOutput,
  compareMaking,
  compareOutputs,
  type Difference,
  madeAgain,
} from "../core/provenance/comparison.ts";
import type { Provenance } from "../core/provenance/record.ts";
import { readAddress } from "../core/spec/cell.ts";
import type { Spec } from "../core/spec/spec.ts";
import { DEFAULT_STATE_DIR } from "../core/spec/state-dir.ts";
import type { CheckpointRecord } from "../core/state/state.ts";
import { inBase } from "../host/git/base-tree.ts";
import { findRepository } from "../host/git/repository.ts";
import { layRerunTree, type RerunTree } from "../host/git/rerun-tree.ts";
import { standingOfCommit } from "../host/git/source-commit.ts";
import { hashFile } from "../host/hash.ts";
import { isFile } from "../host/read-file.ts";
import { readRunPlan } from "../host/records/run-store.ts";
import { hashTensors } from "../host/safetensors.ts";
import { observeTrainingMachine } from "../host/trainer/training-machine.ts";
import type { FoundRun } from "./evidence.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { bind } from "./saved-plans.ts";

/** A run made again from its commit: the tree for it, and its plan there beside what is recorded of the run. */

export interface Rerun {
  readonly tree: RerunTree;
  /** The project's root in the tree, absolute. */
  readonly root: string;
  readonly prepared: Prepared;
  /** Undefined where the commit can't be planned any more; then the errors say why. */
  readonly differences: readonly Difference[] | undefined;
}

export interface RerunOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The version of this wan22. */
  readonly tool: string;
}

/** Where a run that is made again writes, in its tree. */
const OUTPUT = "rerun-output";

/** A spec that shares nothing with the run that it repeats: no record, cache, output, state branch, and nobody is told. */
export function setApart({ policy: _, ...spec }: Spec): Spec {
  return {
    ...spec,
    stateDir: DEFAULT_STATE_DIR,
    stateBackend: { kind: "local" },
    cacheDir: `${DEFAULT_STATE_DIR}/cache`,
    output: { ...spec.output, dir: { ...spec.output.dir, path: OUTPUT, unset: [] } },
    notify: [],
  };
}

/** Lays the commit out and plans there. The caller removes the tree. Throws system errors. */
export async function prepareRerun(
  found: FoundRun,
  record: Provenance,
  options: RerunOptions,
): Promise<Rerun | Diagnostic> {
  const { source } = record;
  const top = findRepository(found.root);
  const { noCommit, noTree, notInCommit } = PROVENANCE_CODES;
  if (top === undefined || source === undefined || (await standingOfCommit(top, source.commit)) === "gone") {
    const which = source === undefined ? "It was in no repository" : `Commit ${source.commit} is not here`;
    return diagnose(noCommit, `${which}. ${noCommit.why} ${noCommit.mend}`);
  }
  const tree = await layRerunTree({ top, commit: source.commit, without: await writtenBy(found, record) });
  if ("severity" in tree) return diagnose(noTree, `${tree.detail} ${noTree.mend}`);
  try {
    const root = join(inBase(tree, top), source.project);
    if (!(await isFile(resolve(root, readAddress(record.file).file)))) {
      await tree.remove();
      return diagnose(notInCommit, `${record.file}: ${notInCommit.why} ${notInCommit.mend}`);
    }
    const { environment } = options;
    const asked = { folder: root, environment, adapt: setApart, history: "read", lock: "show" } as const;
    const prepared = await prepare([record.file], asked);
    return { tree, root, prepared, differences: await compare(prepared, record, { ...options, tree }) };
  } catch (error) {
    await tree.remove();
    throw error;
  }
}

/** What came of a run that was made again, beside what the run had made. `made`: the record of the tree, whose root is `root`. */
export async function compareMade(
  { root: original }: Pick<FoundRun, "root">,
  record: Provenance,
  { root, made }: { readonly root: string; readonly made: readonly CheckpointRecord[] },
): Promise<readonly ComparedOutput[]> {
  const sameTensors = new Set<string>();
  for (const output of record.outputs) {
    const again = madeAgain(output, made);
    if (again === undefined || again.sha256 === output.sha256) continue;
    const file = resolve(original, output.file);
    // Only the run's own file tells what its tensors were.
    if ((await hashFile(file).catch(() => undefined)) !== output.sha256) continue;
    if ((await hashTensors(file)) === (await hashTensors(resolve(root, again.file)))) sameTensors.add(output.file);
  }
  return compareOutputs(record, made, sameTensors);
}

/** Caches, records and outputs of the original, which must not be found in the tree, or even written to. */
async function writtenBy(
  { root, stateDir, runDir }: FoundRun,
  { made_from: { spec } }: Provenance,
): Promise<readonly string[]> {
  const logs = (await readRunPlan(runDir))?.parameters.logging_dir?.value;
  const named = [spec["output.dir"], spec.state_dir, spec.cache_dir, logs];
  return [stateDir, ...named.flatMap((path) => (typeof path === "string" && path !== "" ? [resolve(root, path)] : []))];
}

async function compare(
  { pipelines: [pipeline] }: Prepared,
  record: Provenance,
  { tool, tree }: RerunOptions & Pick<Rerun, "tree">,
): Promise<readonly Difference[] | undefined> {
  if (pipeline === undefined) return undefined;
  const { plan, facts, spec } = pipeline;
  // Without the folder above it each path is that of the same thing in the original.
  const madeFrom = JSON.parse(JSON.stringify(bind(pipeline)).replaceAll(tree.prefix, ""));
  const machine = await observeTrainingMachine(spec.trainer.backend, facts.gpus);
  return compareMaking(record, {
    madeFrom,
    plan,
    tool,
    python: facts.trainer.pythonVersion,
    ...machine,
    gpus: machine.gpus.map(({ name }) => name),
  });
}
