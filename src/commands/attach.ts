import { printable } from "../core/printable.ts";
import type { AttachResult } from "../execute/attach-pipeline.ts";
import { loadPlace } from "../execute/take-over.ts";
import { openApplyView } from "../views/apply.ts";
import { commandLine } from "./command-line.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-code.ts";
import { type FoundPipeline, findPipelines } from "./find-pipelines.ts";
import { applyCommand, diagnosticsOf, followPipeline, suspendedText } from "./follow-pipeline.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { listenForSignals, type OnSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export interface AttachOptions {
  readonly format: "human" | "json";
  readonly onSignal: OnSignal;
}

/** `wan22 attach`: follows what is at work on a pipeline to the same end as its `apply`, and starts nothing. */
export async function runAttach(
  file: string | undefined,
  { format, onSignal }: AttachOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  // Before anything else: a Ctrl-C that comes early is meant for the trainer as well.
  const signals = listenForSignals(terminal, onSignal);
  const pipeline = await findOne(file, { format, terminal });
  if (pipeline === undefined) {
    signals.close();
    return EXIT.error;
  }
  const view = await openApplyView({
    format,
    stream: process.stdout,
    terminal: terminal.interactive && terminal.redraws ? "interactive" : "plain",
    colour: terminal.colour,
  });
  let result: AttachResult;
  try {
    result = await followPipeline({ pipeline, report: view.report, signals, idle: "wait" }, terminal);
  } finally {
    await view.close();
    signals.close();
  }
  showDiagnostics(diagnosticsOf(result), terminal, { format });
  return conclude(result, pipeline, terminal);
}

async function findOne(
  file: string | undefined,
  { format, terminal }: { readonly format: "human" | "json"; readonly terminal: Terminal },
): Promise<FoundPipeline | undefined> {
  const { found, diagnostics } = await findPipelines(file === undefined ? [] : [file], terminal);
  showDiagnostics(diagnostics, terminal, { format });
  if (diagnostics.length > 0) return undefined;
  return file === undefined || found.length > 1 ? theOneAtWork(found, "attach", terminal) : found[0];
}

/** The pipeline that something is at work on, where the user named none. */
export async function theOneAtWork(
  found: readonly FoundPipeline[],
  command: "attach" | "logs",
  terminal: Terminal,
): Promise<FoundPipeline | undefined> {
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  const loaded = await Promise.all(found.map(({ place }) => loadPlace(place)));
  const atWork = found.filter((_, at) => (loaded[at]?.alive.length ?? 0) > 0 || loaded[at]?.lock.kind === "held");
  const [only, ...more] = atWork;
  if (only !== undefined && more.length === 0) return only;
  const names = (atWork.length > 0 ? atWork : found).map(({ file, place }) => file ?? place.pipeline);
  const why = atWork.length > 0 ? "More than one pipeline is at work" : "No pipeline is at work";
  terminal.err(
    names.length === 0
      ? "There is no pipeline here: go to your project's folder, or name a pipeline's file."
      : `${why}. Name one: ${names.map((name) => commandLine([command, name], terminal)).join("; ")}`,
  );
  return undefined;
}

function conclude(result: AttachResult, pipeline: FoundPipeline, terminal: Terminal): ExitCode {
  switch (result.kind) {
    case "idle":
      return EXIT.fine;
    case "suspended":
      terminal.note(suspendedText(result.runner.pid));
      return EXIT.stopped;
    case "elsewhere":
      return EXIT.locked;
    case "failed":
      return EXIT.error;
    case "nothing":
      if (result.outcome === undefined) {
        terminal.err(
          `Nothing was run of ${pipeline.place.pipeline} yet. Begin with: ${applyCommand(pipeline, terminal)}`,
        );
        return EXIT.error;
      }
      terminal.note(restingText(result));
      break;
    case "ended":
      break;
  }
  const { outcome, left } = result;
  if (outcome === "detached") {
    const again = commandLine(["attach", pipeline.file ?? pipeline.place.pipeline], terminal);
    terminal.err(`Detached: training goes on. Follow it with: ${again}`);
  } else if (outcome === "stopped" || outcome === "interrupted") {
    terminal.err(`Stopped. Resume with: ${applyCommand(pipeline, terminal)}`);
  } else if (outcome === "finished" && left.length > 0) {
    terminal.err(`Left to do: ${left.join(", ")}. Go on with: ${applyCommand(pipeline, terminal)}`);
    return EXIT.stopped;
  }
  return exitCodeOf({ outcome: outcome ?? "finished", diagnostics: [] });
}

function restingText({ outcome, state, wasUnseen }: Extract<AttachResult, { kind: "nothing" }>): string {
  const how = outcome === "finished" ? "has finished" : outcome === "failed" ? "has failed" : "was stopped";
  const unseen = wasUnseen ? " while nobody watched, which is written down now" : "";
  const message = outcome === "failed" ? state?.history.findLast(({ run }) => run === state.run)?.message : undefined;
  return `Nothing runs. The last run ${how}${unseen}.${message === undefined ? "" : ` ${printable(message)}`}`;
}
