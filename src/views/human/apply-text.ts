import type { ApplyEvent, StageOutcome } from "../../core/apply-event.ts";
import type { TrainerEvent } from "../../core/event.ts";
import { baseName, folderOf } from "../../core/paths.ts";
import { printable } from "../../core/printable.ts";
import type { StageProgress } from "../../core/progress.ts";
import { count, formatBytes, formatDuration, formatNumber, gpuNames, listWords } from "../text/quantity.ts";

/** The words of `apply`, the same in a terminal and in a log. */

type EventOf<Type extends ApplyEvent["type"]> = Extract<ApplyEvent, { type: Type }>;

/** `step 16/64 · epoch 1 · loss 0.0912 · 2.1 s a step · 2 min left` */
export function describeProgress(progress: Omit<StageProgress, "recent">): string {
  const one = progress.unit === "steps" ? "step" : "item";
  const parts = [`${one} ${progress.done}/${progress.total}`];
  if (progress.epoch !== undefined) parts.push(`epoch ${progress.epoch}`);
  if (progress.loss !== undefined) parts.push(`loss ${formatLoss(progress.loss)}`);
  if (progress.secondsPerUnit !== undefined && progress.secondsPerUnit > 0)
    parts.push(formatRate(progress.secondsPerUnit, one));
  if (progress.etaSeconds !== undefined) parts.push(`${formatDuration(progress.etaSeconds)} left`);
  return parts.join(" · ");
}

function formatLoss(loss: number | null): string {
  return loss === null ? "NaN" : loss.toPrecision(3).replace(/e\+?(-?)0*/, "e$1");
}

function formatRate(secondsPerUnit: number, one: "step" | "item"): string {
  const each = one === "step" ? "a step" : "an item";
  if (secondsPerUnit >= 0.995) return `${formatNumber(Number(secondsPerUnit.toPrecision(2)))} s ${each}`;
  return `${Math.round(1 / secondsPerUnit)} ${one}s a second`;
}

export function describeRun(event: EventOf<"run-started">): string {
  if (event.stages.length === 0) return `nothing is to do (run ${printable(event.run)})`;
  const stages = listWords(event.stages.map(({ id, action }) => `${id} (${printable(action)})`));
  return `${stages}; run ${printable(event.run)}`;
}

export function describeStart(event: EventOf<"stage-started">): string {
  const work = event.unit === "steps" ? count(event.total, "step") : count(event.total, "item");
  const from = event.done === 0 ? "" : `, ${event.done} done already`;
  const how = event.attached ? "follows the trainer that is running already" : printable(event.action);
  return `${how}${describeGpus(event.gpus)}, ${work}${from}; log ${printable(event.log)}`;
}

/** ` on GPU 1`; nothing where no card was given. */
export function describeGpus(gpus: readonly number[] = []): string {
  return gpus.length === 0 ? "" : ` on ${gpuNames(gpus)}`;
}

/** What a stage came to, with the log's place where somebody will want to read it. */
export function describeEnd(event: EventOf<"stage-ended">): string {
  const one = `${event.done}/${event.total}`;
  const duration = formatDuration(event.seconds);
  const why = event.message === undefined ? "" : `: ${printable(event.message)}`;
  const log = `log ${printable(event.log)}`;
  const texts: Readonly<Record<StageOutcome, string>> = {
    finished: `finished in ${duration} (${one})`,
    stopped: `stopped at ${one} after ${duration}${event.message === undefined ? "; apply again to go on from here" : why}`,
    failed: `failed at ${one} after ${duration}${why}; ${log}`,
    lost: `ended at ${one} without saying why${why}; ${log}`,
    detached: `goes on by itself, ${one} so far; apply again to follow it`,
  };
  return texts[event.outcome];
}

/** The last word on a pipeline. */
export function describeRunEnd(event: EventOf<"run-ended">): string {
  const duration = formatDuration(event.seconds);
  switch (event.outcome) {
    case "finished":
      return `done in ${duration}${describeCheckpoints(event.checkpoints)}`;
    case "stopped":
      return `stopped after ${duration}; apply again to go on from here`;
    case "failed":
      return `failed after ${duration}; what was finished stays`;
    case "interrupted":
      return `interrupted after ${duration}; what was saved stays`;
    case "detached":
      return "training goes on by itself; apply again to follow it";
  }
}

function describeCheckpoints(checkpoints: readonly string[]): string {
  if (checkpoints.length === 0) return "";
  const folders = [...new Set(checkpoints.map(folderOf))];
  return `: ${count(checkpoints.length, "checkpoint")} in ${listWords(folders.map(printable))}`;
}

export function describeMove(event: EventOf<"moved">): string {
  const [first] = event.files;
  if (event.reason === "rename") {
    return listWords(
      event.files.map(({ from, to }) => `renamed ${printable(baseName(from))} to ${printable(baseName(to))}`),
    );
  }
  const folder = first === undefined ? "" : ` into ${printable(folderOf(first.to))}`;
  return `archived ${count(event.files.length, "file or folder", "files and folders")}${folder}`;
}

export function describeUnlinked(event: EventOf<"unlinked">): string {
  const { stale, leftover } = event;
  const gone = `${count(leftover.length, "cache file")} that nothing in the dataset makes any more: ${nameFiles(leftover)}`;
  const parts = [
    ...(stale.length === 0 ? [] : [`${count(stale.length, "stale cache file")}, to be made again`]),
    ...(leftover.length === 0 ? [] : [gone]),
  ];
  return `removed ${parts.join(", and ")}`;
}

/** Files that are named; of more, the first ones. */
const MAX_NAMES = 5;

function nameFiles(files: readonly string[]): string {
  const names = files.slice(0, MAX_NAMES).map((file) => printable(baseName(file)));
  const rest = files.length - names.length;
  return listWords(rest === 0 ? names : [...names, `${rest} more`]);
}

/** What is worth a line of its own among the trainer's events; undefined for all that only moves the progress. */
export function describeTrainerEvent(event: TrainerEvent): string | undefined {
  switch (event.type) {
    case "epoch":
      return `epoch ${event.epoch} done${event.loss === undefined ? "" : `, loss ${formatLoss(event.loss)}`}`;
    case "checkpoint":
      return `saved ${printable(event.file)} (${formatBytes(event.bytes)})`;
    case "sample":
      return `sample ${printable(event.file)}`;
    case "warning":
      return `warning: ${printable(event.text)}`;
    case "oom":
      return "warning: out of GPU memory";
    case "stopping":
      return "stopping: the training state is saved at the next step";
    default:
      return undefined;
  }
}

/** The tone of a pipeline's last word: a stop was asked for, and is no fault. */
export function toneOfRunEnd(event: EventOf<"run-ended">): "added" | "warning" | "error" {
  if (event.outcome === "finished") return "added";
  return event.outcome === "stopped" || event.outcome === "detached" ? "warning" : "error";
}
