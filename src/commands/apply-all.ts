import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import { findRemedies, remedyLines } from "../core/resolve/remedies.ts";
import { applyPipeline } from "../execute/apply-pipeline.ts";
import { installationFolder } from "../prepare/built-in.ts";
import type { Prepared } from "../prepare/prepare.ts";
import { openApplyView } from "../views/apply.ts";
import type { ApplyOptions, ApplyRequest } from "./apply-request.ts";
import { choiceWords, commandLine, fileFrom } from "./command-line.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { listenForSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** Carries out every pipeline that has something to do; one that fails costs the others nothing. */
export async function applyAll(
  { pipelines, texts }: Prepared,
  options: ApplyOptions & { readonly request: ApplyRequest; readonly files: readonly string[] },
  terminal: Terminal,
): Promise<readonly ExitCode[]> {
  const signals = listenForSignals(terminal, options.onSignal);
  const view = await openApplyView({
    format: options.format,
    stream: process.stdout,
    terminal: terminal.interactive && terminal.redraws ? "interactive" : "plain",
    colour: terminal.colour,
  });
  const codes: ExitCode[] = [];
  let detached = false;
  const found: Diagnostic[] = [];
  try {
    const { saved } = options.request;
    for (const { root, spec, resolved, items, plan, state, alive, facts, presets } of pipelines) {
      if (!plan.stages.some(isCarriedOut)) continue;
      if (signals.stop.aborted || signals.detach.aborted) break;
      const result = await applyPipeline({
        plan,
        planDigest: saved?.savedOf({ root, spec })?.plan.digest,
        state,
        alive,
        root,
        stateDir: resolve(root, resolved.spec.stateDir),
        host: hostname(),
        start: {
          resolved,
          items,
          sources: facts.sources,
          trainer: facts.trainer,
          pythonDir: join(installationFolder(), "python"),
          gpus: facts.gpus,
          lockTimeoutMs: options.lockTimeoutMs,
        },
        environment: terminal.environment,
        notify: resolved.spec.notify,
        remediesFor: async (problem) => remedyLines(findRemedies(problem, resolved, presets)),
        report: view.report,
        signals,
      });
      found.push(...result.diagnostics);
      codes.push(exitCodeOf(result));
      detached ||= result.outcome === "detached";
    }
  } finally {
    await view.close();
    signals.close();
  }
  showDiagnostics(found, terminal, { format: options.format, texts });
  if (codes.includes(EXIT.stopped)) {
    const names =
      options.request.saved === undefined
        ? pipelines.map((pipeline) => fileFrom(terminal.folder, pipeline))
        : options.files;
    // What was to start over, or go back, has; stages that were to wait still do.
    const command = commandLine(["apply", ...choiceWords({ only: options.choices.only }), ...names], terminal);
    terminal.err(
      detached ? `Detached: training goes on. Follow it with: ${command}` : `Stopped. Resume with: ${command}`,
    );
  }
  return codes;
}
