import type { ApplyEvent } from "../core/apply-event.ts";
import type { ToldStage } from "../execute/ask-to-stop.ts";
import { type AttachResult, askAndLeave } from "../execute/attach-pipeline.ts";
import { ON_REQUEST } from "../execute/hear-requests.ts";
import type { StopManner } from "../host/stop-request.ts";
import { openApplyView } from "../views/apply.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { type FoundPipeline, findPipelines } from "./find-pipelines.ts";
import { applyCommand, diagnosticsOf, followPipeline, suspendedText } from "./follow-pipeline.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface StopOptions {
  readonly manner: StopManner;
  /** `none` comes back when the request was passed on. */
  readonly wait: "until-ended" | "none";
}

/** `wan22 stop`: ends what is at work on pipelines, whoever started it; 85 where something was stopped, 0 where nothing ran. */
export async function runStop(files: readonly string[], options: StopOptions, terminal: Terminal): Promise<ExitCode> {
  const { found, diagnostics } = await findPipelines(files, terminal);
  showDiagnostics(diagnostics, terminal);
  const results = await Promise.all(
    found.map(async (pipeline) => ({ pipeline, result: await stopPipeline(pipeline, options, terminal) })),
  );
  const codes: ExitCode[] = diagnostics.length > 0 ? [EXIT.error] : [];
  for (const { pipeline, result } of results) {
    showDiagnostics(diagnosticsOf(result), terminal);
    codes.push(conclude(result, pipeline, options, terminal));
  }
  if (codes.every((code) => code === EXIT.fine) && results.every(({ result }) => result.kind === "nothing")) {
    terminal.err("Nothing runs: there is nothing to stop.");
  }
  return [EXIT.error, EXIT.locked, EXIT.stageFailed, EXIT.stopped].find((code) => codes.includes(code)) ?? EXIT.fine;
}

async function stopPipeline(
  pipeline: FoundPipeline,
  { manner, wait }: StopOptions,
  terminal: Terminal,
): Promise<AttachResult> {
  const { place } = pipeline;
  const onTold = (told: readonly ToldStage[]) => {
    for (const one of told) terminal.err(`${place.pipeline}: ${toldText(one)}`);
  };
  if (wait === "none") return askAndLeave({ place, manner, onTold, onNote: (text) => terminal.err(text) });
  const view = await openApplyView({
    format: "human",
    stream: process.stderr,
    terminal: "plain",
    colour: terminal.colour,
  });
  const stop = AbortSignal.abort(ON_REQUEST);
  const stopNow = manner === "now" ? stop : new AbortController().signal;
  const report = (event: ApplyEvent) => {
    if (event.type === "stage-ended" || event.type === "run-ended") view.report(event);
  };
  return followPipeline({ pipeline, report, signals: { stop, stopNow }, idle: "leave", onTold }, terminal);
}

function toldText({ stage, pid, told }: ToldStage): string {
  switch (told) {
    case "asked":
      return `${stage} (process ${pid}) is asked to save its training state, and to end.`;
    case "terminated":
      return `${stage} (process ${pid}) is ended at once by SIGTERM: Musubi Tuner's own scripts can't be asked to save first.`;
    case "killed":
      return `${stage} (process ${pid}) and all that came of it is ended at once; what was saved stays.`;
  }
}

function conclude(result: AttachResult, pipeline: FoundPipeline, { wait }: StopOptions, terminal: Terminal): ExitCode {
  switch (result.kind) {
    case "nothing":
      return EXIT.fine;
    case "idle": {
      const { pid } = result.runner;
      terminal.err(
        `${pipeline.place.pipeline}: an apply is open (process ${pid}) and runs nothing yet; it is told to start nothing.`,
      );
      return EXIT.fine;
    }
    case "suspended":
      terminal.err(`${pipeline.place.pipeline}: ${suspendedText(result.runner.pid)}`);
      return EXIT.stopped;
    case "elsewhere":
      return EXIT.locked;
    case "failed":
      return EXIT.error;
    case "ended":
      if (result.outcome === "failed") return EXIT.stageFailed;
      if (result.outcome === "finished" && result.left.length === 0) {
        terminal.err(`${pipeline.place.pipeline} had finished before.`);
        return EXIT.fine;
      }
      if (result.outcome === "interrupted") {
        // Musubi's own scripts save nothing; what was said of the stage tells how to begin again.
        terminal.err("Stopped, with no training state of the step that it was at.");
        return EXIT.stopped;
      }
      terminal.err(
        `${wait === "none" ? "Its end is not waited for" : "Stopped"}. Resume with: ${applyCommand(pipeline, terminal)}`,
      );
      return EXIT.stopped;
  }
}
