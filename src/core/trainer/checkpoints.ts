/**
 * Every checkpoint and training state that a run makes, and what retention removes again (`_run_training_loop` in the
 * trainer's `training/trainer_base.py`, the names and retention in `utils/train_utils.py`; trainer facts §6).
 */
import { headerBytesAtMost, type LoraModule, leastTrainingStateBytes, loraBytes, trainingStateBytes } from "./lora.ts";

/** Checkpoints and training states that a plan lists one by one; two million of them fill the memory. */
export const MAX_SAVES = 100_000;

export interface CheckpointOptions {
  /** `output_name`. */
  readonly name: string;
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Where the run ends, if before its last epoch does (`max_train_steps` without epochs). */
  readonly totalSteps?: number | undefined;
  /** `save_every_n_epochs`, `save_every_n_steps`. */
  readonly saveEveryEpochs?: number | undefined;
  readonly saveEverySteps?: number | undefined;
  readonly saveState?: boolean | undefined;
  readonly saveStateOnTrainEnd?: boolean | undefined;
  /** `save_last_n_epochs`, `…_state`: counted in saves. `save_last_n_steps`, `…_state`: counted in steps. */
  readonly keepLastEpochs?: number | undefined;
  readonly keepLastEpochsState?: number | undefined;
  readonly keepLastSteps?: number | undefined;
  readonly keepLastStepsState?: number | undefined;
  readonly modules: readonly LoraModule[];
  readonly dim?: number | undefined;
  readonly savePrecision?: string | undefined;
  readonly optimizerType?: string | undefined;
  /** What was done before: only what comes after it is scheduled. Both 0 for a new run. */
  readonly fromEpoch?: number | undefined;
  readonly fromStep?: number | undefined;
}

export interface ScheduledFile {
  /** Base name in the output folder; a state is a folder. */
  readonly file: string;
  readonly kind: "checkpoint" | "state";
  /** The epoch whose end, or in whose course, it is saved; from 1. */
  readonly epoch: number;
  /** Optimizer steps done when it is saved, counted over the whole run. */
  readonly step: number;
  /** Exact for a checkpoint's tensors, an estimate for a state. */
  readonly bytes: number;
  /** The step at which retention removes it again. Absent for what the run leaves. */
  readonly prunedAtStep?: number;
}

/** A file that retention removes, whether this run made it or an earlier one. */
export interface Removal {
  readonly file: string;
  readonly atStep: number;
}

function epochName(name: string, epoch: number): string {
  return `${name}-${String(epoch).padStart(6, "0")}`;
}

function stepName(name: string, step: number): string {
  return `${name}-step${String(step).padStart(8, "0")}`;
}

/** `{name}-000004.safetensors`: after an epoch that is not the last. */
export function epochCheckpointName(name: string, epoch: number): string {
  return `${epochName(name, epoch)}.safetensors`;
}

/** `{name}-000004-state`. */
export function epochStateName(name: string, epoch: number): string {
  return `${epochName(name, epoch)}-state`;
}

/** `{name}-step00000100.safetensors`. */
function stepCheckpointName(name: string, step: number): string {
  return `${stepName(name, step)}.safetensors`;
}

/** `{name}-step00000100-state`. */
export function stepStateName(name: string, step: number): string {
  return `${stepName(name, step)}-state`;
}

/** `{name}.safetensors`: after the last epoch. */
export function lastCheckpointName(name: string): string {
  return `${name}.safetensors`;
}

/** `{name}-state`. */
export function lastStateName(name: string): string {
  return `${name}-state`;
}

/** What may stand behind a run's own name in those of its files: `-000004`, `-step00000100`. */
const COUNTED = /(?:-\d{6,}|-step\d{8,})+$/;

/** `fox` of `fox` and of `fox-000004`: a run named `fox-000004` ends with the file that `fox` saves after epoch 4. */
export function familyOfOutput(name: string): string {
  return name.replace(COUNTED, "") || name;
}

/** Whether runs of these names may write one file: the last one of `fox-000004` is the fourth epoch's of `fox`. */
export function outputsMeet(one: string, other: string): boolean {
  const [shorter, longer] = one.length <= other.length ? [one, other] : [other, one];
  if (!longer.startsWith(shorter)) return false;
  const rest = longer.slice(shorter.length);
  return rest === "" || COUNTED.exec(rest)?.index === 0;
}

type Happening =
  | { readonly type: "save"; readonly file: Omit<ScheduledFile, "bytes" | "prunedAtStep"> }
  | { readonly type: "remove"; readonly file: string; readonly step: number };

