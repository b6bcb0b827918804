import { present } from "../core/present.ts";
import { examineMachine, examinePipelines } from "../prepare/examine.ts";
import { viewFindings } from "../views/human/doctor.ts";
import { viewExaminedJson } from "../views/json.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { sayNoPipeline, yamlFilesOf } from "./pipeline-files.ts";
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
  const chosen = files.length > 0 ? files : await yamlFilesOf(terminal.folder);
  terminal.transient("Asking Python what it has; importing PyTorch takes a while…");
  const { pipelines, diagnostics, texts } = await examinePipelines(chosen, terminal);
  // Who has no pipeline yet wants to know whether to write one for this machine.
  const machine = chosen.length === 0 ? await examineMachine(terminal) : undefined;
  terminal.transient("");
  const { colour, width } = terminal;
  if (format === "json") terminal.out(viewExaminedJson({ ...present({ machine }), pipelines, diagnostics }));
  else {
    showDiagnostics(diagnostics, terminal, { texts });
    if (machine !== undefined) {
      terminal.out(viewFindings("This machine", machine, { colour, width }));
      sayNoPipeline("doctor", terminal);
    }
    for (const { file, findings } of pipelines) terminal.out(viewFindings(file, findings, { colour, width }));
  }
  const findings = [...(machine ?? []), ...pipelines.flatMap((pipeline) => pipeline.findings)];
  const wrong = findings.some(({ state }) => state === "error");
  return wrong || diagnostics.some(({ severity }) => severity === "error") ? EXIT.error : EXIT.fine;
}
