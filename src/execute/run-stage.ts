import { resolve } from "node:path";
import type { ApplyEvent, StageOutcome } from "../core/apply-event.ts";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { TrainerEvent } from "../core/event.ts";
import { pathInside } from "../core/paths.ts";
import type { PipelinePlan, StagePlan } from "../core/plan/plan.ts";
import { scriptOf } from "../core/vocabulary.ts";
import { nowSeconds } from "../host/clock.ts";
import { type ProcessEnd, type ProcessIdentity, startDetached } from "../host/process.ts";
import { readEvents, runFiles } from "../host/run-store.ts";
import type { ApplyInput } from "./apply-input.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { stageCommand } from "./command.ts";
import { type EventSource, eventsFileSource, musubiLogSource } from "./event-source.ts";
import { explainFailure } from "./failure.ts";
import { type FollowResult, followProcess } from "./follow.ts";
import {
  carryOutMoves,
  findStaleCaches,
  type Move,
  makeOutputFolders,
  planArchive,
  planRenames,
  removeFiles,
} from "./outputs.ts";
import { type Recorder, stamp } from "./recorder.ts";
import { findIncompleteCaches, findWrongCheckpoints, hashFile } from "./verify.ts";
import { contextPath, writeWorkFiles } from "./work-folder.ts";

/** One stage of a run, from making room for it to comparing what it left with what was planned. */

export interface StageInput {
  readonly apply: ApplyInput;
  readonly plan: PipelinePlan;
  readonly stage: StagePlan;
  readonly recorder: Recorder;
  /** The work folder, absolute and as paths in a plan are written. */
  readonly workDir: string;
  readonly workPath: string;
  readonly report: (event: NewApplyEvent) => void;
}

type WithoutBase<Event> = Event extends ApplyEvent ? Omit<Event, "v" | "t" | "pipeline"> : never;
/** An event before it gets its time and its pipeline's name. */
export type NewApplyEvent = WithoutBase<ApplyEvent>;

export interface StageResult {
  readonly outcome: StageOutcome;
  readonly diagnostics: readonly Diagnostic[];
}

/** Whether the plan found the stage's process alive. */
export function isRunning(stage: StagePlan): boolean {
  return stage.reasons.some(({ cause }) => cause === "running");
}

export async function runStage(input: StageInput): Promise<StageResult> {
  const startedAt = nowSeconds();
  const started = isRunning(input.stage) ? await attach(input) : await start(input);
  if (started.kind === "failed") return endStage(input, started.progress, startedAt, failed(started.diagnostic));
  const { progress } = started;
  const followed = await follow(input, started);
  if (followed.manner === "detached") {
    reportEnd(input, progress, startedAt, "detached", undefined);
    return { outcome: "detached", diagnostics: [] };
  }
  return endStage(input, progress, startedAt, await judge(input, progress, followed));
}

/** How far the stage is, as its events tell. */
interface Progress {
  done: number;
  readonly total: number;
  terminal: Extract<TrainerEvent, { type: "finished" | "stopped" | "failed" }> | undefined;
  saidNotANumber: boolean;
}

interface Started {
  readonly kind: "started";
  readonly identity: ProcessIdentity;
  readonly ended: Promise<ProcessEnd> | undefined;
  readonly source: EventSource;
  readonly progress: Progress;
}

interface NotStarted {
  readonly kind: "failed";
  readonly progress: Progress;
  readonly diagnostic: Diagnostic;
}

function initialProgress(stage: StagePlan): Progress {
  const caching = scriptOf(stage.id) !== "train";
  const total = caching ? (stage.cache_files?.length ?? 0) : (stage.total_steps ?? 0);
  const done = caching ? total - (stage.pending?.length ?? total) : (stage.done_steps ?? 0);
  return { done, total, terminal: undefined, saidNotANumber: false };
}

function eventSource({ apply, stage, recorder }: StageInput, known: readonly TrainerEvent[]): EventSource {
  const eventsFile = runFiles.events(recorder.runDir, stage.id);
  if (apply.resolved.spec.trainer.backend === "rehearsal") return eventsFileSource(eventsFile, { known: known.length });
  const logFile = runFiles.log(recorder.runDir, stage.id);
  return musubiLogSource({ stage, root: apply.root, logFile, eventsFile, known });
}

