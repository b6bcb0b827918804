import { resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { type Choices, choiceWords } from "../core/plan/choices.ts";
import { isRefused } from "../core/plan/policy/policy.ts";
import { printable } from "../core/printable.ts";
import type { Touched } from "../prepare/choose-touched.ts";
import { type Prepared, prepare } from "../prepare/prepare.ts";
import { withoutPlaces } from "../prepare/review.ts";
import { viewAnnotations } from "../views/github.ts";
import { viewPlanHuman } from "../views/human/plan.ts";
import { viewPlanJson } from "../views/json.ts";
import { commandLine, filesFrom } from "./command-line.ts";
import { EXIT, type ExitCode, planExitCode } from "./exit-code.ts";
import { type GpuRequest, withGpuPool } from "./gpu-pool.ts";
import { annotatedFolder, viewComment } from "./published-plan.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";
import { type Chosen, chooseFiles } from "./touched.ts";

export interface PlanOptions {
  readonly format: "human" | "json" | "markdown" | "github";
  readonly details: "summary" | "full";
  /** `detailed`: 2 where there is something to do. */
  readonly exitCode: "plain" | "detailed";
  readonly choices: Choices;
  /** What the pipelines are to be shared out among. */
  readonly gpus: GpuRequest | undefined;
  /** A file to save the plan to. */
  readonly out?: string | undefined;
  /** A commit: only what changed since counts, and is compared with what was. */
  readonly changedSince?: string | undefined;
  /** A file to write the plan to as Markdown, beside what is printed. */
  readonly markdown?: string | undefined;
}

/** `wan22 plan`: says what would happen. */
export async function runPlan(files: readonly string[], asked: PlanOptions, terminal: Terminal): Promise<ExitCode> {
  const chosen = await chooseFiles(files, asked, terminal);
  if (chosen === undefined) return EXIT.error;
  const { touched, named } = chosen;
  const choices = await withGpuPool(asked, terminal);
  if (choices === undefined) return EXIT.error;
  const options: PlanOptions = { ...asked, choices };
  const { folder, environment } = terminal;
  const prepared = await prepare(chosen.files, {
    folder,
    environment,
    history: "read",
    lock: "plan",
    review: touched?.review,
    ...options.choices,
    onScan: showScan(terminal),
  });
  terminal.transient("");
  const shown = touched === undefined ? prepared : await reviewed(prepared, touched, { named, choices, terminal });
  const unsaved = options.out === undefined ? undefined : await save(prepared, options.out, options, terminal);
  const unwritten = options.markdown === undefined ? undefined : await writeComment(shown, options.markdown, terminal);
  const text = viewPlan(shown, unsaved === undefined ? options : { ...options, out: undefined }, terminal);
  if (text !== "") terminal.out(text);
  const failures = [unsaved, unwritten].filter((failure) => failure !== undefined);
  if (failures.length > 0) {
    showDiagnostics(failures, terminal, { texts: prepared.texts });
    return EXIT.error;
  }
  if (options.out !== undefined) terminal.err(`Saved to ${printable(options.out)}.`);
  const code = planExitCode(prepared.plan);
  return code === EXIT.fine && options.exitCode === "detailed" && prepared.plan.changes ? EXIT.changes : code;
}

/** With what it is compared with, and paths as they are written: whoever reads it may be anybody. */
async function reviewed(
  prepared: Prepared,
  touched: Touched,
  {
    named,
    choices,
    terminal,
  }: { readonly named: Chosen["named"]; readonly choices: Choices; readonly terminal: Terminal },
): Promise<Prepared> {
  const { folder, environment } = terminal;
  // Loaded only here: most plans are compared with nothing.
  const { compareWithBase } = await import("../prepare/base-plan.ts");
  const removed = named === "all" ? "found" : "ignored";
  const base = await compareWithBase(prepared, touched, { ...choices, folder, environment, removed });
  const plan = { ...prepared.plan, base };
  return { ...prepared, plan: withoutPlaces({ ...prepared, plan }) };
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
  return explained(() => savePlan(prepared, { file, folder, choices }), folder);
}

/** Undefined where it was written. */
function writeComment(prepared: Prepared, file: string, { folder }: Terminal): Promise<Diagnostic | undefined> {
  return explained(async () => {
    const { writeWholeFile } = await import("../host/atomic-file.ts");
    await writeWholeFile(resolve(folder, file), viewComment(prepared, folder));
    return undefined;
  }, folder);
}

/** What writing says of itself, or what the system says of it. */
async function explained(
  write: () => Promise<Diagnostic | undefined>,
  folder: string,
): Promise<Diagnostic | undefined> {
  try {
    return await write();
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
  // What another apply is at work on is not for a second one, and a saved plan is refused as a whole.
  const isForNobody =
    prepared.known.some(({ attended }) => attended) || (options.out !== undefined && plan.pipelines.some(isRefused));
  switch (options.format) {
    case "human":
      return viewPlanHuman(plan, {
        colour: terminal.colour,
        width: terminal.width,
        sources: texts,
        details: options.details,
        applyCommand: isForNobody ? "none" : applyCommand,
      });
    case "json":
      return viewPlanJson(plan);
    case "markdown":
      return viewComment(prepared, terminal.folder);
    case "github":
      return viewAnnotations(withoutPlaces(prepared).diagnostics, {
        folder: annotatedFolder(prepared, terminal.folder),
      });
  }
}

/** Says how far a long first look at the clips has come. */
export function showScan(terminal: Terminal) {
  return ({ pipeline, done, total }: { readonly pipeline: string; readonly done: number; readonly total: number }) => {
    if (total >= 100 && done % 10 === 0) terminal.transient(`${pipeline}: looked at ${done} of ${total} files`);
  };
}
