import { isLastWord } from "../event.ts";
import type { StageId } from "../vocabulary.ts";
import type { StateEntry } from "./fold.ts";
import type { JournalEntry } from "./journal.ts";

/** What nobody came to write down of a stage whose runner was killed, as the journal entry that is missing. */

/** A stage that is recorded as running, as it was found. */
export interface FoundStage {
  readonly stage: StageId;
  /** Its process, recorded or found by its mark. */
  readonly process: { readonly pid: number; readonly boot_id: string; readonly start_time: string } | undefined;
  readonly isAlive: boolean;
  /** The run's folder that this one is a copy of: its process is at work there, if it still is. */
  readonly copiedFrom: string | undefined;
  /** What is recorded of it in its run after its start. */
  readonly entries: readonly StateEntry[];
  /** Unix time in seconds. */
  readonly now: number;
}

/** Undefined where everything is written down that can be known. */
export function unseenEntry(found: FoundStage): JournalEntry | undefined {
  return found.isAlive ? unseenProcess(found) : unseenEnd(found);
}

/** A process that was started just before its runner was killed. */
function unseenProcess({ stage, process, entries, now }: FoundStage): JournalEntry | undefined {
  if (process === undefined || entries.some(({ type }) => type === "process")) return undefined;
  const { pid, boot_id, start_time } = process;
  return { v: 1, t: now, type: "process", stage, pid, boot_id, start_time };
}

/** What became of a process that nobody watched to its end: its last word, or `lost`. */
function unseenEnd({ stage, copiedFrom, entries, now }: FoundStage): JournalEntry | undefined {
  if (entries.some(({ type }) => type === "end")) return undefined;
  const last = entries.findLast(isLastWord);
  const exit_code = last?.exit_code ?? null;
  const base = { v: 1 as const, t: last?.t ?? now, type: "end" as const, stage, exit_code };
  switch (last?.type) {
    case "finished":
    case "stopped":
      return { ...base, outcome: last.type };
    case "failed":
      return { ...base, outcome: "failed", message: last.message };
    case undefined:
      return {
        ...base,
        outcome: "lost",
        message:
          copiedFrom === undefined
            ? "Its process is gone and left no word about its end."
            : `This is a copy of ${copiedFrom}, made while its process was at work. That trains there and not here.`,
      };
  }
}
