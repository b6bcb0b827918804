import { resolve } from "node:path";
import { check } from "../core/check/check.ts";
import { type Diagnostic, hasErrors, withoutRepeats } from "../core/diagnostic.ts";
import type { Facts } from "../core/facts.ts";
import { assemblePlan } from "../core/plan/assemble-plan.ts";
import { storeFolder } from "../core/plan/caches/caches.ts";
import { itemsMade } from "../core/plan/caches/store.ts";
import type { Choices } from "../core/plan/choices.ts";
import { filesElsewhere } from "../core/plan/files-elsewhere.ts";
import type { PipelinePlan, Plan } from "../core/plan/plan.ts";
import { invalidPipeline, type PlanInput, planPipeline } from "../core/plan/plan-pipeline.ts";
import { isRefused, judgePolicy } from "../core/plan/policy/policy.ts";
import type { SavedPipeline } from "../core/plan/saved/saved-plan.ts";
import { begunStages } from "../core/plan/saved/staleness.ts";
import type { PromisedCaches } from "../core/plan/stage.ts";
import { render } from "../core/render/render.ts";
import type { Templates } from "../core/render/rendered.ts";
import { fileNameOf } from "../core/resolve/dataset.ts";
import type { Presets } from "../core/resolve/presets.ts";
import { resolve as resolveSpec } from "../core/resolve/resolve.ts";
import type { Resolved } from "../core/resolve/resolved.ts";
import { isFault, standsBeside } from "../core/spec/sound-part.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import type { DatasetItems } from "../core/trainer/dataset.ts";
import type { StageId } from "../core/vocabulary.ts";
import type { StateBranch } from "../host/git/state-branch.ts";
import { sha256 } from "../host/hash.ts";
import { openStatCache } from "../host/stat-cache.ts";
import { checkAcross } from "./across.ts";
import { type BranchRecord, branchReader, type UnheardRemotes } from "./branch-records.ts";
import {
  compareWithLock,
  type LockUse,
  lockNow,
  openLock,
  type PipelineLock,
  takeFromLock,
  weightsFromLock,
} from "./locks.ts";
import {
  type History,
  observeFacts,
  observeHistory,
  observeNamedWeights,
  observeOutputFolder,
  observePolicy,
  observePrograms,
} from "./observe.ts";
import { findOthersFiles } from "./others-files.ts";
import { type ReadPipeline, readPipelines } from "./read.ts";
import { readTemplatesAndPresets, type TemplatesAndPresets } from "./replacements.ts";
import { findUnstarted, judgeReviewed, type Review } from "./review.ts";
import { showDiagnostic, showFilesOf, showPlan, showTexts } from "./shown-files.ts";

/** The one road from file names to plans: read, observe, resolve, check, render, plan. */

