import { examinePipelines } from "../prepare/examine.ts";
import { viewFindings } from "../views/human/doctor.ts";
import { viewExaminedJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface DoctorOptions {
  readonly format: "human" | "json";
}

/** `wan22 doctor`: looks at this machine as pipelines need it. Starts the trainer's Python, which a plan does not. */
export async function runDoctor(
  files: readonly string[],
  { format }: DoctorOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  terminal.transient("Asking Python what it has; importing PyTorch takes a while…");
  const { pipelines, diagnostics, texts } = await examinePipelines(chosen, terminal);
  terminal.transient("");
  const { colour, width } = terminal;
  if (format === "json") terminal.out(viewExaminedJson({ pipelines, diagnostics }));
  else {
    showDiagnostics(diagnostics, terminal, { texts });
    for (const { file, findings } of pipelines) terminal.out(viewFindings(file, findings, { colour, width }));
  }
  const wrong = pipelines.some(({ findings }) => findings.some(({ state }) => state === "error"));
  return wrong || diagnostics.some(({ severity }) => severity === "error") ? EXIT.error : EXIT.fine;
}
