import type { ApplyOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { State } from "../core/state/state.ts";
import { writeWholeFile } from "../host/atomic-file.ts";
import { runFiles } from "../host/records/run-store.ts";

/** `result.json` of a run, written by whoever sees its end. */

export interface RunEnd {
  readonly outcome: ApplyOutcome;
  readonly diagnostics: readonly Diagnostic[];
}

export interface EndedRun {
  readonly run: string;
  readonly runDir: string;
  readonly state: () => State | undefined;
}

/** What a run came to, by all its stages: one that was lost while nobody watched counts as well as those that were followed. */
function outcomeOfRun(state: State | undefined, run: string): ApplyOutcome {
  const statuses = Object.values(state?.stages ?? {}).flatMap((record) => (record.run === run ? [record.status] : []));
  if (statuses.some((status) => status === "failed" || status === "lost")) return "failed";
  return statuses.includes("stopped") ? "stopped" : "finished";
}

export async function writeRunResult(
  { run, runDir, state }: EndedRun,
  { outcome, diagnostics }: RunEnd,
): Promise<void> {
  const known = state();
  const result = {
    version: 1,
    run,
    pipeline: known?.pipeline,
    outcome: outcome === "finished" ? outcomeOfRun(known, run) : outcome,
    stages: (known?.history ?? []).filter((entry) => entry.run === run),
    checkpoints: known?.checkpoints ?? [],
    diagnostics: diagnostics.map(({ severity, code, message }) => ({ severity, code, message })),
  };
  await writeWholeFile(runFiles.result(runDir), `${JSON.stringify(result, null, 2)}\n`);
}
