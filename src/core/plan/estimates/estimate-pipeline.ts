import { type Diagnostic, diagnose } from "../../diagnostic.ts";
import type { DiskFacts, Facts } from "../../facts.ts";
import { resolveHardware } from "../../resolve/hardware.ts";
import type { Presets } from "../../resolve/presets.ts";
import type { Resolved, ResolvedTrainStage } from "../../resolve/resolved.ts";
import type { State } from "../../state/state.ts";
import type { DatasetItems } from "../../trainer/dataset.ts";
import type { LoraModule } from "../../trainer/lora.ts";
import type { StageId } from "../../vocabulary.ts";
import { PLAN_CODES } from "../codes.ts";
import type { CheckpointPlan, Estimate, StagePlan } from "../plan.ts";
import { isSet, numberOf, textOf } from "../schedule.ts";
import { cacheBytes, checkpointRoom } from "./disk-space.ts";
import { gpuMemory } from "./gpu-memory.ts";
import { peakTflops } from "./gpu-throughput.ts";
import { hostMemoryAdvised, hostMemoryNeeded } from "./host-memory.ts";
import { modelShape } from "./model-shape.ts";
import { stepSeconds, tokensOf } from "./training-time.ts";

/** Steps, time, memory and disk that a plan needs, each with its basis (design §5, "Estimates"). */

export interface EstimateInput {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
  readonly facts: Facts;
  readonly presets: Presets;
  readonly state: State | undefined;
  /** Absent where the state speaks of another machine. */
  readonly disk: DiskFacts | undefined;
  readonly stages: readonly StagePlan[];
  readonly checkpoints: readonly CheckpointPlan[];
  /** The layers that each train stage's LoRA holds. */
  readonly modulesOf: Readonly<Partial<Record<StageId, readonly LoraModule[]>>>;
}

export interface PipelineEstimates {
  readonly estimates: Readonly<Record<string, Estimate>>;
  /** What there may be too little of. */
  readonly diagnostics: readonly Diagnostic[];
}

export function estimatePipeline(input: EstimateInput): PipelineEstimates {
  const isRehearsal = input.resolved.spec.trainer.backend === "rehearsal";
  const hardware = resolveHardware(input.resolved.spec, input.presets.tiers, input.facts);
  const memory = isRehearsal ? rehearsalMemory() : musubiMemory(input, hardware);
  const disk = estimateDisk(input);
  return {
    estimates: { ...estimateSteps(input), ...estimateTime(input, hardware), ...memory.estimates, ...disk.estimates },
    diagnostics: [...memory.diagnostics, ...disk.diagnostics],
  };
}

type Hardware = ReturnType<typeof resolveHardware>;

function exactly(value: number, unit: string, basis: string): Estimate {
  return { low: value, high: value, unit, basis };
}

/** Three digits are more than any of these figures has. */
function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

function between(low: number, high: number, unit: string, basis: string): Estimate {
  return { low: rounded(low), high: rounded(high), unit, basis };
}

function trainStages({ stages, resolved }: EstimateInput) {
  return resolved.trainStages.flatMap((stage) => {
    const plan = stages.find(({ id }) => id === stage.id);
    return plan === undefined ? [] : [{ stage, plan }];
  });
}

/** Of each train stage: how many steps there are in all, in an epoch, and from one checkpoint to the next. */
function estimateSteps(input: EstimateInput): Record<string, Estimate> {
  const [first] = trainStages(input);
  if (first === undefined) return {};
  const { stage, plan } = first;
  const perEpoch = plan.steps_per_epoch ?? 0;
  const total = plan.total_steps ?? 0;
  const everyEpochs = numberOf(stage, "save_every_n_epochs");
  const everySteps = numberOf(stage, "save_every_n_steps");
  const perFile = Math.min(
    total,
    everySteps ?? Number.POSITIVE_INFINITY,
    (everyEpochs ?? Number.POSITIVE_INFINITY) * perEpoch,
  );
  const accumulation = numberOf(stage, "gradient_accumulation_steps") ?? 1;
  const processes = processesOf(input.resolved);
  const divided = [
    ...(processes > 1 ? [`/ ${processes} processes`] : []),
    ...(accumulation > 1 ? [`/ ${accumulation} accumulated`] : []),
  ];
  const batches = [`${input.items.batches} batches`, ...divided].join(" ");
  return {
    steps: exactly(total, "steps", `exact: ${plan.total_epochs ?? 0} epochs of ${perEpoch} steps`),
    steps_per_epoch: exactly(perEpoch, "steps", `exact: ${batches}`),
    steps_per_checkpoint: exactly(perFile, "steps", "exact: the save interval"),
  };
}

