import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { namedFolders } from "../core/check/folders.ts";
import { namedInputFiles, namedPromptImages } from "../core/check/input-files.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { DiskFacts, Facts, ModelFacts, PolicyFacts } from "../core/facts.ts";
import { folderOf } from "../core/paths.ts";
import { storeFolder } from "../core/plan/caches/caches.ts";
import { filesInStore } from "../core/plan/caches/store.ts";
import { pathsToFollow } from "../core/plan/policy/policy.ts";
import { policedPrograms } from "../core/plan/policy/policy-paths.ts";
import { judgeRoots, PROJECT_ROOT } from "../core/plan/policy/policy-roots.ts";
import { possibleValues } from "../core/resolve/possible-values.ts";
import type { Presets } from "../core/resolve/presets.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import { readAddress } from "../core/spec/cell.ts";
import { lockFileOf } from "../core/spec/lock-file.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";
import { modulesOf, PARAMETERS_OF_MODULES } from "../core/trainer/optimizers.ts";
import { findParameter } from "../core/trainer/parameters.ts";
import type { StageId } from "../core/vocabulary.ts";
import { observeDisk } from "../host/disk.ts";
import { observeFolders } from "../host/folders.ts";
import { observeGpus } from "../host/gpu.ts";
import { sha256 } from "../host/hash.ts";
import { observeInputFiles } from "../host/input-files.ts";
import type { LockStanding } from "../host/locks/lock.ts";
import { holderText } from "../host/locks/lock-owner.ts";
import { observeMachine } from "../host/machine.ts";
import { scanSources } from "../host/media/scan.ts";
import { observeModels, observeWeights } from "../host/models.ts";
import { isFile } from "../host/read-file.ts";
import { observeRealPaths } from "../host/real-paths.ts";
import { runFiles, statePaths } from "../host/records/run-store.ts";
import { isUnsettled, loadState } from "../host/records/state-store.ts";
import { findUntold } from "../host/records/untold-end.ts";
import type { StatCache } from "../host/stat-cache.ts";
import { observeTrainer } from "../host/trainer/trainer.ts";
import { placeOf } from "./across.ts";
import { type BranchRecord, contradiction, recordInForce, workElsewhere } from "./branch-records.ts";
import { PREPARE_CODES } from "./codes.ts";

/** Everything a plan wants to know of the outside, asked for in one place. */

export interface Observation {
  readonly spec: Spec;
  readonly root: string;
  readonly statCache: StatCache;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onFile?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined;
  /** Whether a program that a pipeline names may be started to look at it; `start` if left out. */
  readonly programs?: "start" | "leave" | undefined;
}

/** Looks at what a spec names: clips, models, GPUs, the trainer. */
export async function observeFacts(
  { spec, root, statCache, environment, onFile, programs }: Observation,
  presets: Presets,
): Promise<Facts> {
  const { backend, path, python } = spec.trainer;
  const [sources, models, gpus, trainer, inputFiles, folders] = await Promise.all([
    scanSources(spec.dataset.sources, { root, settings: spec.dataset.settings, statCache, onFile }),
    observeModels(spec.models, { root, statCache }),
    observeGpus(),
    observeTrainer({ root, backend, path, python, modules: namedModules(spec, presets), statCache, programs }),
    observeNamedFiles({ spec, root, statCache }, presets),
    observeFolders(namedFolders(spec, presets), { root }),
  ]);
  return {
    sources,
    models,
    gpus,
    ramGiB: observeMachine().ramGiB,
    trainer,
    inputFiles,
    folders,
    miniature: environment.WAN22_MINIATURE === "1",
  };
}

/** Files that parameters name, and the images that prompts in them name. */
async function observeNamedFiles(
  { spec, root, statCache }: Pick<Observation, "spec" | "root" | "statCache">,
  presets: Presets,
): Promise<NonNullable<Facts["inputFiles"]>> {
  const options = { root, statCache };
  const files = await observeInputFiles(namedInputFiles(spec, presets), options);
  return { ...(await observeInputFiles(namedPromptImages(spec, presets, files), options)), ...files };
}

/** Python modules that the user's choices need, or whatever a preset may choose where the user chose nothing. */
function namedModules(spec: Spec, presets: Presets): readonly string[] {
  const modules = PARAMETERS_OF_MODULES.flatMap((parameter) =>
    possibleValues(parameter, spec, presets).flatMap((value) =>
      typeof value === "string" ? modulesOf(parameter, value) : [],
    ),
  );
  return [...new Set(modules)];
}

/** Headers of the LoRA files that training starts from. */
export function observeNamedWeights(
  resolved: Resolved,
  { root, statCache }: Observation,
): Promise<Readonly<Record<string, ModelFacts>>> {
  const paths = resolved.trainStages.flatMap(({ parameters }) =>
    Object.entries(parameters).flatMap(([name, { value }]) => {
      const kind = findParameter(name)?.type.kind;
      if (!name.includes("weights") || (kind !== "path" && kind !== "paths")) return [];
      return typeof value === "object" ? value : [String(value)];
    }),
  );
  return observeWeights([...new Set(paths)], { root, statCache });
}

/** What the policy of wan22.yaml is judged by; nothing is looked at where there is none. */
export async function observePolicy(
  resolved: Resolved,
  { spec, root }: Pick<Observation, "spec" | "root">,
  { facts, presets }: { readonly facts: Facts; readonly presets: Presets },
): Promise<PolicyFacts> {
  if (spec.policy === undefined) return { realPaths: {}, hasLockFile: false, promptImages: [] };
  const promptImages = namedPromptImages(spec, presets, facts.inputFiles ?? {});
  const [realPaths, hasLockFile] = await Promise.all([
    observeRealPaths(pathsToFollow(resolved, { facts, promptImages }), { root }),
    isFile(resolve(root, lockFileOf(spec))),
  ]);
  return { realPaths, hasLockFile, promptImages };
}

