import type { Diagnostic } from "../core/diagnostic.ts";
import type { Choices } from "../core/plan/choices.ts";
import { printable } from "../core/printable.ts";
import { type Prepared, prepare } from "../prepare/prepare.ts";
import { viewAnnotations } from "../views/github.ts";
import { viewPlanHuman } from "../views/human/plan.ts";
import { viewPlanJson } from "../views/json.ts";
import { viewPlanMarkdown } from "../views/markdown/plan.ts";
import { choiceWords, commandLine, filesFrom } from "./command-line.ts";
import { EXIT, type ExitCode, planExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface PlanOptions {
  readonly format: "human" | "json" | "markdown" | "github";
  readonly details: "summary" | "full";
  /** `detailed`: 2 where there is something to do. */
  readonly exitCode: "plain" | "detailed";
  readonly choices: Choices;
  /** A file to save the plan to. */
  readonly out?: string | undefined;
}

/** `wan22 plan`: says what would happen. */
export async function runPlan(files: readonly string[], options: PlanOptions, terminal: Terminal): Promise<ExitCode> {
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const prepared = await prepare(chosen, {
    folder: terminal.folder,
    environment: terminal.environment,
    history: "read",
    ...options.choices,
    onScan: showScan(terminal),
  });
  terminal.transient("");
  const unsaved = options.out === undefined ? undefined : await save(prepared, options.out, options, terminal);
  terminal.out(viewPlan(prepared, unsaved === undefined ? options : { ...options, out: undefined }, terminal));
  if (unsaved !== undefined) {
    showDiagnostics([unsaved], terminal, { texts: prepared.texts });
    return EXIT.error;
  }
  if (options.out !== undefined) terminal.err(`Saved to ${printable(options.out)}.`);
  const code = planExitCode(prepared.plan);
  return code === EXIT.fine && options.exitCode === "detailed" && prepared.plan.changes ? EXIT.changes : code;
}

/** Undefined where it was saved. */
async function save(
  prepared: Prepared,
  file: string,
  { choices }: PlanOptions,
  { folder }: Terminal,
): Promise<Diagnostic | undefined> {
  // Loaded only here: most plans are only looked at.
  const { savePlan } = await import("../prepare/saved-plans.ts");
  try {
    return await savePlan(prepared, { file, folder, choices });
  } catch (error) {
    const { explainSystemError } = await import("../execute/system-error.ts");
    const diagnostic = await explainSystemError(error, folder);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}

function viewPlan(prepared: Prepared, options: PlanOptions, terminal: Terminal): string {
  const { plan, texts } = prepared;
  const applyCommand = (files: readonly string[]) => {
    if (options.out !== undefined) return commandLine(["apply", options.out], terminal);
    return commandLine(
      ["apply", ...choiceWords(options.choices), ...files.map(filesFrom(terminal.folder, prepared))],
      terminal,
    );
  };
  switch (options.format) {
    case "human":
      return viewPlanHuman(plan, {
        colour: terminal.colour,
        width: terminal.width,
        sources: texts,
        details: options.details,
        // What another apply is at work on is not for a second one.
        applyCommand: prepared.known.some(({ attended }) => attended) ? "none" : applyCommand,
      });
    case "json":
      return viewPlanJson(plan);
    case "markdown":
      return viewPlanMarkdown(plan, { sources: texts });
    case "github":
      return viewAnnotations(plan.diagnostics);
  }
}

/** Says how far a long first look at the clips has come. */
export function showScan(terminal: Terminal) {
  return ({ pipeline, done, total }: { readonly pipeline: string; readonly done: number; readonly total: number }) => {
    if (total >= 100 && done % 10 === 0) terminal.transient(`${pipeline}: looked at ${done} of ${total} files`);
  };
}
