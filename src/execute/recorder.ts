import pLimit from "p-limit";
import type { TrainerEvent } from "../core/event.ts";
import { foldState, type StateEntry } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { nowSeconds } from "../host/clock.ts";
import { appendJournal, runFiles } from "../host/run-store.ts";
import { saveState } from "../host/state-store.ts";

/**
 * Writes a run down: journal first, then the state that follows from it. Stages that run at the same time write one after
 * the other: each state on disk holds all that was written before it.
 */

export interface Recorder {
  readonly run: string;
  readonly runDir: string;
  readonly state: () => State | undefined;
  /** Writes journal entries, and the state with them. On disk when it comes back. */
  readonly record: (...entries: readonly JournalEntry[]) => Promise<void>;
  /** Takes up what a stage's process said; the state is written at once if it matters, else within a second. */
  readonly observe: (stage: StageId, events: readonly TrainerEvent[]) => Promise<void>;
  /** Writes the state if anything was observed since it was written. */
  readonly flush: () => Promise<void>;
}

/** What every journal entry starts with. */
export function stamp(): { readonly v: 1; readonly t: number } {
  return { v: 1, t: nowSeconds() };
}

export interface RecorderOptions {
  readonly run: string;
  readonly runDir: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly state: State | undefined;
}

/** Events that a resume, or a reader of the state, depends on. */
const MATTERS: readonly TrainerEvent["type"][] = ["checkpoint", "state", "removed", "finished", "stopped", "failed"];
const SAVE_INTERVAL_SECONDS = 1;

export function openRecorder(options: RecorderOptions): Recorder {
  const { run, runDir, stateDir } = options;
  let { state } = options;
  let savedAt = 0;
  let unsaved = 0;
  const oneByOne = pLimit(1);

  const save = async () => {
    if (state === undefined) return;
    await saveState(state, { stateDir });
    savedAt = nowSeconds();
    unsaved = 0;
  };
  const fold = (entries: readonly StateEntry[]) => {
    state = foldState(state, entries);
    unsaved += entries.length;
  };
  return {
    run,
    runDir,
    state: () => state,
    record: (...entries) =>
      oneByOne(async () => {
        await appendJournal(runFiles.journal(runDir), entries);
        fold(entries);
        await save();
      }),
    observe: (stage, events) =>
      oneByOne(async () => {
        fold(events.map((event) => ({ ...event, stage })));
        const matters = events.some(({ type }) => MATTERS.includes(type));
        if (matters || (unsaved > 0 && nowSeconds() - savedAt >= SAVE_INTERVAL_SECONDS)) await save();
      }),
    flush: () =>
      oneByOne(async () => {
        if (unsaved > 0) await save();
      }),
  };
}
