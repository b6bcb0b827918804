import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import type { TrainerEvent } from "../../core/event.ts";
import { pathInside } from "../../core/paths.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { present } from "../../core/present.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import { isPythonTooOld } from "../../core/trainer/python-version.ts";
import { isCaching, scriptOf } from "../../core/vocabulary.ts";
import { identifyFolder } from "../../host/locks/folder-identity.ts";
import { type ProcessEnd, type ProcessIdentity, type StartedProcess, startDetached } from "../../host/process.ts";
import { readEvents, runFiles } from "../../host/records/run-store.ts";
import { writesNoEvents } from "../../host/records/unwritten-events.ts";
import { type StartInput, startOf } from "../apply-input.ts";
import { explainGone, takeCaches } from "../caches/take-caches.ts";
import { EXECUTE_CODES } from "../codes.ts";
import { stamp } from "../recorder.ts";
import { stageCommand } from "./command.ts";
import { type EventSource, eventsFileSource, musubiLogSource } from "./event-source.ts";
import { initialProgress, type Progress, type StageInput, takeUp } from "./stage.ts";
import { makeRoom, planRoom, roomEntries } from "./stage-room.ts";
import { contextPath, writeWorkFiles } from "./work-folder.ts";

/** Brings a stage's process to life, or finds the one that an earlier runner left. */

/** A process to follow. */
export interface Started {
  readonly kind: "started";
  readonly identity: ProcessIdentity;
  readonly ended: Promise<ProcessEnd> | undefined;
  readonly source: EventSource;
  readonly progress: Progress;
}

export interface NotStarted {
  readonly kind: "failed";
  readonly progress: Progress;
  readonly diagnostic: Diagnostic;
}

function eventSource({ apply, stage, recorder }: StageInput, known: readonly TrainerEvent[]): EventSource {
  const eventsFile = runFiles.events(recorder.runDir, stage.id);
  // A process that runs already was started by what its record says, whatever would start it now.
  const record = recorder.state()?.stages[stage.id];
  if (record !== undefined && !writesNoEvents(record)) return eventsFileSource(eventsFile, { known: known.length });
  const logFile = runFiles.log(recorder.runDir, stage.id);
  return musubiLogSource({ stage, root: apply.root, logFile, eventsFile, known });
}

/** Takes up a process that an earlier runner started and did not see to its end. */
export async function attachStage(input: StageInput): Promise<Started | NotStarted> {
  const { stage, recorder } = input;
  const known = await readEvents(recorder.runDir, stage.id);
  const progress = initialProgress(stage);
  for (const event of known) takeUp(progress, event);
  // What it said after the state was read, that the plan was made from, is in no state yet.
  await recorder.observe(stage.id, known);
  const identity = recorder.state()?.stages[stage.id]?.process;
  if (identity === undefined) {
    return { kind: "failed", progress, diagnostic: diagnose(EXECUTE_CODES.lost, lostText(stage)) };
  }
  reportStart(input, progress, { pid: identity.pid, attached: true });
  return { kind: "started", identity, ended: undefined, source: eventSource(input, known), progress };
}

function lostText(stage: StagePlan): string {
  return `The process of ${stage.id} ended while it was looked for. ${EXECUTE_CODES.lost.mend}`;
}

/** Why no stage can be started here; asked before anything is touched. */
export function whyNotStartable({ python, pythonVersion, problem }: StartInput["trainer"]): Diagnostic | undefined {
  if (problem === undefined) return undefined;
  const isOld = pythonVersion !== undefined && isPythonTooOld(pythonVersion);
  const unfit = isOld ? EXECUTE_CODES.oldPython : EXECUTE_CODES.notStarted;
  const kind = python === undefined ? EXECUTE_CODES.noPython : unfit;
  return diagnose(kind, `Nothing was started, since ${problem}. ${kind.mend}`);
}

/** A process that runs, and that nothing on disk speaks of yet but its mark. */
export interface Launched {
  readonly kind: "launched";
  readonly process: StartedProcess;
  readonly progress: Progress;
  /** Caching: what the process makes. */
  readonly toEncode: readonly string[] | undefined;
}

/** All caches are there without a process having been started. */
export interface Filled {
  readonly kind: "filled";
  readonly progress: Progress;
}

/**
 * Makes room, takes what need not be made, writes what the stage reads, and starts it, unless nothing is left to do. Everything
 * is in the journal before it happens.
 */
