import type { TrainerEvent } from "../event.ts";
import type { StageId } from "../vocabulary.ts";
import type { StateEntry } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";

/** Journal entries that speak of what the stage's process did, so that its events must be known before them. */
const AFTER_EVENTS: readonly JournalEntry["type"][] = ["cached", "digest", "end"];

/**
 * One run's journal and its stages' events in an order to fold: a stage's events stand after its start and before
 * everything that the runner said about its outcome. Clocks are not compared; the two files may come from two machines.
 */
export function mergeRunEntries(
  journal: readonly JournalEntry[],
  events: Readonly<Partial<Record<StageId, readonly TrainerEvent[]>>>,
): readonly StateEntry[] {
  const merged: StateEntry[] = [];
  const started = new Set<StageId>();
  const emitted = new Set<StageId>();
  const emitEvents = (stage: StageId): void => {
    if (!started.has(stage) || emitted.has(stage)) return;
    emitted.add(stage);
    for (const event of events[stage] ?? []) merged.push({ ...event, stage });
  };
  for (const entry of journal) {
    if (entry.type !== "run" && AFTER_EVENTS.includes(entry.type)) emitEvents(entry.stage);
    merged.push(entry);
    if (entry.type === "stage") started.add(entry.stage);
  }
  for (const stage of started) emitEvents(stage);
  return merged;
}
