import type { Estimate, PipelinePlan, Plan, StageAction } from "../core/plan/plan.ts";
import { count, formatBytes, formatDuration, formatRough, listWords } from "./text/quantity.ts";

/** What a plan comes to, in a line: the same words at the terminal and in a pull request. */

/** The order in which actions are named: what costs most to get wrong first. */
const ACTIONS: readonly Exclude<StageAction, "none">[] = ["replace", "create", "update", "resume", "extend", "wait"];

/** `replace train · 16 checkpoints · ~14 h · 21 GiB of 24`, or why there is nothing to say. */
export function summarizePipeline(pipeline: PipelinePlan): string {
  if (!pipeline.valid) return "can't be planned";
  if (!hasChanges(pipeline)) return "no changes";
  const parts = [summarizeActions(pipeline)];
  const checkpoints = countNewCheckpoints(pipeline);
  if (checkpoints > 0) parts.push(count(checkpoints, "checkpoint"));
  const { time, vram } = pipeline.estimates;
  if (time !== undefined) parts.push(`~${formatEstimate(narrow(time))}`);
  if (vram !== undefined) {
    // The high end: whether it fits is what a reader wants to know.
    const needed = formatEstimate({ ...vram, low: vram.high });
    parts.push(vram.available === undefined ? `${needed} of VRAM` : needed);
  }
  return parts.join(" · ");
}

/** Two ends that say much the same become their middle. */
function narrow(estimate: Estimate): Estimate {
  if (estimate.high > estimate.low * 1.35) return estimate;
  const middle = (estimate.low + estimate.high) / 2;
  return { ...estimate, low: middle, high: middle };
}

/** Whether applying would do anything: an action other than `none` and `keep`. */
export function hasChanges(pipeline: PipelinePlan): boolean {
  if (!pipeline.valid) return false;
  return (
    pipeline.stages.some((stage) => stage.action !== "none") ||
    pipeline.checkpoints.some((checkpoint) => checkpoint.action === "create" || checkpoint.action === "replace")
  );
}

function summarizeActions(pipeline: PipelinePlan): string {
  const groups = ACTIONS.map((action) => {
    const stages = pipeline.stages.filter((stage) => stage.action === action).map((stage) => stage.id);
    return stages.length === 0 ? "" : `${action} ${listWords(stages)}`;
  });
  return groups.filter((group) => group !== "").join(", ");
}

/** Checkpoints that applying writes; training states aren't counted. */
export function countNewCheckpoints(pipeline: PipelinePlan): number {
  return pipeline.checkpoints.filter(
    ({ kind, action }) => kind === "checkpoint" && (action === "create" || action === "replace"),
  ).length;
}

/** The last line of a plan: `Plan: 3 stages to run, 16 checkpoints to create.` */
export function summarizePlan(plan: Plan): string {
  const valid = plan.pipelines.filter((pipeline) => pipeline.valid);
  const stages = valid.flatMap((pipeline) => pipeline.stages).filter((stage) => stage.action !== "none");
  const checkpoints = valid.flatMap((pipeline) => pipeline.checkpoints).filter(({ kind }) => kind === "checkpoint");
  const created = checkpoints.filter(({ action }) => action === "create").length;
  const replaced = checkpoints.filter(({ action }) => action === "replace").length;
  const parts = [`${count(stages.length, "stage")} to run`];
  if (created > 0) parts.push(`${count(created, "checkpoint")} to create`);
  if (replaced > 0) parts.push(`${count(replaced, "checkpoint")} to replace`);
  return `Plan: ${parts.join(", ")}.`;
}

/** Both ends of an estimate with its unit, once where they read the same: `13 h to 15 h`, `21 GiB`, `20 to 22 GiB of 24`. */
export function formatEstimate(estimate: Estimate): string {
  const [format, unit] = estimateFormat(estimate.unit);
  const low = format(estimate.low);
  const high = format(estimate.high);
  const range = low === high ? high : `${low} to ${high}`;
  const suffix = unit === "" ? "" : ` ${unit}`;
  return estimate.available === undefined ? `${range}${suffix}` : `${range}${suffix} of ${format(estimate.available)}`;
}

/** How figures of a unit are written, and what stands after them. */
function estimateFormat(unit: string): readonly [(value: number) => string, string] {
  switch (unit) {
    case "s":
    case "seconds":
      return [formatDuration, ""];
    case "h":
    case "hours":
      return [(hours) => formatDuration(hours * 3600), ""];
    case "B":
    case "bytes":
      return [formatBytes, ""];
    default:
      return [formatRough, unit];
  }
}
