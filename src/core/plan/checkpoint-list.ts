import type { DiskFacts } from "../facts.ts";
import { baseName, folderOf, joinPath } from "../paths.ts";
import type { State } from "../state/state.ts";
import {
  addedBytes,
  type CheckpointOptions,
  lastCheckpointName,
  lastStateName,
  removalsAfter,
  type ScheduledFile,
  scheduleCheckpoints,
  scheduleRemovals,
} from "../trainer/checkpoints.ts";
import { loraBytes, trainingStateBytes } from "../trainer/lora.ts";
import type { StageId } from "../vocabulary.ts";
import type { OutputFile } from "./outputs.ts";
import type { CheckpointPlan, FolderBytes } from "./plan.ts";

/** Every checkpoint and training state that there is or will be, one by one, with what becomes of it (design §5). */

export interface CheckpointListOptions {
  readonly stage: StageId;
  readonly outputDir: string;
  /** The run as a whole, from epoch 0. */
  readonly schedule: CheckpointOptions;
  /** What there is already, under the names that it will have when training starts. */
  readonly files: readonly OutputFile[];
  readonly progress: Progress;
}

export type Progress =
  /** Training starts over: what exists has been archived by then. */
  | { readonly kind: "from-start" }
  /** Training goes on after these epochs and steps; `from` is the training state, if a process has to load one. */
  | {
      readonly kind: "going-on";
      readonly doneEpochs: number;
      readonly doneSteps: number;
      readonly from?: string | undefined;
    }
  /** Nothing is trained. */
  | { readonly kind: "over" };

type Action = CheckpointPlan["action"];

/** What training adds to its folder at one time (`addedBytes`); nothing where nothing is trained. */
export function trainingWrites(options: CheckpointListOptions): readonly FolderBytes[] {
  const { outputDir, schedule, progress } = options;
  if (progress.kind === "over") return [];
  const goesOn = progress.kind === "going-on";
  // Files of a new start lie in an archive by then, on the same disk.
  const existing = goesOn ? options.files.filter(({ path }) => folderOf(path) === outputDir) : [];
  const sizeOf = ({ kind, bytes }: OutputFile) =>
    bytes ?? (kind === "state" ? trainingStateBytes(schedule) : loraBytes(schedule));
  const { least, most } = addedBytes(
    goesOn ? { ...schedule, fromEpoch: progress.doneEpochs, fromStep: progress.doneSteps } : schedule,
    new Map(existing.map((file) => [baseName(file.path), sizeOf(file)])),
  );
  // A stop's state goes in the course of it; when is not told here.
  const interim = existing
    .filter((file) => isInterim(file, schedule, file.savedAs ?? "stop"))
    .reduce((sum, file) => sum + sizeOf(file), 0);
  return [{ folder: outputDir, low: Math.max(0, least - interim), high: Math.max(0, most) }];
}

/** By step, states after checkpoints of the same step, then by name. */
export function listCheckpoints(options: CheckpointListOptions): readonly CheckpointPlan[] {
  const scheduled = scheduleCheckpoints(options.schedule).map((file) => ({
    ...file,
    path: joinPath(options.outputDir, file.file),
  }));
  const existing = new Map(options.files.map((file) => [file.path, file]));
  const listed = new Map<string, CheckpointPlan>();
  const removed = laterRemovals(options);
  for (const file of scheduled) {
    const action = scheduledAction(file, existing.get(file.path), options, removed);
    if (action === undefined) continue;
    const { path, kind, epoch, step, bytes } = file;
    listed.set(path, { stage: options.stage, file: path, kind, action, epoch, step, bytes });
  }
  if (options.progress.kind !== "from-start") {
    for (const file of options.files) {
      if (!listed.has(file.path)) listed.set(file.path, unscheduled(file, options, removed));
    }
  }
  return [...listed.values()].sort(byStep);
}

function byStep(a: CheckpointPlan, b: CheckpointPlan): number {
  return a.step - b.step || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0) || (a.file < b.file ? -1 : 1);
}

/** Base names that retention will remove from here on. */
function laterRemovals({ schedule, progress, files }: CheckpointListOptions): ReadonlySet<string> {
  if (progress.kind !== "going-on") return new Set();
  const { doneEpochs: fromEpoch, doneSteps: fromStep } = progress;
  const begun = files.find(({ path }) => path === progress.from);
  const overdue =
    begun !== undefined && (begun.savedAs ?? "scheduled") === "scheduled"
      ? removalsAfter(baseName(begun.path), schedule)
      : [];
  return new Set([...overdue, ...scheduleRemovals({ ...schedule, fromEpoch, fromStep }).map(({ file }) => file)]);
}

