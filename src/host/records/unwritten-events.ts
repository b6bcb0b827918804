import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { TrainerEvent } from "../../core/event.ts";
import type { StageRecord } from "../../core/state/state.ts";
import { eventSubject, type MusubiLog, readMusubiLog } from "../../core/trainer/musubi-log.ts";
import { type StageId, scriptOf } from "../../core/vocabulary.ts";
import { nowSeconds } from "../clock.ts";
import { wholeBytesOf } from "../safetensors.ts";
import { runFiles } from "./run-store.ts";

/** What a trainer that writes no events says in its log. */

/** Musubi's own scripts; the bridge and the rehearsal write their events themselves. */
export function writesNoEvents({ backend, driver }: Pick<StageRecord, "backend" | "driver">): boolean {
  return driver === undefined ? backend === "musubi" : driver === "scripts";
}

/** What of a stage its log is understood by, as a plan and a state hold it. */
type Trained = Pick<StageRecord, "output_name" | "total_epochs" | "steps_per_epoch">;

/** A reader of a train stage's log. `root`: the project's, absolute; the trainer's paths are relative to it. */
export function openMusubiLog(stage: Trained, root: string): MusubiLog {
  return readMusubiLog({
    outputName: stage.output_name ?? "",
    totalEpochs: stage.total_epochs ?? 0,
    stepsPerEpoch: stage.steps_per_epoch ?? 0,
    wholeBytesOf: (file) => wholeBytesOf(resolve(root, file)),
    now: nowSeconds,
  });
}

/** Passes on only what was not passed on before, by it or as `known`. */
export function onlyNew(known: readonly TrainerEvent[]): (events: readonly TrainerEvent[]) => readonly TrainerEvent[] {
  const subjects = new Set(known.map(eventSubject));
  return (events) =>
    events.filter((event) => {
      const subject = eventSubject(event);
      const isNew = !subjects.has(subject);
      subjects.add(subject);
      return isNew;
    });
}

export interface UnwrittenRequest {
  /** The project root, absolute. */
  readonly root: string;
  readonly runDir: string;
  readonly stage: StageId;
  readonly record: StageRecord;
  /** Events of this stage that were written. */
  readonly written: readonly TrainerEvent[];
}

/** Events that the log holds beyond those written, after its runner was gone; none for a backend that writes its own. */
export async function readUnwrittenEvents(request: UnwrittenRequest): Promise<readonly TrainerEvent[]> {
  const { root, runDir, stage, record, written } = request;
  if (!writesNoEvents(record) || scriptOf(stage) !== "train") return [];
  const text = await readFile(runFiles.log(runDir, stage), "utf8").catch(() => "");
  const log = openMusubiLog(record, root);
  return onlyNew(written)([...text.split(/[\r\n]/).flatMap((line) => log.accept(line)), ...log.end()]);
}
