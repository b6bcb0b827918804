import type { ApplyEvent, ApplyOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { GpuFacts, SourceFacts, TrainerFacts } from "../core/facts.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import type { Presets } from "../core/resolve/presets.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";
import type { StageId } from "../core/vocabulary.ts";
import type { StopSignals } from "./follow.ts";

/** What it takes to carry out one pipeline's plan. The caller holds the pipeline's lock. */
export interface ApplyInput {
  readonly plan: PipelinePlan;
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  /** What was observed of the dataset: `Facts.sources`. */
  readonly sources: readonly SourceFacts[];
  /** Those of this machine: `Facts.gpus`. */
  readonly gpus: readonly GpuFacts[];
  /** How long to wait for a GPU that another has. */
  readonly lockTimeoutMs: number;
  /** The state that the plan was made from, read after `settlePipeline`. */
  readonly state: State | undefined;
  /** Stages whose process was found alive: they are followed, not started. */
  readonly alive: readonly StageId[];
  /** The project root, absolute; every stage runs there. */
  readonly root: string;
  /** Its Python, and what keeps it from running here. */
  readonly trainer: Pick<TrainerFacts, "python" | "pythonVersion" | "problem">;
  /** The folder `python` of this installation, absolute. */
  readonly pythonDir: string;
  /** Name of this machine, as the state records it. */
  readonly host: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For the manual's remedies, should memory run out. */
  readonly presets: Presets;
  readonly report: (event: ApplyEvent) => void;
  readonly signals: StopSignals;
}

export interface ApplyResult {
  readonly outcome: ApplyOutcome;
  /** Undefined where there was nothing to do. */
  readonly run: string | undefined;
  readonly state: State | undefined;
  readonly diagnostics: readonly Diagnostic[];
}
