import { resolve } from "node:path";
import { check } from "../core/check/check.ts";
import { type Diagnostic, hasErrors } from "../core/diagnostic.ts";
import type { Facts } from "../core/facts.ts";
import { assemblePlan } from "../core/plan/assemble-plan.ts";
import type { Choices } from "../core/plan/choices.ts";
import type { PipelinePlan, Plan } from "../core/plan/plan.ts";
import { invalidPipeline, type PlanInput, planPipeline } from "../core/plan/plan-pipeline.ts";
import type { SavedPipeline } from "../core/plan/saved-plan.ts";
import { begunStages } from "../core/plan/staleness.ts";
import { render } from "../core/render/render.ts";
import type { Templates } from "../core/render/rendered.ts";
import type { Presets } from "../core/resolve/presets.ts";
import { resolve as resolveSpec } from "../core/resolve/resolve.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import { isFault, standsBeside } from "../core/spec/sound-part.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";
import type { StageId } from "../core/vocabulary.ts";
import { sha256 } from "../host/hash.ts";
import { openStatCache } from "../host/stat-cache.ts";
import { checkAcross } from "./across.ts";
import { observeFacts, observeHistory, observeNamedWeights } from "./observe.ts";
import { type ReadPipeline, readPipelines } from "./read.ts";
import { readTemplatesAndPresets, type TemplatesAndPresets } from "./replacements.ts";
import { showDiagnostic, showFilesOf, showPlan, showTexts } from "./shown-files.ts";

/** The one road from file names to plans: read, observe, resolve, check, render, plan. */

export interface PrepareOptions extends Choices {
  /** Absolute; relative file names start here. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `ignore` checks files only: no state, no outputs, as `validate` does. */
  readonly history: "read" | "ignore";
  /** The saved plan that is carried out of a pipeline, where there is one: what it asks for counts, of stages not begun by it. */
  readonly savedOf?: ((pipeline: Pick<KnownPipeline, "root" | "spec">) => SavedPipeline | undefined) | undefined;
  /** Called while the clips of a pipeline are looked at, which can take minutes the first time. */
  readonly onScan?:
    | ((progress: { readonly pipeline: string; readonly done: number; readonly total: number }) => void)
    | undefined;
}

/** A pipeline without an error in it, with everything that its plan was made from. */
export interface PreparedPipeline {
  readonly root: string;
  readonly spec: Spec;
  readonly facts: Facts;
  readonly presets: Presets;
  readonly templates: Templates;
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly plan: PipelinePlan;
  readonly state: State | undefined;
  /** Stages whose process was found alive. */
  readonly alive: readonly StageId[];
}

/** A pipeline whose file could be understood, whatever was found wrong with it afterwards. */
export interface KnownPipeline {
  readonly root: string;
  readonly spec: Spec;
  /** Its file as a plan and diagnostics call it. */
  readonly shownFile: string;
  /** Whether something is left of a runner that was killed, which the next apply puts in order. */
  readonly unsettled: boolean;
  /** Whether another apply is open on it right now. */
  readonly attended: boolean;
}

export interface Prepared {
  /** Every pipeline given, the invalid ones too, and everything found. */
  readonly plan: Plan;
  /** The valid ones, in the order given. */
  readonly pipelines: readonly PreparedPipeline[];
  /** Those that could be understood, in the order given. */
  readonly known: readonly KnownPipeline[];
  /** Texts that diagnostics point into, by the name shown to people. */
  readonly texts: ReadonlyMap<string, string>;
}

/** Plans each pipeline on its own: one that is wrong costs the others nothing. Changes nothing on disk except the stat cache. */
export async function prepare(files: readonly string[], options: PrepareOptions): Promise<Prepared> {
  const read = await readPipelines(files, options);
  const given = read.flatMap((pipeline) => (pipeline.spec === undefined ? [] : [{ ...pipeline, spec: pipeline.spec }]));
  const shownFrom = { folder: options.folder, roots: read.map(({ root }) => root) };
  const across = checkAcross(given.map((one) => ({ ...one, show: showFilesOf(one.root, shownFrom) })));
  const templates = templateReader();
  const texts = new Map<string, string>();
  const plans: PipelinePlan[] = [];
  const pipelines: PreparedPipeline[] = [];
  const known: KnownPipeline[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const pipeline of read) {
    const { root, spec, file } = pipeline;
    const show = showFilesOf(root, shownFrom);
    const take = (found: readonly Diagnostic[], read: ReadonlyMap<string, string>) => {
      diagnostics.push(...found.map((diagnostic) => showDiagnostic(diagnostic, show)));
      for (const [name, text] of showTexts(read, show)) texts.set(name, text);
    };
    take(pipeline.diagnostics, pipeline.texts);
    if (spec === undefined) {
      plans.push(showPlan(invalidPipeline({ name: pipeline.name, file, sha256 }), show));
      continue;
    }
    const faults = pipeline.diagnostics.filter(isFault);
    const clashes = (across.get(spec) ?? []).filter((clash) => standsBeside(clash, faults));
    diagnostics.push(...clashes);
    const prepared = await prepareOne({ ...pipeline, spec, clashes }, await templates(spec, root), options);
    take(prepared.diagnostics, prepared.texts);
    plans.push(showPlan(prepared.plan, show));
    known.push({ root, spec, shownFile: show(spec.file), ...prepared.standing });
    if (prepared.pipeline !== undefined) pipelines.push(prepared.pipeline);
  }
  return { plan: assemblePlan(plans, diagnostics), pipelines, known, texts };
}

