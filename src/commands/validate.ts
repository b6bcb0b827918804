import { isRefused } from "../core/plan/policy/policy.ts";
import { prepare } from "../prepare/prepare.ts";
import { withoutPlaces } from "../prepare/review.ts";
import { viewAnnotations } from "../views/github.ts";
import { viewDiagnosticsJson } from "../views/json.ts";
import { describeWork } from "../views/plan-summary.ts";
import { EXIT, type ExitCode, planExitCode } from "./exit-code.ts";
import { showScan } from "./plan.ts";
import { annotatedFolder } from "./published-plan.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";
import { chooseFiles } from "./touched.ts";

export interface ValidateOptions {
  readonly format: "human" | "json" | "github";
  /** A commit: only what changed since counts. */
  readonly changedSince?: string | undefined;
}

/** `wan22 validate`: a plan without state and output files, of which only the findings are shown. */
export async function runValidate(
  files: readonly string[],
  { format, changedSince }: ValidateOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const chosen = await chooseFiles(files, { changedSince }, terminal);
  if (chosen === undefined) return EXIT.error;
  const prepared = await prepare(chosen.files, {
    folder: terminal.folder,
    environment: terminal.environment,
    history: "ignore",
    lock: "plan",
    review: chosen.touched?.review,
    onScan: showScan(terminal),
  });
  terminal.transient("");
  const { texts } = prepared;
  const isPublic = changedSince !== undefined || format === "github";
  const plan = isPublic ? withoutPlaces(prepared) : prepared.plan;
  switch (format) {
    case "json":
      terminal.out(viewDiagnosticsJson(plan.diagnostics));
      break;
    case "github":
      terminal.out(viewAnnotations(plan.diagnostics, { folder: annotatedFolder(prepared, terminal.folder) }));
      break;
    case "human": {
      const found = plan.diagnostics.filter(({ severity }) => severity !== "note");
      showDiagnostics(found, terminal, { texts });
      const verdicts = plan.pipelines.map(
        (pipeline) =>
          `${pipeline.file}: ${pipeline.valid ? `valid${isRefused(pipeline) ? ", but against the policy" : ""}, ${describeWork(pipeline)}` : "not valid"}`,
      );
      if (verdicts.length > 0) terminal.out(verdicts.join("\n"));
      else terminal.err(`No pipeline is touched by what changed since ${changedSince}.`);
    }
  }
  return planExitCode(plan);
}
