import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { driftDiagnostic } from "../core/lock/drift.ts";
import { isCarriedOut } from "../core/plan/carried-out.ts";
import { isRefused } from "../core/plan/policy/policy.ts";
import { staleDiagnostic, stateMoved } from "../core/plan/saved/staleness.ts";
import { STAGE_IDS } from "../core/vocabulary.ts";
import { EXECUTE_CODES } from "../execute/codes.ts";
import { clearTakenUp } from "../execute/queue/queue-file.ts";
import { HOST_CODES } from "../host/codes.ts";
import { recordInForce } from "../prepare/branch-records.ts";
import type { Prepared, PreparedPipeline } from "../prepare/prepare.ts";
import { findStale } from "../prepare/saved-plans.ts";
import { viewPlanHuman } from "../views/human/plan.ts";
import type { ApplyOptions, ApplyRequest } from "./apply-request.ts";
import { detach, planMark } from "./detach.ts";
import { EXIT, type ExitCode, planExitCode, refusalsIn } from "./exit-code.ts";
import { type HeldPipelines, inLockOrder } from "./hold-pipelines.ts";
import { type Refusal, refuseElsewhere } from "./refuse-elsewhere.ts";
import { showDiagnostics } from "./show-diagnostics.ts";
import { askConsent, type Consent, type Terminal } from "./terminal.ts";
import { updateLocks } from "./update-locks.ts";

/** From what `apply` was asked for to what is carried out: planned, locked, planned again, shown and agreed to. */

/** A pipeline whose plan was agreed to: no more of it than it takes to carry it out, for that may take days. */
export type AgreedPipeline = Pick<
  PreparedPipeline,
  "root" | "spec" | "presets" | "templates" | "resolved" | "items" | "plan" | "state" | "alive" | "readFrom" | "branch"
> & { readonly facts: Pick<PreparedPipeline["facts"], "sources" | "trainer" | "gpus"> };

/** What is to be done. */
export interface Agreed {
  readonly kind: "agreed";
  /** Those that are held, and that the policy lets through. */
  readonly pipelines: readonly AgreedPipeline[];
  readonly texts: Prepared["texts"];
  /** What the plan itself is to the shell. */
  readonly planned: ExitCode;
  /** What kept one from being held. */
  readonly refused: ExitCode | undefined;
}

/** `over`: there is nothing to carry out, or not here. */
export type Agreement = Agreed | { readonly kind: "over"; readonly exitCode: ExitCode };

export interface AgreementInput {
  /** As they were named. */
  readonly files: readonly string[];
  readonly request: ApplyRequest;
  readonly options: ApplyOptions;
  /** `as-it-is`: whatever the locks say of it. */
  readonly plan: (manner: "to-apply" | "as-it-is") => Promise<Prepared>;
  readonly held: HeldPipelines;
}