/** Takes up a process that an earlier runner started and did not see to its end. */
async function attach(input: StageInput): Promise<Started | NotStarted> {
  const { stage, recorder } = input;
  const known = await readEvents(recorder.runDir, stage.id);
  const progress = initialProgress(stage);
  for (const event of known) takeUp(progress, event);
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

async function start(input: StageInput): Promise<Started | NotStarted> {
  const { apply, stage, recorder } = input;
  const { root, resolved } = apply;
  const progress = initialProgress(stage);
  const before = recorder.state()?.stages[stage.id];
  const segment = (before?.segment ?? 0) + 1;
  await recorder.record({
    ...stamp(),
    type: "stage",
    ...stageEntry(stage),
    backend: resolved.spec.trainer.backend,
    segment,
  });
  await makeRoom(input);
  await makeOutputFolders(stage, root);
  await writeWorkFiles({
    stage,
    resolved,
    items: apply.items,
    sources: apply.sources,
    root,
    workDir: input.workDir,
    runDir: recorder.runDir,
    run: recorder.run,
    segment,
    eventsFile: runFiles.events(recorder.runDir, stage.id),
    stopFile: runFiles.stop(recorder.runDir, stage.id),
  });
  if (apply.python === undefined) {
    return {
      kind: "failed",
      progress,
      diagnostic: diagnose(
        EXECUTE_CODES.noPython,
        `No Python was found on this machine. ${EXECUTE_CODES.noPython.mend}`,
      ),
    };
  }
  const command = stageCommand({
    stage,
    spec: resolved.spec,
    root,
    python: apply.python,
    rehearsalDir: apply.rehearsalDir,
    contextFile: contextPath(input.workPath, stage.id),
    run: recorder.run,
    environment: apply.environment,
  });
  const result = await startDetached({ ...command, cwd: root, logFile: runFiles.log(recorder.runDir, stage.id) });
  if (result.kind === "failed") {
    return { kind: "failed", progress, diagnostic: notStarted(stage, command.command, result.code) };
  }
  const { identity, ended } = result.process;
  await recorder.record({ ...stamp(), type: "process", stage: stage.id, ...identity });
  reportStart(input, progress, { pid: identity.pid, attached: false });
  return { kind: "started", identity, ended, source: eventSource(input, []), progress };
}

function stageEntry(stage: StagePlan) {
  const { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name } = stage;
  const optional = { total_epochs, steps_per_epoch, done_epochs, done_steps, output_dir, output_name };
  return {
    stage: stage.id,
    action: stage.action,
    fingerprint: stage.fingerprint,
    inputs: stage.inputs,
    identities: stage.identities,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

function notStarted(stage: StagePlan, command: string, code: string): Diagnostic {
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

/** Archives, then renames, then removes stale caches; each is in the journal before it happens. */
async function makeRoom({ apply, stage, recorder, report }: StageInput): Promise<void> {
  const { root } = apply;
  const archived = await planArchive(stage, { root, run: recorder.run });
  if (archived.length > 0) {
    await recorder.record({
      ...stamp(),
      type: "archived",
      stage: stage.id,
      files: archived.map((move) => ({ ...move })),
    });
    await carryOutMoves(archived, root);
    report({ type: "moved", stage: stage.id, reason: "archive", files: archived.map((move) => ({ ...move })) });
  }
  const renamed = await planRenames(stage, root);
  if (renamed.length > 0) {
    await recorder.record(
      ...renamed.map((move: Move) => ({ ...stamp(), type: "renamed" as const, stage: stage.id, ...move })),
    );
    await carryOutMoves(renamed, root);
    report({ type: "moved", stage: stage.id, reason: "rename", files: renamed.map((move) => ({ ...move })) });
  }
  const stale = await findStaleCaches(stage, root);
  if (stale.length > 0) {
    await recorder.record(...stale.map((file) => ({ ...stamp(), type: "unlinked" as const, stage: stage.id, file })));
    await removeFiles(stale, root);
    report({ type: "unlinked", stage: stage.id, files: [...stale] });
  }
}

/** Progress bars that show a rate need no more often than this. */
const POLL_MS = { rehearsal: 50, musubi: 250 } as const;

function follow(input: StageInput, { identity, ended, source, progress }: Started): Promise<FollowResult> {
  const { apply, stage, recorder, report } = input;
  const { backend } = apply.resolved.spec.trainer;
  return followProcess({
    identity,
    ended,
    source,
    signals: apply.signals,
    stopFile: backend === "rehearsal" ? runFiles.stop(recorder.runDir, stage.id) : undefined,
    pollMs: POLL_MS[backend],
    onEvents: async (events) => {
      for (const event of events) {
        takeUp(progress, event);
        report({ type: "trainer", stage: stage.id, event });
        if (event.type === "step" && event.loss === null && !progress.saidNotANumber) {
          progress.saidNotANumber = true;
          const { summary, why, mend } = EXECUTE_CODES.lossNotANumber;
          report({ type: "note", stage: stage.id, severity: "warning", text: `${summary}. ${why} ${mend}` });
        }
      }
      await recorder.observe(stage.id, events);
    },
    onStopping: (manner) =>
      report({ type: "note", stage: stage.id, severity: "note", text: stoppingText(manner, apply) }),
  });
}

function stoppingText(manner: "asked" | "ended", { signals }: ApplyInput): string {
  if (manner === "asked") {
    return "Stopping: the trainer saves its training state after the step in progress and ends. Ctrl-C again ends it at once.";
  }
  return signals.stopNow.aborted
    ? "The trainer is ended at once; what was saved before stays."
    : "The trainer is ended at once: with Musubi Tuner's own scripts there is no way yet to have it save first. What was saved before stays.";
}

function takeUp(progress: Progress, event: TrainerEvent): void {
  switch (event.type) {
    case "step":
      progress.done = Math.max(progress.done, event.step);
      break;
    case "item":
      progress.done = Math.max(progress.done, event.done);
      break;
    case "finished":
    case "stopped":
    case "failed":
      progress.terminal = event;
      break;
    default:
      break;
  }
}

interface Judgement {
  readonly outcome: "finished" | "stopped" | "failed" | "lost";
  readonly end: ProcessEnd | undefined;
  readonly message?: string;
  readonly diagnostics: readonly Diagnostic[];
}

function failed(diagnostic: Diagnostic): Judgement {
  return { outcome: "failed", end: undefined, message: diagnostic.summary, diagnostics: [diagnostic] };
}

const EXIT_STOPPED = 85;

/** The last terminal event decides; the exit code only where there is none, and what is on disk where there is neither. */
async function judge(input: StageInput, progress: Progress, { end, manner }: FollowResult): Promise<Judgement> {
  const { terminal } = progress;
  if (terminal?.type === "stopped" || (terminal === undefined && end?.exitCode === EXIT_STOPPED)) {
    return { outcome: "stopped", end, diagnostics: [] };
  }
  if (terminal === undefined && manner === "ended") {
    return { outcome: "stopped", end, message: "It was ended at once; what was saved before stays.", diagnostics: [] };
  }
  const verified = await verify(input);
  if (terminal?.type === "finished" || (terminal === undefined && end?.exitCode === 0)) {
    const error = verified.find(({ severity }) => severity === "error");
    if (error === undefined) return { outcome: "finished", end, diagnostics: verified };
    return { outcome: "failed", end, message: error.summary, diagnostics: verified };
  }
  // Nobody could wait for a process that another runner started: if all is there, it did finish.
  if (terminal === undefined && end === undefined && verified.length === 0)
    return { outcome: "finished", end, diagnostics: [] };
  const { apply, stage, recorder } = input;
  const logFile = runFiles.log(recorder.runDir, stage.id);
  const diagnostic = await explainFailure({
    stage: stage.id,
    end,
    event: terminal?.type === "failed" ? terminal : undefined,
    logFile,
    shownLog: pathInside(apply.root, logFile),
    remedies: apply.remedies ?? [],
  });
  const lost = terminal === undefined && end === undefined;
  return { outcome: lost ? "lost" : "failed", end, message: diagnostic.summary, diagnostics: [diagnostic] };
}

/** What is not as planned, now that the stage says that it finished. */
async function verify({ apply, plan, stage }: StageInput): Promise<readonly Diagnostic[]> {
  if (scriptOf(stage.id) !== "train") {
    const incomplete = await findIncompleteCaches(stage.cache_files ?? [], apply.root);
    if (incomplete.length === 0) return [];
    const shown = incomplete.slice(0, 10).join(", ");
    const text = `${incomplete.length} of ${stage.cache_files?.length ?? 0} cache files are missing or cut short: ${shown}${incomplete.length > 10 ? ", …" : ""}.`;
    return [diagnose(EXECUTE_CODES.missingCaches, `${text} ${EXECUTE_CODES.missingCaches.mend}`)];
  }
  const wanted = plan.checkpoints.filter(
    ({ stage: of, kind, action }) =>
      of === stage.id && kind === "checkpoint" && (action === "create" || action === "replace"),
  );
  return (await findWrongCheckpoints(wanted, apply.root)).map(({ checkpoint, bytes }) =>
    bytes === undefined
      ? diagnose(
          EXECUTE_CODES.missingCheckpoint,
          `${checkpoint.file} is not there, or not whole. ${EXECUTE_CODES.missingCheckpoint.mend}`,
        )
      : diagnose(
          EXECUTE_CODES.otherSize,
          `The tensors of ${checkpoint.file} take ${bytes} bytes; ${checkpoint.bytes} were planned. ${EXECUTE_CODES.otherSize.mend}`,
        ),
  );
}

/** Writes down what the stage left and how it ended. */
async function endStage(
  input: StageInput,
  progress: Progress,
  startedAt: number,
  judgement: Judgement,
): Promise<StageResult> {
  const { stage, recorder } = input;
  const { outcome, end, message, diagnostics } = judgement;
  await recordCaches(input);
  await recordDigests(input);
  await recorder.record({
    ...stamp(),
    type: "end",
    stage: stage.id,
    outcome,
    exit_code: end?.exitCode ?? null,
    ...(message === undefined ? {} : { message }),
  });
  reportEnd(input, progress, startedAt, outcome, message);
  return { outcome, diagnostics };
}

/** Which caches are there, and what they were made from: also after a stage that did not come to its end. */
async function recordCaches({ apply, stage, recorder }: StageInput): Promise<void> {
  const digests = stage.cache_digests;
  if (digests === undefined) return;
  const incomplete = new Set(await findIncompleteCaches(Object.keys(digests), apply.root));
  const caches = Object.fromEntries(Object.entries(digests).filter(([file]) => !incomplete.has(file)));
  if (Object.keys(caches).length > 0) await recorder.record({ ...stamp(), type: "cached", stage: stage.id, caches });
}

async function recordDigests({ apply, stage, recorder }: StageInput): Promise<void> {
  const unproven = (recorder.state()?.checkpoints ?? []).filter(
    (known) => known.stage === stage.id && known.sha256 === undefined,
  );
  for (const { file } of unproven) {
    // Gone in the meantime: nothing to prove.
    const sha256 = await hashFile(resolve(apply.root, file)).catch(() => undefined);
    if (sha256 !== undefined) await recorder.record({ ...stamp(), type: "digest", stage: stage.id, file, sha256 });
  }
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
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...process,
  });
}

function reportEnd(
  { stage, recorder, apply, report }: StageInput,
  { done, total }: Progress,
  startedAt: number,
  outcome: StageOutcome,
  message: string | undefined,
): void {
  report({
    type: "stage-ended",
    stage: stage.id,
    outcome,
    done,
    total,
    seconds: Math.max(0, nowSeconds() - startedAt),
    log: pathInside(apply.root, runFiles.log(recorder.runDir, stage.id)),
    ...(message === undefined ? {} : { message }),
  });
}
