import { type Diagnostic, diagnose } from "../diagnostic.ts";
import { folderOf, joinPath } from "../paths.ts";
import { withResume } from "../render/arguments.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import type { StageRecord } from "../state/state.ts";
import type { LoraModule } from "../trainer/lora.ts";
import { clipChanges, modelChanges, valueChanges } from "./changes.ts";
import { type CheckpointListOptions, listCheckpoints, type Progress, trainingWrites } from "./checkpoint-list.ts";
import { PLAN_CODES } from "./codes.ts";
import { type Fingerprint, fingerprintOf, type StageInputs } from "./fingerprint.ts";
import { trainInputs } from "./inputs.ts";
import { type OutputFile, type StageOutputs, stageOutputs } from "./outputs.ts";
import type { Reason, StageAction, StagePlan } from "./plan.ts";
import { type LastFilesMoves, moveLastFiles } from "./renames.ts";
import { allowsExtend, checkpointOptions, numberOf, type StageLength, stageLength, textOf } from "./schedule.ts";
import { type PlannedStage, type Planning, recordedDevices, renderedStage, stageDevices } from "./stage.ts";
import { decideTrainAction, type TrainAction } from "./train-action.ts";
import { countText, namesText, takeBack } from "./wording.ts";

/** Plans a train stage: its action, what it goes on from, and every checkpoint. */