interface OnePrepared {
  readonly plan: PipelinePlan;
  readonly pipeline?: PreparedPipeline;
  readonly standing: Pick<KnownPipeline, "unsettled" | "attended">;
  readonly diagnostics: readonly Diagnostic[];
  readonly texts: ReadonlyMap<string, string>;
}

async function prepareOne(
  {
    spec,
    root,
    diagnostics: reading,
    clashes,
  }: ReadPipeline & { readonly spec: Spec; readonly clashes: readonly Diagnostic[] },
  { presets, templates, diagnostics: replacing, texts }: TemplatesAndPresets,
  options: PrepareOptions,
): Promise<OnePrepared> {
  const diagnostics: Diagnostic[] = [...replacing];
  const known = { name: spec.name, file: spec.file, task: spec.task, noise: spec.noise, backend: spec.trainer.backend };
  let standing = { unsettled: false, attended: false };
  const invalid = (tier?: string): OnePrepared => ({
    plan: invalidPipeline({ ...known, tier, sha256 }),
    standing,
    diagnostics,
    texts,
  });
  if (presets === undefined) return invalid();

  const stateDir = resolve(root, spec.stateDir);
  const statCache = openStatCache(resolve(stateDir, "index", `${spec.name}.json`), { stateDir });
  const observation = { spec, root, statCache, environment: options.environment };
  const facts = await observeFacts(
    {
      ...observation,
      onFile: (progress) => options.onScan?.({ pipeline: spec.name, ...progress }),
    },
    presets,
  );
  const { resolved, items } = resolveSpec({ spec, presets, facts, sha256 });
  const found = [...resolved.diagnostics, ...check({ resolved, items, facts })];
  const faults = reading.filter(isFault);
  diagnostics.push(...found.filter((finding) => standsBeside(finding, faults)));
  if (faults.length > 0) {
    await statCache.save();
    return invalid(resolved.tier);
  }
  const rendered = render({ resolved, templates, trainer: facts.trainer });
  // A value that a rule refuses is refused by rendering too: once is enough.
  if (!hasErrors(diagnostics)) diagnostics.push(...rendered.diagnostics);
  const weights = await observeNamedWeights(resolved, observation);
  const history =
    options.history === "read"
      ? await observeHistory(resolved, observation)
      : { diagnostics: [], alive: [], ...standing };
  standing = { unsettled: history.unsettled, attended: history.attended };
  diagnostics.push(...history.diagnostics);
  await statCache.save();
  // A spec comes with errors where a variable is not set, so that all else could be said as well.
  if (rendered.value === undefined || hasErrors([...reading, ...diagnostics, ...clashes]))
    return invalid(resolved.tier);

  const planned = planPipeline({
    resolved,
    rendered: rendered.value,
    items,
    facts,
    presets,
    weights,
    sha256,
    state: history.state,
    disk: history.disk,
    host: history.host,
    alive: history.alive,
    ...askedOf({ spec, root }, history.state, options),
  });
  diagnostics.push(...planned.diagnostics);
  if (planned.value === undefined || !planned.value.valid) {
    return { ...invalid(resolved.tier), ...(planned.value === undefined ? {} : { plan: planned.value }) };
  }
  const { state, alive } = history;
  const pipeline = { root, spec, facts, presets, templates, resolved, items, plan: planned.value, state, alive };
  return { plan: planned.value, pipeline, standing, diagnostics, texts };
}

function askedOf(
  pipeline: Pick<KnownPipeline, "root" | "spec">,
  state: State | undefined,
  { replace, only, from, fromEpoch, savedOf }: PrepareOptions,
): Choices & Pick<PlanInput, "begun"> {
  const saved = savedOf?.(pipeline);
  if (saved === undefined) return { replace, only, from, fromEpoch };
  return { ...saved.choices, begun: begunStages(saved.plan.digest, state) };
}

/** Reads templates and presets once for all pipelines that share them. */
function templateReader(): (spec: Spec, root: string) => Promise<TemplatesAndPresets> {
  const known = new Map<string, Promise<TemplatesAndPresets>>();
  return (spec, root) => {
    const own = spec.templatesDir;
    const key = own === undefined ? "" : `${resolve(root, own.path)}\n${own.place.file}`;
    const reading = known.get(key) ?? readTemplatesAndPresets(own, root);
    known.set(key, reading);
    return reading;
  };
}
