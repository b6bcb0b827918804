import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import * as z from "zod";
import { type ApplyOutcome, applyOutcomeSchema } from "../../core/apply-event.ts";
import { parseEventLine, type TrainerEvent } from "../../core/event.ts";
import { type PipelinePlan, pipelinePlanSchema } from "../../core/plan/plan.ts";
import { type Provenance, provenanceSchema } from "../../core/provenance/record.ts";
import type { StateEntry } from "../../core/state/fold.ts";
import { type JournalEntry, journalSchema } from "../../core/state/journal.ts";
import { mergeRunEntries } from "../../core/state/merge.ts";
import { type RunResult, runResultSchema } from "../../core/state/run-result.ts";
import { STAGE_IDS, type StageId } from "../../core/vocabulary.ts";
import type { EnvironmentMark } from "../process-group.ts";
import { errorCode, namingFile, readTextFile } from "../read-file.ts";

/** The folders of runs (design §6): names of what lies in them, and reading it back. */

/** Where everything of a pipeline lies below the state folder. All absolute. */
export interface StatePaths {
  readonly stateFile: string;
  readonly lockFile: string;
  /** Where whoever holds the lock is asked to stop (`stop-request.ts`). */
  readonly stopFile: string;
  readonly runsDir: string;
  /** What runners in the background say, of all pipelines. */
  readonly backgroundDir: string;
}

/** `stateDir` absolute. */
export function statePaths(stateDir: string, pipeline: string): StatePaths {
  return {
    stateFile: join(stateDir, "state", `${pipeline}.json`),
    lockFile: join(stateDir, "state", `${pipeline}.lock`),
    stopFile: join(stateDir, "state", `${pipeline}.stop`),
    runsDir: join(stateDir, "runs"),
    backgroundDir: join(stateDir, "background"),
  };
}

/** Files of a run, by its folder. */
export const runFiles = {
  journal: (runDir: string) => join(runDir, "journal.ndjson"),
  plan: (runDir: string) => join(runDir, "plan.json"),
  /** The plan that began a run which another one went on with. */
  earlierPlan: (runDir: string, digest: string) => join(runDir, `plan-${digest.slice(0, 8)}.json`),
  /** The state when it began, where the runs that tell it were cleared away, or are on another machine. */
  before: (runDir: string) => join(runDir, "before.json"),
  result: (runDir: string) => join(runDir, "result.json"),
  /** What it was made from and what it made. */
  provenance: (runDir: string) => join(runDir, "provenance.json"),
  /** Of the plan that began a run which another one went on with. */
  earlierProvenance: (runDir: string, digest: string) => join(runDir, `provenance-${digest.slice(0, 8)}.json`),
  /** There as long as the hooks have to be told how it ended (`untold-end.ts`). */
  untold: (runDir: string) => join(runDir, "untold.json"),
  log: (runDir: string, stage: StageId) => join(runDir, `${stage}.log`),
  events: (runDir: string, stage: StageId) => join(runDir, `${stage}.events.ndjson`),
  stop: (runDir: string, stage: StageId) => join(runDir, `${stage}.stop`),
} as const;

/** In the environment of all that comes of a stage's process, so that it is found though nobody wrote it down. */
export function stageMark(run: string, stage: StageId): EnvironmentMark {
  return { name: "WAN22_STAGE", value: `${run}/${stage}` };
}

/** Adds lines to a journal, and has them on disk before it comes back. */
export async function appendJournal(file: string, entries: readonly JournalEntry[]): Promise<void> {
  await appendLines(file, entries, { durability: "full" });
}

/** Adds events that the runner itself writes, for a trainer that writes none. */
export async function appendEvents(file: string, events: readonly TrainerEvent[]): Promise<void> {
  await appendLines(file, events, { durability: "none" });
}

/**
 * A line that was cut off before is ended first: it must not swallow the next one. A run's folder that somebody has cleared
 * away is made again, or whatever is left to be written down about the run could never be.
 */
async function appendLines(
  file: string,
  lines: readonly object[],
  { durability }: { readonly durability: "full" | "none" },
): Promise<void> {
  if (lines.length === 0) return;
  await mkdir(dirname(file), { recursive: true });
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  try {
    await append(file, (await endsWithNewline(file)) ? text : `\n${text}`, { durability });
  } catch (error) {
    throw namingFile(error, { path: file, bytes: Buffer.byteLength(text) });
  }
}

async function append(
  file: string,
  text: string,
  { durability }: { readonly durability: "full" | "none" },
): Promise<void> {
  const handle = await open(file, "a");
  try {
    await handle.writeFile(text);
    if (durability === "full") await handle.sync();
  } finally {
    await handle.close();
  }
}

