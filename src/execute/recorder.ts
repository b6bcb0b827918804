import pLimit from "p-limit";
import type { TrainerEvent } from "../core/event.ts";
import { foldState, type StateEntry } from "../core/state/fold.ts";
import type { JournalEntry } from "../core/state/journal.ts";
import type { State } from "../core/state/state.ts";
import type { StageId } from "../core/vocabulary.ts";
import { monotonicSeconds, nowSeconds } from "../host/clock.ts";
import { appendJournal, runFiles } from "../host/records/run-store.ts";
import { saveState } from "../host/records/state-store.ts";

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
  /** Takes up what a stage's process said; the state is written at once if it matters, else a few times a minute. */
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
  /** Gets the state as often as it is written. */
  readonly onSaved?: ((state: State) => void) | undefined;
}

/** Events that a resume, or a reader of the state, depends on. */
const MATTERS: readonly TrainerEvent["type"][] = ["checkpoint", "state", "removed", "finished", "stopped", "failed"];
/** Of a trainer that saves many times a second, writing the state for that may take so much of the time. */
const SHARE_FOR_SAVED = 1 / 200;
/** What is not in the state yet stands in the events file, where whoever reads the state looks as well. */
const SAVE_INTERVAL_SECONDS = 15;

export function openRecorder(options: RecorderOptions): Recorder {
  const { run, runDir, stateDir, onSaved } = options;
  let { state } = options;
  // Folding copies what is known of every checkpoint: once for all that was said since somebody asked.
  let unfolded: StateEntry[] = [];
  let unsaved = 0;
  let savedAt = Number.NEGATIVE_INFINITY;
  /** Whether anything that matters is not in the state yet. */
  let isAwaited = false;
  /** When the state may be written again for what was saved. */
  let openAt = Number.NEGATIVE_INFINITY;
  const oneByOne = pLimit(1);

  const add = (entries: readonly StateEntry[]) => {
    for (const entry of entries) unfolded.push(entry);
    unsaved += entries.length;
  };
  const current = () => {
    if (unfolded.length > 0) state = foldState(state, unfolded);
    unfolded = [];
    return state;
  };
  const save = async () => {
    const whole = current();
    if (whole === undefined) return;
    await saveState(whole, { stateDir });
    savedAt = monotonicSeconds();
    unsaved = 0;
    onSaved?.(whole);
  };
  return {
    run,
    runDir,
    state: current,
    record: (...entries) =>
      oneByOne(async () => {
        await appendJournal(runFiles.journal(runDir), entries);
        add(entries);
        await save();
      }),
    observe: (stage, events) =>
      oneByOne(async () => {
        add(events.map((event) => ({ ...event, stage })));
        isAwaited ||= events.some(({ type }) => MATTERS.includes(type));
        const begun = monotonicSeconds();
        if (unsaved === 0 || begun < (isAwaited ? openAt : savedAt + SAVE_INTERVAL_SECONDS)) return;
        await save();
        if (isAwaited) openAt = savedAt + Math.min((savedAt - begun) / SHARE_FOR_SAVED, SAVE_INTERVAL_SECONDS);
        isAwaited = false;
      }),
    flush: () =>
      oneByOne(async () => {
        if (unsaved > 0) await save();
      }),
  };
}
