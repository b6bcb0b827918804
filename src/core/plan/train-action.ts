import type { StageRecord } from "../state/state.ts";
import type { Driver } from "../vocabulary.ts";
import type { OutputFile, StageOutputs, UsableState } from "./outputs.ts";
import type { Reason } from "./plan.ts";
import type { StageLength } from "./schedule.ts";
import { countText, listWords, namesText } from "./wording.ts";

/** Which action a train stage takes, and why: the list of design §5, in its order. */

export interface TrainSituation {
  readonly fingerprint: string;
  readonly driver: Driver;
  readonly wanted: StageLength;
  readonly record: StageRecord | undefined;
  /** What differs from what the record was made from; empty only if the fingerprints are equal. */
  readonly changes: readonly Reason[];
  readonly outputs: StageOutputs;
  /** The recorded process was found alive. */
  readonly running: boolean;
  /** The machine that the record was written on, where it is another: its processes can't be seen from here. */
  readonly elsewhere: string | undefined;
  /** The user asked for a replace. */
  readonly requested: boolean;
  /** The user asked to train on with so many epochs done. */
  readonly fromEpoch: number | undefined;
  readonly scheduleAllowsExtend: boolean;
  /** The schedule's name, for reasons. */
  readonly schedule: string;
}

export type TrainAction =
  | { readonly action: "create" | "replace"; readonly reasons: readonly Reason[] }
  | {
      readonly action: "resume" | "extend";
      readonly reasons: readonly Reason[];
      readonly from: UsableState;
      /** What came after it, where that is given up. */
      readonly later?: readonly string[];
    }
  /** A living trainer is followed; it ends after the epochs that it was started for. */
  | { readonly action: "follow"; readonly reasons: readonly Reason[]; readonly record: StageRecord }
  | { readonly action: "none"; readonly reasons: readonly Reason[]; readonly record: StageRecord }
  /** It would have something to do, and others were asked for. */
  | { readonly action: "wait"; readonly reasons: readonly Reason[] }
  | { readonly action: "refuse"; readonly because: "running-something-else"; readonly reasons: readonly Reason[] }
  /** There is nothing to go on from at the epoch asked for. `why` is full sentences. */
  | {
      readonly action: "refuse";
      readonly because: "no-such-epoch";
      readonly reasons: readonly Reason[];
      readonly why: string;
    }
  | {
      readonly action: "refuse";
      readonly because: "no-exact-resume";
      readonly record: StageRecord;
      readonly reasons: readonly Reason[];
    };

export function decideTrainAction(situation: TrainSituation): TrainAction {
  const { record, changes, outputs, running, requested, fromEpoch } = situation;
  if (running && record !== undefined) {
    if (requested || fromEpoch !== undefined)
      return { action: "refuse", because: "running-something-else", reasons: [requestedReason(fromEpoch)] };
    if (changes.length > 0) return { action: "refuse", because: "running-something-else", reasons: changes };
    return { action: "follow", reasons: [runningReason(record)], record };
  }
  if (requested && (record !== undefined || outputs.files.length > 0)) {
    return { action: "replace", reasons: [requestedReason()] };
  }
  if (fromEpoch !== undefined) return decideFromEpoch(situation, fromEpoch);
  if (record === undefined) return { action: "create", reasons: [noRecordReason(outputs.files)] };
  if (changes.length > 0) return { action: "replace", reasons: changes };
  return record.status === "finished" ? decideFinished(situation, record) : decideUnfinished(situation, record);
}

function decideUnfinished(situation: TrainSituation, record: StageRecord): TrainAction {
  const { driver, wanted, outputs, scheduleAllowsExtend } = situation;
  const total = record.total_epochs ?? wanted.epochs;
  const stopped = unfinishedReason(situation, record);
  // Interrupted before old files were archived: they are of the work that was to be given up.
  if (record.begun !== true && (record.action === "create" || record.action === "replace")) {
    return beginAgain({ cause: "unfinished", text: "its process was never started" }, outputs);
  }
  if (driver === "scripts") {
    return outputs.files.some(({ kind }) => kind === "state")
      ? { action: "refuse", because: "no-exact-resume", record, reasons: [stopped] }
      : beginAgain(stopped, outputs);
  }
  if (outputs.usable.length === 0) return beginAgain(stopped, outputs);
  const epochs = epochsReasons(total, wanted.epochs);
  if (epochs.length > 0 && !scheduleAllowsExtend) {
    return { action: "replace", reasons: [...epochs, scheduleReason(situation.schedule)] };
  }
  const from = outputs.usable.find(({ doneSteps }) => doneSteps <= wanted.epochs * wanted.stepsPerEpoch);
  if (from === undefined) return { action: "none", reasons: epochs, record };
  return { action: "resume", reasons: [resumeReason(stopped, from), ...epochs], from };
}

function decideFinished(situation: TrainSituation, record: StageRecord): TrainAction {
  const { driver, wanted, outputs, scheduleAllowsExtend, schedule } = situation;
  const total = record.total_epochs ?? wanted.epochs;
  const epochs = epochsReasons(total, wanted.epochs);
  if (wanted.epochs === total) {
    const text = total === 1 ? "its 1 epoch is trained" : `all ${total} epochs are trained`;
    return { action: "none", reasons: [{ cause: "up-to-date", text }], record };
  }
  if (wanted.epochs < total) return { action: "none", reasons: epochs, record };
  if (!scheduleAllowsExtend) return { action: "replace", reasons: [...epochs, scheduleReason(schedule)] };
  if (driver === "scripts" && outputs.files.some(({ kind, epoch }) => kind === "state" && (epoch ?? total) === total)) {
    return { action: "refuse", because: "no-exact-resume", record, reasons: epochs };
  }
  const from = outputs.usable.find(
    ({ doneEpochs, doneSteps }) => doneEpochs === total && doneSteps === total * wanted.stepsPerEpoch,
  );
  if (from === undefined) return { action: "replace", reasons: [...epochs, noStateReason("of its last epoch")] };
  return { action: "extend", reasons: epochs, from };
}