async function endsWithNewline(file: string): Promise<boolean> {
  try {
    const handle = await open(file, "r");
    try {
      const { size } = await handle.stat();
      if (size === 0) return true;
      const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
      return buffer[0] === 0x0a;
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === "ENOENT") return true;
    throw error;
  }
}

/** A run's journal. Lines that are torn or unknown are passed over; a journal that is not there is empty. */
export async function readJournal(runDir: string): Promise<readonly JournalEntry[]> {
  return (await readLines(runFiles.journal(runDir))).flatMap((line) => parseJournalLine(line) ?? []);
}

/** How many lines of a run's journal say nothing that can be understood: cut off, overwritten, or of a newer version. */
export async function countUnreadable(runDir: string): Promise<number> {
  const lines = (await readLines(runFiles.journal(runDir))).filter((line) => line.trim() !== "");
  return lines.filter((line) => parseJournalLine(line) === undefined).length;
}

/** Undefined for a line that is torn or unknown. */
export function parseJournalLine(line: string): JournalEntry | undefined {
  if (line.trim() === "") return undefined;
  try {
    const parsed = journalSchema.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/** The plan that a run carries out; undefined where it is gone, or of another version. */
export async function readRunPlan(runDir: string): Promise<PipelinePlan | undefined> {
  return readJson(runFiles.plan(runDir), pipelinePlanSchema);
}

/** How a run ended; undefined as long as nobody has written it down. */
export async function readRunResult(runDir: string): Promise<RunResult | undefined> {
  return readJson(runFiles.result(runDir), runResultSchema);
}

/** What a run was made from; undefined of one that an earlier wan22 began. */
export async function readProvenance(runDir: string): Promise<Provenance | undefined> {
  return readJson(runFiles.provenance(runDir), provenanceSchema);
}

async function readJson<Value>(file: string, schema: z.ZodType<Value>): Promise<Value | undefined> {
  const text = await readTextFile(file).catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** What a stage's process said in a run so far. */
export async function readEvents(runDir: string, stage: StageId): Promise<readonly TrainerEvent[]> {
  return (await readLines(runFiles.events(runDir, stage))).flatMap((line) => parseEventLine(line) ?? []);
}

/** Everything that is recorded of a run, in an order to fold. */
export async function readRun(runDir: string): Promise<readonly StateEntry[]> {
  const journal = await readJournal(runDir);
  const events: Partial<Record<StageId, readonly TrainerEvent[]>> = {};
  for (const stage of STAGE_IDS) {
    if (journal.some((entry) => entry.type === "stage" && entry.stage === stage)) {
      events[stage] = await readEvents(runDir, stage);
    }
  }
  return mergeRunEntries(journal, events);
}

const plannedSchema = z.looseObject({
  stages: z.array(z.looseObject({ id: z.enum(STAGE_IDS), action: z.string() })),
});

/** The stages that a run's plan has something to do in; none where the plan can't be read. */
export async function readPlannedStages(runDir: string): Promise<readonly StageId[]> {
  try {
    const { stages } = plannedSchema.parse(JSON.parse(await readTextFile(runFiles.plan(runDir))));
    return stages.flatMap(({ id, action }) => (action === "none" || action === "wait" ? [] : [id]));
  } catch {
    return [];
  }
}

/** The pipeline in a run's name, as `newRunId` makes it; undefined for a name that is none. */
export function pipelineOfRun(name: string): string | undefined {
  return /^\d{8}T\d{6}Z-(.+)-[0-9a-f]{4}$/.exec(name)?.[1];
}

/** Whether a name is that of a pipeline's run. */
export function isRunOf(name: string, pipeline: string): boolean {
  return pipelineOfRun(name) === pipeline;
}

const resultSchema = z.looseObject({ outcome: applyOutcomeSchema });

/** What whoever saw a run's end wrote of it. Undefined where nobody did. */
export async function readResult(runDir: string): Promise<ApplyOutcome | undefined> {
  try {
    return resultSchema.parse(JSON.parse(await readTextFile(runFiles.result(runDir)))).outcome;
  } catch {
    return undefined;
  }
}

/** Folders of a pipeline's runs, oldest first: a run's name starts with its time. */
export async function listRuns(runsDir: string, pipeline: string): Promise<readonly string[]> {
  try {
    const names = (await readdir(runsDir)).filter((name) => isRunOf(name, pipeline));
    return names.sort().map((name) => join(runsDir, name));
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}

async function readLines(file: string): Promise<readonly string[]> {
  try {
    return (await readTextFile(file)).split("\n");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