/** What is agreed to is held when it comes back, and its plan was made under its lock. */
export async function agree(input: AgreementInput, terminal: Terminal): Promise<Agreement> {
  const { files, request, options, plan, held } = input;
  const { saved } = request;
  let first = await plan(options.lock.kind === "update" ? "as-it-is" : "to-apply");
  terminal.transient("");
  // Of a saved plan it is said first what has moved since it was made.
  const refusedPlan = refuseSaved(first, request, "compare", options, terminal);
  if (refusedPlan !== undefined) return over(refusedPlan);
  if (options.lock.kind === "update") {
    const unwritten = await updateLocks(first, options.lock.tool, terminal);
    if (unwritten !== undefined) {
      showDiagnostics([unwritten], terminal, { format: options.format });
      return over(EXIT.error);
    }
    first = await plan("to-apply");
  } else if (saved !== undefined && refuseDrift(first, options, terminal)) {
    return over(EXIT.error);
  }
  const show = { format: options.format, texts: first.texts };
  const damaged = first.plan.diagnostics.filter(({ code }) => code === HOST_CODES.stateRebuilt.code);
  const plannable = new Set(first.pipelines.filter(({ plan }) => !isRefused(plan)).map(({ spec }) => spec));
  // Nothing is locked and nothing is written where nothing is to do, unless a killed runner left something: also of a
  // pipeline that can't be planned, or it would be left for as long as that is so.
  const waits = outwaitsWork(first, options);
  const concerned = first.known.filter(
    ({ spec, unsettled, strays, attended }) =>
      !strays && (unsettled || (waits && attended) || (startsAnything(first) && plannable.has(spec))),
  );
  if (concerned.length === 0) {
    await clearDone(first, terminal);
    showPlan(first, options, terminal);
    return over(planExitCode(first.plan));
  }
  if (options.runner === "detached" && startsAnything(first)) {
    showPlan(first, options, terminal);
    if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return over(EXIT.error);
    return over(await detach(first, files, options, terminal));
  }
  const refused: Refusal[] = [];
  for (const pipeline of await inLockOrder(concerned)) {
    if (pipeline.atWork !== undefined) {
      refused.push({ diagnostic: pipeline.atWork, exitCode: EXIT.locked });
      continue;
    }
    const { plan: savedPlan } = saved?.savedOf(pipeline) ?? {};
    const taken = await held.take(pipeline, {
      timeoutMs: options.lockTimeoutMs,
      // Before it is put in order, which moves it too, and after anybody else could.
      whyNot: (found) => {
        const { state } = recordInForce({ state: found, alive: [] }, pipeline.record);
        const moved = savedPlan === undefined ? [] : stateMoved(savedPlan, state);
        return savedPlan === undefined || moved.length === 0 ? undefined : staleDiagnostic(savedPlan, moved);
      },
    });
    if (taken.kind !== "taken") refused.push({ diagnostic: taken.diagnostic, exitCode: REFUSED[taken.kind] });
  }
  const refusals = refused.map(({ diagnostic }) => diagnostic);
  showDiagnostics(refusals, terminal, show);
  const [refusal] = refused;
  // A saved plan is carried out as a whole.
  if (refusal !== undefined && (refused.length === concerned.length || saved !== undefined)) {
    return over(refusal.exitCode);
  }
  // Settled by now, so that the next plan says nothing of it.
  showDiagnostics(damaged, terminal, show);
  // Planned again under the lock: what another apply did between is in it.
  const { prepared, unsettled } = await planSettled(() => plan("to-apply"), held);
  const { texts } = prepared;
  if (unsettled !== undefined) {
    showDiagnostics([unsettled], terminal, { format: options.format, texts });
    return over(EXIT.error);
  }
  const moved = refuseSaved(prepared, request, "settled", options, terminal);
  if (moved !== undefined) return over(moved);
  await clearDone(prepared, terminal);
  showPlan(prepared, options, terminal);
  // One that another apply is at work on is not held, nor is a file that was mended between the two looks.
  const taken = prepared.pipelines.filter((pipeline) => held.has(pipeline) && !isRefused(pipeline.plan));
  const away = refuseElsewhere(prepared, taken);
  const pipelines = taken.filter(({ spec }) => !away.has(spec));
  showDiagnostics(
    [...away.values()].map(({ diagnostic }) => diagnostic),
    terminal,
    { format: options.format, texts },
  );
  const agreed: Omit<Agreed, "pipelines"> = {
    kind: "agreed",
    texts,
    planned: planExitCode(prepared.plan),
    refused: (refusal ?? away.values().next().value)?.exitCode,
  };
  if (!startsAnything(prepared)) return { ...agreed, pipelines: [] };
  if (away.size > 0 && (saved !== undefined || !startsAnything({ pipelines }))) return { ...agreed, pipelines: [] };
  if (options.plannedAs !== undefined && options.plannedAs !== planMark(prepared.plan.pipelines)) {
    const { why, mend } = EXECUTE_CODES.planMoved;
    showDiagnostics([diagnose(EXECUTE_CODES.planMoved, `${why} ${mend}`)], terminal, {
      format: options.format,
      texts,
    });
    return over(EXIT.stale);
  }
  if (options.approval === "ask" && !(await askConsent(CONSENT, terminal))) return over(EXIT.error);
  return { ...agreed, pipelines: pipelines.map(toCarryOut) };
}

function over(exitCode: ExitCode): Agreement {
  return { kind: "over", exitCode };
}