export interface PrepareOptions extends Choices {
  /** Absolute; relative file names start here. */
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `ignore` checks files only: no state, no outputs, as `validate` does. */
  readonly history: "read" | "ignore";
  /** What the pipelines' locks are for. */
  readonly lock: LockUse;
  /** The saved plan that is carried out of a pipeline, where there is one: what it asks for counts, of stages not begun by it. */
  readonly savedOf?: ((pipeline: Pick<KnownPipeline, "root" | "spec">) => SavedPipeline | undefined) | undefined;
  /** The change that the files are of, where it is somebody else's: nothing is run, and no index of the clips is kept. */
  readonly review?: Review | undefined;
  /** Pipelines that have made their caches since they were prepared: what they were asked to make anew is new. */
  readonly after?: readonly Pick<PreparedPipeline, "root" | "spec" | "plan">[] | undefined;
  /** Remotes of state branches that did not answer, where more than one plan is made: they are not waited for each time. */
  readonly unheard?: UnheardRemotes | undefined;
  /** What is made of each spec before anything is looked at: a run that is repeated leaves all alone that the first one wrote. */
  readonly adapt?: ((spec: Spec) => Spec) | undefined;
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
  /** Where the state was read from, if not from this checkout. */
  readonly readFrom: string | undefined;
  /** Where its record is pushed to; undefined where it is kept here alone, or can't be pushed. */
  readonly branch: StateBranch | undefined;
  /** That files which the plan goes on from are on another machine: it can be shown, and not carried out here. */
  readonly filesElsewhere: Diagnostic | undefined;
  /** Stages whose process was found alive. */
  readonly alive: readonly StageId[];
  readonly lock: PipelineLock;
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
  /** Whether it would write outside of the policy's roots: then not even what a killed runner left is put in order. */
  readonly strays: boolean;
  /** What the state branch says of it; undefined where its record is kept here alone. */
  readonly record?: BranchRecord | undefined;
  /** That another machine is at work on it, by the state branch. */
  readonly atWork?: Diagnostic | undefined;
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
export async function prepare(files: readonly string[], asked: PrepareOptions): Promise<Prepared> {
  const { review } = asked;
  const options = review === undefined ? asked : { ...asked, environment: review.environment };
  const within = review?.side === "change" ? review.changes.top : undefined;
  const { adapt = (spec: Spec) => spec } = options;
  const read = (await readPipelines(files, { ...options, within })).map((one) =>
    one.spec === undefined ? one : { ...one, spec: adapt(one.spec) },
  );
  const given = read.flatMap((pipeline) => (pipeline.spec === undefined ? [] : [{ ...pipeline, spec: pipeline.spec }]));
  const shownFrom = { folder: options.folder, roots: read.map(({ root }) => root) };
  const across = checkAcross(
    await Promise.all(
      given.map(async (one) => ({
        ...one,
        show: showFilesOf(one.root, shownFrom),
        outputFolder: await observeOutputFolder(one),
      })),
    ),
  );
  const templates = templateReader();
  const branches = branchReader(options.environment, options.unheard);
  const texts = new Map<string, string>();
  const plans: PipelinePlan[] = [];
  const pipelines: PreparedPipeline[] = [];
  const known: KnownPipeline[] = [];
  const promised = new Map<string, PromisedCaches>();
  const promise = ({ root, spec, plan }: Pick<PreparedPipeline, "root" | "spec" | "plan">) => {
    const store = resolve(root, storeFolder(spec));
    const more = itemsMade(plan).map((item) => [item, plan.name] as const);
    promised.set(store, new Map([...(promised.get(store) ?? []), ...more]));
  };
  for (const pipeline of options.after ?? []) promise(pipeline);
  const diagnostics: Diagnostic[] = [];
  for (const pipeline of read) {
    const { root, spec, file } = pipeline;
    const show = showFilesOf(root, shownFrom);
    const take = (found: readonly Diagnostic[], read: ReadonlyMap<string, string>) => {
      diagnostics.push(...found.map((diagnostic) => showDiagnostic(diagnostic, show)));
      for (const [name, text] of showTexts(read, show)) texts.set(name, text);
    };
    if (spec === undefined) {
      take(pipeline.diagnostics, pipeline.texts);
      plans.push(showPlan(invalidPipeline({ name: pipeline.name, file, sha256 }), show));
      continue;
    }
    const strays = review === undefined ? [] : await judgeReviewed({ ...pipeline, spec }, review, asked);
    take(strays, new Map());
    if (hasErrors(strays)) {
      take(pipeline.diagnostics, pipeline.texts);
      plans.push(showPlan(invalidPipeline({ ...namesOf(spec), sha256 }), show));
      continue;
    }
    const faults = pipeline.diagnostics.filter(isFault);
    const clashes = (across.get(spec) ?? []).filter((clash) => standsBeside(clash, faults));
    const store = resolve(root, storeFolder(spec));
    const before = promised.get(store) ?? new Map();
    const record = options.history === "read" ? await branches(spec, root) : undefined;
    const prepared = await prepareOne({ ...pipeline, spec, clashes, record }, await templates(spec, root), {
      ...options,
      promised: before,
    });
    // What the policy refuses makes nothing.
    if (prepared.pipeline !== undefined && !isRefused(prepared.pipeline.plan)) promise(prepared.pipeline);
    take(prepared.reading, pipeline.texts);
    diagnostics.push(...clashes);
    take(prepared.diagnostics, prepared.texts);
    plans.push(showPlan(prepared.plan, show));
    known.push({ root, spec, shownFile: show(spec.file), record, ...prepared.standing });
    if (prepared.pipeline !== undefined) pipelines.push(prepared.pipeline);
  }
  return { plan: assemblePlan(plans, withoutRepeats(diagnostics)), pipelines, known, texts };
}

/** What is known of a pipeline before anything is looked at. */
function namesOf({ name, file, task, noise, trainer: { backend } }: Spec) {
  return { name, file, task, noise, backend };
}

interface OnePrepared {
  readonly plan: PipelinePlan;
  readonly pipeline?: PreparedPipeline;
  readonly standing: Pick<KnownPipeline, "unsettled" | "attended" | "strays" | "atWork">;
  /** What of the findings of reading its files still counts. */
  readonly reading: readonly Diagnostic[];
  readonly diagnostics: readonly Diagnostic[];
  readonly texts: ReadonlyMap<string, string>;
}

async function prepareOne(
  {
    spec,
    root,
    diagnostics: read,
    clashes,
    record,
  }: ReadPipeline & {
    readonly spec: Spec;
    readonly clashes: readonly Diagnostic[];
    readonly record: BranchRecord | undefined;
  },
  { presets, templates, diagnostics: replacing, texts }: TemplatesAndPresets,
  options: PrepareOptions & { readonly promised: PromisedCaches },
): Promise<OnePrepared> {
  const diagnostics: Diagnostic[] = [...replacing];
  const known = namesOf(spec);
  let standing: OnePrepared["standing"] = { unsettled: false, attended: false, strays: false };
  let reading = read;
  const invalid = (tier?: string): OnePrepared => ({
    plan: invalidPipeline({ ...known, tier, sha256 }),
    standing,
    reading,
    diagnostics,
    texts,
  });
  if (presets === undefined) return invalid();

  const stateDir = resolve(root, spec.stateDir);
  const { review } = options;
  const statCache = openStatCache(
    resolve(stateDir, "index", `${fileNameOf(spec)}.json`),
    review === undefined ? { stateDir } : { memory: review.memory, prefix: review.prefix },
  );
  const programs = review === undefined ? await observePrograms({ spec, root }) : "leave";
  const observation = { spec, root, statCache, environment: options.environment, programs };
  const observed = await observeFacts(
    {
      ...observation,
      onFile: (progress) => options.onScan?.({ pipeline: spec.name, ...progress }),
    },
    presets,
  );
  const opened = await openLock(root, spec, options.lock);
  const locking = { spec, root, presets, opened, use: options.lock, statCache };
  const filled = await takeFromLock(observed, locking, read);
  if (review !== undefined) diagnostics.push(...findUnstarted({ root, spec }, observed.trainer, review));
  const { facts, taken } = filled;
  reading = filled.reading;
  diagnostics.push(...opened.diagnostics, ...filled.diagnostics);
  const { gpuPool } = options.savedOf?.({ root, spec })?.choices ?? options;
  const { resolved, items } = resolveSpec({ spec, presets, facts, gpuPool, sha256 });
  const found = [...resolved.diagnostics, ...check({ resolved, items, facts })];
  const faults = reading.filter(isFault);
  diagnostics.push(...found.filter((finding) => standsBeside(finding, faults)));
  if (faults.length > 0) {
    // Where it would lie was not looked at.
    if (spec.policy?.output_roots === undefined) await statCache.save();
    return invalid(resolved.tier);
  }
  const policing = { resolved, facts, observed: await observePolicy(resolved, observation, { facts, presets }) };
  const unplanned = judgePolicy(policing);
  const strays = unplanned.verdicts.some(({ rule, verdict }) => rule === "output_roots" && verdict !== "kept");
  const rendered = render({ resolved, templates, trainer: facts.trainer });
  // A value that a rule refuses is refused by rendering too: once is enough.
  if (!hasErrors(diagnostics)) diagnostics.push(...rendered.diagnostics);
  const weights = weightsFromLock(await observeNamedWeights(resolved, observation), locking);
  const history: History =
    options.history === "read"
      ? await observeHistory(resolved, observation, { items, facts, record })
      : { diagnostics: [], alive: [], ...standing };
  standing = { unsettled: history.unsettled, attended: history.attended, strays, atWork: history.atWork };
  diagnostics.push(...history.diagnostics);
  const lock = lockNow(locking, facts, weights);
  const compared = compareWithLock(lock, locking, [...reading, ...diagnostics]);
  diagnostics.push(...compared.diagnostics);
  if (!strays) await statCache.save();
  // A spec comes with errors where a variable is not set, so that all else could be said as well.
  if (rendered.value === undefined || hasErrors([...reading, ...diagnostics, ...clashes])) {
    // With a variable that is not set nobody knows where its path lies.
    if (!hasErrors(reading)) diagnostics.push(...unplanned.diagnostics);
    return invalid(resolved.tier);
  }

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
    readFrom: history.readFrom,
    ownState: history.ownState,
    alive: history.alive,
    promised: options.promised,
    fromLock: taken.length === 0 ? undefined : { lock: opened.file, keys: [...taken] },
    ...askedOf({ spec, root }, history.state, options),
  });
  diagnostics.push(...planned.diagnostics);
  if (planned.value === undefined || !planned.value.valid) {
    diagnostics.push(...unplanned.diagnostics);
    return { ...invalid(resolved.tier), ...(planned.value === undefined ? {} : { plan: planned.value }) };
  }
  if (review === undefined) diagnostics.push(...(await findOthersFiles({ root, spec, plan: planned.value })));
  // How long and how much is a matter of what is done already.
  const policy = options.history === "read" ? judgePolicy({ ...policing, plan: planned.value }) : unplanned;
  diagnostics.push(...policy.diagnostics);
  const plan = policy.verdicts.length === 0 ? planned.value : { ...planned.value, policy: [...policy.verdicts] };
  const { state, readFrom, disk, alive } = history;
  const isElsewhere = state !== undefined && (readFrom !== undefined || state.host !== history.host);
  const missing = isElsewhere && disk !== undefined ? filesElsewhere({ plan, host: state.host, disk }) : undefined;
  // That nothing is here is no news to whoever plans, and that something else is, is.
  if (missing?.isTaken) diagnostics.push({ ...missing.diagnostic, severity: "note" });
  const beside = { file: opened.file, locked: opened.lock, now: lock, drift: compared.drift, taken };
  const made = { presets, templates, resolved, items, plan };
  const pipeline: PreparedPipeline = {
    root,
    spec,
    facts,
    ...made,
    state,
    readFrom,
    branch: record?.branch,
    filesElsewhere: missing?.diagnostic,
    alive,
    lock: beside,
  };
  return { plan, pipeline, standing, reading, diagnostics, texts };
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
