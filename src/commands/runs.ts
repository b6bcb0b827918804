import type { RunList } from "../core/state/run-list.ts";
import { readPipelines } from "../prepare/read.ts";
import { observeRuns } from "../prepare/run-list.ts";
import { viewRuns } from "../views/human/runs.ts";
import { viewRunsJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface RunsOptions {
  readonly format: "human" | "json";
}

/** `wan22 runs`: the runs of pipelines, and what they have archived. Changes nothing. */
export async function runRuns(
  files: readonly string[],
  { format }: RunsOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const { colour, width } = terminal;
  const pipelines: RunList["pipelines"] = [];
  let code: ExitCode = EXIT.fine;
  for (const { file, root, spec, diagnostics, texts } of await readPipelines(chosen, terminal)) {
    if (spec === undefined) {
      showDiagnostics(diagnostics, terminal, { texts });
      code = EXIT.error;
      continue;
    }
    const { runs, archives } = await observeRuns({ root, spec });
    pipelines.push({ name: spec.name, file, runs: [...runs], archives: [...archives] });
  }
  const list: RunList = { format_version: "1.0", pipelines };
  terminal.out(format === "json" ? viewRunsJson(list) : viewRuns(list, { colour, width }));
  return code;
}
