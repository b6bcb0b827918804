import { joinPath } from "../paths.ts";
import type { JournalEntry } from "../state/journal.ts";
import { lastCheckpointName } from "../trainer/checkpoints.ts";
import type { StageId } from "../vocabulary.ts";

/** What a statement lies beside: the last checkpoint of each training of a run that came to its end, by the run's journal. */
export interface LastCheckpoint {
  readonly stage: StageId;
  /** As the record names it. */
  readonly file: string;
}

export function lastCheckpoints(journal: readonly JournalEntry[]): readonly LastCheckpoint[] {
  const finished = new Set(
    journal.flatMap((entry) => (entry.type === "end" && entry.outcome === "finished" ? [entry.stage] : [])),
  );
  return journal.flatMap((entry): readonly LastCheckpoint[] => {
    if (entry.type !== "stage" || !finished.has(entry.stage) || entry.output_name === undefined) return [];
    return [{ stage: entry.stage, file: joinPath(entry.output_dir ?? ".", lastCheckpointName(entry.output_name)) }];
  });
}
