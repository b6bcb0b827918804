import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Spec } from "../spec/spec.ts";
import { findParameter } from "../trainer/parameters.ts";
import { SCRIPTS, SECTION_OF, type Tier } from "../vocabulary.ts";
import { parseCardName } from "./cards.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { type Hardware, hardwarePlace } from "./hardware.ts";
import { rankCap } from "./parameters.ts";
import type { Presets } from "./presets.ts";
import { shownValue } from "./provenance.ts";
import type { ManualFigures, ResolvedTrainStage } from "./resolved.ts";

/** Whether machine, dataset and values suit each other, by the manual's figures. Warnings and notes only. */
export interface Suiting {
  readonly spec: Spec;
  readonly presets: Presets;
  readonly hardware: Hardware;
  /** Files that the size rule counted. */
  readonly counted: number;
  readonly stages: readonly ResolvedTrainStage[];
}

/** What the manual expects the pipeline to take. Where two tables differ, the one that promises less counts. */
export function manualFigures({ spec, presets, hardware, stages }: Suiting): ManualFigures {
  const tier = presets.tiers.tiers[hardware.tier];
  const extra = presets.tasks.tasks[spec.task].extra_vram_gib.value;
  const ofTier = expectedVram(presets, hardware);
  const inTable = presets.memory.configurations.find((row) => row.tier === hardware.tier)?.vram_gib;
  const low = Math.max(ofTier[0], inTable?.from ?? 0);
  const high = Math.max(ofTier[1], inTable?.to ?? low);
  const blocks = Math.max(...stages.map((stage) => Number(stage.parameters.blocks_to_swap?.value ?? 0)));
  const byBlocks = ramForBlocks(presets, blocks);
  const ramGiB = Math.max(tier.ram_gib, byBlocks);
  const [slow, slower] = presets.memory.factors.ten_swapped_blocks_cost_time.percent;
  return {
    vramGiB: [low + extra[0], high + extra[1]],
    vramBasis: `the manual's figure for the tier ${hardware.tier}${extra[1] > 0 ? `, and ${extra[0]}–${extra[1]} GB for ${spec.task}` : ""}`,
    ramGiB,
    ramBasis:
      byBlocks >= tier.ram_gib
        ? `the manual's figure for ${blocks} swapped blocks`
        : `the manual's figure for the tier ${hardware.tier}`,
    slowdownPercent: [(blocks / 10) * slow, (blocks / 10) * slower],
    slowdownBasis: `the manual: ${slow}–${slower} % for every ten swapped blocks`,
  };
}

/** GPU memory that the manual expects the tier to use: the card's own row, else the span of all rows. */
function expectedVram(presets: Presets, { tier, cardName }: Hardware): readonly [number, number] {
  const rows = presets.tiers.tiers[tier].vram_gib;
  const key = cardName === undefined ? undefined : parseCardName(cardName).key;
  const own = rows.find((row) => row.card !== undefined && parseCardName(row.card).key === key);
  if (own !== undefined) return own.value;
  return [Math.min(...rows.map((row) => row.value[0])), Math.max(...rows.map((row) => row.value[1]))];
}

/** Host memory in GiB for a number of swapped blocks; a number that stands in two rows, or between two, gets the higher. */
function ramForBlocks({ memory }: Presets, blocks: number): number {
  const rows = memory.ram_by_blocks_to_swap;
  const row = rows.findLast((each) => blocks >= each.blocks[0] && blocks <= each.blocks[1]);
  return (row ?? rows.find((each) => blocks <= each.blocks[1]) ?? rows.at(-1))?.ram_gib ?? 0;
}

/** Findings about the machine, the dataset's size, and values beside the manual's. */
export function checkSuitability(suiting: Suiting): Diagnostic[] {
  return [...checkMemory(suiting), ...checkArithmetic(suiting), ...checkDatasetSize(suiting), ...checkValues(suiting)];
}

/** In a rehearsal nothing depends on the machine: what would be a warning is worth knowing, no more. */
function severityFor(spec: Spec): "warning" | "note" {
  return spec.trainer.backend === "rehearsal" ? "note" : "warning";
}

