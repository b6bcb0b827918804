import type { DiskFacts } from "../../../src/core/facts.ts";
import { joinPath } from "../../../src/core/paths.ts";
import { isCarriedOut } from "../../../src/core/plan/carried-out.ts";
import type { PipelinePlan, StagePlan } from "../../../src/core/plan/plan.ts";
import type { StateEntry } from "../../../src/core/state/fold.ts";
import { HOST, observedCaches, type Planned } from "./world.ts";

/**
 * Carries out plans on a disk of names: what `apply` and the trainer's loop do to files, written down a second time and
 * independently of the planner's arithmetic (the trainer's `_run_training_loop` and `utils/train_utils.py`).
 */

interface SavedState {
  readonly stage: string;
  readonly fingerprint: string;
  readonly doneEpochs: number;
  readonly doneSteps: number;
  readonly doneBatches: number;
  readonly kind: "scheduled" | "stop" | "last";
}

export interface SimulatedDisk {
  /** Cache file to what is known of it. */
  readonly caches: Set<string>;
  readonly checkpoints: Map<string, number>;
  readonly states: Map<string, SavedState>;
}

export function emptyDisk(): SimulatedDisk {
  return { caches: new Set(), checkpoints: new Map(), states: new Map() };
}

/** The disk as it is observed. */
export function observed(disk: SimulatedDisk, planned: Planned): DiskFacts {
  return {
    caches: observedCaches(disk.caches, planned),
    outputFolders: ["output/fox"],
    outputs: Object.fromEntries([...disk.checkpoints].map(([path, bytes]) => [path, { bytes, tensorBytes: bytes }])),
    states: [...disk.states].map(([dir, state]) => ({ dir, complete: true, ...state })),
  };
}

export interface SimulatedRun {
  readonly planned: Planned;
  readonly disk: SimulatedDisk;
  readonly lineage: string;
  /** Every train stage ends after this step. */
  readonly untilStep?: number | undefined;
  /** A stop saves a training state; a kill does not. */
  readonly manner?: "stop" | "kill" | undefined;
}

/** Carries out a plan; gives the entries that are written down meanwhile. */
export function simulateRun({ planned, disk, lineage, untilStep, manner }: SimulatedRun): readonly StateEntry[] {
  const { plan } = planned;
  const base = { v: 1, t: 1_700_000_000 } as const;
  const { name: pipeline, file, digest: plan_digest } = plan;
  const entries: StateEntry[] = [
    { ...base, type: "run", run: "run", pipeline, file, lineage, host: HOST, plan_digest },
  ];
  for (const stage of plan.stages) {
    if (!isCarriedOut(stage)) continue;
    const { id, action, fingerprint, inputs, identities } = stage;
    const { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name } = stage;
    const train = id.startsWith("train");
    entries.push({
      ...base,
      type: "stage",
      stage: id,
      action,
      backend: "rehearsal",
      fingerprint,
      inputs,
      identities,
      segment: 1,
      ...(train ? { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name } : {}),
    });
    entries.push(...makeRoom(stage, disk));
    entries.push({ ...base, type: "process", stage: id, pid: 1, boot_id: "b", start_time: "1" });
    if (!train) {
      for (const cache of stage.pending ?? []) disk.caches.add(cache);
      entries.push({ ...base, type: "cached", stage: id, caches: stage.cache_digests ?? {} });
      entries.push({ ...base, type: "end", stage: id, outcome: "finished", exit_code: 0 });
      continue;
    }
    const outcome = trainStage({ plan, stage, disk, entries, untilStep, manner: manner ?? "stop" });
    entries.push({ ...base, type: "end", stage: id, outcome, exit_code: 0 });
    if (outcome !== "finished") break;
  }
  return entries;
}

/** Archives, then renames, then removes caches; a name that is taken is a fault of the plan. */
function makeRoom(stage: StagePlan, disk: SimulatedDisk): StateEntry[] {
  const base = { v: 1, t: 1_700_000_000, stage: stage.id } as const;
  const entries: StateEntry[] = [];
  const files = (stage.archive ?? []).map((from) => ({ from, to: `archive/${from}` }));
  if (files.length > 0) entries.push({ ...base, type: "archived", files });
  for (const { from } of files) if (!disk.checkpoints.delete(from) && !disk.states.delete(from)) throw new Error(from);
  for (const { from, to } of stage.renames ?? []) {
    if (disk.checkpoints.has(to) || disk.states.has(to)) throw new Error(`${to} is taken`);
    move(disk.checkpoints, from, to);
    move(disk.states, from, to);
    entries.push({ ...base, type: "renamed", from, to });
  }
  for (const file of [...(stage.pending ?? []), ...(stage.leftover ?? [])]) {
    if (disk.caches.delete(file)) entries.push({ ...base, type: "unlinked", file });
  }
  return entries;
}

function move<T>(files: Map<string, T>, from: string, to: string): void {
  const file = files.get(from);
  if (file === undefined) return;
  files.delete(from);
  files.set(to, file);
}

interface Training {
  readonly plan: PipelinePlan;
  readonly stage: StagePlan;
  readonly disk: SimulatedDisk;
  readonly entries: StateEntry[];
  readonly untilStep: number | undefined;
  readonly manner: "stop" | "kill";
}

