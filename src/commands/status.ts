import { hostname } from "node:os";
import { withoutRepeats } from "../core/diagnostic.ts";
import { present } from "../core/present.ts";
import type { PipelineStatus } from "../core/status.ts";
import { lookAtPipeline } from "../execute/pipeline-status.ts";
import { nowSeconds } from "../host/clock.ts";
import { readQueues } from "../host/records/queue-store.ts";
import { lookAtWatch } from "../host/records/reconcile-store.ts";
import { branchReader } from "../prepare/branch-records.ts";
import { viewStatusHuman, viewWatchStatus } from "../views/human/status.ts";
import { viewStatusJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { findPipelines } from "./find-pipelines.ts";
import { sayNoPipeline } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface StatusOptions {
  readonly format: "human" | "json";
}

/** `wan22 status`: how pipelines stand. Changes nothing, and waits for nobody but for a while for the remote of a state branch. */
export async function runStatus(
  files: readonly string[],
  { format }: StatusOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { found, diagnostics: unknown, unread } = await findPipelines(files, terminal);
  const queues = await readQueues(terminal.environment);
  const readBranch = branchReader(terminal.environment);
  const looked = await Promise.all(
    found.map(async ({ place, file, read, isEarlier, renamed }) => {
      const record =
        read?.spec === undefined || isEarlier === true ? undefined : await readBranch(read.spec, place.root);
      return { ...(await lookAtPipeline(place, { file, renamed, queues, record })), isEarlier };
    }),
  );
  // What was begun before its file named another folder may still be at work; else it is the history of the one beside it.
  const standings = looked.filter(({ status, isEarlier }) => isEarlier !== true || isAtWork(status));
  const pipelines = standings.map(({ status }) => status);
  const { colour, width } = terminal;
  const watch = await lookAtWatch(terminal.folder);
  const options = { colour, width, now: nowSeconds(), host: hostname() };
  if (format === "json") terminal.out(viewStatusJson({ format_version: "1.0", pipelines, ...present({ watch }) }));
  else if (pipelines.length > 0) terminal.out(viewStatusHuman(pipelines, options));
  else if (unknown.length + unread.length === 0) sayNoPipeline("status", terminal);
  if (format === "human" && watch !== undefined) terminal.out(viewWatchStatus(watch, options));
  const diagnostics = [...unknown, ...unread, ...standings.flatMap((standing) => standing.diagnostics)];
  showDiagnostics(withoutRepeats(diagnostics), terminal);
  return diagnostics.some(({ severity }) => severity === "error") ? EXIT.error : EXIT.fine;
}

function isAtWork({ lock, stages }: PipelineStatus): boolean {
  return lock.kind === "held" || stages.some(({ alive }) => alive === true);
}
