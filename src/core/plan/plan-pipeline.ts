import { type Diagnostic, diagnose, hasErrors, type Outcome } from "../diagnostic.ts";
import type { DiskFacts, Facts, ModelFacts } from "../facts.ts";
import { describeHook } from "../notification.ts";
import type { Rendered } from "../render/rendered.ts";
import { deviceChoice, processesOf } from "../resolve/devices.ts";
import type { Presets } from "../resolve/presets.ts";
import type { Resolved } from "../resolve/resolved.ts";
import type { State } from "../state/state.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import { driverOf, whyUnbridged } from "../trainer/driver.ts";
import type { StageId } from "../vocabulary.ts";
import { planCaching } from "./caches/plan-caching.ts";
import { canonicalJson, type Sha256 } from "./canonical.ts";
import { provenanceOf } from "./changes.ts";
import { listOrphans } from "./checkpoint-list.ts";
import { type Choices, settleChoices } from "./choices.ts";
import { PLAN_CODES } from "./codes.ts";
import { estimatePipeline } from "./estimates/estimate-pipeline.ts";
import { clipIdentities, clipsDigest, knownModels } from "./identities.ts";
import { latentInputs, trainInputs } from "./inputs.ts";
import { planParameters } from "./parameters.ts";
import type { PipelinePlan, StagePlan } from "./plan.ts";
import { planTraining } from "./plan-training.ts";
import { stageLength, trainedModules } from "./schedule.ts";
import type { PlannedStage, Planning, PromisedCaches } from "./stage.ts";
import { waitingDiagnostics } from "./waiting.ts";
import { takeBack } from "./wording.ts";

/** What a pipeline's plan is made from; no check has found an error in it. */
export interface PlanInput extends Choices {
  readonly resolved: Resolved;
  readonly rendered: Rendered;
  readonly items: DatasetItems;
  readonly facts: Facts;
  readonly presets: Presets;
  /** What happened to this pipeline before. */
  readonly state?: State | undefined;
  /** This machine's disk. */
  readonly disk?: DiskFacts | undefined;
  /** This machine's name. Where the state names another, the disk is not asked but the state believed. */
  readonly host?: string | undefined;
  /** Where the state was read from, if not from this checkout: then too the disk is not asked. */
  readonly readFrom?: string | undefined;
  /** This checkout's own record, whichever counts. */
  readonly ownState?: State | undefined;
  /** Stages that were begun already by a plan that asks what is asked now. */
  readonly begun?: readonly StageId[] | undefined;
  /** Stages whose recorded trainer process was found alive. */
  readonly alive?: readonly StageId[] | undefined;
  /** What of the facts was taken from the lock; absent where all of it is here. */
  readonly fromLock?: PipelinePlan["planned_from"] | undefined;
  /** The files that `network_weights` and `base_weights` name, by their path as resolved. */
  readonly weights?: Readonly<Record<string, ModelFacts>> | undefined;
  /** Items that pipelines put into the store which are carried out before this one. */
  readonly promised?: PromisedCaches | undefined;
  readonly sha256: Sha256;
}

/**
 * Plans one pipeline: stages with actions and reasons, checkpoints one by one, estimates. Pure: the same input gives the same
 * bytes. The value is there also with errors; it is then an invalid plan without stages.
 */
export function planPipeline(input: PlanInput): Outcome<PipelinePlan> {
  const { resolved, items, facts, state, sha256 } = input;
  const isOwn = input.readFrom === undefined;
  const sameHost = state === undefined || (isOwn && (input.host === undefined || state.host === input.host));
  const clips = clipIdentities(items, facts.sources, sha256);
  const driving = {
    backend: resolved.spec.trainer.backend,
    version: facts.trainer.version,
    processes: processesOf(deviceChoice(resolved)),
  };
  const choices = settleChoices({
    choices: input,
    stages: ["cache-latents", "cache-text", ...resolved.trainStages.map(({ id }) => id)],
    begun: new Set(input.begun),
    spec: resolved.spec,
  });
  const planning: Planning = {
    resolved,
    rendered: input.rendered,
    items,
    inputs: {
      resolved,
      models: knownModels(facts.models, state, sha256),
      clips,
      weights: input.weights ?? {},
      sha256,
    },
    provenance: provenanceOf(resolved),
    state,
    disk: sameHost ? input.disk : undefined,
    here: sameHost || input.disk === undefined ? undefined : { disk: input.disk, state: input.ownState },
    choices,
    promised: input.promised ?? new Map(),
    alive: new Set(input.alive),
    elsewhere: sameHost ? undefined : state.host,
    savesIn: facts.trainer.arguments?.train?.has("--save_precision") === false ? "trained-precision" : "float32",
    driverOf: (stage) => driverOf(stage, driving),
    whyUnbridged: (stage) => whyUnbridged(stage, driving),
    sha256,
  };
  const training = resolved.trainStages.map((stage) => {
    const modules = trainedModules(stage, resolved, facts.models);
    return { ...planTraining(stage, modules, planning), modules };
  });
  const planned: readonly PlannedStage[] = [
    planCaching("cache-latents", planning, training),
    planCaching("cache-text", planning, training),
    ...training,
  ];
  const stages = planned.map(({ stage }) => stage);
  const checkpoints = [
    ...planned.flatMap((stage) => stage.checkpoints),
    ...listOrphans(
      state,
      stages.map(({ id }) => id),
      planning.disk,
    ),
  ];
  const { estimates, diagnostics: shortages } = estimatePipeline({
    resolved,
    items,
    facts,
    presets: input.presets,
    state,
    disk: planning.disk,
    stages,
    checkpoints,
    modulesOf: Object.fromEntries(training.map(({ stage, modules }) => [stage.id, modules])),
  });
  const diagnostics = [
    ...choices.diagnostics,
    ...waitingDiagnostics(planned, planning),
    ...abandonedTrainers(planning, stages),
    ...(sameHost ? [] : [otherHost(state, input, stages)]),
    ...planned.flatMap((stage) => stage.diagnostics),
    ...shortages,
  ];
  const valid = !hasErrors(diagnostics);
  const plan: Omit<PipelinePlan, "digest"> = {
    ...header(resolved),
    valid,
    parameters: { ...planParameters(resolved) },
    dataset: datasetPlan(planning),
    stages: valid ? stages : [],
    checkpoints: valid ? checkpoints : [],
    estimates: valid ? { ...estimates } : {},
    ...(valid && resolved.spec.notify.length > 0
      ? { notify: resolved.spec.notify.map((hook) => ({ target: describeHook(hook), on: [...hook.on] })) }
      : {}),
    ...(input.fromLock === undefined ? {} : { planned_from: input.fromLock }),
    ...(state === undefined ? {} : { state: { lineage: state.lineage, serial: state.serial } }),
  };
  return { value: { ...plan, digest: planDigest(plan, sha256) }, diagnostics };
}