function trainStage(training: Training): "finished" | "stopped" | "lost" {
  const { plan, stage, disk, entries, untilStep = Number.POSITIVE_INFINITY, manner } = training;
  const base = { v: 1, t: 1_700_000_100, stage: stage.id } as const;
  const name = stage.output_name ?? "";
  const path = (file: string) => joinPath(stage.output_dir ?? ".", file);
  const number = (key: string) => {
    const value = plan.parameters[key]?.value;
    return typeof value === "number" ? value : undefined;
  };
  const perEpoch = stage.steps_per_epoch ?? 0;
  const epochs = stage.total_epochs ?? 0;
  const everyEpochs = number("save_every_n_epochs");
  const everySteps = number("save_every_n_steps");
  const lastEpochs = number("save_last_n_epochs");
  const lastEpochsState = number("save_last_n_epochs_state") ?? lastEpochs;
  const lastSteps = number("save_last_n_steps");
  const lastStepsState = number("save_last_n_steps_state") ?? lastSteps;
  const saveState = plan.parameters.save_state?.value === true;
  const saveLast = saveState || plan.parameters.save_state_on_train_end?.value === true;
  const epochFile = (epoch: number) => path(`${name}-${String(epoch).padStart(6, "0")}`);
  const stepFile = (at: number) => path(`${name}-step${String(at).padStart(8, "0")}`);

  const saveCheckpoint = (file: string, epoch: number, at: number) => {
    disk.checkpoints.set(file, 1);
    entries.push({ ...base, type: "checkpoint", file, epoch, step: at, bytes: 1 });
  };
  const saveTrainingState = (dir: string, doneEpochs: number, at: number, kind: SavedState["kind"]) => {
    const held = disk.states.get(dir);
    if (held?.fingerprint === stage.fingerprint && held.doneSteps === at) return;
    const doneBatches = at - doneEpochs * perEpoch;
    disk.states.set(dir, {
      stage: stage.id,
      fingerprint: stage.fingerprint,
      doneEpochs,
      doneSteps: at,
      doneBatches,
      kind,
    });
    entries.push({ ...base, type: "state", dir, done_epochs: doneEpochs, done_steps: at });
    removeInterim(at);
  };
  const remove = (file: string) => {
    if (disk.checkpoints.delete(file) || disk.states.delete(file)) entries.push({ ...base, type: "removed", file });
  };
  const removeInterim = (before: number) => {
    for (const [dir, state] of disk.states) {
      const interim = state.kind !== "scheduled" && dir.startsWith(path(`${name}-step`));
      if (interim && state.doneSteps < before) remove(dir);
    }
  };

  const removeAfterStep = (at: number, every: number) => {
    const old = (keep: number) => Math.floor((at - keep - 1) / every) * every;
    if (saveState && lastStepsState !== undefined && old(lastStepsState) > 0)
      remove(`${stepFile(old(lastStepsState))}-state`);
    if (lastSteps !== undefined && old(lastSteps) > 0) remove(`${stepFile(old(lastSteps))}.safetensors`);
  };
  const removeAfterEpoch = (at: number, every: number) => {
    if (saveState && lastEpochsState !== undefined) remove(`${epochFile(at - every * lastEpochsState)}-state`);
  };

  let done = stage.done_steps ?? 0;
  // Whoever saved the state may have been killed before it came to remove what goes for it.
  if (stage.resume_from !== undefined && disk.states.get(stage.resume_from)?.kind === "scheduled") {
    const [, by, at] = /-(step)?(\d+)-state$/.exec(stage.resume_from) ?? [];
    const [every, removeAfter] = by === "step" ? [everySteps, removeAfterStep] : [everyEpochs, removeAfterEpoch];
    if (every !== undefined && Number(at) % every === 0) removeAfter(Number(at), every);
  }
  for (let epoch = stage.done_epochs ?? 0; epoch < epochs; epoch += 1) {
    while (done < (epoch + 1) * perEpoch) {
      if (manner === "kill" && done >= untilStep) return "lost";
      done += 1;
      entries.push({ ...base, type: "step", step: done, epoch: epoch + 1, loss: 1 });
      if (everySteps !== undefined && done % everySteps === 0) {
        saveCheckpoint(`${stepFile(done)}.safetensors`, epoch + 1, done);
        if (saveState) saveTrainingState(`${stepFile(done)}-state`, epoch, done, "scheduled");
        removeAfterStep(done, everySteps);
      }
      if (manner === "stop" && done >= untilStep && done < (epoch + 1) * perEpoch) {
        saveTrainingState(`${stepFile(done)}-state`, epoch, done, "stop");
        return "stopped";
      }
    }
    entries.push({ ...base, type: "epoch", epoch: epoch + 1 });
    const finishedEpoch = epoch + 1;
    let saved = false;
    if (everyEpochs !== undefined && finishedEpoch % everyEpochs === 0 && finishedEpoch < epochs) {
      saveCheckpoint(`${epochFile(finishedEpoch)}.safetensors`, finishedEpoch, done);
      if (lastEpochs !== undefined) remove(`${epochFile(finishedEpoch - everyEpochs * lastEpochs)}.safetensors`);
      if (saveState) {
        saveTrainingState(`${epochFile(finishedEpoch)}-state`, finishedEpoch, done, "scheduled");
        removeAfterEpoch(finishedEpoch, everyEpochs);
        saved = true;
      }
    }
    if (manner === "stop" && done >= untilStep && finishedEpoch < epochs) {
      if (!saved) saveTrainingState(`${stepFile(done)}-state`, finishedEpoch, done, "stop");
      return "stopped";
    }
  }
  if (saveLast) saveTrainingState(path(`${name}-state`), epochs, done, "last");
  saveCheckpoint(path(`${name}.safetensors`), epochs, done);
  removeInterim(done + 1);
  return "finished";
}
