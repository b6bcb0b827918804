import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { State } from "../core/state/state.ts";
import { STAGE_IDS, type StageId } from "../core/vocabulary.ts";
import { lookAtLock } from "../host/locks/lock.ts";
import { isProcessAlive, type ProcessIdentity } from "../host/process.ts";
import { errorCode } from "../host/read-file.ts";
import { parseJournalLine, readRunResult, runFiles, statePaths } from "../host/records/run-store.ts";
import { openTail } from "../host/tail.ts";
import { loadPlace, type PipelinePlace } from "./take-over.ts";

/** Hands out the logs of stages as bytes: what is there, and, where that is asked for, what comes until nothing comes any more. */

export interface LogsRequest {
  readonly place: PipelinePlace;
  /** One stage alone; left out: those that run, else the one that was started last, and those that follow in the same run. */
  readonly stage: StageId | undefined;
  /** That many lines from the end of what is there; all where left out. */
  readonly lines: number | undefined;
  readonly follow: boolean;
  readonly onBytes: (stage: StageId, bytes: Uint8Array) => void;
}

const LOOK_MS = 200;
const CHUNK_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/** Gives the stages whose logs were there; empty where there is none. */
export async function readLogs(request: LogsRequest): Promise<readonly StageId[]> {
  const { place, stage, lines, follow, onBytes } = request;
  const { state, alive } = await loadPlace(place);
  const chosen = stage === undefined ? stagesToShow(state, alive) : [stage];
  const run = chosen.map((id) => state?.stages[id]?.run).find((one) => one !== undefined);
  if (run === undefined) return [];
  const runDir = join(statePaths(place.stateDir, place.pipeline).runsDir, run);
  const shown = new Map(chosen.map((id) => [id, openLog(runFiles.log(runDir, id))]));
  const readAll = async () => {
    for (const [id, log] of shown) await log.read((bytes) => onBytes(id, bytes));
  };
  try {
    if (lines !== undefined) for (const log of shown.values()) await log.skipTo(lines);
    await readAll();
    if (follow) await followRun({ ...request, runDir, shown, readAll });
    return [...shown].flatMap(([id, log]) => (log.isThere() ? [id] : []));
  } finally {
    for (const log of shown.values()) await log.close();
  }
}

function stagesToShow(state: State | undefined, alive: readonly StageId[]): readonly StageId[] {
  if (alive.length > 0) return alive;
  const begun = STAGE_IDS.filter((id) => state?.stages[id]?.started !== undefined);
  const startOf = (id: StageId) => state?.stages[id]?.started ?? "";
  return begun.toSorted((a, b) => (startOf(a) < startOf(b) ? -1 : 1)).slice(-1);
}

interface FollowedRun extends LogsRequest {
  readonly runDir: string;
  readonly shown: Map<StageId, Log>;
  readonly readAll: () => Promise<void>;
}

async function followRun({ place, stage, runDir, shown, readAll }: FollowedRun): Promise<void> {
  const { lockFile } = statePaths(place.stateDir, place.pipeline);
  const journal = openTail(runFiles.journal(runDir));
  const open = new Map<StageId, ProcessIdentity | undefined>();
  try {
    for (;;) {
      // Asked before reading: what was written before an end is then all read.
      const isAttended = (await lookAtLock(lockFile)).kind === "held";
      const hasResult = (await readRunResult(runDir)) !== undefined;
      for (const line of await journal.readLines()) {
        const entry = parseJournalLine(line);
        if (entry?.type === "end") open.delete(entry.stage);
        else if (entry?.type === "process") open.set(entry.stage, entry);
        else if (entry?.type === "stage") {
          open.set(entry.stage, undefined);
          if (stage === undefined && !shown.has(entry.stage) && isNext(entry.stage, shown))
            shown.set(entry.stage, openLog(runFiles.log(runDir, entry.stage)));
        }
      }
      const watched = stage === undefined ? [...open.keys()] : [stage].filter((id) => open.has(id));
      const processes = await Promise.all(watched.map((id) => isStageAlive(open.get(id))));
      await readAll();
      // A runner that is there writes the end down, or begins the next stage.
      const mayGoOn = isAttended && (watched.length > 0 || (stage === undefined && !hasResult));
      if (!mayGoOn && !processes.includes(true)) return;
      await delay(LOOK_MS);
    }
  } finally {
    await journal.close();
  }
}

/** Stages that had ended before the first look are not gone back to. */
function isNext(id: StageId, shown: ReadonlyMap<StageId, unknown>): boolean {
  return [...shown.keys()].every((other) => STAGE_IDS.indexOf(other) < STAGE_IDS.indexOf(id));
}

async function isStageAlive(process: ProcessIdentity | undefined): Promise<boolean> {
  return process !== undefined && (await isProcessAlive(process));
}

interface Log {
  readonly isThere: () => boolean;
  /** Moves to that many lines before the end of what is there. */
  readonly skipTo: (lines: number) => Promise<void>;
  /** What is new. */
  readonly read: (onBytes: (bytes: Uint8Array) => void) => Promise<void>;
  readonly close: () => Promise<void>;
}

function openLog(file: string): Log {
  let handle: FileHandle | undefined;
  let position = 0;
  const opened = async () => {
    handle ??= await open(file, "r").catch((error: unknown) => {
      if (errorCode(error) === "ENOENT") return undefined;
      throw error;
    });
    return handle;
  };
  return {
    isThere: () => handle !== undefined,
    skipTo: async (lines) => {
      const log = await opened();
      if (log !== undefined) position = await startOfLastLines(log, lines);
    },
    read: async (onBytes) => {
      const log = await opened();
      if (log === undefined) return;
      for (;;) {
        const { bytesRead, buffer } = await log.read(Buffer.alloc(CHUNK_BYTES), 0, CHUNK_BYTES, position);
        if (bytesRead === 0) return;
        position += bytesRead;
        onBytes(buffer.subarray(0, bytesRead));
      }
    },
    close: async () => handle?.close(),
  };
}

/** Read from its end: a log of days is long, and only a little of it is asked for. */
async function startOfLastLines(log: FileHandle, lines: number): Promise<number> {
  const { size } = await log.stat();
  if (lines === 0) return size;
  let missing = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    const { buffer } = await log.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let at = buffer.length - 1; at >= 0; at -= 1) {
      // The line end that the file ends with begins no line.
      if (buffer[at] !== NEWLINE || start + at === size - 1) continue;
      missing -= 1;
      if (missing <= 0) return start + at + 1;
    }
    end = start;
  }
  return 0;
}
