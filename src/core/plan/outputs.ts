import type { DiskFacts, TrainingStateFacts } from "../facts.ts";
import { baseName, folderOf, joinPath } from "../paths.ts";
import type { StageRecord, State } from "../state/state.ts";
import type { StageId } from "../vocabulary.ts";

/** The checkpoints and training states of a train stage that exist already, by record and disk. */

/** A file, or a training state's folder, under one of a stage's names. */
export interface OutputFile {
  /** Relative to the root where inside it. */
  readonly path: string;
  readonly kind: "checkpoint" | "state";
  /** Undefined where neither record nor name tells: a last file that nothing is known of. */
  readonly epoch: number | undefined;
  readonly step: number | undefined;
  readonly bytes: number | undefined;
  readonly recorded: boolean;
  /** Of a complete training state: why it was saved. */
  readonly savedAs?: TrainingStateFacts["kind"] | undefined;
}

/** A training state that a stage can be resumed from: complete, and of the fingerprint wanted. */
export interface UsableState {
  readonly path: string;
  readonly doneEpochs: number;
  readonly doneSteps: number;
  /** Batches done of the epoch in progress. */
  readonly doneBatches: number;
}

export interface StageOutputs {
  readonly files: readonly OutputFile[];
  /** Best first. */
  readonly usable: readonly UsableState[];
  /** Recorded checkpoints that are on this machine's disk no more. */
  readonly gone: readonly string[];
  /** Recorded checkpoints whose file is not what was saved any more. */
  readonly damaged: readonly string[];
}

export interface OutputsOptions {
  readonly stage: StageId;
  readonly outputDir: string;
  readonly outputName: string;
  readonly stepsPerEpoch: number;
  /** Of each process. */
  readonly batchesPerEpoch: number;
  /** `gradient_accumulation_steps`: batches a step. */
  readonly accumulation: number;
  readonly fingerprint: string;
  readonly state: State | undefined;
  /** Absent where the disk is another machine's. */
  readonly disk: DiskFacts | undefined;
}

/** What a name says: `NAME-000004…`, `NAME-step00000100…`, `NAME…`; undefined for any other name. */
function readOutputName(
  base: string,
  name: string,
): { readonly kind: OutputFile["kind"]; readonly epoch?: number; readonly step?: number } | undefined {
  if (!base.startsWith(name)) return undefined;
  const match = /^(?:-(?<epoch>\d{6,})|-step(?<step>\d{8,}))?(?<end>\.safetensors|-state)$/.exec(
    base.slice(name.length),
  );
  if (match?.groups === undefined) return undefined;
  const { epoch, step, end } = match.groups;
  return {
    kind: end === "-state" ? "state" : "checkpoint",
    ...(epoch === undefined ? {} : { epoch: Number(epoch) }),
    ...(step === undefined ? {} : { step: Number(step) }),
  };
}

/** Everything there is under the stage's names, with what is known about it. Sorted by path. */
export function stageOutputs(options: OutputsOptions): StageOutputs {
  const { disk } = options;
  const onDisk = disk === undefined ? undefined : diskPaths(disk);
  const exists = (path: string) => onDisk === undefined || !wasLookedAt(disk, path) || onDisk.has(path);
  const kinds = new Map(disk?.states.map(({ dir, kind }) => [dir, kind]));
  const recorded = recordedFiles(options).filter(({ path, kind }) => isOwn(path, kind, options));
  const files = [
    ...recorded.filter(({ path }) => exists(path)),
    ...(disk === undefined ? [] : filesUnderNames(disk, options, new Set(recorded.map(({ path }) => path)))),
  ];
  return {
    files: files.map((file) => ({ ...file, savedAs: kinds.get(file.path) })).sort((a, b) => (a.path < b.path ? -1 : 1)),
    usable: usableStates(options, exists).sort(
      (a, b) => b.doneSteps - a.doneSteps || b.doneEpochs - a.doneEpochs || (a.path < b.path ? -1 : 1),
    ),
    ...lostCheckpoints(options, exists),
  };
}

/**
 * Whether a recorded path is one that the stage can have made, under its present name or that of its last process. A record
 * that somebody edited may name anything, and what it names is archived.
 */
function isOwn(
  path: string,
  kind: OutputFile["kind"],
  { stage, outputDir, outputName, state }: OutputsOptions,
): boolean {
  const record = state?.stages[stage];
  const places = [
    { folder: outputDir, name: outputName },
    { folder: record?.output_dir ?? outputDir, name: record?.output_name ?? outputName },
  ];
  return places.some(
    ({ folder, name }) => folderOf(path) === folder && readOutputName(baseName(path), name)?.kind === kind,
  );
}

/** A recorded checkpoint that was moved into the present folder, as a change of `output.dir` asks for, is not lost. */
function lostCheckpoints(
  { stage, outputDir, state, disk }: OutputsOptions,
  exists: (path: string) => boolean,
): Pick<StageOutputs, "gone" | "damaged"> {
  const gone: string[] = [];
  const damaged: string[] = [];
  for (const { stage: of, file, bytes } of state?.checkpoints ?? []) {
    if (of !== stage) continue;
    const moved = joinPath(outputDir, baseName(file));
    const found = disk?.outputs[file] ?? disk?.outputs[moved];
    if (found === undefined && !exists(file)) gone.push(file);
    if (found !== undefined && (found.tensorBytes === undefined || found.bytes !== bytes)) damaged.push(file);
  }
  return { gone, damaged };
}