function processesOf(resolved: Resolved): number {
  return Math.max(1, resolved.spec.gpus?.length ?? 1);
}

/** Seconds that one step takes, and how that is known. */
interface Pace {
  readonly seconds: readonly [number, number];
  readonly basis: string;
}

/** Steps that have to be timed before their average says anything. */
const ENOUGH_STEPS = 5;

/** How far a later run may be from the average of an earlier one. */
const MEASURED_BAND = [0.9, 1.2] as const;

/** Start of a Python process and work of a step of the rehearsal, on slow and fast machines (measured). */
const REHEARSAL_STEP_SECONDS = [0.0005, 0.01] as const;

function paceOf(input: EstimateInput, stage: ResolvedTrainStage, plan: StagePlan, hardware: Hardware): Pace {
  const record = input.state?.stages[plan.id];
  const measured = record?.fingerprint === plan.fingerprint ? record.measured : undefined;
  if (measured !== undefined && measured.steps >= ENOUGH_STEPS) {
    const average = measured.seconds / measured.steps;
    return {
      seconds: [average * MEASURED_BAND[0], average * MEASURED_BAND[1]],
      basis: `measured here: ${rounded(average)} s a step over ${measured.steps} steps`,
    };
  }
  if (input.resolved.spec.trainer.backend === "rehearsal") {
    return { seconds: REHEARSAL_STEP_SECONDS, basis: "formula: the rehearsal takes 0.5 to 10 ms a step" };
  }
  const blocksToSwap = numberOf(stage, "blocks_to_swap") ?? 0;
  const peak = peakTflops(hardware.cardName, hardware.tier);
  const cost = input.presets.memory.factors.ten_swapped_blocks_cost_time.percent;
  const seconds = stepSeconds({
    items: input.items,
    sources: input.resolved.dataset.sources,
    model: modelShape(modelOf(input, stage)),
    stepsPerEpoch: plan.steps_per_epoch ?? 0,
    processes: processesOf(input.resolved),
    gradientCheckpointing: isSet(stage, "gradient_checkpointing"),
    blocksToSwap,
    tenBlocksCostPercent: cost,
    peakTflops: peak,
  });
  const card = hardware.cardName ?? `the tier ${hardware.tier}`;
  const speed = peak[0] === peak[1] ? `${peak[0]}` : `${peak[0]} to ${peak[1]}`;
  const swap = blocksToSwap === 0 ? "" : `, ${blocksToSwap} swapped blocks by the manual's slow-down`;
  return {
    seconds,
    basis: `formula: ${rounded(seconds[0])} to ${rounded(seconds[1])} s a step on ${card} (${speed} TFLOP/s, 35 to 85 % of it)${swap}`,
  };
}

function modelOf({ facts }: EstimateInput, stage: ResolvedTrainStage) {
  return stage.half === "high" ? facts.models.dit_high_noise : facts.models.dit;
}

/** Training that this plan does; loading and caching, of which no figures are known, are not in it. */
function estimateTime(input: EstimateInput, hardware: Hardware): Record<string, Estimate> {
  const stages = trainStages(input);
  const paces = stages.map(({ stage, plan }) => ({ plan, pace: paceOf(input, stage, plan, hardware) }));
  const [first] = paces;
  if (first === undefined) return {};
  let low = 0;
  let high = 0;
  for (const { plan, pace } of paces) {
    if (plan.action === "none" || plan.action === "wait") continue;
    const steps = (plan.total_steps ?? 0) - (plan.done_steps ?? 0);
    low += steps * pace.seconds[0];
    high += steps * pace.seconds[1];
  }
  const epoch = first.plan.steps_per_epoch ?? 0;
  const training = high === 0 ? "nothing to train" : `${first.pace.basis}; without loading and caching`;
  return {
    time: inTime(low, high, training),
    time_per_epoch: inTime(epoch * first.pace.seconds[0], epoch * first.pace.seconds[1], first.pace.basis),
  };
}

