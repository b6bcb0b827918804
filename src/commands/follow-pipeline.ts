import type { ApplyEvent } from "../core/apply-event.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { adviseAgainst, NO_ADVICE } from "../core/resolve/advice.ts";
import type { RunResult } from "../core/state/run-result.ts";
import { type AttachInput, type AttachResult, attachPipeline } from "../execute/attach-pipeline.ts";
import { branchReader } from "../prepare/branch-records.ts";
import { prepare } from "../prepare/prepare.ts";
import { commandLine } from "./command-line.ts";
import { findDiagnosticKind } from "./diagnostic-kinds.ts";
import type { FoundPipeline } from "./find-pipelines.ts";
import type { Terminal } from "./terminal.ts";

/** What `attach` and `stop` have in common: following what is at work on a pipeline, and saying how it ended. */

export interface FollowRequest extends Pick<AttachInput, "signals" | "idle" | "onTold"> {
  readonly pipeline: FoundPipeline;
  readonly report: (event: ApplyEvent) => void;
}

export function followPipeline(request: FollowRequest, terminal: Terminal): Promise<AttachResult> {
  const { pipeline, ...rest } = request;
  return attachPipeline({
    ...rest,
    place: pipeline.place,
    environment: terminal.environment,
    notify: pipeline.notify,
    stateBranch: stateBranchOf(pipeline, terminal),
    onNote: terminal.note,
    // Only a failure needs the pipeline file, which may be another by now: what would fit it is as good as what did.
    remediesFor: async (problem) => {
      if (pipeline.file === undefined) return NO_ADVICE;
      const { folder, environment } = terminal;
      const { pipelines } = await prepare([pipeline.file], { folder, environment, history: "ignore", lock: "show" });
      const [present] = pipelines;
      return present === undefined ? NO_ADVICE : adviseAgainst(problem, present.resolved, present.presets);
    },
  });
}

/** Looked for only where something is to be pushed: a stop waits for no network. */
function stateBranchOf({ place, read }: FoundPipeline, { environment }: Terminal): AttachInput["stateBranch"] {
  const spec = read?.spec;
  if (spec === undefined || spec.stateBackend.kind === "local") return undefined;
  return async () => (await branchReader(environment)(spec, place.root))?.branch;
}

/** What was found wrong, by whoever saw the end. */
export function diagnosticsOf(result: AttachResult): readonly Diagnostic[] {
  switch (result.kind) {
    case "ended":
      return [...result.diagnostics, ...result.remarks.flatMap(toDiagnostic)];
    case "elsewhere":
    case "failed":
      return [result.diagnostic];
    default:
      return [];
  }
}

/** A run's result holds messages: the summary, which is constant, and the detail behind it. */
function toDiagnostic({ severity, code, message }: RunResult["diagnostics"][number]): readonly Diagnostic[] {
  const kind = findDiagnosticKind(code);
  if (kind === undefined) return [];
  const [first = "", ...below] = message.slice(kind.summary.length + 2).split("\n");
  const rest = below.length === 0 ? {} : { below: `\n${below.join("\n")}` };
  return [diagnose(kind, first, { severity, ...rest })];
}

/** What there is to know of a runner that is halted. */
export function suspendedText(pid: number): string {
  return `What ran has ended. The wan22 that started it (process ${pid}) is suspended, and writes down the end when it goes on: \`fg\` in its terminal, or \`kill -CONT ${pid}\`.`;
}

/** The command that goes on with a pipeline; one whose file is gone has none. */
export function applyCommand({ file }: FoundPipeline, terminal: Terminal): string {
  return commandLine(["apply", file ?? "FILE"], terminal);
}
