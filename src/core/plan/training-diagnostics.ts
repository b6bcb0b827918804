import { type Diagnostic, diagnose } from "../diagnostic.ts";
import { folderOf, joinPath } from "../paths.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import type { StageRecord } from "../state/state.ts";
import type { LoraModule } from "../trainer/lora.ts";
import { PLAN_CODES } from "./codes.ts";
import type { Fingerprint, StageInputs } from "./fingerprint.ts";
import type { OutputFile, StageOutputs } from "./outputs.ts";
import type { Reason } from "./plan.ts";
import type { StageLength } from "./schedule.ts";
import type { Planning } from "./stage.ts";
import type { TrainAction } from "./train-action.ts";
import { countText, namesText, takeBack } from "./wording.ts";

/** What a user should know of a train stage's plan, or what forbids it. */

/** A train stage with everything that its plan is made from. */
export interface Training {
  readonly planning: Planning;
  readonly stage: ResolvedTrainStage;
  readonly modules: readonly LoraModule[];
  readonly outputDir: string;
  readonly wanted: StageLength;
  readonly record: StageRecord | undefined;
  readonly outputs: StageOutputs;
  /** Files under its names of which the record does not tell. */
  readonly strangers: readonly OutputFile[];
  readonly shaping: StageInputs;
  readonly fingerprint: Fingerprint;
}

export function trainingDiagnostics(training: Training, decision: TrainAction): readonly Diagnostic[] {
  return [...decisionDiagnostics(training, decision), ...outputDiagnostics(training, decision)];
}

function decisionDiagnostics(training: Training, decision: TrainAction): readonly Diagnostic[] {
  const { stage, wanted, planning } = training;
  const { name, file } = planning.resolved.spec;
  const at = stage.parameters.max_train_epochs?.place ?? { file };
  switch (decision.action) {
    case "refuse":
      return [refusal(training, decision)];
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

function refusal(training: Training, decision: Extract<TrainAction, { action: "refuse" }>): Diagnostic {
  switch (decision.because) {
    case "running-something-else":
      return running(training, decision.reasons);
    case "no-exact-resume":
      return noResume(training);
    case "no-such-epoch":
      return noSuchEpoch(training, decision.why);
  }
}

function noSuchEpoch({ stage, planning, record }: Training, why: string): Diagnostic {
  const { name, file } = planning.resolved.spec;
  const epoch = planning.choices.fromEpoch.get(stage.id);
  return diagnose(
    PLAN_CODES.noSuchEpoch,
    `The stage ${stage.id} of ${name} can't train on from epoch ${epoch}: ${why}. Nothing is touched. ${
      record === undefined
        ? `To train from the start: \`wan22 apply ${file}\`.`
        : `To start over with everything archived: \`wan22 apply --replace ${stage.id} ${file}\`.`
    }`,
    { at: { file } },
  );
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
  const fromEpoch = planning.choices.fromEpoch.get(stage.id);
  const what =
    fromEpoch !== undefined
      ? `is asked to train on from epoch ${fromEpoch}`
      : record?.status === "finished"
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
