import { diagnose } from "../core/diagnostic.ts";
import { PROVENANCE_CODES } from "../core/provenance/codes.ts";
import type { Provenance } from "../core/provenance/record.ts";
import { DEFAULT_STATE_DIR } from "../core/spec/state-dir.ts";
import { readState } from "../core/state/migrate.ts";
import { readTextFile } from "../host/read-file.ts";
import { pipelineOfRun, readProvenance, statePaths } from "../host/records/run-store.ts";
import { type FoundRun, findRun } from "../prepare/evidence.ts";
import { compareMade, prepareRerun, type Rerun, setApart } from "../prepare/rerun.ts";
import { viewDifferences, viewOutputs } from "../views/human/rerun.ts";
import { runApply } from "./apply.ts";
import { EXIT, type ExitCode } from "./exit-code.ts";
import { elsewhereOf } from "./on-branch.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import type { OnSignal } from "./signals.ts";
import type { Terminal } from "./terminal.ts";

export interface RerunCommandOptions {
  readonly manner: "compare" | "apply";
  readonly approval: "ask" | "auto";
  readonly lockTimeoutMs: number;
  readonly onSignal: OnSignal;
  /** The version of this wan22. */
  readonly tool: string;
}

/** `wan22 rerun`: makes a run's plan again from its commit, and says what is not the same any more. */
export async function runRerun(run: string, options: RerunCommandOptions, terminal: Terminal): Promise<ExitCode> {
  const { folder, environment } = terminal;
  const { noSuchRun, noRecord, nothingMade } = PROVENANCE_CODES;
  const found = await findRun(run, folder, environment);
  const record = found === undefined ? undefined : await readProvenance(found.runDir);
  if (found === undefined || record === undefined) {
    const kind = found === undefined ? noSuchRun : noRecord;
    const what = found === undefined ? `There is no run ${run} in this project.` : `Run ${run}: ${kind.why}`;
    const elsewhere = found === undefined ? await elsewhereOf(pipelineOfRun(run) ?? run, terminal) : undefined;
    showDiagnostics([diagnose(kind, `${what} ${elsewhere ?? kind.mend}`)], terminal);
    return EXIT.error;
  }
  if (options.manner === "apply" && record.outputs.length === 0) {
    showDiagnostics([diagnose(nothingMade, `Run ${run}: ${nothingMade.why} ${nothingMade.mend}`)], terminal);
    return EXIT.error;
  }
  const rerun = await prepareRerun(found, record, { environment, tool: options.tool });
  if ("severity" in rerun) {
    showDiagnostics([rerun], terminal);
    return EXIT.error;
  }
  let kept = false;
  try {
    const { plan, texts } = rerun.prepared;
    const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
    showDiagnostics(errors, terminal, { texts });
    if (rerun.differences === undefined) return EXIT.error;
    terminal.out(viewDifferences(record, rerun.differences));
    const isSame = rerun.differences.every(({ weighs }) => weighs === "machine");
    if (options.manner === "compare") return isSame ? EXIT.fine : EXIT.error;
    const outcome = await applyApart({ ...rerun, found }, record, options, terminal);
    kept = outcome.kept;
    return outcome.code;
  } finally {
    if (kept)
      terminal.err(
        `What was made again lies in ${rerun.root}; remove it with: git worktree remove --force ${rerun.root}`,
      );
    else await rerun.tree.remove();
  }
}

/** Carries the plan out in its tree, which stays where anything came out otherwise. */
async function applyApart(
  { root, found }: Pick<Rerun, "root"> & { readonly found: FoundRun },
  record: Provenance,
  { approval, lockTimeoutMs, onSignal, tool }: RerunCommandOptions,
  terminal: Terminal,
): Promise<{ readonly code: ExitCode; readonly kept: boolean }> {
  const code = await runApply(
    [record.file],
    {
      format: "human",
      approval,
      choices: {},
      gpus: undefined,
      lockTimeoutMs,
      onSignal,
      runner: "here",
      lock: { kind: "keep" },
      plannedAs: undefined,
      tool,
      adapt: setApart,
    },
    { ...terminal, folder: root },
  );
  const file = statePaths(`${root}/${DEFAULT_STATE_DIR}`, record.pipeline).stateFile;
  const text = await readTextFile(file).catch(() => undefined);
  // Nothing was begun: it was not agreed to, or refused.
  if (text === undefined) return { code: code === EXIT.fine ? EXIT.error : code, kept: false };
  if (code !== EXIT.fine) return { code, kept: true };
  const reading = readState(text, { file, pipeline: record.pipeline });
  const made = reading.kind === "state" ? reading.state.checkpoints : [];
  const compared = await compareMade(found, record, { root, made });
  terminal.out(viewOutputs(record, compared));
  const isSame = compared.every(({ becomes }) => becomes === "same" || becomes === "same-tensors");
  return { code: isSame ? EXIT.fine : EXIT.error, kept: !isSame };
}