/** The user goes back to an epoch, for whatever reason: from its own state, or the nearest one in the epoch after it. */
function decideFromEpoch(situation: TrainSituation, epoch: number): TrainAction {
  const { record, changes, driver, wanted, outputs, scheduleAllowsExtend, schedule } = situation;
  const reason = requestedReason(epoch);
  const refuse = (why: string): TrainAction => ({
    action: "refuse",
    because: "no-such-epoch",
    reasons: [reason],
    why,
  });
  if (record === undefined) return refuse("nothing was trained yet");
  if (changes.length > 0) {
    const texts = changes.map(({ text }) => text);
    return refuse(`what was trained is not what is wanted now: ${namesText(texts, 5)}. Take that back`);
  }
  if (driver === "scripts" && outputs.files.some(({ kind }) => kind === "state")) {
    return { action: "refuse", because: "no-exact-resume", record, reasons: [reason] };
  }
  if (epoch >= wanted.epochs)
    return refuse(`the pipeline wants ${countText(wanted.epochs, "epoch")}, so none comes after it`);
  const total = record.total_epochs ?? wanted.epochs;
  const epochs = epochsReasons(total, wanted.epochs);
  if (epochs.length > 0 && !scheduleAllowsExtend) {
    return refuse(`${[...epochs, scheduleReason(schedule)].map(({ text }) => text).join(", and ")}`);
  }
  const from = outputs.usable.filter(({ doneEpochs }) => doneEpochs === epoch).at(-1);
  if (from === undefined) return refuse(keptText(outputs.usable));
  const later = outputs.files.filter((file) => cameAfter(file, from)).map(({ path }) => path);
  const isExtension = record.status === "finished" && from.doneSteps === total * wanted.stepsPerEpoch;
  return { action: isExtension ? "extend" : "resume", reasons: [reason, ...epochs], from, later };
}

function keptText(usable: readonly UsableState[]): string {
  const epochs = [...new Set(usable.map(({ doneEpochs }) => doneEpochs))].filter((epoch) => epoch > 0);
  if (epochs.length === 0) return "no complete training state of it is kept, nor of any other epoch";
  const kept = epochs.sort((a, b) => a - b).map(String);
  return `no complete training state of it is kept, only of ${kept.length === 1 ? "epoch" : "epochs"} ${listWords(kept)}`;
}

/** Of the files of a stage, those that were saved after a training state, or whose epoch is saved again after it. */
function cameAfter({ path, step, epoch = 0 }: OutputFile, from: UsableState): boolean {
  if (path === from.path) return false;
  if (step === undefined || step > from.doneSteps) return true;
  // A state of an epoch's last step, of which the epoch's own saves are still to come.
  return step === from.doneSteps && epoch > from.doneEpochs && !/-step\d+(?:\.safetensors|-state)$/.test(path);
}

function beginAgain(stopped: Reason, outputs: StageOutputs): TrainAction {
  const archived = outputs.files.length > 0 ? "; what exists is archived" : "";
  return { action: "create", reasons: [stopped, noStateReason(`to go on from${archived}`)] };
}

function requestedReason(fromEpoch?: number): Reason {
  const text =
    fromEpoch === undefined
      ? "asked to start over; what exists is archived"
      : `asked to train on from epoch ${fromEpoch}; what came after it is archived`;
  return { cause: "requested", text };
}

function runningReason(record: StageRecord): Reason {
  const pid = record.process === undefined ? "" : `, process ${record.process.pid}`;
  return { cause: "running", text: `it is running (run ${record.run}${pid})` };
}

function noRecordReason(files: readonly OutputFile[]): Reason {
  const archived =
    files.length === 0
      ? ""
      : `; ${countText(files.length, "file")} found under its names ${files.length === 1 ? "is" : "are"} archived`;
  return { cause: "no-record", text: `nothing was trained yet${archived}` };
}

const ENDED: Readonly<Record<StageRecord["status"], string>> = {
  running: "its process is gone",
  stopped: "it was stopped",
  failed: "it failed",
  lost: "its process was lost",
  finished: "it finished",
};

function unfinishedReason({ elsewhere }: TrainSituation, record: StageRecord): Reason {
  const steps = record.done_steps ?? 0;
  const ended =
    record.status === "running" && elsewhere !== undefined
      ? `it was running on ${elsewhere} when last heard of,`
      : ENDED[record.status];
  return { cause: "unfinished", text: `${ended} after ${countText(steps, "step")}` };
}

function resumeReason(stopped: Reason, { doneEpochs, doneSteps }: UsableState): Reason {
  return { cause: "unfinished", text: `${stopped.text}; goes on after epoch ${doneEpochs}, step ${doneSteps}` };
}

function noStateReason(which: string): Reason {
  return { cause: "no-training-state", text: `there is no complete training state ${which}` };
}

function scheduleReason(schedule: string): Reason {
  return {
    cause: "parameter-changed",
    parameter: "max_train_epochs",
    text: `the schedule ${schedule} is laid out over all epochs, so another number of them changes every step`,
  };
}

function epochsReasons(from: number, to: number): readonly Reason[] {
  if (from === to) return [];
  return [
    {
      cause: to > from ? "more-epochs" : "fewer-epochs",
      parameter: "max_train_epochs",
      from,
      to,
      text:
        to > from
          ? `max_train_epochs ${from} → ${to}`
          : `max_train_epochs ${from} → ${to}, and what is trained already stays`,
    },
  ];
}