function checkMemory(suiting: Suiting): Diagnostic[] {
  const { spec, presets, hardware } = suiting;
  const found: Diagnostic[] = [];
  const options = { at: hardwarePlace(spec), path: "hardware", severity: severityFor(spec) };
  const { vramGiB, ramGiB, tier } = hardware;
  const card = hardware.cardName ?? "The card";
  const smallest = presets.tiers.smallest_gib.value;
  const [expected, upTo] = expectedVram(presets, hardware);
  if (vramGiB !== undefined && Math.round(vramGiB) < smallest) {
    found.push(
      diagnose(
        RESOLVE_CODES.smallCard,
        `${card} has ${Math.round(vramGiB)} GB, and the smallest configuration of the manual is made for ${smallest} GB. Lower the resolution and the number of frames, and stay with \`noise: low\`.`,
        options,
      ),
    );
  } else if (vramGiB !== undefined && Math.round(vramGiB) < expected) {
    found.push(
      diagnose(
        RESOLVE_CODES.tierExpectsMore,
        `${card} has ${Math.round(vramGiB)} GB, and the manual, which names it for the tier \`${tier}\`, expects that tier to use ${expected} to ${upTo} GB. Set \`strategy: conservative\`, or lower the resolution or the number of frames.`,
        options,
      ),
    );
  }
  const figures = manualFigures(suiting);
  // A machine reports a little less than what is built in.
  if (spec.trainer.backend === "musubi" && ramGiB !== undefined && ramGiB < figures.ramGiB * 0.93) {
    found.push(
      diagnose(
        RESOLVE_CODES.littleRam,
        `The machine has ${Math.round(ramGiB)} GB of memory, and ${figures.ramBasis} is ${figures.ramGiB} GB. Swap fewer blocks, for example with \`strategy: aggressive\`, or add memory.`,
        { at: hardwarePlace(spec), path: "hardware" },
      ),
    );
  }
  return found;
}

/** What the card cannot compute with. Only what is true of the trainer: 8-bit weights are storage, computing is in 16 bits. */
function checkArithmetic({ spec, presets, hardware, stages }: Suiting): Diagnostic[] {
  const { architectures } = presets.tiers;
  const { architecture: key = "", cardName: name = "The card" } = hardware;
  const architecture = Object.hasOwn(architectures, key) ? architectures[key] : undefined;
  if (architecture === undefined) return [];
  const options = { at: hardwarePlace(spec), path: "hardware" };
  const found: Diagnostic[] = [];
  if (!architecture.bf16) {
    const trainsInBf16 = stages.some((stage) => stage.parameters.mixed_precision?.value === "bf16");
    const what = trainsInBf16 ? "Training, the VAE and T5 run" : "The VAE and T5 run";
    const mend = trainsInBf16 ? "Use fp16 model files, and set" : "Set";
    found.push(
      diagnose(
        RESOLVE_CODES.noBf16,
        `${name} is of the ${architecture.title} generation, which emulates bf16. ${what} in bf16 here and will be slow. ${mend} \`vae_dtype: float16\` under cache_latents.`,
        { ...options, severity: severityFor(spec) },
      ),
    );
  }
  if (!architecture.fp8 && stages.some((stage) => stage.parameters.fp8_base?.value === true)) {
    found.push(
      diagnose(
        RESOLVE_CODES.fp8StorageOnly,
        `${name} is of the ${architecture.title} generation, which has no 8-bit arithmetic. \`fp8_base\` works all the same: weights are kept in 8 bits and computed with in 16, which saves memory and no time.`,
        options,
      ),
    );
  }
  return found;
}

function checkDatasetSize({ spec, presets, hardware, counted }: Suiting): Diagnostic[] {
  const { to, from } = presets.tiers.tiers[hardware.tier].suits;
  if (to === undefined || counted <= to) return [];
  return [
    diagnose(
      RESOLVE_CODES.datasetTooLarge,
      `${counted} files train, and the manual makes the tier \`${hardware.tier}\` for ${from} to ${to}. It may fit and take impractically long; train on fewer, better files, or on a card of a higher tier.`,
      {
        at: spec.places.get("dataset") ?? { file: spec.file },
        path: "dataset.sources",
        // A tier or a card that was written is what the pipeline is for, also while it is rehearsed.
        severity: spec.hardware.kind === "auto" ? severityFor(spec) : "warning",
      },
    ),
  ];
}

/** What users wrote, against the manual's ranges. */
function checkValues({ spec, presets, hardware }: Suiting): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (const script of SCRIPTS) {
    const section = SECTION_OF[script];
    const winners = new Map(spec.overrides.filter((each) => each.section === section).map((each) => [each.name, each]));
    for (const { name, value, place } of winners.values()) {
      const range = findParameter(name)?.range;
      if (typeof value !== "number") continue;
      const options = { at: place, path: `${section}.${name}` };
      if (range !== undefined && (value < range[0] || value > range[1])) {
        found.push(
          diagnose(
            RESOLVE_CODES.outsideRange,
            `\`${name}: ${shownValue(value)}\` is outside ${shownValue(range[0])} to ${shownValue(range[1])}, the whole range that the manual has for it. It is used as written; correct it unless this is an experiment.`,
            options,
          ),
        );
      } else if (name === "network_dim") found.push(...checkRankCap(presets, hardware.tier, value, options));
    }
  }
  return found;
}

function checkRankCap(
  presets: Presets,
  tier: Tier,
  value: number,
  options: Parameters<typeof diagnose>[2],
): Diagnostic[] {
  const cap = rankCap(presets.tiers.tiers[tier]);
  if (cap === undefined || value <= cap[1]) return [];
  return [
    diagnose(
      RESOLVE_CODES.aboveTierCap,
      `\`network_dim: ${value}\` is used as written; for the tier \`${tier}\` the manual recommends ${cap[0]} to ${cap[1]}. It takes more GPU memory than the tier's figures include.`,
      options,
    ),
  ];
}
