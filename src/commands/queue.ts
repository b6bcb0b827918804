import { relative } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { isSamePipeline, type ListedQueue, type QueueKey, type QueuePlace } from "../core/queue.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { reorderQueue } from "../execute/queue/reorder-queue.ts";
import { explainSystemError } from "../execute/system-error.ts";
import { nowSeconds } from "../host/clock.ts";
import { isSuspended } from "../host/process.ts";
import { findDamagedQueues, readQueues, type StoredQueue } from "../host/records/queue-store.ts";
import { viewQueuesHuman } from "../views/human/queue.ts";
import { viewQueuesJson } from "../views/json.ts";
import { listWords } from "../views/text/quantity.ts";
import { commandLine } from "./command-line.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { findPipelines } from "./find-pipelines.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { StatusOptions } from "./status.ts";
import type { Terminal } from "./terminal.ts";

/** `wan22 status --queue`: the queues of this machine, or those that hold the pipelines named. Changes nothing. */
export async function runQueueStatus(
  files: readonly string[],
  { format }: StatusOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const stored = await readQueues(terminal.environment);
  const entries = stored.flatMap(({ queue }) => queue.entries);
  const { keys, diagnostics } = await keysOf(files, terminal, entries);
  const chosen = stored.filter(
    ({ queue }) => files.length === 0 || queue.entries.some((entry) => keys.some((key) => isSamePipeline(entry, key))),
  );
  if (format === "json") {
    terminal.out(viewQueuesJson({ format_version: "1.0", queues: chosen.map(listed) }));
  } else if (chosen.length === 0) {
    terminal.err("No queue is open on this machine: an `apply` of several pipelines has one while it is at work.");
  } else {
    terminal.out(viewQueues(chosen, terminal));
  }
  const kind = EXECUTE_CODES.queueDamaged;
  const damaged = (await findDamagedQueues(terminal.environment)).map(({ file, why }) =>
    diagnose(kind, `${file}: ${why}. ${kind.why} ${kind.mend}`),
  );
  showDiagnostics([...diagnostics, ...damaged], terminal);
  return diagnostics.length > 0 ? EXIT.error : EXIT.fine;
}

/** Where pipelines are to go, by the words of a user. */
export type WrittenPlace =
  | { readonly kind: "first" | "last" }
  | { readonly kind: "before" | "after"; readonly of: string };

/** `wan22 reorder`: puts pipelines that wait elsewhere in their queue. */
export async function runReorder(
  files: readonly string[],
  written: WrittenPlace,
  terminal: Terminal,
): Promise<ExitCode> {
  const refuse = (diagnostics: readonly Diagnostic[]) => {
    showDiagnostics(diagnostics, terminal);
    return EXIT.error;
  };
  const beside = "of" in written ? [written.of] : [];
  const all = await readQueues(terminal.environment);
  const stored = all.filter(({ alive }) => alive);
  const { keys, diagnostics } = await keysOf([...files, ...beside], terminal, waitingIn(all));
  if (diagnostics.length > 0) return refuse(diagnostics);
  const waitNowhere = keys.filter((key) => !stored.some((one) => waitsIn(one, key)));
  const whyNot = (key: QueueKey) => {
    const left = all.find((one) => waitsIn(one, key));
    return left === undefined ? notWaiting(key) : leftWaiting(key, left, terminal);
  };
  if (waitNowhere.length > 0) return refuse(waitNowhere.map(whyNot));
  const queue = stored.find((one) => keys.every((key) => waitsIn(one, key)));
  if (queue === undefined) return refuse([inSeveralQueues(keys, stored)]);
  const of = "of" in written ? keys.at(-1) : undefined;
  const place: QueuePlace =
    of !== undefined && "of" in written
      ? { kind: written.kind, of }
      : { kind: written.kind === "last" ? "last" : "first" };
  const moved = of === undefined ? keys : keys.slice(0, -1);
  if (of !== undefined && moved.some((key) => isSamePipeline(key, of))) return refuse([besideItself(of)]);
  try {
    const after = await reorderQueue(queue, { keys: moved.map((key) => ({ ...key })), place });
    if (after === undefined) {
      const { pid } = queue.queue.owner;
      const why = isSuspended(pid) ? "is suspended" : "did not answer";
      const kind = EXECUTE_CODES.orderNotTaken;
      return refuse([diagnose(kind, `Process ${pid}, which carries out this queue, ${why}. ${kind.mend}`)]);
    }
    terminal.out(viewQueues([after], terminal));
    // To be next is to begin at once where a card is free.
    const isNext = place.kind === "first" || place.kind === "before";
    const begun = isNext ? [] : moved.filter((key) => !waitsIn(after, key));
    return begun.length > 0 ? refuse(begun.map(notWaiting)) : EXIT.fine;
  } catch (error) {
    const diagnostic = await explainSystemError(error, terminal.folder);
    if (diagnostic === undefined) throw error;
    return refuse([diagnostic]);
  }
}

