import { baseName, folderOf } from "../../core/paths.ts";
import type { CheckpointPlan, PipelinePlan } from "../../core/plan/plan.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { printable } from "../text/printable.ts";
import { count, formatBytes } from "../text/quantity.ts";
import type { Style } from "../text/style.ts";
import { type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

type CheckpointAction = CheckpointPlan["action"];

/** The sign before a checkpoint, and what follows where the sign doesn't say it all. */
const ACTIONS: Readonly<Record<CheckpointAction, { readonly sign: string; readonly remark: string }>> = {
  create: { sign: "+", remark: "" },
  replace: { sign: "-/+", remark: "replaced" },
  keep: { sign: "=", remark: "kept" },
  prune: { sign: "-", remark: "removed by retention" },
  orphan: { sign: "?", remark: "no longer part of the plan" },
};

/** A longer run of rows alike is shown by its beginning and its end. */
const MAX_RUN = 6;
const RUN_HEAD = 3;
const RUN_TAIL = 2;

/** Checkpoints and training states one by one, in the order they are written. A summary folds long runs of the same kind. */
export function viewCheckpoints(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const stages = [...new Set(pipeline.checkpoints.map((checkpoint) => checkpoint.stage))];
  return stages.flatMap((stage) =>
    (["checkpoint", "state"] as const).flatMap((kind) => {
      const list = pipeline.checkpoints.filter((checkpoint) => checkpoint.stage === stage && checkpoint.kind === kind);
      const noun = kind === "checkpoint" ? "Checkpoints" : "Training states";
      const of = stages.length > 1 ? ` of ${printable(stage)}` : "";
      return viewList(`${noun}${of}`, list, context);
    }),
  );
}

function viewList(noun: string, list: readonly CheckpointPlan[], context: PlanContext): readonly string[] {
  const folders = [...new Set(list.map((checkpoint) => folderOf(checkpoint.file)))];
  const folder = folders.length === 1 ? folders[0] : undefined;
  const widths = { epoch: digits(list.map(({ epoch }) => epoch)), step: digits(list.map(({ step }) => step)) };
  const name = (checkpoint: CheckpointPlan) =>
    printable(folder === undefined ? checkpoint.file : baseName(checkpoint.file));
  const rows = splitRuns(list).flatMap((run): readonly (readonly Cell[])[] => {
    const row = (checkpoint: CheckpointPlan) => checkpointRow(checkpoint, name(checkpoint), widths, context.style);
    if (context.details === "full" || run.length <= MAX_RUN) return run.map(row);
    const hidden = run.slice(RUN_HEAD, -RUN_TAIL);
    const folded = `${hidden.length} more, epochs ${hidden[0]?.epoch ?? 0} to ${hidden.at(-1)?.epoch ?? 0}`;
    return [
      ...run.slice(0, RUN_HEAD).map(row),
      [
        { text: "…", colour: context.style.faint },
        { text: folded, colour: context.style.faint },
      ],
      ...run.slice(-RUN_TAIL).map(row),
    ];
  });
  const where = folder === undefined || folder === "." ? "" : ` in ${printable(folder)}`;
  const title = `${noun}${where} (${summarizeBytes(list)})`;
  return section(
    title,
    layoutTable(rows, { columns: context.columns, indent: ROW_INDENT, maxCellColumns: 48 }),
    context,
  );
}

/** How many are there at the end, and what they take. */
function summarizeBytes(list: readonly CheckpointPlan[]): string {
  const left = list.filter(({ action }) => action !== "prune");
  return `${count(left.length, "file")}, ${formatBytes(left.reduce((sum, { bytes }) => sum + bytes, 0))}`;
}

function checkpointRow(
  checkpoint: CheckpointPlan,
  name: string,
  widths: { readonly epoch: number; readonly step: number },
  style: Style,
): readonly Cell[] {
  const { sign, remark } = ACTIONS[checkpoint.action];
  const epoch = String(checkpoint.epoch).padStart(widths.epoch);
  const step = String(checkpoint.step).padStart(widths.step);
  const size = formatBytes(checkpoint.bytes);
  return [
    { text: sign, colour: checkpointColour(checkpoint.action, style) },
    { text: name },
    { text: `epoch ${epoch}, step ${step}` },
    { text: remark === "" ? size : `${size}, ${remark}` },
  ];
}

function checkpointColour(action: CheckpointAction, style: Style): (text: string) => string {
  switch (action) {
    case "create":
      return style.added;
    case "replace":
    case "prune":
      return style.removed;
    case "orphan":
      return style.warning;
    case "keep":
      return style.faint;
  }
}

/** Neighbours with the same action, together. */
function splitRuns(list: readonly CheckpointPlan[]): readonly (readonly CheckpointPlan[])[] {
  const runs: CheckpointPlan[][] = [];
  for (const checkpoint of list) {
    const run = runs.at(-1);
    if (run?.[0]?.action === checkpoint.action) run.push(checkpoint);
    else runs.push([checkpoint]);
  }
  return runs;
}

function digits(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, String(number).length), 1);
}
