import { withResume } from "../render/arguments.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import type { LoraModule } from "../trainer/lora.ts";
import { clipChanges, modelChanges, valueChanges } from "./changes.ts";
import { type CheckpointListOptions, listCheckpoints, type Progress, trainingWrites } from "./checkpoint-list.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { trainInputs } from "./inputs.ts";
import { type OutputFile, stageOutputs } from "./outputs.ts";
import type { Reason, StageAction, StagePlan } from "./plan.ts";
import { type LastFilesMoves, moveLastFiles } from "./renames.ts";
import { allowsExtend, checkpointOptions, numberOf, type StageLength, stageLength, textOf } from "./schedule.ts";
import { type PlannedStage, type Planning, recordedDevices, renderedStage, stageDevices, waitReason } from "./stage.ts";
import { inTheWay, strangersOf, strangersReason } from "./strangers.ts";
import { decideTrainAction, type TrainAction } from "./train-action.ts";
import { type Training, trainingDiagnostics } from "./training-diagnostics.ts";

/** Plans a train stage: its action, what it goes on from, and every checkpoint. */

export function planTraining(
  stage: ResolvedTrainStage,
  modules: readonly LoraModule[],
  planning: Planning,
): PlannedStage {
  const { resolved, state, disk, sha256 } = planning;
  const shaping = trainInputs(stage, planning.inputs);
  const fingerprint = fingerprintOf(stage.id, shaping, sha256);
  const wanted = stageLength(stage, resolved, planning.items.batches);
  const outputDir = resolved.spec.output.dir.path;
  const record = state?.stages[stage.id];
  const naming = {
    stage: stage.id,
    outputDir,
    outputName: stage.outputName,
    stepsPerEpoch: wanted.stepsPerEpoch,
    batchesPerEpoch: Math.ceil(planning.items.batches / processesOf(deviceChoice(resolved))),
    accumulation: numberOf(stage, "gradient_accumulation_steps") ?? 1,
    fingerprint,
    state,
    disk,
  };
  const outputs = stageOutputs(naming);
  const strangers = strangersOf({ ...naming, here: planning.here?.disk }, outputs);
  const training = { planning, stage, modules, outputDir, wanted, record, outputs, strangers, shaping, fingerprint };
  const decision = decideTrainAction({
    fingerprint,
    driver: planning.driverOf(stage.id),
    wanted,
    record,
    changes: changesSince(training),
    outputs,
    running: planning.alive.has(stage.id),
    elsewhere: planning.elsewhere,
    requested: planning.choices.replace.has(stage.id),
    fromEpoch: planning.choices.fromEpoch.get(stage.id),
    scheduleAllowsExtend: allowsExtend(stage),
    schedule: textOf(stage, "lr_scheduler_type") ?? textOf(stage, "lr_scheduler") ?? "constant",
  });
  if (!planning.choices.waits(stage.id) || decision.action === "none") return assemble(training, decision);
  const withheld = { action: actionOf(decision), reasons: decision.reasons };
  return { ...assemble(training, { action: "wait", reasons: [waitReason(planning, withheld)] }), withheld };
}

/** A decision as an action of the plan. */
function actionOf({ action }: TrainAction): StageAction {
  return action === "follow" ? "resume" : action === "refuse" ? "none" : action;
}

/** Every way in which what is wanted differs from what was trained; none where the fingerprints are equal. */
function changesSince({ planning, record, shaping, fingerprint }: Training): readonly Reason[] {
  if (record === undefined) return [];
  const backend = planning.resolved.spec.trainer.backend;
  const backendChange: Reason[] =
    record.backend === backend
      ? []
      : [
          {
            cause: "backend-changed",
            parameter: "trainer.backend",
            from: record.backend,
            to: backend,
            text: `trainer.backend ${record.backend} → ${backend}`,
          },
        ];
  if (record.fingerprint === fingerprint) return backendChange;
  const changes = [
    ...backendChange,
    ...valueChanges(record.inputs, shaping.inputs, planning.provenance),
    ...modelChanges(record.identities, shaping.identities),
    ...clipChanges(record.identities, shaping.identities),
  ];
  if (changes.length > 0) return changes;
  return [{ cause: "parameter-changed", text: "its fingerprint was taken by another version of wan22" }];
}

