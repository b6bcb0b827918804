import { deviceChoice, processesOf } from "../../resolve/devices.ts";
import type { ResolvedTrainStage } from "../../resolve/resolved.ts";
import { isCarriedOut } from "../carried-out.ts";
import type { Estimate, StagePlan } from "../plan.ts";
import { isSet, numberOf } from "../schedule.ts";
import { turnsOf } from "../turns.ts";
import { countText } from "../wording.ts";
import { between, type EstimateInput, exactly, modelOf, rounded, trainStages } from "./estimate-input.ts";
import { peakTflops } from "./gpu-throughput.ts";
import { modelShape } from "./model-shape.ts";
import { stepSeconds } from "./training-time.ts";

/** How many steps a plan trains and how long they take. */

/** How many steps there are: in all, over every train stage; in an epoch, and from one checkpoint to the next, of each. */
export function estimateSteps(input: EstimateInput): Record<string, Estimate> {
  const training = trainStages(input);
  const [first] = training;
  if (first === undefined) return {};
  const { stage, plan } = first;
  const perEpoch = plan.steps_per_epoch ?? 0;
  const total = plan.total_steps ?? 0;
  const all = training.reduce((sum, { plan: { total_steps = 0 } }) => sum + total_steps, 0);
  const everyEpochs = numberOf(stage, "save_every_n_epochs");
  const everySteps = numberOf(stage, "save_every_n_steps");
  const perFile = Math.min(
    total,
    everySteps ?? Number.POSITIVE_INFINITY,
    (everyEpochs ?? Number.POSITIVE_INFINITY) * perEpoch,
  );
  const accumulation = numberOf(stage, "gradient_accumulation_steps") ?? 1;
  const processes = processesOf(deviceChoice(input.resolved));
  const divided = [
    ...(processes > 1 ? [`/ ${processes} processes`] : []),
    ...(accumulation > 1 ? [`/ ${accumulation} accumulated`] : []),
  ];
  const batches = [`${input.items.batches} batches`, ...divided].join(" ");
  const epochs = training.map(({ plan: { id, total_epochs = 0, steps_per_epoch = 0 } }) => {
    const of = training.length > 1 ? `${id} ` : "";
    return `${of}${countText(total_epochs, "epoch")} of ${countText(steps_per_epoch, "step")}`;
  });
  return {
    steps: exactly(all, "steps", `exact: ${epochs.join(", ")}`),
    steps_per_epoch: exactly(perEpoch, "steps", `exact: ${batches}`),
    steps_per_checkpoint: exactly(perFile, "steps", "exact: the save interval"),
  };
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

/** Milliseconds that a rehearsal's step takes for each rank of its LoRA, on quick and on busy machines (measured). */
const REHEARSAL_MS_PER_RANK = { quick: 0.15, slow: 1.2 } as const;

function paceOf(input: EstimateInput, stage: ResolvedTrainStage, plan: StagePlan): Pace {
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
    const rank = numberOf(stage, "network_dim") ?? 1;
    const quick = REHEARSAL_MS_PER_RANK.quick * rank;
    const slow = REHEARSAL_MS_PER_RANK.slow * rank;
    return {
      seconds: [quick / 1000, slow / 1000],
      basis: `formula: the rehearsal takes ${rounded(quick)} to ${rounded(slow)} ms a step`,
    };
  }
  const { hardware, tier } = input.resolved;
  const blocksToSwap = numberOf(stage, "blocks_to_swap") ?? 0;
  const peak = peakTflops(hardware?.card, tier);
  const cost = input.presets.memory.factors.ten_swapped_blocks_cost_time.percent;
  const seconds = stepSeconds({
    items: input.items,
    sources: input.resolved.dataset.sources,
    model: modelShape(modelOf(input, stage)),
    stepsPerEpoch: plan.steps_per_epoch ?? 0,
    processes: processesOf(deviceChoice(input.resolved)),
    gradientCheckpointing: isSet(stage, "gradient_checkpointing"),
    blocksToSwap,
    tenBlocksCostPercent: cost,
    peakTflops: peak,
  });
  const card = hardware?.card ?? `the tier ${tier}`;
  const speed = peak[0] === peak[1] ? `${peak[0]}` : `${peak[0]} to ${peak[1]}`;
  const swap = blocksToSwap === 0 ? "" : `, ${blocksToSwap} swapped blocks by the manual's slow-down`;
  return {
    seconds,
    basis: `formula: ${rounded(seconds[0])} to ${rounded(seconds[1])} s a step on ${card} (${speed} TFLOP/s, 35 to 85 % of it)${swap}`,
  };
}

/** Training that this plan does; loading and caching, of which no figures are known, are not in it. */
export function estimateTime(input: EstimateInput): Record<string, Estimate> {
  const stages = trainStages(input);
  const paces = stages.map(({ stage, plan }) => ({ plan, pace: paceOf(input, stage, plan) }));
  const [first] = paces;
  if (first === undefined) return {};
  const spans = paces.flatMap(({ plan, pace }) => {
    if (!isCarriedOut(plan)) return [];
    const steps = (plan.total_steps ?? 0) - (plan.done_steps ?? 0);
    return [{ ...plan, seconds: [steps * pace.seconds[0], steps * pace.seconds[1]] as const }];
  });
  const turns = turnsOf(spans);
  const join = (end: 0 | 1) =>
    turns.reduce((sum, turn) => sum + Math.max(...turn.map(({ seconds }) => seconds[end])), 0);
  const [low, high] = [join(0), join(1)];
  const epoch = first.plan.steps_per_epoch ?? 0;
  const halves = turns.length < spans.length ? "; both halves at the same time" : "";
  const training = high === 0 ? "nothing to train" : `${first.pace.basis}; without loading and caching${halves}`;
  return {
    time: inTime(low, high, training),
    ...gpuTime(spans, turns.length),
    time_per_epoch: inTime(epoch * first.pace.seconds[0], epoch * first.pace.seconds[1], first.pace.basis),
  };
}

type Span = Pick<StagePlan, "gpus"> & { readonly seconds: readonly [number, number] };

/** Of all GPUs together, where that is another figure than the time: several on one stage, or halves at the same time. */
function gpuTime(spans: readonly Span[], turns: number): Record<string, Estimate> {
  const gpusOf = ({ gpus }: Span) => Math.max(1, gpus?.length ?? 1);
  const most = Math.max(1, ...spans.map(gpusOf));
  if (most === 1 && turns === spans.length) return {};
  const sum = (end: 0 | 1) => spans.reduce((all, span) => all + span.seconds[end] * gpusOf(span), 0);
  return { gpu_time: inTime(sum(0), sum(1), "the time of each stage on each of its GPUs, added up") };
}

const HOUR = 3600;

function inTime(low: number, high: number, basis: string): Estimate {
  return high >= HOUR ? between(low / HOUR, high / HOUR, "h", basis) : between(low, high, "s", basis);
}
