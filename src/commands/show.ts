import { readPlanFile } from "../prepare/read-saved-plans.ts";
import { viewPlanHuman } from "../views/human/plan.ts";
import { viewSavedPlanHead } from "../views/human/saved-plan.ts";
import { viewDiagnosticsJson, viewPlanJson } from "../views/json.ts";
import { viewPlanMarkdown } from "../views/markdown/plan.ts";
import { commandLine } from "./command-line.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface ShowOptions {
  readonly format: "human" | "json" | "markdown";
  readonly details: "summary" | "full";
}

/** `wan22 show FILE`: prints a saved plan. Whether it still holds is not asked. */
export async function runShow(file: string, { format, details }: ShowOptions, terminal: Terminal): Promise<ExitCode> {
  const { colour, width, folder } = terminal;
  const read = await readPlanFile(file, folder);
  if ("severity" in read) {
    // Where the plan would be, as with `plan` and `validate`.
    if (format === "json") terminal.out(viewDiagnosticsJson([read]));
    else showDiagnostics([read], terminal);
    return EXIT.error;
  }
  const { plan } = read;
  switch (format) {
    case "json":
      terminal.out(viewPlanJson(plan));
      break;
    case "markdown":
      terminal.out(viewPlanMarkdown(plan));
      break;
    case "human":
      terminal.out(viewSavedPlanHead(read, { file, width, colour }));
      terminal.out(
        viewPlanHuman(plan, { colour, width, details, applyCommand: () => commandLine(["apply", file], terminal) }),
      );
  }
  return EXIT.fine;
}
