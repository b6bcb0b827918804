import type { LimitFunction } from "p-limit";
import type { ApplyEvent, StageOutcome } from "../../core/apply-event.ts";
import type { Diagnostic } from "../../core/diagnostic.ts";
import { isLastWord, type LastWord, type TrainerEvent } from "../../core/event.ts";
import type { PipelinePlan, StagePlan } from "../../core/plan/plan.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import { scriptOf } from "../../core/vocabulary.ts";
import { countOomKills } from "../../host/oom-kills.ts";
import type { ApplyInput } from "../apply-input.ts";
import type { Recorder } from "../recorder.ts";

/** What the parts of a stage's life share: what it is to do, and how far it is. */

export interface StageInput {
  readonly apply: ApplyInput;
  readonly plan: PipelinePlan;
  readonly stage: StagePlan;
  readonly recorder: Recorder;
  /** The work folder, absolute and as paths in a plan are written. */
  readonly workDir: string;
  readonly workPath: string;
  readonly report: (event: NewApplyEvent) => void;
  /** Asked before a stage begins: why it may not, where another machine has begun the pipeline; left out where nobody is asked. */
  readonly claim?: ((entry: JournalEntry) => Promise<Diagnostic | undefined>) | undefined;
  /** Stages of one turn make room and start one after the other: they share the work folder. */
  readonly startGate: LimitFunction;
}

export interface StageResult {
  readonly outcome: StageOutcome;
  readonly diagnostics: readonly Diagnostic[];
}

type WithoutBase<Event> = Event extends ApplyEvent ? Omit<Event, "v" | "t" | "pipeline"> : never;
/** An event before it gets its time and its pipeline's name. */
export type NewApplyEvent = WithoutBase<ApplyEvent>;

/** Whether the stage's process was found alive when its plan was made. */
export function isRunning({ id }: StagePlan, { alive }: Pick<ApplyInput, "alive">): boolean {
  return alive.includes(id);
}

/** How far the stage is, as its events tell. */
export interface Progress {
  done: number;
  readonly total: number;
  terminal: LastWord | undefined;
  saidNotANumber: boolean;
  /** The kernel's count of processes killed for want of memory, before this stage ran. */
  readonly oomKillsBefore: number | undefined;
}

export function initialProgress(stage: StagePlan): Progress {
  const caching = scriptOf(stage.id) !== "train";
  const total = caching ? (stage.cache_files?.length ?? 0) : (stage.total_steps ?? 0);
  const done = caching ? total - (stage.pending?.length ?? total) : (stage.done_steps ?? 0);
  return { done, total, terminal: undefined, saidNotANumber: false, oomKillsBefore: countOomKills() };
}

/** Moves progress on by what the process said. */
export function takeUp(progress: Progress, event: TrainerEvent): void {
  if (event.type === "step") progress.done = Math.max(progress.done, event.step);
  else if (event.type === "item") progress.done = Math.max(progress.done, event.done);
  else if (isLastWord(event)) progress.terminal = event;
}