function scheduledAction(
  file: ScheduledFile,
  found: OutputFile | undefined,
  { schedule, progress }: CheckpointListOptions,
  removed: ReadonlySet<string>,
): Action | undefined {
  const made: Action = file.prunedAtStep !== undefined ? "prune" : found === undefined ? "create" : "replace";
  switch (progress.kind) {
    case "from-start":
      return made;
    case "over":
      return found === undefined ? undefined : "keep";
    case "going-on":
      if (found !== undefined && isInterim(found, schedule, found.savedAs ?? "scheduled")) return "prune";
      if (isStillToCome(file, progress, schedule) || (found === undefined && isLast(file, schedule))) return made;
      if (found === undefined) return undefined;
      return removed.has(file.file) ? "prune" : "keep";
  }
}

/** The last checkpoint and state are written whenever training ends, even by a process that had no steps left. */
function isLast({ file }: ScheduledFile, { name }: CheckpointOptions): boolean {
  return file === lastCheckpointName(name) || file === lastStateName(name);
}

/** A stop on an epoch's last batch leaves that epoch's own saves to be made; saves by step were made with the step. */
function isStillToCome(
  { file, step, epoch }: ScheduledFile,
  { doneSteps, doneEpochs }: Extract<Progress, { kind: "going-on" }>,
  { name }: CheckpointOptions,
): boolean {
  if (step !== doneSteps) return step > doneSteps;
  return epoch > doneEpochs && !file.startsWith(`${name}-step`);
}

/** A file that this run's schedule does not name: another interval's, a stop's state, or one that nobody knows. */
function unscheduled(
  file: OutputFile,
  { stage, outputDir, progress, schedule }: CheckpointListOptions,
  removed: ReadonlySet<string>,
): CheckpointPlan {
  const { path, kind, step = 0 } = file;
  const bytes = file.bytes ?? (kind === "state" ? trainingStateBytes(schedule) : loraBytes(schedule));
  const base = baseName(path);
  // Saved in the course of an epoch, it is that one's, whatever counts only those that are done.
  const inCourse = base.startsWith(`${schedule.name}-step`) ? Math.ceil(step / Math.max(1, schedule.stepsPerEpoch)) : 0;
  const epoch = Math.max(file.epoch ?? 0, inCourse);
  // Where nothing says why it was saved: a step that no schedule names is a stop's.
  const superseded = progress.kind === "going-on" && isInterim(file, schedule, file.savedAs ?? "stop");
  const known = file.recorded || (progress.kind === "going-on" && progress.from === path);
  // The trainer removes what lies in the folder that it writes to.
  const goes = folderOf(path) === outputDir && (superseded || removed.has(base));
  const action: Action = goes ? "prune" : known ? "keep" : "orphan";
  return { stage, file: path, kind, action, epoch, step, bytes };
}

/** A state under a step's name that no schedule asked for goes once a later one is complete; at the latest at the end. */
function isInterim(
  { path, kind, step = 0 }: OutputFile,
  { name, epochs, stepsPerEpoch }: CheckpointOptions,
  savedAs: OutputFile["savedAs"],
): boolean {
  const isNamedByStep = kind === "state" && baseName(path).startsWith(`${name}-step`);
  return isNamedByStep && savedAs !== "scheduled" && step <= epochs * stepsPerEpoch;
}

/** Files of stages that a plan has no more, as after `noise: dual` became `separate`: nothing is done with them. */
export function listOrphans(
  state: State | undefined,
  planned: readonly StageId[],
  disk: DiskFacts | undefined,
): readonly CheckpointPlan[] {
  const states = new Set(disk?.states.map(({ dir }) => dir));
  const exists = (path: string) =>
    disk?.outputFolders.includes(folderOf(path)) !== true || Object.hasOwn(disk.outputs, path) || states.has(path);
  const orphan = { action: "orphan" } as const;
  const checkpoints = (state?.checkpoints ?? []).map(({ stage, file, epoch, step, bytes }): CheckpointPlan => {
    const tensorBytes = disk?.outputs[file]?.tensorBytes ?? bytes;
    return { stage, file, kind: "checkpoint", ...orphan, epoch, step, bytes: tensorBytes };
  });
  const trainingStates = (state?.training_states ?? []).map(
    ({ stage, dir, done_epochs, done_steps }): CheckpointPlan => {
      return { stage, file: dir, kind: "state", ...orphan, epoch: done_epochs, step: done_steps, bytes: 0 };
    },
  );
  return [...checkpoints, ...trainingStates]
    .filter(({ stage, file }) => !planned.includes(stage) && exists(file))
    .sort(byStep);
}