/** Whether the disk was asked about a path: elsewhere the record is believed. */
function wasLookedAt(disk: DiskFacts | undefined, path: string): boolean {
  return disk?.outputFolders.includes(folderOf(path)) === true;
}

function diskPaths(disk: DiskFacts): ReadonlySet<string> {
  return new Set([...Object.keys(disk.outputs), ...disk.states.map(({ dir }) => dir)]);
}

function recordedFiles({ state, stage, disk }: OutputsOptions): readonly OutputFile[] {
  const checkpoints = (state?.checkpoints ?? []).filter((checkpoint) => checkpoint.stage === stage);
  const states = (state?.training_states ?? []).filter((trainingState) => trainingState.stage === stage);
  return [
    ...checkpoints.map(({ file, epoch, step }): OutputFile => {
      const bytes = disk?.outputs[file]?.tensorBytes;
      return { path: file, kind: "checkpoint", epoch, step, bytes, recorded: true };
    }),
    ...states.map(({ dir, done_epochs, done_steps }): OutputFile => {
      return { path: dir, kind: "state", epoch: done_epochs, step: done_steps, bytes: undefined, recorded: true };
    }),
  ];
}

/** What lies on a disk under the stage's names, the paths in `except` aside. */
export function filesUnderNames(
  disk: DiskFacts,
  { outputDir, outputName, stepsPerEpoch }: Pick<OutputsOptions, "outputDir" | "outputName" | "stepsPerEpoch">,
  except: ReadonlySet<string>,
): readonly OutputFile[] {
  const found: OutputFile[] = [];
  const add = (path: string, kind: OutputFile["kind"], known: Partial<OutputFile>) => {
    const told = folderOf(path) === outputDir ? readOutputName(baseName(path), outputName) : undefined;
    if (told?.kind !== kind || except.has(path)) return;
    const epoch =
      told.epoch ?? (told.step === undefined ? undefined : Math.ceil(told.step / Math.max(1, stepsPerEpoch)));
    const step = told.step ?? (told.epoch === undefined ? undefined : told.epoch * stepsPerEpoch);
    found.push({ path, kind, epoch, step, bytes: undefined, recorded: false, ...known });
  };
  for (const [path, { tensorBytes }] of Object.entries(disk.outputs)) add(path, "checkpoint", { bytes: tensorBytes });
  for (const { dir, doneEpochs, doneSteps } of disk.states) {
    add(dir, "state", {
      ...(doneEpochs === undefined ? {} : { epoch: doneEpochs }),
      ...(doneSteps === undefined ? {} : { step: doneSteps }),
    });
  }
  return found;
}

function usableStates(options: OutputsOptions, exists: (path: string) => boolean): UsableState[] {
  const { stage, outputName, fingerprint, state, disk, stepsPerEpoch, batchesPerEpoch, accumulation } = options;
  const record: StageRecord | undefined = state?.stages[stage];
  const usable = new Map<string, UsableState>();
  // The last step of an epoch takes the batches that are left.
  const batches = (doneEpochs: number, doneSteps: number) =>
    Math.min(batchesPerEpoch, Math.max(0, doneSteps - doneEpochs * stepsPerEpoch) * accumulation);
  const add = (found: UsableState) => {
    if (agreesWithItself(found, options)) usable.set(found.path, found);
  };
  // The record is believed where the disk cannot be asked; where it can, the folder itself says whether it is complete.
  for (const { stage: of, dir, done_epochs, done_steps, done_batches } of state?.training_states ?? []) {
    if (of !== stage || wasLookedAt(disk, dir) || !exists(dir) || record?.fingerprint !== fingerprint) continue;
    const doneBatches = done_batches ?? batches(done_epochs, done_steps);
    add({ path: dir, doneEpochs: done_epochs, doneSteps: done_steps, doneBatches });
  }
  const names = new Set([outputName, record?.output_name ?? outputName]);
  for (const found of disk?.states ?? []) {
    const { complete, doneEpochs, doneSteps } = found;
    const path = found.dir;
    const ours = [...names].some((one) => readOutputName(baseName(path), one)?.kind === "state");
    if (!complete || !ours || doneEpochs === undefined || doneSteps === undefined) continue;
    if (found.fingerprint !== fingerprint || found.stage !== stage) continue;
    const doneBatches = found.doneBatches ?? batches(doneEpochs, doneSteps);
    add({ path, doneEpochs, doneSteps, doneBatches });
  }
  return [...usable.values()];
}

/**
 * Whether epochs, steps and batches of a state can have come about together. After an epoch's last step all its batches are
 * done and the epoch is not counted yet: its own saves may still be to come.
 */
function agreesWithItself(
  { doneEpochs, doneSteps, doneBatches }: UsableState,
  { stepsPerEpoch, batchesPerEpoch, accumulation }: OutputsOptions,
): boolean {
  const stepsInEpoch = Math.ceil(doneBatches / accumulation);
  return doneBatches <= batchesPerEpoch && doneEpochs * stepsPerEpoch + stepsInEpoch === doneSteps;
}
