import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { GpuFacts, SourceFacts, TrainerFacts } from "../core/facts.ts";
import type { NotifyHook } from "../core/notification.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import type { Binding } from "../core/plan/saved/binding.ts";
import type { Advice } from "../core/resolve/advice.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";
import type { StageId } from "../core/vocabulary.ts";
import type { StateBranch } from "../host/git/state-branch.ts";
import type { RemediedProblem } from "./stage/failure.ts";
import type { StopSignals } from "./stage/follow.ts";

/** What it takes to carry out one pipeline's plan. The caller holds the pipeline's lock. */
export interface ApplyInput {
  readonly plan: PipelinePlan;
  /** Of the saved plan that this one is, or is the rest of; this one's own if left out. The state says what is carried out. */
  readonly planDigest?: string | undefined;
  /** The state that the plan was made from, read after `settlePipeline`. */
  readonly state: State | undefined;
  /** Whether that state was read from the state branch, and goes on here: the runs of this checkout do not tell it. */
  readonly adopts?: boolean;
  /** Where others see the record; left out where it is kept here alone. */
  readonly stateBranch?: (() => Promise<StateBranch | undefined>) | undefined;
  /** Stages whose process was found alive: they are followed, not started. */
  readonly alive: readonly StageId[];
  /** The project root, absolute; every stage runs there. */
  readonly root: string;
  /** Absolute. */
  readonly stateDir: string;
  /** Name of this machine, as the state records it. */
  readonly host: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Who is told of what becomes of the run. */
  readonly notify: readonly NotifyHook[];
  /** What starting a stage takes; absent where only those that run are followed. */
  readonly start?: StartInput | undefined;
  /** The manual's remedies against a problem, as they fit this pipeline. */
  readonly remediesFor: (problem: RemediedProblem) => Promise<Advice>;
  readonly report: (event: ApplyEvent) => void;
  readonly signals: StopSignals;
}

/** What it takes to start a stage, beside its plan. */
export interface StartInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  /** What was observed of the dataset: `Facts.sources`. */
  readonly sources: readonly SourceFacts[];
  /** Its Python, and what keeps it from running here. */
  readonly trainer: Pick<TrainerFacts, "python" | "pythonVersion" | "problem">;
  /** The folder `python` of this installation, absolute. */
  readonly pythonDir: string;
  /** Those of this machine: `Facts.gpus`. */
  readonly gpus: readonly GpuFacts[];
  /** How long to wait for a GPU that another has. */
  readonly lockTimeoutMs: number;
  /** What the plan was made from, for the run's record. */
  readonly madeFrom: Binding;
  /** The version of this wan22. */
  readonly tool: string;
}

/** Whoever only follows what runs has taken every other stage out of its plan. */
export function startOf({ start, plan }: Pick<ApplyInput, "start" | "plan">): StartInput {
  if (start === undefined) throw new Error(`a stage of ${plan.name} was to be started by one that only follows`);
  return start;
}

export interface ApplyResult {
  readonly outcome: ApplyOutcome;
  /** Undefined where there was nothing to do. */
  readonly run: string | undefined;
  readonly state: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
}
