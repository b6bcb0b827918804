import { isCarriedOut } from "../core/plan/carried-out.ts";
import { PLAN_CODES } from "../core/plan/codes.ts";
import type { Estimate, PipelinePlan, Plan, StageAction } from "../core/plan/plan.ts";
import { scriptOf } from "../core/vocabulary.ts";
import { count, formatBytes, formatDuration, formatRough, listWords } from "./text/quantity.ts";

/** What a plan comes to, in a line: the same words at the terminal and in a pull request. */

/** The order in which actions are named: what costs most to get wrong first. */
const ACTIONS: readonly Exclude<StageAction, "none">[] = ["replace", "create", "update", "resume", "extend", "wait"];

/** `replace train · 16 checkpoints · ~14 h · VRAM up to 21 GiB of 24`, or why there is nothing to say. */
export function summarizePipeline(pipeline: PipelinePlan): string {
  if (!pipeline.valid) return "can't be planned";
  if (!hasChanges(pipeline)) return "no changes";
  const parts = [summarizeActions(pipeline)];
  const checkpoints = countNewCheckpoints(pipeline);
  if (checkpoints > 0) parts.push(count(checkpoints, "checkpoint"));
  const { time, vram } = pipeline.estimates;
  if (time !== undefined && time.high > 0) parts.push(`~${formatEstimate(narrow(time))}`.replace("~up to", "up to"));
  // What needs no GPU memory has nothing to say about it.
  if (vram !== undefined && vram.high > 0) {
    // The high end: whether it fits is what a reader wants to know.
    const most = vram.low < vram.high ? "up to " : "";
    parts.push(`VRAM ${most}${formatEstimate({ ...vram, low: vram.high })}`);
  }
  return parts.join(" · ");
}

/** What is trained, with what and on what: `pipelines/fox.yaml · t2v-A14B · noise dual · tier high-end · Musubi Tuner …`. */
export function describeTraining(pipeline: PipelinePlan): string {
  const { file, task, noise, tier } = pipeline;
  return [file, task, `noise ${noise}`, `tier ${tier}`, describeDriver(pipeline)].join(" · ");
}

/** What runs the training, with what somebody who reads about it must know. */
function describeDriver({ stages, backend }: PipelinePlan): string {
  const driver = stages.find(({ id }) => scriptOf(id) === "train")?.driver;
  switch (driver) {
    case "rehearsal":
      return REHEARSAL;
    case "bridge":
      return "Musubi Tuner through the bridge";
    case "scripts":
      return "Musubi Tuner's own scripts: a stop loses what is not saved yet, and nothing resumes";
    case undefined:
      return backend;
  }
}

/** Nobody shall take what comes of it for a LoRA. */
export const REHEARSAL = "REHEARSAL on a miniature model: no LoRA for Wan comes of it";

/** `Planned from fox.lock.json; not at hand: dataset.sources.0.videos and trainer`; nothing where all was looked at. */
export function describeLock({ planned_from: from }: PipelinePlan): string | undefined {
  if (from === undefined) return undefined;
  return `Planned from ${from.lock}; not at hand: ${listWords(from.keys)}`;
}

/** `8 files, 16 items, 16 batches · 16 steps an epoch, 64 in all` */
export function describeWork(pipeline: PipelinePlan): string {
  const { files, items, batches } = pipeline.dataset;
  return `${count(files, "file")}, ${count(items, "item")}, ${count(batches, "batch", "batches")} · ${describeSteps(pipeline)}`;
}

