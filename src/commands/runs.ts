import { present } from "../core/present.ts";
import type { RunList } from "../core/state/run-list.ts";
import { observeRuns } from "../prepare/run-list.ts";
import { viewRuns } from "../views/human/runs.ts";
import { viewRunsJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { findPipelines } from "./find-pipelines.ts";
import { findElsewhere } from "./on-branch.ts";
import { sayNoPipeline } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface RunsOptions {
  readonly format: "human" | "json";
  readonly details: "summary" | "full";
}

/** `wan22 runs`: the runs of pipelines, and what they have archived. Changes nothing. */
export async function runRuns(
  words: readonly string[],
  { format, details }: RunsOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const { found, diagnostics, unread, texts } = await findPipelines(words, terminal);
  const wrong = [...diagnostics, ...unread];
  if (found.length === 0 && wrong.length === 0) {
    sayNoPipeline(undefined, terminal);
    return EXIT.error;
  }
  showDiagnostics(wrong, terminal, { texts });
  let code: ExitCode = wrong.length > 0 ? EXIT.error : EXIT.fine;
  const pipelines: RunList["pipelines"] = [];
  for (const { place, file, read, isEarlier, renamed } of found) {
    if (read !== undefined && read.spec === undefined) {
      showDiagnostics(read.diagnostics, terminal, { texts: read.texts });
      code = EXIT.error;
    }
    const { runs, archives } = await observeRuns({ ...place, spec: read?.spec });
    const beside = pipelines.find(({ name }) => isEarlier === true && name === place.pipeline);
    if (beside !== undefined) {
      beside.runs.unshift(...runs);
      // Where both have trained into one folder its archives are known already.
      const known = new Set(beside.archives.map(({ folder }) => folder));
      beside.archives.unshift(...archives.filter(({ folder }) => !known.has(folder)));
      continue;
    }
    pipelines.push({ name: place.pipeline, ...present({ file, renamed }), runs: [...runs], archives: [...archives] });
  }
  const { colour, width } = terminal;
  const list: RunList = { format_version: "1.0", pipelines };
  const without = pipelines.filter(({ runs }) => runs.length === 0).map(({ name }) => name);
  if (format === "json") terminal.out(viewRunsJson(list));
  else if (pipelines.length > 0) {
    const elsewhere = without.length === 0 ? new Map<string, string>() : await findElsewhere(without, terminal);
    terminal.out(viewRuns(list, { colour, width, details, elsewhere }));
  }
  return code;
}