function notWaiting({ name }: QueueKey): Diagnostic {
  const kind = EXECUTE_CODES.notWaiting;
  return diagnose(kind, `${name} waits in no queue: it has begun, has ended, or was never in one. ${kind.mend}`);
}

/** In a queue that nobody carries out any more. */
function leftWaiting({ name }: QueueKey, { queue }: StoredQueue, terminal: Terminal): Diagnostic {
  const files = queue.entries.flatMap(({ status, file }) => (status === "ended" ? [] : [file]));
  const detail = `${name} waits in the queue of process ${queue.owner.pid}, which is gone: nobody carries it out. Take up what is left of it with \`${resumeText(queue, files, terminal)}\`, in the order that you want, or take ${name} out of it with \`wan22 stop ${name}\`.`;
  return diagnose(EXECUTE_CODES.queueLeft, detail);
}

function inSeveralQueues(keys: readonly QueueKey[], stored: readonly StoredQueue[]): Diagnostic {
  const places = keys.map((key) => {
    const pid = stored.find((one) => waitsIn(one, key))?.queue.owner.pid;
    return `${key.name} in that of process ${pid}`;
  });
  const kind = EXECUTE_CODES.notWaiting;
  return diagnose(kind, `They wait in different queues: ${listWords(places)}. Reorder each queue by itself.`);
}

function besideItself({ name }: QueueKey): Diagnostic {
  return diagnose(EXECUTE_CODES.notWaiting, `${name} can't go before or after itself. Name another one that waits.`);
}

function waitsIn({ queue }: StoredQueue, key: QueueKey): boolean {
  return queue.entries.some((entry) => entry.status === "waiting" && isSamePipeline(entry, key));
}

function waitingIn(stored: readonly StoredQueue[]): readonly QueueKey[] {
  return stored.flatMap(({ queue }) => queue.entries.filter(({ status }) => status === "waiting"));
}

/** Pipelines by the words that a user has for them: of this project, or names among those queued. One that fits several says so. */
async function keysOf(words: readonly string[], terminal: Terminal, queued: readonly QueueKey[]) {
  const keys: QueueKey[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const word of words) {
    const { found, diagnostics: unknown } = await findPipelines([word], terminal);
    const here = found.map(({ place }) => ({ name: place.pipeline, project: place.root }));
    const named = queued.filter(({ name }) => name === word).map(({ name, project }) => ({ name, project }));
    const elsewhere = named.filter((one, at) => named.findIndex((other) => isSamePipeline(one, other)) === at);
    if (here.length > 0) keys.push(...here);
    else if (elsewhere.length === 1) keys.push(...elsewhere);
    else if (elsewhere.length > 1) diagnostics.push(ambiguous(word, elsewhere));
    else diagnostics.push(...unknown);
  }
  return { keys, diagnostics };
}

function ambiguous(word: string, keys: readonly QueueKey[]): Diagnostic {
  const projects = listWords(keys.map(({ project }) => project));
  return diagnose(
    EXECUTE_CODES.notWaiting,
    `${word} is the name of a pipeline in each of ${projects}. Call this in the project that you mean, or name its file.`,
  );
}

function viewQueues(stored: readonly StoredQueue[], terminal: Terminal): string {
  const { colour, width } = terminal;
  const resume = (queue: ListedQueue, files: readonly string[]) => resumeText(queue, files, terminal);
  return viewQueuesHuman(stored.map(listed), { colour, width, now: nowSeconds(), resume });
}

function resumeText(
  { pool, folder }: Pick<ListedQueue, "pool" | "folder">,
  files: readonly string[],
  terminal: Terminal,
): string {
  const gpus = pool === undefined ? [] : ["--gpus", pool.join(",")];
  const there = relative(terminal.folder, folder) === "" ? "" : ` (in ${folder})`;
  return `${commandLine(["apply", ...gpus, ...files], terminal)}${there}`;
}

function listed({ queue, alive }: StoredQueue): ListedQueue {
  return { ...queue, alive };
}