export async function launchStage(
  input: StageInput,
  { needs }: { readonly needs: "gpu" | "nothing" },
): Promise<Launched | NotStarted | Filled> {
  const { apply, stage, recorder } = input;
  const { root } = apply;
  const { resolved, items, sources, trainer, pythonDir, gpus } = startOf(apply);
  const { python } = trainer;
  if (python === undefined) throw new Error(`${stage.id} was to be started without a Python`);
  const progress = initialProgress(stage);
  const entry = startEntry(input);
  const room = await planRoom(input);
  // Together: a runner that is killed has either not begun, or left everything that the next one needs to go on.
  await recorder.record(entry, ...roomEntries(room, stage.id));
  await makeRoom(room, input);
  const toEncode = isCaching(stage.id) ? await takeCaches(input, progress) : undefined;
  if (toEncode?.length === 0) return { kind: "filled", progress };
  if (needs === "nothing") return { kind: "failed", progress, diagnostic: explainGone(input, toEncode ?? []) };
  await writeWorkFiles({
    stage,
    resolved,
    items,
    sources,
    root,
    workDir: input.workDir,
    runDir: recorder.runDir,
    run: recorder.run,
    segment: entry.segment,
    eventsFile: runFiles.events(recorder.runDir, stage.id),
    stopFile: runFiles.stop(recorder.runDir, stage.id),
  });
  const command = stageCommand({
    stage,
    spec: resolved.spec,
    root,
    python,
    pythonDir,
    contextFile: contextPath(input.workPath, stage.id),
    run: recorder.run,
    gpus,
    environment: apply.environment,
  });
  const result = await startDetached({ ...command, cwd: root, logFile: runFiles.log(recorder.runDir, stage.id) });
  if (result.kind === "failed") {
    return { kind: "failed", progress, diagnostic: explainStart(stage, command.command, result.code) };
  }
  return { kind: "launched", process: result.process, progress, toEncode };
}

/**
 * Writes down which process it is. Where that can't be written the process runs all the same, and is found by its mark: what
 * is thrown here is no stage that failed.
 */
export async function recordStart(input: StageInput, { process, progress, toEncode }: Launched): Promise<Started> {
  const { identity, ended } = process;
  const folder = await identifyFolder(input.recorder.runDir);
  await input.recorder.record({
    ...stamp(),
    type: "process",
    stage: input.stage.id,
    ...identity,
    ...present({ folder }),
  });
  reportStart(input, progress, { pid: identity.pid, attached: false });
  // Whoever looks into the folders for what the process has made must know what was there before it.
  const stage = toEncode === undefined ? input.stage : { ...input.stage, pending: [...toEncode] };
  return { kind: "started", identity, ended, source: eventSource({ ...input, stage }, []), progress };
}

/** The journal's word of a stage's start, as it is now. */
export function startEntry({ apply, stage, recorder }: StageInput): Extract<JournalEntry, { type: "stage" }> {
  const segment = (recorder.state()?.stages[stage.id]?.segment ?? 0) + 1;
  const { backend } = startOf(apply).resolved.spec.trainer;
  return { ...stamp(), type: "stage", ...stageEntry(stage), backend, driver: stage.driver, segment };
}

function stageEntry(stage: StagePlan) {
  const { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name, gpus } = stage;
  const optional = { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name, gpus };
  return {
    stage: stage.id,
    action: stage.action,
    fingerprint: stage.fingerprint,
    inputs: stage.inputs,
    identities: stage.identities,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

function explainStart(stage: StagePlan, command: string, code: string): Diagnostic {
  if (code === "ENOENT") {
    return diagnose(
      EXECUTE_CODES.noPython,
      `${stage.id} was to be run with ${command}, and there is no such program. ${EXECUTE_CODES.noPython.mend}`,
    );
  }
  const why = code === "EACCES" ? "you may not execute it" : `the system answered ${code}`;
  return diagnose(
    EXECUTE_CODES.notStarted,
    `${stage.id} was to be run with ${command}: ${why}. ${EXECUTE_CODES.notStarted.mend}`,
  );
}

function reportStart(
  { stage, recorder, apply, report }: StageInput,
  { done, total }: Progress,
  process: { pid: number; attached: boolean },
): void {
  report({
    type: "stage-started",
    stage: stage.id,
    action: stage.action,
    unit: scriptOf(stage.id) === "train" ? "steps" : "items",
    done,
    total,
    ...(stage.gpus === undefined ? {} : { gpus: [...stage.gpus] }),
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...process,
  });
}
