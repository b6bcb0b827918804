import { prepare } from "../prepare/prepare.ts";
import { viewAnnotations } from "../views/github.ts";
import { viewDiagnosticsJson } from "../views/json.ts";
import { describeWork } from "../views/plan-summary.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showScan } from "./plan.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface ValidateOptions {
  readonly format: "human" | "json" | "github";
}

/** `wan22 validate`: a plan without state and output files, of which only the findings are shown. */
export async function runValidate(
  files: readonly string[],
  { format }: ValidateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const { plan, texts } = await prepare(chosen, {
    folder: terminal.folder,
    environment: terminal.environment,
    history: "ignore",
    onScan: showScan(terminal),
  });
  terminal.transient("");
  const invalid = plan.pipelines.filter(({ valid }) => !valid);
  switch (format) {
    case "json":
      terminal.out(viewDiagnosticsJson(plan.diagnostics));
      break;
    case "github":
      terminal.out(viewAnnotations(plan.diagnostics));
      break;
    case "human": {
      const found = plan.diagnostics.filter(({ severity }) => severity !== "note");
      showDiagnostics(found, terminal, { texts });
      const verdicts = plan.pipelines.map(
        (pipeline) => `${pipeline.file}: ${pipeline.valid ? `valid, ${describeWork(pipeline)}` : "not valid"}`,
      );
      terminal.out(verdicts.join("\n"));
    }
  }
  return invalid.length > 0 ? EXIT.error : EXIT.fine;
}
