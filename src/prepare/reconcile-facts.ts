import { basename, relative, resolve } from "node:path";
import { canonicalJson } from "../core/plan/canonical.ts";
import type { Candidate } from "../core/plan/watch/reconcile.ts";
import type { Rules } from "../core/plan/watch/reconcile-record.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import { sha256 } from "../host/hash.ts";
import { isProcessAlive } from "../host/process.ts";
import { listRuns, readResult, statePaths } from "../host/records/run-store.ts";
import type { KnownPipeline, PreparedPipeline } from "./prepare.ts";
import { bind } from "./saved-plans.ts";

/** What there is to know of a pipeline before it is decided whether a watch begins it. */

export interface ObservedCandidate extends Candidate {
  /** Its last run of all, where there was one. */
  readonly lastRun: string | undefined;
}

export async function observeCandidate(
  pipeline: PreparedPipeline,
  known: KnownPipeline | undefined,
  { attempt, hours }: Pick<Candidate, "attempt" | "hours">,
): Promise<ObservedCandidate> {
  const { spec, root, plan, state, alive, filesElsewhere } = pipeline;
  const { runsDir } = statePaths(resolve(root, spec.stateDir), spec.name);
  const last = (await listRuns(runsDir, spec.name)).at(-1);
  const lastRun = last === undefined ? undefined : basename(last);
  const isOfAttempt = attempt === undefined || lastRun !== attempt.run;
  return {
    plan,
    key: sha256(canonicalJson(bind(pipeline))),
    attended: known?.attended === true,
    ours: attempt?.process !== undefined && (await isProcessAlive(attempt.process)),
    trains: alive.length > 0,
    progress: progressOf(state),
    outcome:
      attempt?.failed !== undefined ? "failed" : last !== undefined && isOfAttempt ? await readResult(last) : undefined,
    message: attempt?.failed ?? Object.values(state?.stages ?? {}).find(({ status }) => status === "failed")?.message,
    elsewhere: (known?.atWork ?? filesElsewhere)?.detail,
    attempt,
    hours,
    lastRun,
  };
}

/** Steps that a resume keeps, and items in caches. */
function progressOf(state: State | undefined): number {
  const steps = [
    ...(state?.training_states ?? []).map(({ done_steps }) => done_steps),
    ...(state?.checkpoints ?? []).map(({ step }) => step),
  ];
  const cached = Object.values(state?.stages ?? {}).map(({ caches = {} }) => Object.keys(caches).length);
  return Math.max(0, ...steps) + cached.reduce((sum, count) => sum + count, 0);
}

/** What decides over pipelines and stands in the commit that they come from. */
export function rulesOf(known: readonly Pick<KnownPipeline, "root" | "spec">[], top: string, commit: string): Rules {
  const projects = known.map(({ root, spec }) => [relative(top, root) || ".", rulesText(spec)] as const);
  const hooks = known.flatMap(({ spec }) => spec.notify.map(({ target }) => sha256(canonicalJson(target))));
  return { commit, projects: Object.fromEntries(projects), hooks: [...new Set(hooks)].sort() };
}

/** Roots as they are written: what a variable stands for is the machine's own affair. */
function rulesText({ policy, watch, stateDir }: Spec): string {
  const { input_roots, output_roots, ...limits } = policy ?? {};
  const roots = [input_roots, output_roots].map((list) => list?.map(({ written }) => written) ?? null);
  return canonicalJson({ policy: policy === undefined ? null : { ...limits, roots }, watch, stateDir });
}
