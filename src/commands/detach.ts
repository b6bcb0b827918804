import { relative } from "node:path";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import { type Choices, choiceWords } from "../core/plan/choices.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import { isRefused } from "../core/plan/policy/policy.ts";
import { type BackgroundStart, startInBackground } from "../execute/run-background.ts";
import { explainSystemError } from "../execute/system-error.ts";
import { placeOf } from "../execute/take-over.ts";
import { sha256 } from "../host/hash.ts";
import type { Prepared } from "../prepare/prepare.ts";
import { openApplyView } from "../views/apply.ts";
import { commandLine, fileFrom } from "./command-line.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { listenForSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export interface DetachOptions {
  readonly format: "human" | "json";
  readonly choices: Choices;
  readonly lockTimeoutMs: number;
}

/** Hands a plan that was agreed to over to a runner in the background, and comes back when its first trainer runs. */
export async function detach(
  prepared: Prepared,
  files: readonly string[],
  { format, choices, lockTimeoutMs }: DetachOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const changing = prepared.pipelines.filter(({ plan }) => !isRefused(plan) && plan.stages.some(isCarriedOut));
  const signals = listenForSignals(terminal, "stop");
  const view = await openApplyView({ format, stream: process.stdout, terminal: "plain", colour: terminal.colour });
  const script = process.argv[1] ?? "wan22";
  const patience = lockTimeoutMs === 0 ? [] : ["--lock-timeout", `${Math.ceil(lockTimeoutMs / 1000)}s`];
  const words = ["apply", ...files, "--auto-approve", ...choiceWords(choices), ...patience];
  const start = startInBackground({
    places: changing.map(placeOf),
    command: process.execPath,
    args: [...process.execArgv, script, ...words, "--planned-as", planMark(prepared.plan.pipelines)],
    cwd: terminal.folder,
    environment: terminal.environment,
    // For people there is one thing to know, and it comes below; what happens is told by `attach`.
    report: format === "json" ? view.report : () => undefined,
    stop: signals.stop,
  });
  let started: BackgroundStart;
  try {
    started = await start;
  } catch (error) {
    const diagnostic = await explainSystemError(error, changing[0]?.root ?? terminal.folder);
    if (diagnostic === undefined) throw error;
    showDiagnostics([diagnostic], terminal, { format });
    return EXIT.error;
  } finally {
    await view.close();
    signals.close();
  }
  switch (started.kind) {
    case "failed":
      terminal.err(`The background could not be reached: ${started.message}`);
      return EXIT.error;
    case "ended":
      terminal.err(started.said);
      if (started.end.signal !== null) return EXIT.interrupted;
      return Object.values(EXIT).find((code) => code === started.end.exitCode) ?? EXIT.error;
    case "running": {
      const names = changing.map((pipeline) => fileFrom(terminal.folder, pipeline));
      const [first = ""] = names;
      const command = (...words: readonly string[]) => commandLine(words, terminal);
      terminal.err(
        [
          `Detached: process ${started.pid} carries out the whole plan. What it says goes to ${relative(terminal.folder, started.logFile)}`,
          `Follow it with: ${command("attach", first)}`,
          `Look at it with: ${command("status", ...names)}`,
          `Stop it with: ${command("stop", ...names)}`,
        ].join("\n"),
      );
      return EXIT.stopped;
    }
  }
}

/** What was agreed to, in short: what is to be done, by what. How far a trainer is that runs already moves by itself. */
export function planMark(pipelines: readonly PipelinePlan[]): string {
  const named = pipelines.map(({ name, valid, stages }) => ({
    name,
    valid,
    stages: stages.map(({ id, action, fingerprint, total_epochs, reasons, argv }) => ({
      id,
      action,
      fingerprint,
      total_epochs,
      ...(reasons.some(({ cause }) => cause === "running") ? {} : { argv }),
    })),
  }));
  return sha256(JSON.stringify(named)).slice(0, 16);
}
