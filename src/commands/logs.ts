import { diagnose } from "../core/diagnostic.ts";
import { STAGE_IDS, type StageId } from "../core/vocabulary.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { readLogs } from "../execute/follow-logs.ts";
import { errorCode, fileProblem } from "../host/read-file.ts";
import { createLogScreen, type LogScreen } from "../views/human/log-screen.ts";
import { theOneAtWork } from "./attach.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { findPipelines } from "./find-pipelines.ts";
import { elsewhereOf } from "./on-branch.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { Terminal } from "./terminal.ts";

export interface LogsOptions {
  readonly follow: boolean;
  /** From the end; all where left out. */
  readonly lines: number | undefined;
}

/** `wan22 logs`: a trainer's own words; made visible on a terminal, as they are to a pipe. Touches nothing. */
export async function runLogs(
  words: readonly string[],
  { follow, lines }: LogsOptions,
  terminal: Terminal,
): Promise<ExitCode> {
  const [first, second] = words;
  const stage = toStage(second ?? first);
  const named = second === undefined && stage !== undefined ? undefined : first;
  if (second !== undefined && stage === undefined) {
    terminal.err(`There is no stage ${second}: it is one of ${STAGE_IDS.join(", ")}.`);
    return EXIT.error;
  }
  const { found, diagnostics } = await findPipelines(named === undefined ? [] : [named], terminal);
  showDiagnostics(diagnostics, terminal);
  if (diagnostics.length > 0) return EXIT.error;
  // A file may hold several.
  const pipeline = named === undefined || found.length > 1 ? await theOneAtWork(found, "logs", terminal) : found[0];
  if (pipeline === undefined) return EXIT.error;
  const out = openOutput(terminal);
  const kind = EXECUTE_CODES.noLog;
  const name = pipeline.place.pipeline;
  const what = stage === undefined ? "Nothing was started" : `${stage} was not started`;
  let missing = `${what} of ${name}, or its run was cleared away. ${kind.mend}`;
  try {
    const shown = await readLogs({ place: pipeline.place, stage, lines, follow, onBytes: out.take });
    if (shown.length > 0) return EXIT.fine;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    missing = `The log of ${name} can't be shown: ${fileProblem(error).text}.`;
  } finally {
    out.close();
  }
  const elsewhere = await elsewhereOf(pipeline.file ?? name, terminal);
  showDiagnostics([diagnose(kind, elsewhere === undefined ? missing : `${missing} ${elsewhere}`)], terminal);
  return EXIT.error;
}

function toStage(word: string | undefined): StageId | undefined {
  return STAGE_IDS.find((id) => id === word);
}

interface LogOutput {
  readonly take: (stage: StageId, bytes: Uint8Array) => void;
  readonly close: () => void;
}

/** Which stage speaks is said beside the log, so that a pipe gets nothing else than that. */
function openOutput(terminal: Terminal): LogOutput {
  const { stdout } = process;
  const screens = new Map<StageId, LogScreen>();
  let last: StageId | undefined;
  const screenOf = (stage: StageId) => {
    const options = { write: (text: string) => void stdout.write(text), width: terminal.width };
    const screen = screens.get(stage) ?? createLogScreen({ ...options, redraws: terminal.redraws });
    screens.set(stage, screen);
    return screen;
  };
  return {
    take: (stage, bytes) => {
      if (last !== undefined && last !== stage) terminal.err(`==> ${stage} <==`);
      last = stage;
      if (stdout.isTTY) screenOf(stage).take(bytes);
      else stdout.write(bytes);
    },
    close: () => {
      for (const screen of screens.values()) screen.close();
    },
  };
}