/** `16 steps an epoch, 64 in all`; where both halves of the model are trained apart, what they come to together. */
export function describeSteps(pipeline: PipelinePlan): string {
  const { dataset, stages } = pipeline;
  const epoch = `${count(dataset.steps_per_epoch, "step")} an epoch`;
  const totals = stages.flatMap(({ id, total_steps = 0 }) => (scriptOf(id) === "train" ? [{ id, total_steps }] : []));
  if (totals.length < 2) return `${epoch}, ${dataset.total_steps} in all`;
  const [first] = totals;
  const alike = totals.every(({ total_steps }) => total_steps === first?.total_steps);
  const each = alike
    ? `${totals.length} stages of ${count(first?.total_steps ?? 0, "step")}`
    : listWords(totals.map(({ id, total_steps }) => `${total_steps} in ${id}`));
  return `${epoch}; ${each}, ${totals.reduce((sum, { total_steps }) => sum + total_steps, 0)} in all`;
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

/** What nothing is done about, although it is not as the pipeline describes it. */
const LEFT_UNDONE: readonly string[] = [PLAN_CODES.fewerEpochs, PLAN_CODES.filesGone, PLAN_CODES.outputMoved].map(
  ({ code }) => code,
);

/** Whether a pipeline in which nothing is to do differs from its file all the same; the warnings say in what. */
export function leavesSomethingUndone({ file }: PipelinePlan, { pipelines, diagnostics }: Plan): boolean {
  const files = new Set(pipelines.map((pipeline) => pipeline.file));
  // A value in wan22.yaml is every pipeline's.
  return diagnostics.some(({ code, file: at = file }) => LEFT_UNDONE.includes(code) && (at === file || !files.has(at)));
}

function summarizeActions(pipeline: PipelinePlan): string {
  const groups = ACTIONS.map((action) => {
    const stages = pipeline.stages.filter((stage) => stage.action === action).map((stage) => stage.id);
    return stages.length === 0 ? "" : `${action} ${listWords(stages)}`;
  });
  return groups.filter((group) => group !== "").join(", ");
}

/** Checkpoints that applying writes; training states aren't counted. */
function countNewCheckpoints(pipeline: PipelinePlan): number {
  return pipeline.checkpoints.filter(
    ({ kind, action }) => kind === "checkpoint" && (action === "create" || action === "replace"),
  ).length;
}

/** The last line of a plan: `Plan: 3 stages to run, 16 checkpoints to create.` */
export function summarizePlan(plan: Plan): string {
  const valid = plan.pipelines.filter((pipeline) => pipeline.valid);
  const stages = valid.flatMap((pipeline) => pipeline.stages).filter(isCarriedOut);
  const checkpoints = valid.flatMap((pipeline) => pipeline.checkpoints).filter(({ kind }) => kind === "checkpoint");
  const created = checkpoints.filter(({ action }) => action === "create").length;
  const replaced = checkpoints.filter(({ action }) => action === "replace").length;
  const waiting = valid.flatMap((pipeline) => pipeline.stages).filter(({ action }) => action === "wait");
  const parts = [`${count(stages.length, "stage")} to run`];
  if (waiting.length > 0) parts.push(`${waiting.length} to wait`);
  if (created > 0) parts.push(`${count(created, "checkpoint")} to create`);
  if (replaced > 0) parts.push(`${count(replaced, "checkpoint")} to replace`);
  return `Plan: ${parts.join(", ")}.`;
}

/** Both ends of an estimate: `13 h to 15 h`, `21 GiB`, `20 to 22 GiB of 24`, `up to 8.5 MiB of 77 GiB`. */
export function formatEstimate(estimate: Estimate): string {
  const format = estimateFormat(estimate);
  const low = format(estimate.low);
  const high = format(estimate.high);
  const range = joinRange(low, high, estimate.low <= 0 || parseFloat(low) === 0);
  if (estimate.available === undefined) return range;
  const available = estimateFormat({ ...estimate, high: estimate.available })(estimate.available);
  const unit = high.slice(high.lastIndexOf(" "));
  return `${range} of ${available.endsWith(unit) ? available.slice(0, -unit.length) : available}`;
}

function joinRange(low: string, high: string, startsAtZero: boolean): string {
  if (low === high) return high;
  if (startsAtZero) return `up to ${high}`;
  const unit = high.slice(high.lastIndexOf(" "));
  // One unit for both where each is a number and a unit; a duration of two units keeps them.
  const shared = low.endsWith(unit) && low.split(" ").length === 2 && high.split(" ").length === 2;
  return `${shared ? low.slice(0, -unit.length) : low} to ${high}`;
}

const BINARY_UNITS: readonly string[] = ["KiB", "MiB", "GiB", "TiB"];

/** How figures of an estimate are written. Binary units are chosen by its high end, so that both ends have the same. */
function estimateFormat({ unit, high }: Estimate): (value: number) => string {
  switch (unit) {
    case "s":
    case "seconds":
      return formatDuration;
    case "h":
    case "hours":
      return (hours) => formatDuration(hours * 3600);
    case "B":
    case "bytes":
      return formatBytes;
    default:
      return formatInUnit(unit, high);
  }
}

function formatInUnit(unit: string, high: number): (value: number) => string {
  let index = BINARY_UNITS.indexOf(unit);
  if (index < 0) return (value) => `${formatRough(value)} ${unit}`;
  let divisor = 1;
  while (high / divisor >= 1024 && index < BINARY_UNITS.length - 1) {
    divisor *= 1024;
    index += 1;
  }
  return (value) => `${formatRough(value / divisor)} ${BINARY_UNITS[index] ?? unit}`;
}

/** `tells command notify-send (failed, finished)`; undefined where nobody is told. */
export function describeHooks({ notify = [] }: PipelinePlan): string | undefined {
  if (notify.length === 0) return undefined;
  return `tells ${notify.map(({ target, on }) => `${target} (${on.join(", ")})`).join(" and ")}`;
}
