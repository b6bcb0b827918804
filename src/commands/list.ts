import type { PipelineList } from "../core/pipeline-list.ts";
import { listPipeline } from "../prepare/pipeline-list.ts";
import { readPipelines } from "../prepare/read.ts";
import { viewPipelineList } from "../views/human/pipeline-list.ts";
import { viewPipelineListJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";
import { chooseFiles } from "./touched.ts";

export interface ListOptions {
  readonly format: "human" | "json";
  /** A commit: only what changed since counts. */
  readonly changedSince?: string | undefined;
}

/** `wan22 list`: pipelines, each cell of a matrix too, by what their files say. Nothing that they name is looked at. */
export async function runList(
  files: readonly string[],
  { format, changedSince }: ListOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await chooseFiles(files, { changedSince }, terminal);
  if (chosen === undefined) return EXIT.error;
  const { folder, colour, width } = terminal;
  const { review } = chosen.touched ?? {};
  const environment = review?.environment ?? terminal.environment;
  const read = await readPipelines(chosen.files, { folder, environment, within: review?.changes.top });
  const list: PipelineList = { include: read.map((pipeline) => listPipeline(pipeline, folder)) };
  if (format === "json") terminal.out(viewPipelineListJson(list));
  else if (list.include.length > 0) terminal.out(viewPipelineList(list, { colour, width }));
  else terminal.err(`No pipeline is touched by what changed since ${review?.changes.ref}.`);
  if (format === "human" && list.include.some(({ valid }) => !valid))
    terminal.err("What is not valid, and why: wan22 validate");
  // A pipeline that is wrong is in the list as such; a file that is none can't be.
  const unread = read.filter(({ root }) => root === "").flatMap(({ diagnostics }) => diagnostics);
  showDiagnostics(unread, terminal);
  return unread.length > 0 ? EXIT.error : EXIT.fine;
}
