import type { ApplyEvent } from "../core/apply-event.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { ToldStage } from "../execute/ask-to-stop.ts";
import { type AskedOnly, type AttachResult, askAndLeave } from "../execute/attach-pipeline.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { ON_REQUEST } from "../execute/hear-requests.ts";
import { clearTakenUp } from "../execute/queue/queue-file.ts";
import { loadPlace } from "../execute/take-over.ts";
import type { StopManner } from "../host/locks/stop-request.ts";
import { branchReader, workElsewhere } from "../prepare/branch-records.ts";
import { openApplyView } from "../views/apply.ts";
import { commandLine } from "./command-line.ts";
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
    if (result.kind !== "asked") showDiagnostics(diagnosticsOf(result), terminal);
    const away = result.kind === "nothing" ? await findAtWorkOnBranch(pipeline, terminal) : undefined;
    if (away !== undefined) showDiagnostics([away], terminal);
    codes.push(away === undefined ? conclude(result, pipeline, terminal) : EXIT.locked);
  }
  const stopped = results.filter(({ result }) => result.kind !== "failed" && result.kind !== "elsewhere");
  const keys = stopped.map(({ pipeline: { place } }) => ({ name: place.pipeline, project: place.root }));
  const takenOut = await clearTakenUp(keys, terminal.environment);
  for (const { entry, owner } of takenOut)
    terminal.err(`${entry.name} is taken out of the queue of process ${owner.pid}, which is gone.`);
  if (
    takenOut.length === 0 &&
    codes.every((code) => code === EXIT.fine) &&
    results.every(({ result }) => result.kind === "nothing")
  ) {
    terminal.err("Nothing runs: there is nothing to stop.");
  }
  return [EXIT.error, EXIT.locked, EXIT.stageFailed, EXIT.stopped].find((code) => codes.includes(code)) ?? EXIT.fine;
}

/** What runs on another machine, by the state branch, is stopped there. */
async function findAtWorkOnBranch(
  { place, read }: FoundPipeline,
  { environment }: Terminal,
): Promise<Diagnostic | undefined> {
  const spec = read?.spec;
  const record = spec === undefined ? undefined : await branchReader(environment)(spec, place.root);
  if (spec === undefined || record?.state === undefined) return undefined;
  const atWork = workElsewhere(await loadPlace(place), record, { ...spec, isOwnRun: () => false });
  if (atWork === undefined) return undefined;
  const { atWorkElsewhere } = EXECUTE_CODES;
  const { host, run = "–" } = record.state;
  const detail = `By ${record.branch?.name ?? "the state branch"}, ${spec.name} is at work on ${host} (run ${run}). ${atWorkElsewhere.why} ${atWorkElsewhere.mend} If ${host} is gone for good: \`wan22 state unlock ${spec.name}\`.`;
  return diagnose(atWorkElsewhere, detail);
}

async function stopPipeline(
  pipeline: FoundPipeline,
  { manner, wait }: StopOptions,
  terminal: Terminal,
): Promise<AttachResult | AskedOnly> {
  const { place } = pipeline;
  const onTold = (told: readonly ToldStage[]) => {
    for (const one of told) terminal.note(`${place.pipeline}: ${toldText(one)}`);
  };
  if (wait === "none") return askAndLeave({ place, manner, onTold, onNote: terminal.note });
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

function conclude(result: AttachResult | AskedOnly, pipeline: FoundPipeline, terminal: Terminal): ExitCode {
  switch (result.kind) {
    case "asked": {
      // It may finish, fail or be stopped: nobody has seen it yet.
      const look = commandLine(["status", pipeline.file ?? pipeline.place.pipeline], terminal);
      terminal.err(`Its end is not waited for. How it ends: ${look}\nGo on with: ${applyCommand(pipeline, terminal)}`);
      return EXIT.stopped;
    }
    case "nothing":
      return EXIT.fine;
    case "idle": {
      const { pid } = result.runner;
      terminal.note(
        `${pipeline.place.pipeline}: an apply (process ${pid}) has it open, and nothing of it is at work: it has not begun, or has just ended. It is told to begin nothing.`,
      );
      return EXIT.fine;
    }
    case "suspended":
      terminal.note(`${pipeline.place.pipeline}: ${suspendedText(result.runner.pid)}`);
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
      // It was asked to, and whoever followed it can't any more: what that says stands above.
      if (result.outcome === "detached") return EXIT.stopped;
      if (result.outcome === "interrupted") {
        // Musubi's own scripts save nothing; what was said of the stage tells how to begin again.
        terminal.err("Stopped, with no training state of the step that it was at.");
        return EXIT.stopped;
      }
      terminal.err(`Stopped. Resume with: ${applyCommand(pipeline, terminal)}`);
      return EXIT.stopped;
  }
}