const HOUR = 3600;

function inTime(low: number, high: number, basis: string): Estimate {
  return high >= HOUR ? between(low / HOUR, high / HOUR, "h", basis) : between(low, high, "s", basis);
}

interface Needs {
  readonly estimates: Readonly<Record<string, Estimate>>;
  readonly diagnostics: readonly Diagnostic[];
}

function rehearsalMemory(): Needs {
  return {
    estimates: {
      vram: exactly(0, "GiB", "the rehearsal uses no GPU"),
      ram: between(0.02, 0.2, "GiB", "formula: one Python process at a time, without PyTorch"),
    },
    diagnostics: [],
  };
}

/** The stage that needs most decides. */
function musubiMemory(input: EstimateInput, hardware: Hardware): Needs {
  const needs = trainStages(input).map(({ stage }) => stageMemory(input, stage, hardware));
  const vram = needs.map((need) => need.vram).sort((a, b) => b.high - a.high)[0];
  const ram = needs.map((need) => need.ram).sort((a, b) => b.high - a.high)[0];
  if (vram === undefined || ram === undefined) return { estimates: {}, diagnostics: [] };
  return { estimates: { vram, ram }, diagnostics: shortages(input, vram, ram) };
}

/** The largest batch's tokens: buckets differ, and the largest one decides. */
function largestBatchTokens({ items, resolved }: EstimateInput): number {
  const tokens = items.sources.flatMap(({ buckets }, source) =>
    buckets.map((bucket) => {
      const { batchSize = 1, numRepeats = 1 } = resolved.dataset.sources[source] ?? {};
      return tokensOf(bucket) * Math.min(batchSize, bucket.items * numRepeats);
    }),
  );
  return tokens.reduce((most, each) => Math.max(most, each), 0);
}

function stageMemory(input: EstimateInput, stage: ResolvedTrainStage, hardware: Hardware) {
  const { resolved, presets, modulesOf } = input;
  const { task } = resolved.spec;
  const model = modelShape(modelOf(input, stage));
  const fp8 = isSet(stage, "fp8_base") || model.isFp8;
  const blocksToSwap = numberOf(stage, "blocks_to_swap") ?? 0;
  const offloadInactive = isSet(stage, "offload_inactive_dit") && blocksToSwap === 0;
  const tokens = largestBatchTokens(input);
  const need = gpuMemory({
    model,
    half: stage.half,
    fp8,
    activationBytes: textOf(stage, "mixed_precision") === "no" ? 4 : 2,
    blocksToSwap,
    offloadInactive,
    gradientCheckpointing: isSet(stage, "gradient_checkpointing"),
    checkpointsOnHost: isSet(stage, "gradient_checkpointing_cpu_offload"),
    tokens,
    modules: modulesOf[stage.id] ?? [],
    dim: numberOf(stage, "network_dim"),
    optimizerType: textOf(stage, "optimizer_type"),
    taskGiB: presets.tasks.tasks[task].extra_vram_gib.value,
  });
  const { weights, lora, activations } = need;
  const parts = `${rounded(weights)} of weights, ${rounded(lora)} of LoRA and optimizer, ${rounded(activations[0])} to ${rounded(activations[1])} of activations (${tokens} tokens)`;
  const vram: Estimate = {
    ...between(need.low, need.high, "GiB", `formula: ${parts}; ${manualVram(input, hardware)}`),
    ...(hardware.vramGiB === undefined ? {} : { available: rounded(hardware.vramGiB) }),
  };
  const workers = numberOf(stage, "max_data_loader_n_workers") ?? 0;
  const needed = hostMemoryNeeded({ model, half: stage.half, fp8, blocksToSwap, offloadInactive, workers });
  const advised = Math.max(hostMemoryAdvised(presets.memory, blocksToSwap), presets.tiers.tiers[resolved.tier].ram_gib);
  const ramBasis = `formula: swapped blocks, the model not in use and ${workers} workers; the manual advises ${advised} GB for ${blocksToSwap} swapped blocks in the tier ${resolved.tier}`;
  const available = input.facts.ramGiB ?? hardware.ramGiB;
  const ram: Estimate = {
    ...between(needed, Math.max(needed, advised), "GiB", ramBasis),
    ...(available === undefined ? {} : { available: rounded(available) }),
  };
  return { vram, ram };
}

