import type { Choices } from "../core/plan/choices.ts";
import type { UnheardRemotes } from "../prepare/branch-records.ts";
import type { LockUse } from "../prepare/locks.ts";
import { type KnownPipeline, type Prepared, prepare } from "../prepare/prepare.ts";
import { type AgreedPipeline, agree, toCarryOut } from "./agree.ts";
import { applyAll } from "./apply-all.ts";
import { type ApplyOptions, readRequest } from "./apply-request.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { withGpuPool } from "./gpu-pool.ts";
import { holdPipelines } from "./hold-pipelines.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showScan } from "./plan.ts";
import { publishUnpublished } from "./publish-records.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { type ListeningSignals, listenForSignals } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

/** `wan22 apply`: makes what `plan` says happen, one pipeline after the other or side by side. */
export async function runApply(files: readonly string[], asked: ApplyOptions, terminal: Terminal): Promise<ExitCode> {
  const seen: Seen = { known: [], carriedOut: new Set() };
  const code = await applyChosen(files, asked, { terminal, seen });
  // What an earlier apply could not push, or this one has put in order and not gone on with.
  const unpublished = await publishUnpublished(seen.known, seen.carriedOut);
  showDiagnostics(unpublished, terminal, { format: asked.format });
  return code;
}

/** What an apply came by, for what is done whatever becomes of it. */
interface Seen {
  /** As they were planned last. */
  known: readonly KnownPipeline[];
  readonly carriedOut: Set<string>;
}

async function applyChosen(
  files: readonly string[],
  asked: ApplyOptions,
  { terminal, seen }: { readonly terminal: Terminal; readonly seen: Seen },
): Promise<ExitCode> {
  if (process.platform === "win32") {
    terminal.err(
      "`wan22 apply` does not run on Windows. Plan here, and apply inside WSL: `wsl --install`, then the same command there.",
    );
    return EXIT.error;
  }
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const choices = await withGpuPool(asked, terminal, { format: asked.format });
  if (choices === undefined) return EXIT.error;
  const options: ApplyOptions = { ...asked, choices };
  const request = await readRequest(chosen, options.choices, terminal);
  if (!("files" in request)) {
    showDiagnostics(request, terminal, { format: options.format });
    return EXIT.error;
  }
  const { saved } = request;
  let texts: Prepared["texts"] = new Map();
  const unheard: UnheardRemotes = new Map();
  const planFor = async (
    lock: LockUse,
    files: readonly string[],
    choices: Choices,
    after: readonly AgreedPipeline[] = [],
  ) => {
    const prepared = await prepare(files, {
      folder: terminal.folder,
      environment: terminal.environment,
      history: "read",
      lock,
      ...choices,
      after,
      savedOf: saved?.savedOf,
      adapt: asked.adapt,
      unheard,
      onScan: showScan(terminal),
    });
    texts = prepared.texts;
    if (files === request.files) seen.known = prepared.known;
    return prepared;
  };
  const lockUse = saved === undefined ? "apply" : "show";
  const held = holdPipelines(terminal);
  let signals: ListeningSignals | undefined;
  try {
    // Nothing of what was planned and compared is kept here: the run may take days.
    const agreement = await agree(
      {
        files: chosen,
        request,
        options,
        plan: (manner) => planFor(manner === "to-apply" ? lockUse : "show", request.files, request.choices),
        held,
      },
      terminal,
    );
    if (agreement.kind === "over") return agreement.exitCode;
    const { pipelines, planned, refused } = agreement;
    signals = listenForSignals(terminal, options.onSignal);
    const again = async (file: string, choices: Choices, after: readonly AgreedPipeline[]) => {
      const { plan, pipelines } = await planFor(lockUse, [file], choices, after);
      return { plan, pipelines: pipelines.map(toCarryOut) };
    };
    const onBegun = ({ spec }: Pick<AgreedPipeline, "spec">) => void seen.carriedOut.add(spec.name);
    const carryingOut = { ...options, request, files: chosen, again, onBegun, giveUp: held.giveUp, signals };
    const codes =
      pipelines.length === 0 ? [] : await applyAll(pipelines, { ...carryingOut, texts: agreement.texts }, terminal);
    const code = verdict(planned, codes);
    return (code === EXIT.fine || code === EXIT.policy) && refused !== undefined ? refused : code;
  } finally {
    showDiagnostics(await held.close(), terminal, { format: options.format, texts });
    // Until all locks are given back: Ctrl-C would leave them to be taken over.
    signals?.close();
  }
}

/** The worst that happened: an end at once before a stop, a stop before a failure, a failure before a GPU that another has. */
function verdict(planned: ExitCode, codes: readonly ExitCode[]): ExitCode {
  for (const code of [EXIT.interrupted, EXIT.stopped, EXIT.stageFailed, EXIT.stale, EXIT.locked])
    if (codes.includes(code)) return code;
  return planned === EXIT.fine && codes.includes(EXIT.policy) ? EXIT.policy : planned;
}