/** What came to its end without a runner waits in no queue any more. */
async function clearDone({ pipelines }: Prepared, { environment }: Terminal): Promise<void> {
  const done = pipelines.filter(({ plan }) => plan.stages.every(({ action }) => action === "none"));
  const keys = done.map(({ root, spec }) => ({ name: spec.name, project: root }));
  await clearTakenUp(keys, environment);
}

/** The rest of it, its lock and all that was observed, weighs as much again where there are many files. */
export function toCarryOut({
  root,
  spec,
  presets,
  templates,
  resolved,
  items,
  plan,
  state,
  alive,
  readFrom,
  branch,
  facts: { sources, trainer, gpus },
}: PreparedPipeline): AgreedPipeline {
  const record = { state, alive, readFrom, branch };
  return { root, spec, presets, templates, resolved, items, plan, ...record, facts: { sources, trainer, gpus } };
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
  // What the policy refuses is carried out in no case, and others may count on its caches: that they moved too is no news.
  const isForNobody = prepared.plan.pipelines.some(isRefused);
  const stale = isForNobody ? [] : findStale(prepared, { savedOf: saved.savedOf, saved: saved.pipelines, state });
  const invalid = planExitCode(prepared.plan);
  if (stale.length === 0 && invalid === EXIT.fine) return undefined;
  showDiagnostics([...refusalsIn(prepared.plan), ...stale], terminal, {
    format: options.format,
    texts: prepared.texts,
  });
  return stale.length > 0 ? EXIT.stale : invalid;
}

/** Whether something of a saved plan's pipelines differs from their locks; then it is said what does. */
function refuseDrift({ pipelines, texts }: Prepared, { format }: ApplyOptions, terminal: Terminal): boolean {
  const drifted = pipelines.flatMap(({ lock: { file, drift } }) =>
    drift.length === 0 ? [] : [driftDiagnostic(drift, { file, severity: "error" })],
  );
  showDiagnostics(drifted, terminal, { format, texts });
  return drifted.length > 0;
}

/** Whether there is anything to carry out; what waits is left alone, and what the policy refuses. */
function startsAnything({ pipelines }: Pick<Prepared, "pipelines">): boolean {
  return pipelines.some(({ plan }) => !isRefused(plan) && plan.stages.some(isCarriedOut));
}

/** Whether nothing is wrong but that something is at work, and there is time to let it end: the plan under the lock is another one. */
function outwaitsWork({ plan }: Prepared, { lockTimeoutMs, runner }: ApplyOptions): boolean {
  return lockTimeoutMs > 0 && runner !== "detached" && planExitCode(plan) === EXIT.locked;
}

/** Each stage can end once. */
const MAX_LOOKS = STAGE_IDS.length;

/** A trainer may end while a plan is made: its end belongs in the journal before anything is carried out on it. */
async function planSettled(
  plan: () => Promise<Prepared>,
  held: HeldPipelines,
): Promise<{ readonly prepared: Prepared; readonly unsettled?: Diagnostic }> {
  for (let looks = 1; ; looks += 1) {
    const prepared = await plan();
    const late = prepared.known.filter((pipeline) => pipeline.unsettled && held.has(pipeline));
    if (late.length === 0 || looks === MAX_LOOKS) return { prepared };
    for (const pipeline of late) {
      const unsettled = await held.settle(pipeline);
      if (unsettled !== undefined) return { prepared, unsettled };
    }
  }
}

/** What a pipeline that can't be taken over is to the shell. */
const REFUSED = { locked: EXIT.locked, refused: EXIT.stale, failed: EXIT.error } as const;

const CONSENT: Consent = {
  question: "\nCarry this plan out?",
  undone: "Nothing was done",
  unasked: " whether to carry this plan out. Add --auto-approve to go ahead without asking.",
  does: "carries a plan out",
};

function showPlan({ plan, texts }: Prepared, { format }: ApplyOptions, terminal: Terminal): void {
  const { colour, width } = terminal;
  const view = viewPlanHuman(plan, { colour, width, sources: texts, applyCommand: "none" });
  if (format === "json") terminal.err(view);
  else terminal.out(view);
}