/** A number that an option really asks for; the trainer divides by it. */
function interval(value: number | undefined): number | undefined {
  return value === undefined || value < 1 ? undefined : value;
}

/** What happens at a step that a multiple of `every` falls on, in the trainer's order. */
function stepHappenings(options: CheckpointOptions, every: number, step: number, epoch: number): Happening[] {
  const { name, saveState, keepLastSteps, keepLastStepsState } = options;
  const happenings: Happening[] = [
    { type: "save", file: { file: stepCheckpointName(name, step), kind: "checkpoint", epoch, step } },
  ];
  const oldStep = (keep: number) => Math.floor((step - keep - 1) / every) * every;
  if (saveState === true) {
    happenings.push({ type: "save", file: { file: stepStateName(name, step), kind: "state", epoch, step } });
    // 0 counts as not given for states only.
    const keep = keepLastStepsState || keepLastSteps;
    if (keep !== undefined && oldStep(keep) > 0) {
      happenings.push({ type: "remove", file: stepStateName(name, oldStep(keep)), step });
    }
  }
  if (keepLastSteps !== undefined && oldStep(keepLastSteps) > 0) {
    happenings.push({ type: "remove", file: stepCheckpointName(name, oldStep(keepLastSteps)), step });
  }
  return happenings;
}

/** What happens after an epoch that a multiple of `every` falls on and that is not the last, in the trainer's order. */
function epochHappenings(options: CheckpointOptions, every: number, epoch: number, step: number): Happening[] {
  const { name, saveState, keepLastEpochs, keepLastEpochsState } = options;
  const happenings: Happening[] = [
    { type: "save", file: { file: epochCheckpointName(name, epoch), kind: "checkpoint", epoch, step } },
  ];
  const oldEpoch = (keep: number) => epoch - every * keep;
  if (keepLastEpochs !== undefined && oldEpoch(keepLastEpochs) > 0) {
    happenings.push({ type: "remove", file: epochCheckpointName(name, oldEpoch(keepLastEpochs)), step });
  }
  if (saveState === true) {
    happenings.push({ type: "save", file: { file: epochStateName(name, epoch), kind: "state", epoch, step } });
    const keep = keepLastEpochsState || keepLastEpochs;
    if (keep !== undefined && oldEpoch(keep) > 0) {
      happenings.push({ type: "remove", file: epochStateName(name, oldEpoch(keep)), step });
    }
  }
  return happenings;
}

/** Where the run ends, in steps. */
function lastStepOf({
  epochs,
  stepsPerEpoch,
  totalSteps,
}: Pick<CheckpointOptions, "epochs" | "stepsPerEpoch" | "totalSteps">): number {
  return Math.min(totalSteps ?? epochs * stepsPerEpoch, epochs * stepsPerEpoch);
}

/** How many checkpoints and training states a whole run saves between its steps and epochs, without naming them. */
export function countSaves(options: Omit<CheckpointOptions, "modules" | "name">): number {
  const { epochs, saveState } = options;
  const everySteps = interval(options.saveEverySteps);
  const everyEpochs = interval(options.saveEveryEpochs);
  const bySteps = everySteps === undefined ? 0 : Math.floor(lastStepOf(options) / everySteps);
  const byEpochs = everyEpochs === undefined ? 0 : Math.floor((epochs - 1) / everyEpochs);
  return (bySteps + byEpochs) * (saveState === true ? 2 : 1);
}

/** Everything from the first step after what was done to the end, in the order in which it happens. */
function happeningsOf(options: CheckpointOptions): readonly Happening[] {
  const { name, epochs, stepsPerEpoch, fromEpoch = 0, fromStep = 0 } = options;
  const lastStep = lastStepOf(options);
  // A rule refuses longer schedules before they are planned; what is left is a record that no run can have written.
  const isListable = countSaves(options) <= MAX_SAVES;
  const everySteps = isListable ? interval(options.saveEverySteps) : undefined;
  const everyEpochs = isListable ? interval(options.saveEveryEpochs) : undefined;
  const happenings: Happening[] = [];
  if (everySteps !== undefined) {
    for (let step = (Math.floor(fromStep / everySteps) + 1) * everySteps; step <= lastStep; step += everySteps) {
      happenings.push(...stepHappenings(options, everySteps, step, Math.ceil(step / stepsPerEpoch)));
    }
  }
  const stepOf = (happening: Happening) => (happening.type === "save" ? happening.file.step : happening.step);
  const ends: Happening[] = [];
  if (everyEpochs !== undefined) {
    for (let epoch = (Math.floor(fromEpoch / everyEpochs) + 1) * everyEpochs; epoch < epochs; epoch += everyEpochs) {
      ends.push(...epochHappenings(options, everyEpochs, epoch, epoch * stepsPerEpoch));
    }
  }
  // The state comes first at the end of training, the last checkpoint after it.
  if (options.saveState === true || options.saveStateOnTrainEnd === true) {
    ends.push({ type: "save", file: { file: lastStateName(name), kind: "state", epoch: epochs, step: lastStep } });
  }
  ends.push({
    type: "save",
    file: { file: lastCheckpointName(name), kind: "checkpoint", epoch: epochs, step: lastStep },
  });
  // Stable: where a step's save falls on an epoch's end it comes before the epoch's.
  return [...happenings, ...ends].sort((a, b) => stepOf(a) - stepOf(b));
}

