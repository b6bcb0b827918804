import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { Choices } from "../core/plan/choices.ts";
import { type Binding, bindingOf, boundSpec } from "../core/plan/saved/binding.ts";
import { isSavedPlan, type SavedPipeline, writeSavedPlan } from "../core/plan/saved/saved-plan.ts";
import { SAVED_PLAN_CODES } from "../core/plan/saved/saved-plan-codes.ts";
import { findMoved, specMoved, staleDiagnostic } from "../core/plan/saved/staleness.ts";
import { withWrittenPaths } from "../core/plan/written-paths.ts";
import { SPEC_CODES } from "../core/spec/codes.ts";
import { writeWholeFile } from "../host/atomic-file.ts";
import { sha256 } from "../host/hash.ts";
import type { Prepared, PreparedPipeline, PrepareOptions } from "./prepare.ts";
import { projectOf, readIfFile } from "./read-saved-plans.ts";

/** Saved plans between disk and core: saving them, and whether they still hold. */

export interface SaveOptions {
  /** As the user names it; relative to `folder`. */
  readonly file: string;
  /** Absolute. */
  readonly folder: string;
  readonly choices: Choices;
}

/** Saves a plan whole, or says why not. Throws system errors. */
export async function savePlan(
  prepared: Prepared,
  { file, folder, choices }: SaveOptions,
): Promise<Diagnostic | undefined> {
  const refuse = (why: string) => diagnose(SAVED_PLAN_CODES.notSaved, `Nothing was saved: ${why}.`, { at: { file } });
  if (prepared.plan.pipelines.some(({ valid }) => !valid)) {
    return refuse("what can't be planned can't be carried out; mend the errors first");
  }
  const path = resolve(folder, file);
  const there = await readIfFile(path);
  if (there.kind === "unreadable") return refuse(`${file} can't be replaced: ${there.why}`);
  if (there.kind === "text" && !isSavedPlan(there.text)) {
    return refuse(`${file} is there and no saved plan, and would be lost. Give another name`);
  }
  await writeWholeFile(path, textOf(prepared, choices, folder));
  return undefined;
}

function textOf({ plan, pipelines }: Prepared, choices: Choices, folder: string): string {
  // Each pipeline's own paths first; what one of them expands another may write out.
  const masked = plan.pipelines.map((shown, index) =>
    withWrittenPaths(shown, pipelines[index]?.spec.expanded ?? new Map()),
  );
  const diagnostics = pipelines.reduce((found, { spec }) => withWrittenPaths(found, spec.expanded), plan.diagnostics);
  const made_from = pipelines.map((pipeline) => ({
    project: relative(projectOf(folder), pipeline.root).replaceAll("\\", "/") || ".",
    file: pipeline.spec.file,
    binding: bind(pipeline),
  }));
  return writeSavedPlan({ choices, plan: { ...plan, pipelines: masked, diagnostics }, made_from }, sha256);
}

/** Everything that a pipeline's plan was made from. */
export function bind({ spec, templates, presets, facts, plan }: Bound): Binding {
  return bindingOf({ spec, templates, presets, trainer: facts.trainer, plan, sha256 });
}

type Bound = Pick<PreparedPipeline, "spec" | "templates" | "presets" | "plan"> & {
  readonly facts: Pick<PreparedPipeline["facts"], "trainer">;
};

export interface StaleCheck {
  readonly savedOf: NonNullable<PrepareOptions["savedOf"]>;
  readonly saved: readonly SavedPipeline[];
  /** `settled`: the states were compared under their locks, and have only been put in order since. */
  readonly state: "compare" | "settled";
}

/** A refusal for each pipeline of which something has moved since its plan was saved. */
export function findStale(prepared: Prepared, { savedOf, saved, state }: StaleCheck): readonly Diagnostic[] {
  const known = new Map(prepared.known.map((pipeline) => [savedOf(pipeline), pipeline]));
  const planned = new Map(prepared.pipelines.map((pipeline) => [savedOf(pipeline), pipeline]));
  return saved.flatMap((one) => {
    const [present, pipeline] = [known.get(one), planned.get(one)];
    const moved =
      pipeline !== undefined
        ? findMoved(one, presentOf(pipeline), { state })
        : present === undefined
          ? [`the pipeline file: it can't be read here; apply a saved plan from within the project it was made in`]
          : specMoved(one.madeFrom.binding.spec, boundSpec(present.spec));
    if (moved.length > 0) return [staleDiagnostic(one.plan, moved)];
    if (pipeline !== undefined || lacksVariablesOnly(prepared)) return [];
    return [staleDiagnostic(one.plan, ["what it names: it can't be planned any more; the errors say why"])];
  });
}

function presentOf(pipeline: PreparedPipeline) {
  const { plan, spec, state } = pipeline;
  return { binding: bind(pipeline), plan: withWrittenPaths(plan, spec.expanded), state };
}

/** Where a variable of the environment is missing, nothing has moved: it is to be set. */
function lacksVariablesOnly({ plan }: Prepared): boolean {
  const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
  return errors.every(({ code }) => code === SPEC_CODES.unsetVariable.code);
}