interface Course {
  readonly action: StageAction;
  readonly length: StageLength;
  readonly progress: Progress;
  readonly moves: LastFilesMoves;
  /** Of the part already done. */
  readonly done?: Pick<StagePlan, "done_epochs" | "done_steps" | "done_batches"> | undefined;
  readonly resumeFrom?: string | undefined;
}

const NO_MOVES: LastFilesMoves = { renames: [], archive: [] };

function courseOf(training: Training, decision: TrainAction): Course {
  const { outputs, wanted, record, stage } = training;
  switch (decision.action) {
    case "create":
    case "replace":
      return {
        action: decision.action,
        length: wanted,
        progress: { kind: "from-start" },
        moves: { renames: [], archive: outputs.files.map(({ path }) => path) },
      };
    case "resume":
    case "extend": {
      const { path } = decision.from;
      const { later = [] } = decision;
      const lastMoves = moveLastFiles({
        files: ownFiles(training).filter((file) => !later.includes(file.path)),
        outputName: record?.output_name ?? stage.outputName,
        totalEpochs: wanted.epochs,
        stepsPerEpoch: wanted.stepsPerEpoch,
        saveEveryEpochs: numberOf(stage, "save_every_n_epochs"),
        keepLastEpochs: numberOf(stage, "save_last_n_epochs"),
        keepLastEpochsState: numberOf(stage, "save_last_n_epochs_state"),
        usable: new Set(outputs.usable.map((usable) => usable.path)),
      });
      const moves = { ...lastMoves, archive: [...later, ...lastMoves.archive] };
      // The same state can lie there under the name of its step: then that one stays, and says for itself where it is.
      const same = outputs.usable.find(
        (other) => other.doneSteps === decision.from.doneSteps && !moves.archive.includes(other.path),
      );
      const kept = moves.archive.includes(path) ? (same ?? decision.from) : decision.from;
      const { doneEpochs, doneSteps, doneBatches } = kept;
      const from = moves.renames.find((rename) => rename.from === kept.path)?.to ?? kept.path;
      return {
        action: decision.action,
        length: wanted,
        progress: { kind: "going-on", doneEpochs, doneSteps, from },
        moves,
        done: { done_epochs: doneEpochs, done_steps: doneSteps, done_batches: doneBatches },
        resumeFrom: from,
      };
    }
    case "follow": {
      const { done_epochs = 0, done_steps = 0, total_epochs = wanted.epochs } = decision.record;
      return {
        action: "resume",
        length: { ...wanted, epochs: total_epochs },
        progress: { kind: "going-on", doneEpochs: done_epochs, doneSteps: done_steps },
        moves: NO_MOVES,
        done: { done_epochs, done_steps },
      };
    }
    case "none":
    case "wait":
    case "refuse": {
      const { total_epochs = wanted.epochs, done_epochs = 0, done_steps = 0 } = record ?? {};
      return {
        action: actionOf(decision) === "wait" ? "wait" : "none",
        length: { ...wanted, epochs: total_epochs },
        progress: { kind: "over" },
        moves: NO_MOVES,
        done: { done_epochs, done_steps },
      };
    }
  }
}

