import { baseName, folderOf } from "../../core/paths.ts";
import type { CheckpointPlan, PipelinePlan } from "../../core/plan/plan.ts";
import { printable } from "../../core/printable.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { count, formatBytes } from "../text/quantity.ts";
import type { Style } from "../text/style.ts";
import { wrapText } from "../text/wrap.ts";
import { type PlanContext, ROW_INDENT, section } from "./plan-context.ts";

type CheckpointAction = CheckpointPlan["action"];

/** The sign before a checkpoint, and what follows where the sign doesn't say it all. */
const ACTIONS: Readonly<Record<CheckpointAction, { readonly sign: string; readonly remark: string }>> = {
  create: { sign: "+", remark: "" },
  replace: { sign: "-/+", remark: "replaced" },
  keep: { sign: "=", remark: "kept" },
  prune: { sign: "-", remark: "pruned later" },
  orphan: { sign: "?", remark: "orphaned" },
};

/** A longer run of rows alike is shown by its beginning and its end. */
const MAX_RUN = 6;
const RUN_HEAD = 3;
const RUN_TAIL = 2;

/** Whoever compares a plan with a file manager shall not look for an error. */
const HEADER_NOTE = "Sizes are of the tensors; on disk each file has a small header besides.";

/** Columns from which epochs and sizes get columns of their own. */
const WIDE_COLUMNS = 72;

/** Checkpoints and training states one by one, in the order they are written. A summary folds long runs of the same kind. */
export function viewCheckpoints(pipeline: PipelinePlan, context: PlanContext): readonly string[] {
  const stages = [...new Set(pipeline.checkpoints.map((checkpoint) => checkpoint.stage))];
  const lists = stages.flatMap((stage) =>
    (["checkpoint", "state"] as const).flatMap((kind) => {
      const list = pipeline.checkpoints.filter((checkpoint) => checkpoint.stage === stage && checkpoint.kind === kind);
      const noun = kind === "checkpoint" ? "Checkpoints" : "Training states";
      const of = stages.length > 1 ? ` of ${printable(stage)}` : "";
      return viewList(`${noun}${of}`, list, context);
    }),
  );
  if (lists.length === 0) return [];
  const note = wrapText(HEADER_NOTE, context.columns - ROW_INDENT);
  return [...lists, ...note.map((line) => `${" ".repeat(ROW_INDENT)}${context.style.faint(line)}`)];
}

function viewList(noun: string, list: readonly CheckpointPlan[], context: PlanContext): readonly string[] {
  const folders = [...new Set(list.map((checkpoint) => folderOf(checkpoint.file)))];
  const folder = folders.length === 1 ? folders[0] : undefined;
  const layout: RowLayout = {
    name: ({ file }) => printable(folder === undefined ? file : baseName(file)),
    epochDigits: digits(list.map(({ epoch }) => epoch)),
    stepDigits: digits(list.map(({ step }) => step)),
    style: context.style,
    cells: context.columns < WIDE_COLUMNS ? "joined" : "apart",
  };
  const rows = splitRuns(list).flatMap((run) => viewRun(run, layout, context.details));
  const where = folder === undefined || folder === "." ? "" : ` in ${printable(folder)}`;
  const title = `${noun}${where} (${summarizeBytes(list)})`;
  return section(
    title,
    layoutTable(rows, { columns: context.columns, indent: ROW_INDENT, maxCellColumns: 48 }),
    context,
  );
}

interface RowLayout {
  readonly name: (checkpoint: CheckpointPlan) => string;
  readonly epochDigits: number;
  readonly stepDigits: number;
  readonly style: Style;
  /** Whether epoch and size stand in columns of their own. */
  readonly cells: "apart" | "joined";
}

function viewRun(
  run: readonly CheckpointPlan[],
  layout: RowLayout,
  details: PlanContext["details"],
): readonly (readonly Cell[])[] {
  const row = (checkpoint: CheckpointPlan) => checkpointRow(checkpoint, layout);
  const { faint } = layout.style;
  const [first] = run;
  if (details === "full" || first === undefined) return run.map(row);
  // A state that comes and goes is of no use to a reader, as long as others stay.
  if (first.kind === "state" && first.action === "prune") {
    const text = `${count(run.length, "earlier one")} removed by retention on the way`;
    return [
      [
        { text: ACTIONS.prune.sign, colour: layout.style.removed },
        { text, colour: faint },
      ],
    ];
  }
  if (run.length <= MAX_RUN) return run.map(row);
  const hidden = run.slice(RUN_HEAD, -RUN_TAIL);
  const folded = `${hidden.length} more, epochs ${hidden[0]?.epoch ?? 0} to ${hidden.at(-1)?.epoch ?? 0}`;
  return [
    ...run.slice(0, RUN_HEAD).map(row),
    [
      { text: "…", colour: faint },
      { text: folded, colour: faint },
    ],
    ...run.slice(-RUN_TAIL).map(row),
  ];
}

/** How many are there at the end, and what they take. */
function summarizeBytes(list: readonly CheckpointPlan[]): string {
  const left = list.filter(({ action }) => action !== "prune");
  return `${count(left.length, "file")}, ${formatBytes(left.reduce((sum, { bytes }) => sum + bytes, 0))}`;
}

function checkpointRow(checkpoint: CheckpointPlan, layout: RowLayout): readonly Cell[] {
  const { sign, remark } = ACTIONS[checkpoint.action];
  const epoch = String(checkpoint.epoch).padStart(layout.epochDigits);
  const step = String(checkpoint.step).padStart(layout.stepDigits);
  const when = `epoch ${epoch}, step ${step}`;
  const size = formatBytes(checkpoint.bytes) + (remark === "" ? "" : `, ${remark}`);
  const head: readonly Cell[] = [
    { text: sign, colour: checkpointColour(checkpoint.action, layout.style) },
    { text: layout.name(checkpoint) },
  ];
  return layout.cells === "apart" ? [...head, { text: when }, { text: size }] : [...head, { text: `${when}, ${size}` }];
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
