import { printable } from "../../core/printable.ts";
import type { ListedQueue, QueueEntry } from "../../core/queue.ts";
import { type Cell, layoutTable } from "../text/columns.ts";
import { formatDuration, gpuNames } from "../text/quantity.ts";
import { createStyle, type Style } from "../text/style.ts";

/** Queues for people: who is at work on which card, and who is next. */

export interface QueueViewOptions {
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Unix time in seconds. */
  readonly now: number;
  /** What takes up a queue that its process has left. */
  readonly resume: (queue: ListedQueue, files: readonly string[]) => string;
}

export function viewQueuesHuman(queues: readonly ListedQueue[], options: QueueViewOptions): string {
  return queues.map((queue) => viewQueue(queue, options)).join("\n");
}

function viewQueue(queue: ListedQueue, options: QueueViewOptions): string {
  const style = createStyle(options);
  const { owner, folder, pool, entries, alive, since } = queue;
  const how = pool === undefined ? "one after the other" : `on ${gpuNames(pool)}`;
  const age = formatDuration(Math.max(0, options.now - since));
  const head = `${style.strong(`Process ${owner.pid}:`)} ${how} · for ${age} · called in ${printable(folder)}`;
  const waiting = entries.filter(({ status }) => status === "waiting");
  const rows = [
    ...entries
      .filter(({ status }) => status === "running")
      .map((entry) => runningCells(entry, alive, options.now, style)),
    ...waiting.map((entry, index) => waitingCells(entry, index, queue)),
    ...entries.filter(({ status }) => status === "ended").map((entry) => endedCells(entry, style)),
  ];
  const left = entries.filter(({ status }) => status !== "ended").map(({ file }) => file);
  const gone = alive
    ? []
    : [`  Its process is gone, and nobody begins what waits. Take it up with: ${options.resume(queue, left)}`];
  return `${[head, ...layoutTable(rows, { columns: options.width, indent: 2 }), ...gone].join("\n")}\n`;
}

function runningCells(
  { name, file, gpus, since = 0 }: QueueEntry,
  alive: boolean,
  now: number,
  style: Style,
): readonly Cell[] {
  const facts = [
    ...(gpus === undefined ? [] : [`on ${gpuNames(gpus)}`]),
    ...(alive ? [`for ${formatDuration(Math.max(0, now - since))}`] : ["was at work"]),
  ];
  return [
    { text: alive ? ">" : "?" },
    { text: printable(name), colour: style.added },
    { text: [...facts, printable(file)].join(" · ") },
  ];
}

function waitingCells({ name, file, wants }: QueueEntry, index: number, { pool }: ListedQueue): readonly Cell[] {
  const on =
    pool === undefined
      ? []
      : [wants === undefined ? "on the GPU that is free first" : `on ${gpuNames(wants)}, which its file names`];
  return [
    { text: String(index + 1) },
    { text: printable(name) },
    { text: ["waits", ...on, printable(file)].join(" · ") },
  ];
}

function endedCells({ name, file, gpus, outcome = "not-begun" }: QueueEntry, style: Style): readonly Cell[] {
  const on = gpus === undefined ? [] : [`on ${gpuNames(gpus)}`];
  const words = outcome === "not-begun" ? "taken out before its turn" : outcome;
  const colour = outcome === "finished" ? style.faint : style.warning;
  return [
    { text: "=" },
    { text: printable(name), colour: style.faint },
    { text: [words, ...on, printable(file)].join(" · "), colour },
  ];
}