function assemble(training: Training, decision: TrainAction): PlannedStage {
  const { planning, stage, modules, outputDir, outputs, shaping, fingerprint } = training;
  const course = courseOf(training, decision);
  const { length } = course;
  const { argv, files } = renderedStage(planning.rendered, stage.id);
  const scheduled: Omit<CheckpointListOptions, "files"> = {
    stage: stage.id,
    outputDir,
    schedule: checkpointOptions(stage, { ...length, modules, savesIn: planning.savesIn }),
    progress: course.progress,
  };
  const found = strangersArchived(training, decision, { course, scheduled });
  const moves = withArchived(course.moves, found);
  const list: CheckpointListOptions = {
    ...scheduled,
    files: course.progress.kind === "from-start" ? outputs.files : afterMoves(outputs.files, moves),
  };
  const later = "later" in decision ? (decision.later ?? []) : [];
  return {
    stage: {
      id: stage.id,
      action: course.action,
      reasons: [...decision.reasons, ...strangersReason(found)],
      driver: planning.driverOf(stage.id),
      // A living trainer stays where it was started.
      ...(decision.action === "follow" ? recordedDevices(decision.record) : stageDevices(stage.id, planning.resolved)),
      argv: [...(course.resumeFrom === undefined ? argv : withResume(argv, course.resumeFrom))],
      files: { ...files },
      fingerprint,
      inputs: { ...shaping.inputs },
      identities: { ...shaping.identities },
      total_epochs: length.epochs,
      steps_per_epoch: length.stepsPerEpoch,
      total_steps: length.epochs * length.stepsPerEpoch,
      ...(course.done ?? { done_epochs: 0, done_steps: 0, done_batches: 0 }),
      ...(course.resumeFrom === undefined ? {} : { resume_from: course.resumeFrom }),
      ...(moves.renames.length === 0 ? {} : { renames: [...moves.renames] }),
      ...(moves.archive.length === 0 ? {} : { archive: [...moves.archive] }),
      writes: [...trainingWrites(list)],
      output_dir: outputDir,
      output_name: stage.outputName,
    },
    checkpoints: listCheckpoints(list).map((file) => {
      // What is given up and trained again under the same name.
      if (file.action === "create" && later.includes(file.file)) return { ...file, action: "replace" };
      // A living trainer replaces nothing: what lies there already, it has made since its record was read.
      return decision.action === "follow" && file.action === "replace" ? { ...file, action: "create" } : file;
    }),
    diagnostics: trainingDiagnostics(training, decision),
  };
}

/** Files of which the record does not tell and that are archived all the same: of those that it tells of, the course does it. */
function strangersArchived(
  training: Training,
  decision: TrainAction,
  { course, scheduled }: { readonly course: Course; readonly scheduled: Omit<CheckpointListOptions, "files"> },
): readonly string[] {
  const { strangers, outputDir, stage } = training;
  if (course.progress.kind === "from-start") {
    const archived = new Set(course.moves.archive);
    return strangers.flatMap(({ path }) => (archived.has(path) ? [] : [path]));
  }
  if (decision.action !== "resume" && decision.action !== "extend") return [];
  const { moves } = course;
  const listed = listCheckpoints({ ...scheduled, files: [...afterMoves(ownFiles(training), moves), ...strangers] });
  return inTheWay(strangers, { outputDir, outputName: stage.outputName, from: decision.from.path, moves, listed });
}

function withArchived({ renames, archive }: LastFilesMoves, found: readonly string[]): LastFilesMoves {
  return { renames: renames.filter(({ from }) => !found.includes(from)), archive: [...archive, ...found] };
}

/** The files of which the record tells. */
function ownFiles({ outputs, strangers }: Pick<Training, "outputs" | "strangers">): readonly OutputFile[] {
  const foreign = new Set(strangers);
  return outputs.files.filter((file) => !foreign.has(file));
}

/** The files under the names that they have when training starts. */
function afterMoves(files: readonly OutputFile[], { renames, archive }: LastFilesMoves): readonly OutputFile[] {
  const to = new Map(renames.map((rename) => [rename.from, rename.to]));
  const archived = new Set(archive);
  return files
    .filter(({ path }) => !archived.has(path))
    .map((file) => ({ ...file, path: to.get(file.path) ?? file.path }));
}
