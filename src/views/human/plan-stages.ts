import { baseName } from "../../core/paths.ts";
import { archiveFolder } from "../../core/plan/archive.ts";
import { isCarriedOut } from "../../core/plan/carried-out.ts";
import type { PipelinePlan, Reason, StageAction, StagePlan } from "../../core/plan/plan.ts";
import { turnsOf } from "../../core/plan/turns.ts";
import { printable } from "../../core/printable.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import type { Details } from "../text/few.ts";
import { count, gpuNames, listWords } from "../text/quantity.ts";
import type { Style } from "../text/style.ts";
import { cell, type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

/** The sign before a stage or checkpoint: `+` create, `~` update, `-/+` replace, `>` resume, `»` extend, `=` leave as it is. */
const ACTION_SIGNS: Readonly<Record<StageAction, string>> = {
  create: "+",
  update: "~",
  replace: "-/+",
  resume: ">",
  extend: "»",
  none: "=",
  wait: "…",
};

function actionColour(action: StageAction, style: Style): (text: string) => string {
  switch (action) {
    case "create":
      return style.added;
    case "replace":
      return style.removed;
    case "update":
    case "extend":
      return style.changed;
    case "resume":
      return style.note;
    case "none":
    case "wait":
      return style.faint;
  }
}

/** Every stage with its action, why, and how much work it is. */
export function viewStages(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const { style } = context;
  const turns = turnsOf(pipeline.stages.filter(isCarriedOut));
  const rows = pipeline.stages.map((stage): readonly Cell[] => {
    const beside = turns.find((turn) => turn.includes(stage))?.filter((other) => other !== stage) ?? [];
    return [
      cell(ACTION_SIGNS[stage.action], actionColour(stage.action, style)),
      cell(stage.id),
      { text: describeStage(stage, beside, context.details) },
    ];
  });
  return section("Stages", layoutTable(rows, { columns: context.columns, indent: ROW_INDENT }), context);
}

/** Causes whose texts are a change that made the action necessary; the others say by themselves what they mean. */
const BECAUSE: ReadonlySet<Reason["cause"]> = new Set([
  "parameter-changed",
  "dataset-changed",
  "model-changed",
  "backend-changed",
  "no-training-state",
  "more-epochs",
]);

function describeStage(stage: StagePlan, beside: readonly StagePlan[], details: Details): string {
  const reasons = stage.reasons.map((reason) => printable(reason.text)).join("; ");
  const [first] = stage.reasons;
  const joint = first !== undefined && BECAUSE.has(first.cause) && isCarriedOut(stage) ? " because " : ": ";
  const why = `${stage.action}${reasons === "" ? "" : joint}${reasons}`;
  const lines = [why, describeWork(stage), describeDevices(stage, beside), ...describeMoves(stage, details)];
  return lines.filter((line) => line !== "").join("\n");
}

/** The GPUs that the pipeline names for it, and what runs on others meanwhile. */
function describeDevices(stage: StagePlan, beside: readonly StagePlan[]): string {
  const { gpus = [], gpu_pool: pool = [] } = stage;
  if (!isCarriedOut(stage)) return "";
  if (pool.length > 0) {
    const free = pool.length === 1 ? "" : ", whichever is free first";
    return `on GPU ${listWords(pool.map(String), "or")}${free}`;
  }
  if (gpus.length === 0) return "";
  const together = beside.length === 0 ? "" : `, at the same time as ${listWords(beside.map(({ id }) => id))}`;
  return `on ${gpuNames(gpus)}${together}`;
}

/** A train stage's steps, in a line; nothing for one that is left as it is. */
function describeWork(stage: StagePlan): string {
  if (!isCarriedOut(stage) || stage.total_steps === undefined) return "";
  const epochs = stage.total_epochs === undefined ? "" : ` in ${count(stage.total_epochs, "epoch")}`;
  const total = `${count(stage.total_steps, "step")}${epochs}`;
  if (stage.done_steps === undefined || stage.done_steps === 0) return total;
  const from = stage.resume_from === undefined ? "" : `, from ${printable(baseName(stage.resume_from))}`;
  return `${total}; ${stage.total_steps - stage.done_steps} to go after step ${stage.done_steps}${doneEpochs(stage)}${from}`;
}

function doneEpochs(stage: StagePlan): string {
  if (stage.done_epochs === undefined) return "";
  const batches =
    stage.done_batches === undefined || stage.done_batches === 0
      ? ""
      : ` and ${count(stage.done_batches, "batch", "batches")}`;
  return ` (${count(stage.done_epochs, "epoch")}${batches} done)`;
}

const NAMED_AT_MOST = 2;

function describeMoves(stage: StagePlan, details: Details): readonly string[] {
  const renames = (stage.renames ?? []).map(
    ({ from, to }) => `renames ${printable(baseName(from))} to ${printable(baseName(to))}`,
  );
  const archived = stage.archive ?? [];
  if (archived.length === 0) return renames;
  const folder = printable(archiveFolder(stage.output_dir, "RUN_ID"));
  const names = listWords(archived.map((file) => printable(baseName(file))));
  const number = count(archived.length, "file or folder", "files and folders");
  // A few are named at once: what is moved away is what a reader asks first.
  const what = archived.length <= NAMED_AT_MOST ? names : details === "full" ? `${number} (${names})` : number;
  return [...renames, `archives ${what} into ${folder}; nothing is deleted`];
}