/** What the manual expects of this tier, for the card where it says so. */
function manualVram({ presets, resolved }: EstimateInput, hardware: Hardware): string {
  const figures = presets.tiers.tiers[resolved.tier].vram_gib;
  const figure =
    figures.find(({ card }) => card !== undefined && card === hardware.card?.name) ??
    figures.find(({ card }) => card === undefined) ??
    figures[0];
  if (figure === undefined) return `the manual has no figure for the tier ${resolved.tier}`;
  const [low, high] = figure.value;
  return `the manual expects ${low} to ${high} GB for ${figure.card ?? `the tier ${resolved.tier}`}`;
}

function shortages(input: EstimateInput, vram: Estimate, ram: Estimate): readonly Diagnostic[] {
  const { spec } = input.resolved;
  const at = spec.places.get("hardware") ?? { file: spec.file };
  const found: Diagnostic[] = [];
  if (vram.available !== undefined && vram.low > vram.available) {
    found.push(
      diagnose(
        PLAN_CODES.vramTooSmall,
        `Training ${spec.name} is estimated to take ${vram.low} to ${vram.high} GiB of GPU memory, and there are ${vram.available} GiB (${vram.basis}). Raise blocks_to_swap, or use fp8_base, fewer target_frames or a smaller resolution.`,
        { at },
      ),
    );
  }
  if (ram.available !== undefined && ram.low > ram.available) {
    found.push(
      diagnose(
        PLAN_CODES.ramTooSmall,
        `Training ${spec.name} is estimated to take at least ${ram.low} GiB of the machine's own memory, and there are ${ram.available} GiB (${ram.basis}). Lower blocks_to_swap or max_data_loader_n_workers.`,
        { at },
      ),
    );
  }
  return found;
}

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Caches and checkpoints: what there is in the end, and the most at any one time. */
function estimateDisk(input: EstimateInput): Needs {
  const { resolved, items, stages, checkpoints, disk } = input;
  const { spec } = resolved;
  const vaeDtype = resolved.cacheLatents.vae_dtype?.value;
  const caches = cacheBytes(items, spec.task, typeof vaeDtype === "string" ? vaeDtype : "");
  const isRehearsal = spec.trainer.backend === "rehearsal";
  const { left, peak, added } = checkpointRoom(checkpoints);
  // The rehearsal's latents are small whatever the clip's size.
  const low = (isRehearsal ? 0 : caches[0]) + left;
  const high = (isRehearsal ? Math.min(caches[1], items.items * MIB) : caches[1]) + peak;
  const [size, unit] = high >= GIB ? [GIB, "GiB"] : [MIB, "MiB"];
  const free = disk?.freeBytes;
  const estimate: Estimate = {
    ...between(
      low / size,
      high / size,
      unit,
      `formula: caches ${sizeText(caches[1])} at most, checkpoints and states ${sizeText(left)} in the end, ${sizeText(peak)} at most`,
    ),
    ...(free === undefined ? {} : { available: rounded(free / size) }),
  };
  const pending = stages.flatMap((stage) => stage.pending ?? []).length;
  const wanted = stages.flatMap((stage) => stage.cache_files ?? []).length;
  const missing = isRehearsal || wanted === 0 ? 0 : caches[0] * (pending / wanted);
  if (free === undefined || added + missing <= free) return { estimates: { disk: estimate }, diagnostics: [] };
  const text = `This plan of ${spec.name} writes about ${sizeText(added + missing)}, and ${sizeText(free)} are free where its output, caches and state lie. Make room, keep fewer checkpoints with save_last_n_epochs, or save them in half precision with save_precision: bf16.`;
  const at = spec.places.get("output") ?? { file: spec.file };
  return { estimates: { disk: estimate }, diagnostics: [diagnose(PLAN_CODES.diskTooSmall, text, { at })] };
}

function sizeText(bytes: number): string {
  return bytes >= GIB ? `${rounded(bytes / GIB)} GiB` : `${rounded(bytes / MIB)} MiB`;
}