/** What the parts of this file pass along. */
interface Training {
  readonly planning: Planning;
  readonly stage: ResolvedTrainStage;
  readonly modules: readonly LoraModule[];
  readonly outputDir: string;
  readonly wanted: StageLength;
  readonly record: StageRecord | undefined;
  readonly outputs: StageOutputs;
  readonly shaping: StageInputs;
  readonly fingerprint: Fingerprint;
}

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
  const outputs = stageOutputs({
    stage: stage.id,
    outputDir,
    outputName: stage.outputName,
    stepsPerEpoch: wanted.stepsPerEpoch,
    batchesPerEpoch: Math.ceil(planning.items.batches / processesOf(deviceChoice(resolved))),
    accumulation: numberOf(stage, "gradient_accumulation_steps") ?? 1,
    fingerprint,
    state,
    disk,
  });
  const training = { planning, stage, modules, outputDir, wanted, record, outputs, shaping, fingerprint };
  const decision = decideTrainAction({
    fingerprint,
    driver: planning.driverOf(stage.id),
    wanted,
    record,
    changes: changesSince(training),
    outputs,
    running: planning.alive.has(stage.id),
    elsewhere: planning.elsewhere,
    requested: planning.replace.has(stage.id),
    scheduleAllowsExtend: allowsExtend(stage),
    schedule: textOf(stage, "lr_scheduler_type") ?? textOf(stage, "lr_scheduler") ?? "constant",
  });
  return assemble(training, decision);
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
      const moves = moveLastFiles({
        files: outputs.files,
        outputName: record?.output_name ?? stage.outputName,
        totalEpochs: wanted.epochs,
        stepsPerEpoch: wanted.stepsPerEpoch,
        saveEveryEpochs: numberOf(stage, "save_every_n_epochs"),
        keepLastEpochs: numberOf(stage, "save_last_n_epochs"),
        keepLastEpochsState: numberOf(stage, "save_last_n_epochs_state"),
        usable: new Set(outputs.usable.map((usable) => usable.path)),
      });
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
    case "refuse": {
      const { total_epochs = wanted.epochs, done_epochs = 0, done_steps = 0 } = record ?? {};
      return {
        action: "none",
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
  const { length, moves } = course;
  const { argv, files } = renderedStage(planning.rendered, stage.id);
  const list: CheckpointListOptions = {
    stage: stage.id,
    outputDir,
    schedule: checkpointOptions(stage, { ...length, modules, savesIn: planning.savesIn }),
    files: course.progress.kind === "from-start" ? outputs.files : afterMoves(outputs.files, moves),
    progress: course.progress,
  };
  return {
    stage: {
      id: stage.id,
      action: course.action,
      reasons: [...decision.reasons],
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
    checkpoints: listCheckpoints(list),
    diagnostics: [...decisionDiagnostics(training, decision), ...outputDiagnostics(training, decision)],
  };
}

/** The files under the names that they have when training starts. */
function afterMoves(files: readonly OutputFile[], { renames, archive }: LastFilesMoves): readonly OutputFile[] {
  const to = new Map(renames.map((rename) => [rename.from, rename.to]));
  const archived = new Set(archive);
  return files
    .filter(({ path }) => !archived.has(path))
    .map((file) => ({ ...file, path: to.get(file.path) ?? file.path }));
}

function decisionDiagnostics(training: Training, decision: TrainAction): readonly Diagnostic[] {
  const { stage, wanted, planning } = training;
  const { name, file } = planning.resolved.spec;
  const at = stage.parameters.max_train_epochs?.place ?? { file };
  switch (decision.action) {
    case "refuse":
      return [decision.because === "running-something-else" ? running(training, decision.reasons) : noResume(training)];
    case "follow": {
      const epochs = decision.record.total_epochs ?? wanted.epochs;
      if (epochs === wanted.epochs) return [];
      return [
        diagnose(
          PLAN_CODES.epochsWhileRunning,
          `The stage ${stage.id} of ${name} runs for ${countText(epochs, "epoch")}; ${file} wants ${wanted.epochs}. It is followed to its end as it is. Apply again afterwards.`,
          { at, path: "train.max_train_epochs" },
        ),
      ];
    }
    case "none": {
      const { record } = decision;
      const finished = record.status === "finished";
      const total = record.total_epochs ?? 0;
      if (finished && total <= wanted.epochs) return [];
      // One that was interrupted ended at a step, and did not come to the epochs that it was started for.
      const trained = finished ? countText(total, "epoch") : countText(record.done_steps ?? 0, "step");
      const steps = finished ? "" : ` (${countText(wanted.epochs * wanted.stepsPerEpoch, "step")})`;
      return [
        diagnose(
          PLAN_CODES.fewerEpochs,
          `The stage ${stage.id} of ${name} was trained for ${trained}; ${file} wants ${countText(wanted.epochs, "epoch")}${steps} now. Everything trained stays, and nothing is trained. Take the checkpoint of the epoch that you want, or start over with \`wan22 apply --replace ${stage.id} ${file}\`.`,
          { at, path: "train.max_train_epochs" },
        ),
      ];
    }
    default:
      return [];
  }
}

function running({ stage, planning, record }: Training, reasons: readonly Reason[]): Diagnostic {
  const { name, file } = planning.resolved.spec;
  const changes = reasons.map(({ text }) => text);
  return diagnose(
    PLAN_CODES.runningSomethingElse,
    `The stage ${stage.id} of ${name} is running (run ${record?.run ?? ""}), and what it trains is no longer what is wanted: ${namesText(changes, 5)}. ${takeBack(file)}`,
    { at: { file } },
  );
}

/** Musubi without the bridge: what would be lost by a resume, what is kept, and the way that there is. */
function noResume({ stage, planning, record, outputs, wanted }: Training): Diagnostic {
  const { name, file } = planning.resolved.spec;
  const done = record?.done_steps ?? 0;
  const states = outputs.files.filter(({ kind }) => kind === "state").map(({ path }) => path);
  const checkpoints = outputs.files.length - states.length;
  const total = record?.total_epochs ?? wanted.epochs;
  const what =
    record?.status === "finished"
      ? `finished ${countText(total, "epoch")}, and ${wanted.epochs} are wanted now`
      : `was trained for ${countText(done, "step")} of ${total * wanted.stepsPerEpoch}`;
  return diagnose(
    PLAN_CODES.resumeNotYet,
    `The stage ${stage.id} of ${name} ${what}. Its training state is kept (${namesText(states)}), but the trainer's own \`--resume\` would train from epoch 0 again over the ${countText(checkpoints, "checkpoint")} that exist${checkpoints === 1 ? "s" : ""}, and the bridge that resumes exactly does not fit: ${planning.whyUnbridged(stage.id) ?? "the stage runs without it"}. Nothing is touched. To start over with everything archived: \`wan22 apply --replace ${stage.id} ${file}\`.`,
    { at: { file } },
  );
}

/** Actions that leave what was trained before as it is. */
const KEEPING: readonly TrainAction["action"][] = ["none", "resume", "extend", "follow"];

/** Files that went away or are damaged, and names that changed, of work that is not done again. */
function outputDiagnostics(training: Training, decision: TrainAction): readonly Diagnostic[] {
  const { stage, planning, outputs, record, outputDir } = training;
  if (!KEEPING.includes(decision.action) || record === undefined) return [];
  const { name, file } = planning.resolved.spec;
  const found: Diagnostic[] = [];
  if (outputs.damaged.length > 0) {
    const one = outputs.damaged.length === 1;
    found.push(
      diagnose(
        PLAN_CODES.filesDamaged,
        `${countText(outputs.damaged.length, "checkpoint")} of ${stage.id} of ${name} ${one ? "is" : "are"} not what was saved: cut short, or written over by something else: ${namesText(outputs.damaged)}. Bring ${one ? "it" : "them"} back from a copy, or train again with \`wan22 apply --replace ${stage.id} ${file}\`.`,
        { at: { file } },
      ),
    );
  }
  if (outputs.gone.length > 0) {
    found.push(
      diagnose(
        PLAN_CODES.filesGone,
        `${countText(outputs.gone.length, "checkpoint")} that ${stage.id} of ${name} made ${outputs.gone.length === 1 ? "is" : "are"} not on disk any more: ${namesText(outputs.gone)}. ${outputs.gone.length === 1 ? "It is" : "They are"} not trained again by ${outputs.gone.length === 1 ? "itself" : "themselves"}. Bring back what you need, or train again with \`wan22 apply --replace ${stage.id} ${file}\`.`,
        { at: { file } },
      ),
    );
  }
  const before = joinPath(record.output_dir ?? outputDir, record.output_name ?? stage.outputName);
  const now = joinPath(outputDir, stage.outputName);
  if (before !== now && decision.action === "none") {
    found.push(
      diagnose(
        PLAN_CODES.outputMoved,
        `The stage ${stage.id} of ${name} was trained as ${before}; ${file} calls it ${now} now. The finished files stay in ${folderOf(before)}; move or copy them if you want them elsewhere.`,
        { at: planning.resolved.spec.places.get("output") ?? { file } },
      ),
    );
  }
  return found;
}