/** Whether a program that a pipeline names may be started to look at it: not what lies outside of the policy's roots. */
export async function observePrograms({ spec, root }: Pick<Observation, "spec" | "root">): Promise<"start" | "leave"> {
  const roots = spec.policy?.input_roots;
  const paths = policedPrograms(spec);
  if (roots === undefined || paths.length === 0) return "start";
  const asked = [
    { path: PROJECT_ROOT, links: "none" as const },
    ...roots.map(({ path }) => ({ path, links: "none" as const })),
  ];
  const realPaths = await observeRealPaths([...asked, ...paths], { root });
  const { outside, unseen } = judgeRoots({ paths, roots, realPaths, expanded: spec.expanded });
  return outside.length + unseen.length === 0 ? "start" : "leave";
}

/** Where the checkpoints really lie: two paths may lead to one folder. Absolute; as written where nobody may look. */
export async function observeOutputFolder({ spec, root }: Pick<Observation, "spec" | "root">): Promise<string> {
  const { path } = spec.output.dir;
  const seen = await observeRealPaths([{ path, links: "none" }], { root });
  return seen[path]?.real ?? resolve(root, path);
}

export interface History {
  readonly state?: State | undefined;
  /** Where the state was read from, if not from this checkout. */
  readonly readFrom?: string | undefined;
  /** This checkout's own record, whichever counts. */
  readonly ownState?: State | undefined;
  /** That another machine is at work on the pipeline, by the state branch. */
  readonly atWork?: Diagnostic | undefined;
  readonly disk?: DiskFacts | undefined;
  readonly host?: string | undefined;
  readonly alive: readonly StageId[];
  /** Whether something is left of a runner that was killed: ends that nobody wrote down or told, its lock, a damaged record. */
  readonly unsettled: boolean;
  /** Whether another apply is open on this pipeline right now. */
  readonly attended: boolean;
  readonly diagnostics: readonly Diagnostic[];
}

/** What happened before: the state, from here or from the state branch, and what earlier runs left on disk. */
export async function observeHistory(
  resolved: Resolved,
  { spec, root, statCache }: Observation,
  {
    items,
    facts,
    record,
  }: { readonly items: DatasetItems; readonly facts: Facts; readonly record: BranchRecord | undefined },
): Promise<History> {
  const stateDir = resolve(root, spec.stateDir);
  const host = hostname();
  const shownFile = `${spec.stateDir}/state/${spec.name}.json`;
  const loaded = await loadState({ root, stateDir, pipeline: spec.name, shownFile, host });
  const { state, readFrom } = recordInForce(loaded, record);
  const isElsewhere = state !== undefined && (readFrom !== undefined || state.host !== host);
  const disk = await observeDisk({
    root,
    cacheDirs: resolved.dataset.sources.map(({ cacheDir }) => cacheDir),
    store: {
      folder: storeFolder(spec),
      files: filesInStore({ resolved, items, facts, state, sha256 }),
    },
    outputDirs: [spec.output.dir.path, ...recordedFolders(state)],
    // Which of the files here are those that the other machine has made is told by what they hold.
    hashed: isElsewhere ? state.checkpoints.map(({ file }) => file) : [],
    stateDir: spec.stateDir,
    statCache,
  });
  const { alive, lock } = loaded;
  const { runsDir } = statePaths(stateDir, spec.name);
  const unsettled = isUnsettled(loaded) || (lock.kind === "free" && (await findUntold(runsDir, spec.name)).length > 0);
  const isOwnRun = (run: string) => existsSync(runFiles.journal(resolve(runsDir, run)));
  const atWork = workElsewhere(loaded, record, { ...spec, isOwnRun });
  const diagnostics = [
    ...loaded.diagnostics,
    ...(record?.diagnostics ?? []),
    ...contradiction(loaded, record, spec),
    // Whoever only plans is told, and held up by nothing.
    ...(atWork === undefined ? [] : [{ ...atWork, severity: "note" as const }]),
    ...stateOfAnother(state, spec, root),
    ...applyAtWork(lock, spec),
  ];
  const attended = lock.kind === "held";
  return { state, readFrom, ownState: loaded.state, atWork, disk, host, alive, unsettled, attended, diagnostics };
}

function applyAtWork(lock: LockStanding, { name, file }: Spec): readonly Diagnostic[] {
  if (lock.kind !== "held") return [];
  const holder =
    lock.owner === undefined ? `The lock of ${name} is there and can't be read` : holderText(lock.owner, name);
  const detail = `${holder}. What it does from here on is not in this plan. Plan again when it has ended.`;
  return [diagnose(PREPARE_CODES.applyAtWork, detail, { at: { file } })];
}

/** Where a record says that checkpoints and training states lie; another folder than the present one after an edit. */
function recordedFolders(state: State | undefined): readonly string[] {
  const paths = [
    ...(state?.checkpoints ?? []).map(({ file }) => file),
    ...(state?.training_states ?? []).map(({ dir }) => dir),
  ];
  return [...new Set(paths.map(folderOf))];
}

/** A renamed pipeline file keeps its state; a second file of the same name must not take it. */
function stateOfAnother(state: State | undefined, spec: Spec, root: string): readonly Diagnostic[] {
  if (state === undefined || state.file === spec.file || !existsSync(resolve(root, readAddress(state.file).file)))
    return [];
  const detail = `${state.file}, which still exists, was applied under the name \`${spec.name}\`; ${spec.file} would take its checkpoints for its own. Give one of them another \`name\`.`;
  return [diagnose(PREPARE_CODES.stateOfAnother, detail, { at: placeOf(spec, "name"), path: "name" })];
}
