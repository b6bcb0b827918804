import { present } from "../../core/present.ts";
import { printable } from "../../core/printable.ts";
import type { LockStatus, PipelineStatus, StageStatus, WatchStatus } from "../../core/status.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { formatDuration } from "../text/quantity.ts";
import { wrapSpans } from "../text/spans.ts";
import { createStyle, type Style } from "../text/style.ts";
import { formatTime } from "../text/time.ts";
import { describeProgress } from "./apply-text.ts";
import { pipelineFileText } from "./pipeline-file.ts";

/** How pipelines stand, for people: who is at work on each, and a line or two a stage. */

export interface StatusViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Unix time in seconds. */
  readonly now: number;
  /** This machine, as records call it. */
  readonly host: string;
}

/** More than a stage's line, which is no continuation of the one above. */
const HANGING = 4;

export function viewStatusHuman(pipelines: readonly PipelineStatus[], options: StatusViewOptions): string {
  return pipelines.map((pipeline) => viewPipeline(pipeline, options)).join("\n");
}

/** Who follows a branch in this checkout, or followed it. */
export function viewWatchStatus(
  { branch, alive, commit, looked, pid, since }: WatchStatus,
  options: StatusViewOptions,
): string {
  const style = createStyle(options);
  const at = commit === undefined ? "" : ` at ${commit.slice(0, 7)}`;
  const who = pid === undefined ? "" : `, process ${pid}${ageText(since, options.now)}`;
  const age = `looked ${formatDuration(Math.max(0, options.now - looked))} ago`;
  const facts = alive ? `follows ${branch}${at}${who} · ${age}` : `nobody follows ${branch}${at} any more · ${age}`;
  const spans = [{ text: "watch:", colour: style.strong }, { text: ` ${printable(facts)}` }];
  return `${wrapSpans(spans, { columns: options.width, hanging: HANGING }).join("\n")}\n`;
}

function viewPipeline(pipeline: PipelineStatus, options: StatusViewOptions): string {
  const style = createStyle(options);
  const { name, file, renamed, lock, stages, here, host, waits } = pipeline;
  const facts = [
    pipelineFileText({ file, renamed }),
    ...(stages.length === 0 ? ["nothing was run yet"] : []),
    ...(here ? [] : [`its record is of ${recorderText(host ?? "", options)}, whose processes can't be seen from here`]),
    ...(waits === undefined
      ? lockFacts(lock, options.now)
      : [`waits in the queue of process ${waits.pid}, as number ${waits.position}`]),
  ];
  const spans = [{ text: `${printable(name)}:`, colour: style.strong }, { text: ` ${facts.join(" · ")}` }];
  const head = wrapSpans(spans, { columns: options.width, hanging: HANGING });
  const rows = stages.map((stage) => cellsOf(stage, options.now, style));
  return `${[...head, ...layoutTable(rows, { columns: options.width, indent: 2 })].join("\n")}\n`;
}

/** A record of the state branch may be of this very machine. */
function recorderText(host: string, { host: own }: StatusViewOptions): string {
  return `${host === own ? "another checkout on " : ""}${printable(host)}`;
}

function lockFacts({ kind, who = "", host = "", pid, since = "" }: LockStatus, now: number): readonly string[] {
  const owner = `${printable(who)} on ${printable(host)} (process ${pid}`;
  switch (kind) {
    case "free":
      return [];
    case "held":
      return [`in the hands of ${owner}${ageText(since, now)})`];
    case "dead":
      return [`left by ${owner}, since ${printable(formatTime(since))}), who is gone`];
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
  const since = ageText(started, now);
  // A record from elsewhere may have come before its process.
  if (alive === null) return [`${pid === undefined ? "" : `process ${pid} `}on that machine${since}`];
  return [pid === undefined ? `no process yet${since}` : `process ${pid}${since}`];
}

/** ` for 5 min`; nothing where the time can't be told. */
function ageText(since: string | undefined, now: number): string {
  const age = now - Date.parse(since ?? "") / 1000;
  return Number.isNaN(age) ? "" : ` for ${formatDuration(Math.max(0, age))}`;
}
