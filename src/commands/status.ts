import { lookAtPipeline } from "../execute/pipeline-status.ts";
import { nowSeconds } from "../host/clock.ts";
import { viewStatusHuman } from "../views/human/status.ts";
import { viewStatusJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { findPipelines } from "./find-pipelines.ts";
import { sayNoPipeline } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface StatusOptions {
  readonly format: "human" | "json";
}

/** `wan22 status`: how pipelines stand. Changes nothing, and waits for nobody. */
export async function runStatus(
  files: readonly string[],
  { format }: StatusOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { found, diagnostics: unknown, unread } = await findPipelines(files, terminal);
  const standings = await Promise.all(found.map(({ place, file }) => lookAtPipeline(place, file)));
  const pipelines = standings.map(({ status }) => status);
  const { colour, width } = terminal;
  if (format === "json") terminal.out(viewStatusJson({ format_version: "1.0", pipelines }));
  else if (pipelines.length > 0) terminal.out(viewStatusHuman(pipelines, { colour, width, now: nowSeconds() }));
  else if (unknown.length + unread.length === 0) sayNoPipeline("status", terminal);
  const diagnostics = [...unknown, ...unread, ...standings.flatMap((standing) => standing.diagnostics)];
  showDiagnostics(diagnostics, terminal);
  return diagnostics.some(({ severity }) => severity === "error") ? EXIT.error : EXIT.fine;
}