/** Names a plan by what would happen. Estimates are not in it: a disk's free space changes, and nothing that is planned; nor who is told, nor whether things were seen or are known from the lock. */
function planDigest(
  { estimates: _, notify: __, planned_from: ___, ...named }: Omit<PipelinePlan, "digest">,
  sha256: Sha256,
): string {
  return sha256(canonicalJson(named));
}

function header({ spec, noise, tier }: Resolved) {
  return { name: spec.name, file: spec.file, task: spec.task, noise, tier, backend: spec.trainer.backend };
}

function datasetPlan({ resolved, items, inputs, sha256 }: Planning): PipelinePlan["dataset"] {
  const first = resolved.trainStages[0];
  const length = first === undefined ? { epochs: 0, stepsPerEpoch: 0 } : stageLength(first, resolved, items.batches);
  const settings = {
    ...latentInputs(inputs).inputs,
    ...(first === undefined ? {} : trainInputs(first, inputs).inputs),
  };
  return {
    files: items.files,
    items: items.items,
    batches: items.batches,
    steps_per_epoch: length.stepsPerEpoch,
    total_steps: length.epochs * length.stepsPerEpoch,
    digest: sha256(
      canonicalJson({
        clips: clipsDigest(inputs.clips, "both", sha256),
        settings: Object.fromEntries(Object.entries(settings).filter(([name]) => name.startsWith("dataset."))),
      }),
    ),
    buckets: items.sources.flatMap(({ buckets }, source) => buckets.map((bucket) => ({ source, ...bucket }))),
  };
}

/** Trainers that live, of stages that the pipeline has no more: nobody would follow them, or stop them. */
function abandonedTrainers({ alive, state, resolved }: Planning, stages: readonly StagePlan[]): readonly Diagnostic[] {
  const { name, file } = resolved.spec;
  const known = stages.map(({ id }) => id);
  return [...alive]
    .filter((id) => !known.includes(id))
    .map((id) =>
      diagnose(
        PLAN_CODES.runningSomethingElse,
        `The stage ${id} of ${name} is running (run ${state?.stages[id]?.run ?? ""}), and with \`noise: ${resolved.noise}\` the pipeline has no such stage. ${takeBack(file)}`,
        { at: resolved.spec.places.get("noise") ?? { file }, path: "noise" },
      ),
    );
}

/** The record would be put together again from its runs if it were moved away: what begins anew is a replace of every stage. */
function otherHost(
  state: State,
  { resolved: { spec }, host, readFrom }: PlanInput,
  stages: readonly StagePlan[],
): Diagnostic {
  const where = state.host === host ? `in another checkout on ${host}` : `on ${state.host}`;
  const from = readFrom === undefined ? "" : `, and read from ${readFrom}`;
  const replace = stages.map(({ id }) => `--replace ${id}`).join(" ");
  return diagnose(
    PLAN_CODES.otherHost,
    `The record of ${spec.name} was written ${where}${from}. It is believed: what this plan keeps, archives or renames is what the record tells of, and of this machine only that was looked at which lies here under the same names. Apply there; or here, where this machine has the same files. To make everything anew on this machine: \`wan22 apply ${replace} ${spec.file}\`.`,
    { at: { file: spec.file } },
  );
}

export interface InvalidPipeline {
  readonly name: string;
  readonly file: string;
  /** Filled as far as they are known. */
  readonly task?: string | undefined;
  readonly noise?: string | undefined;
  readonly tier?: string | undefined;
  readonly backend?: string | undefined;
  readonly sha256: Sha256;
}

/** The plan of a pipeline in which errors were found: it holds its name and nothing to do. */
export function invalidPipeline({ name, file, sha256, ...known }: InvalidPipeline): PipelinePlan {
  const plan: Omit<PipelinePlan, "digest"> = {
    name,
    file,
    valid: false,
    task: known.task ?? "",
    noise: known.noise ?? "",
    tier: known.tier ?? "",
    backend: known.backend ?? "",
    parameters: {},
    dataset: { files: 0, items: 0, batches: 0, steps_per_epoch: 0, total_steps: 0, digest: "", buckets: [] },
    stages: [],
    checkpoints: [],
    estimates: {},
  };
  return { ...plan, digest: planDigest(plan, sha256) };
}