/**
 * Every file that the run makes from where it starts to its end, in the order of saving, with the step at which retention
 * removes it again where it does.
 */
export function scheduleCheckpoints(options: CheckpointOptions): readonly ScheduledFile[] {
  const checkpointBytes = loraBytes(options);
  const stateBytes = trainingStateBytes(options);
  const files = new Map<string, ScheduledFile>();
  for (const happening of happeningsOf(options)) {
    if (happening.type === "save") {
      const { file } = happening;
      files.set(file.file, { ...file, bytes: file.kind === "state" ? stateBytes : checkpointBytes });
    } else {
      const file = files.get(happening.file);
      if (file !== undefined) files.set(happening.file, { ...file, prunedAtStep: happening.step });
    }
  }
  return [...files.values()];
}

/**
 * Every name that retention removes from where the run starts to its end. A resumed or extended run also removes files that
 * were made before; whoever knows which of them exist looks them up here.
 */
export function scheduleRemovals(options: CheckpointOptions): readonly Removal[] {
  return happeningsOf(options).flatMap((happening) =>
    happening.type === "remove" ? [{ file: happening.file, atStep: happening.step }] : [],
  );
}

/**
 * Names that retention removes once it has saved a training state of this name. A process that was killed right after may not
 * have come to it; the one that goes on from that state does it first.
 */
export function removalsAfter(state: string, options: CheckpointOptions): readonly string[] {
  const happenings = happeningsOf({ ...options, fromEpoch: 0, fromStep: 0 });
  const at = happenings.findIndex((happening) => happening.type === "save" && happening.file.file === state);
  const after = at < 0 ? [] : happenings.slice(at + 1);
  const nextSave = after.findIndex(({ type }) => type === "save");
  return after.slice(0, nextSave).flatMap((happening) => (happening.type === "remove" ? [happening.file] : []));
}

/** A file's last block is rarely full. */
const BLOCK_BYTES = 4096;
const FILES_OF_STATE = 6;

export interface AddedBytes {
  /** Training does not come to its end without. */
  readonly least: number;
  readonly most: number;
}

/**
 * The bytes that a run adds at one time to what there is when it starts, by base name in `existing`: a file is written beside
 * the one that it replaces, and an older one is removed only when a newer one is there. What a state takes is an estimate.
 */
export function addedBytes(options: CheckpointOptions, existing: ReadonlyMap<string, number>): AddedBytes {
  const happenings = happeningsOf(options);
  const checkpoint = loraBytes(options);
  const most = peakOf(happenings, existing, {
    checkpoint: checkpoint + headerBytesAtMost(options) + BLOCK_BYTES,
    state: trainingStateBytes(options) + FILES_OF_STATE * BLOCK_BYTES,
  });
  const least = peakOf(happenings, existing, { checkpoint, state: leastTrainingStateBytes(options) });
  return { least: Math.min(least, most), most };
}

function peakOf(
  happenings: readonly Happening[],
  existing: ReadonlyMap<string, number>,
  bytesOf: Readonly<Record<ScheduledFile["kind"], number>>,
): number {
  const sizes = new Map(existing);
  let added = 0;
  let peak = 0;
  for (const happening of happenings) {
    const name = happening.type === "save" ? happening.file.file : happening.file;
    const old = sizes.get(name) ?? 0;
    sizes.delete(name);
    if (happening.type === "remove") {
      added -= old;
      continue;
    }
    const { kind } = happening.file;
    // A state of the same name goes first (design §7), a checkpoint is replaced when the new one is whole.
    if (kind === "state") added -= old;
    added += bytesOf[kind];
    peak = Math.max(peak, added);
    if (kind === "checkpoint") added -= old;
    sizes.set(name, bytesOf[kind]);
  }
  return peak;
}
