import { resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import { staleDiagnostic, stateMoved } from "../core/plan/staleness.ts";
import { STAGE_IDS } from "../core/vocabulary.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { tellUnseenEnd } from "../execute/notify.ts";
import { settlePipeline, type UnseenEnd } from "../execute/settle.ts";
import { giveBack, placeOf, takeOver } from "../execute/take-over.ts";
import { HOST_CODES } from "../host/codes.ts";
import type { Lock } from "../host/lock.ts";
import { type KnownPipeline, type Prepared, prepare } from "../prepare/prepare.ts";
import { findStale } from "../prepare/saved-plans.ts";
import { viewPlanHuman } from "../views/human/plan.ts";
import { applyAll } from "./apply-all.ts";
import { type ApplyOptions, type ApplyRequest, readRequest } from "./apply-request.ts";
import { detach, planMark } from "./detach.ts";
import { EXIT, type ExitCode, planExitCode } from "./exit-code.ts";
import { pipelineFiles } from "./pipeline-files.ts";
import { showScan } from "./plan.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "./terminal.ts";

/** `wan22 apply`: makes what `plan` says happen, one pipeline after the other. */
export async function runApply(files: readonly string[], options: ApplyOptions, terminal: Terminal): Promise<ExitCode> {
  if (process.platform === "win32") {
    terminal.err(
      "`wan22 apply` does not run on Windows. Plan here, and apply inside WSL: `wsl --install`, then the same command there.",
    );
    return EXIT.error;
  }
  const chosen = await pipelineFiles(files, terminal);
  if (chosen === undefined) return EXIT.error;
  const request = await readRequest(chosen, options.choices, terminal);
  if (!("files" in request)) {
    showDiagnostics(request, terminal, { format: options.format });
    return EXIT.error;
  }
  const { saved } = request;
  const plan = () =>
    prepare(request.files, {
      folder: terminal.folder,
      environment: terminal.environment,
      history: "read",
      ...request.choices,
      savedOf: saved?.savedOf,
      onScan: showScan(terminal),
    });

  const first = await plan();
  terminal.transient("");
  const refusedPlan = refuseSaved(first, request, "compare", options, terminal);
  if (refusedPlan !== undefined) return refusedPlan;
  const damaged = first.plan.diagnostics.filter(({ code }) => code === HOST_CODES.stateRebuilt.code);
  const plannable = new Set(first.pipelines.map(({ spec }) => spec));
  // Nothing is locked and nothing is written where nothing is to do, unless a killed runner left something: also of a
  // pipeline that can't be planned, or it would be left for as long as that is so.
  const concerned = first.known.filter(
    ({ spec, unsettled }) => unsettled || (startsAnything(first) && plannable.has(spec)),
  );
  if (concerned.length === 0) {
    showPlan(first, options, terminal);
    return verdict(first, []);
  }
  if (options.runner === "detached" && startsAnything(first)) {
    showPlan(first, options, terminal);
    if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return EXIT.error;
    return detach(first, chosen, options, terminal);
  }
  const locks: LockedPipeline[] = [];
  const telling: Telling = [];
  try {
    const refused: Refusal[] = [];
    for (const pipeline of concerned) {
      const { plan: savedPlan } = saved?.savedOf(pipeline) ?? {};
      const taken = await takeOver(placeOf(pipeline), {
        timeoutMs: options.lockTimeoutMs,
        onNote: (text) => terminal.err(text),
        onUnseenEnd: (end) => telling.push(tellOf(pipeline, end, terminal)),
        // Before it is put in order, which moves it too, and after anybody else could.
        whyNot: (state) => {
          const moved = savedPlan === undefined ? [] : stateMoved(savedPlan, state);
          return savedPlan === undefined || moved.length === 0 ? undefined : staleDiagnostic(savedPlan, moved);
        },
      });
      if (taken.kind === "taken") locks.push({ pipeline, lock: taken.lock });
      else refused.push({ diagnostic: taken.diagnostic, exitCode: REFUSED[taken.kind] });
    }
    const refusals = refused.map(({ diagnostic }) => diagnostic);
    showDiagnostics(refusals, terminal, { format: options.format, texts: first.texts });
    const [refusal] = refused;
    // A saved plan is carried out as a whole.
    if (refusal !== undefined && (locks.length === 0 || saved !== undefined)) return refusal.exitCode;
    // Settled by now, so that the next plan says nothing of it.
    showDiagnostics(damaged, terminal, { format: options.format, texts: first.texts });
    // Planned again under the lock: what another apply did between is in it.
    const { prepared, unsettled } = await planSettled(plan, { locks, telling }, terminal);
    if (unsettled !== undefined) {
      showDiagnostics([unsettled], terminal, { format: options.format, texts: prepared.texts });
      return EXIT.error;
    }
    const moved = refuseSaved(prepared, request, "settled", options, terminal);
    if (moved !== undefined) return moved;
    showPlan(prepared, options, terminal);
    const end = (codes: readonly ExitCode[]) => {
      const code = verdict(prepared, codes);
      return code === EXIT.fine && refusal !== undefined ? refusal.exitCode : code;
    };
    if (!startsAnything(prepared)) return end([]);
    if (options.plannedAs !== undefined && options.plannedAs !== planMark(prepared.plan.pipelines)) {
      const { why, mend } = EXECUTE_CODES.planMoved;
      showDiagnostics([diagnose(EXECUTE_CODES.planMoved, `${why} ${mend}`)], terminal, {
        format: options.format,
        texts: prepared.texts,
      });
      return EXIT.stale;
    }
    if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return EXIT.error;
    // One that another apply is at work on has no lock, nor has a file that was mended between the two looks.
    const locked = new Set(locks.map(({ pipeline }) => resolve(pipeline.root, pipeline.spec.file)));
    const pipelines = prepared.pipelines.filter(({ root, spec }) => locked.has(resolve(root, spec.file)));
    return end(await applyAll({ ...prepared, pipelines }, { ...options, request, files: chosen }, terminal));
  } finally {
    for (const { pipeline, lock } of locks) await giveBack(placeOf(pipeline), lock);
    const untold = await Promise.all(telling);
    showDiagnostics(untold.flat(), terminal, { format: options.format, texts: first.texts });
  }
}

/** Undefined where no plan was saved, or nothing that it was made from has moved; else it is said what has. */
function refuseSaved(
  prepared: Prepared,
  { saved }: ApplyRequest,
  state: "compare" | "settled",
  options: ApplyOptions,
  terminal: Terminal,
): ExitCode | undefined {
  if (saved === undefined) return undefined;
  const stale = findStale(prepared, { savedOf: saved.savedOf, saved: saved.pipelines, state });
  const invalid = planExitCode(prepared.plan);
  if (stale.length === 0 && invalid === EXIT.fine) return undefined;
  const errors = prepared.plan.diagnostics.filter(({ severity }) => severity === "error");
  showDiagnostics([...errors, ...stale], terminal, { format: options.format, texts: prepared.texts });
  return stale.length > 0 ? EXIT.stale : invalid;
}

/** Whether there is anything to carry out; what waits is left alone. */
function startsAnything({ pipelines }: Prepared): boolean {
  return pipelines.some(({ plan }) => plan.stages.some(isCarriedOut));
}

/** Each stage can end once. */
const MAX_LOOKS = STAGE_IDS.length;

/** A trainer may end while a plan is made: its end belongs in the journal before anything is carried out on it. */
async function planSettled(
  plan: () => Promise<Prepared>,
  { locks, telling }: { readonly locks: readonly LockedPipeline[]; readonly telling: Telling },
  terminal: Terminal,
): Promise<{ readonly prepared: Prepared; readonly unsettled?: Diagnostic }> {
  for (let looks = 1; ; looks += 1) {
    const prepared = await plan();
    const locked = new Set(locks.map(({ pipeline }) => resolve(pipeline.root, pipeline.spec.file)));
    const late = prepared.known.filter(
      ({ root, spec, unsettled }) => unsettled && locked.has(resolve(root, spec.file)),
    );
    if (late.length === 0 || looks === MAX_LOOKS) return { prepared };
    for (const pipeline of late) {
      const unsettled = await settlePipeline({
        ...placeOf(pipeline),
        onWaiting: (text) => terminal.err(text),
        onUnseenEnd: (end) => telling.push(tellOf(pipeline, end, terminal)),
      });
      if (unsettled !== undefined) return { prepared, unsettled };
    }
  }
}

/** Hooks that are told of an end that nobody had seen; those that can't be. */
type Telling = Promise<readonly Diagnostic[]>[];

function tellOf({ root, spec }: KnownPipeline, end: UnseenEnd, { environment }: Terminal): Telling[number] {
  return tellUnseenEnd({ root, spec, environment }, end);
}

interface LockedPipeline {
  readonly pipeline: KnownPipeline;
  readonly lock: Lock;
}

/** What a pipeline that can't be taken over is to the shell. */
const REFUSED = { locked: EXIT.locked, refused: EXIT.stale, failed: EXIT.error } as const;

interface Refusal {
  readonly diagnostic: Diagnostic;
  readonly exitCode: ExitCode;
}

const CONSENT: Consent = {
  question: "\nCarry this plan out?",
  undone: "Nothing was done",
  unasked: " whether to carry this plan out. Add --auto-approve to go ahead without asking.",
  does: "carries a plan out",
};

/** The worst that happened: an end at once before a stop, a stop before a failure, a failure before a GPU that another has. */
function verdict({ plan }: Prepared, codes: readonly ExitCode[]): ExitCode {
  for (const code of [EXIT.interrupted, EXIT.stopped, EXIT.stageFailed, EXIT.locked])
    if (codes.includes(code)) return code;
  return planExitCode(plan);
}

function showPlan({ plan, texts }: Prepared, { format }: ApplyOptions, terminal: Terminal): void {
  const { colour, width } = terminal;
  const view = viewPlanHuman(plan, { colour, width, sources: texts, applyCommand: "none" });
  if (format === "json") terminal.err(view);
  else terminal.out(view);
}
