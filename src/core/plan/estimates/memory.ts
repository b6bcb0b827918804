import { type Diagnostic, diagnose } from "../../diagnostic.ts";
import { deviceChoice, processesOf } from "../../resolve/devices.ts";
import type { ResolvedTrainStage } from "../../resolve/resolved.ts";
import { PLAN_CODES } from "../codes.ts";
import type { Estimate } from "../plan.ts";
import { isSet, numberOf, textOf } from "../schedule.ts";
import { turnsOf } from "../turns.ts";
import {
  between,
  type EstimateInput,
  type Estimates,
  exactly,
  modelOf,
  rounded,
  trainStages,
} from "./estimate-input.ts";
import { gpuMemory } from "./gpu-memory.ts";
import { hostMemoryNeeded } from "./host-memory.ts";
import { modelShape } from "./model-shape.ts";
import { tokensOf } from "./training-time.ts";

/** How much memory training takes, on the GPU and in the machine. */

export function estimateMemory(input: EstimateInput): Estimates {
  return input.resolved.spec.trainer.backend === "rehearsal" ? rehearsalMemory() : musubiMemory(input);
}

function rehearsalMemory(): Estimates {
  return {
    estimates: {
      vram: exactly(0, "GiB", "the rehearsal uses no GPU"),
      ram: between(0.02, 0.2, "GiB", "formula: a Python process for each stage at work, without PyTorch"),
    },
    diagnostics: [],
  };
}

/** The stage that needs most decides, or the turn of stages that run at the same time: they share the machine's memory. */
function musubiMemory(input: EstimateInput): Estimates {
  const needs = trainStages(input).map(({ stage, plan }) => ({ ...plan, ...stageMemory(input, stage) }));
  const [most] = needs.toSorted((a, b) => b.vram.high - a.vram.high);
  const [ram] = turnsOf(needs)
    .map(together)
    .sort((a, b) => b.high - a.high);
  if (most === undefined || ram === undefined) return { estimates: {}, diagnostics: [] };
  return { estimates: { vram: most.vram, ram }, diagnostics: shortages(input, most) };
}

function together(turn: readonly StageMemory[]): Estimate {
  const [first, ...others] = turn.map(({ ram }) => ram);
  if (first === undefined) throw new Error("a turn has a stage");
  if (others.length === 0) return first;
  const sum = (end: "low" | "high") => rounded(turn.reduce((all, { ram }) => all + ram[end], 0));
  return { ...first, low: sum("low"), high: sum("high"), basis: `${first.basis}; both halves at the same time` };
}

interface StageMemory {
  readonly vram: Estimate;
  readonly ram: Estimate;
  /** What would take less GPU memory, and is not done yet. */
  readonly remedies: readonly string[];
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

function stageMemory(input: EstimateInput, stage: ResolvedTrainStage): StageMemory {
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
  const { manual, hardware } = resolved;
  const manualVram =
    manual === undefined ? "" : `; ${manual.vramGiB[0]} to ${manual.vramGiB[1]} GB is ${manual.vramBasis}`;
  const vram: Estimate = {
    ...between(need.low, need.high, "GiB", `formula: ${parts}${manualVram}`),
    ...(hardware?.vramGiB === undefined ? {} : { available: rounded(hardware.vramGiB) }),
  };
  const workers = numberOf(stage, "max_data_loader_n_workers") ?? 0;
  const processes = processesOf(deviceChoice(resolved));
  const needed = processes * hostMemoryNeeded({ model, half: stage.half, fp8, blocksToSwap, offloadInactive, workers });
  const each = processes > 1 ? ` in each of ${processes} processes` : "";
  const advised = manual === undefined ? "" : `; ${manual.ramGiB} GB is ${manual.ramBasis}`;
  const ram: Estimate = {
    ...between(
      needed,
      Math.max(needed, manual?.ramGiB ?? 0),
      "GiB",
      `formula: swapped blocks, the model not in use, ${workers} data loader workers${each}${advised}`,
    ),
    ...(hardware?.ramGiB === undefined ? {} : { available: rounded(hardware.ramGiB) }),
  };
  const mostBlocks = model.blocks - 1;
  const remedies = [
    ...(blocksToSwap < mostBlocks ? [`raise blocks_to_swap (to ${mostBlocks} at most)`] : []),
    ...(fp8 ? [] : ["use fp8_base"]),
    ...(isSet(stage, "gradient_checkpointing") ? [] : ["use gradient_checkpointing"]),
    ...(stage.half === "dual" && !offloadInactive ? ["train the two halves apart with noise: separate"] : []),
    "take fewer target_frames",
    "take a smaller resolution",
  ];
  return { vram, ram, remedies };
}

function shortages(input: EstimateInput, { vram, remedies }: StageMemory): readonly Diagnostic[] {
  const { spec } = input.resolved;
  const at = spec.places.get("hardware") ?? { file: spec.file };
  const found: Diagnostic[] = [];
  if (vram.available !== undefined && vram.low > vram.available) {
    found.push(
      diagnose(
        PLAN_CODES.vramTooSmall,
        `Training ${spec.name} is estimated to take ${vram.low} to ${vram.high} GiB of GPU memory, and there are ${vram.available} GiB (${vram.basis}). What would help: ${remedies.slice(0, -1).join(", ")}, or ${remedies.at(-1)}.`,
        { at },
      ),
    );
  }
  return found;
}
