import { statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { TrainerEvent } from "../core/event.ts";
import type { StageRecord } from "../core/state/state.ts";
import { readMusubiLog } from "../core/trainer/musubi-log.ts";
import { type StageId, scriptOf } from "../core/vocabulary.ts";
import { nowSeconds } from "./clock.ts";
import { runFiles } from "./run-store.ts";

/** What a trainer that writes no events said in its log after its runner was gone. */

export interface UnwrittenRequest {
  /** The project root, absolute: the trainer's paths are relative to it. */
  readonly root: string;
  readonly runDir: string;
  readonly stage: StageId;
  readonly record: StageRecord;
  /** Events of this stage that were written. */
  readonly written: number;
}

/** Musubi's own scripts; the bridge and the rehearsal write their events themselves. */
export function writesNoEvents({ backend, driver }: Pick<StageRecord, "backend" | "driver">): boolean {
  return driver === undefined ? backend === "musubi" : driver === "scripts";
}

/** Events that the log holds beyond those written; none for a backend that writes its own. */
export async function readUnwrittenEvents(request: UnwrittenRequest): Promise<readonly TrainerEvent[]> {
  const { root, runDir, stage, record, written } = request;
  if (!writesNoEvents(record) || scriptOf(stage) !== "train") return [];
  const text = await readFile(runFiles.log(runDir, stage), "utf8").catch(() => "");
  const log = readMusubiLog({
    outputName: record.output_name ?? "",
    totalEpochs: record.total_epochs ?? 0,
    stepsPerEpoch: record.steps_per_epoch ?? 0,
    sizeOf: (file) => statSync(resolve(root, file), { throwIfNoEntry: false })?.size ?? 0,
    now: nowSeconds,
  });
  const events = [...text.split(/[\r\n]/).flatMap((line) => log.accept(line)), ...log.end()];
  return events.slice(written);
}
