import { present } from "../../core/present.ts";
import { printable } from "../../core/printable.ts";
import type { LockStatus, PipelineStatus, StageStatus } from "../../core/status.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { formatDuration } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";
import { describeProgress } from "./apply-text.ts";

/** How pipelines stand, for people: who is at work on each, and a line or two a stage. */

export interface StatusViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Unix time in seconds. */
  readonly now: number;
}

export function viewStatusHuman(pipelines: readonly PipelineStatus[], options: StatusViewOptions): string {
  return pipelines.map((pipeline) => viewPipeline(pipeline, options)).join("\n");
}

function viewPipeline(pipeline: PipelineStatus, options: StatusViewOptions): string {
  const style = createStyle(options);
  const { name, file, lock, stages, here, host } = pipeline;
  const facts = [
    ...(file === undefined ? ["its file is gone"] : [printable(file)]),
    ...(stages.length === 0 ? ["nothing was run yet"] : []),
    ...(here ? [] : [`its record is of ${printable(host ?? "")}, whose processes can't be seen from here`]),
    ...lockFacts(lock),
  ];
  const head = `${style.strong(`${printable(name)}:`)} ${facts.join(" · ")}`;
  const rows = stages.map((stage) => cellsOf(stage, options.now, style));
  return `${[head, ...layoutTable(rows, { columns: options.width, indent: 2 })].join("\n")}\n`;
}

function lockFacts({ kind, who = "", host = "", pid, since = "" }: LockStatus): readonly string[] {
  const owner = `${printable(who)} on ${printable(host)} (process ${pid}, since ${printable(since)})`;
  switch (kind) {
    case "free":
      return [];
    case "held":
      return [`in the hands of ${owner}`];
    case "dead":
      return [`left by ${owner}, who is gone`];
    case "unreadable":
      return ["its lock can't be read"];
  }
}

function cellsOf(stage: StageStatus, now: number, style: Style): readonly Cell[] {
  const { id, status, alive, unit, done = 0, total = 0, epoch, loss } = stage;
  const progress = describeProgress({
    unit,
    done,
    total,
    ...present({ epoch, loss, secondsPerUnit: stage.seconds_per_unit, etaSeconds: stage.eta_seconds }),
  });
  const moves =
    status === "running" ? progress : `${unit === "steps" ? "step" : "item"} ${total > 0 ? `${done}/${total}` : done}`;
  const parts = [
    ...(total === 0 && done === 0 ? [] : [total > 0 ? moves : moves.replace("/0", "")]),
    ...processFacts(stage, now),
    ...(stage.training_state === undefined || status === "finished"
      ? []
      : [`training state of step ${stage.training_state.done_steps}`]),
    ...(stage.exit_code === undefined || status === "finished" ? [] : [`exit code ${stage.exit_code}`]),
    ...(stage.unseen ? ["ended while nobody watched"] : []),
    ...(stage.message === undefined ? [] : [printable(stage.message)]),
  ];
  const colour = {
    running: style.added,
    finished: style.faint,
    stopped: style.warning,
    failed: style.error,
    lost: style.error,
  };
  const word = status === "running" && alive === false ? "starting or ending" : status;
  return [{ text: id }, { text: word, colour: colour[status] }, { text: parts.join(" · ") }];
}

function processFacts({ status, alive, pid, started }: StageStatus, now: number): readonly string[] {
  if (status !== "running") return [];
  const age = started === undefined ? Number.NaN : now - Date.parse(started) / 1000;
  const since = Number.isNaN(age) ? "" : ` for ${formatDuration(Math.max(0, age))}`;
  if (pid === undefined) return [`no process yet${since}`];
  return alive === null ? [`process ${pid} on that machine`] : [`process ${pid}${since}`];
}
