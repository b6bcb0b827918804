import { type Diagnostic, diagnose, type Place } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import type { Spec } from "../spec/spec.ts";
import { nearest } from "../spec/suggest.ts";
import { TIERS, type Tier } from "../vocabulary.ts";
import { findCards, parseCardName, similarCards, tierOfMemory } from "./cards.ts";
import { RESOLVE_CODES } from "./codes.ts";
import type { Card, TiersPreset } from "./preset-schema.ts";
import { sourceOfPlace } from "./provenance.ts";
import type { ValueSource } from "./resolved.ts";

/** The machine that will train, as far as it is known, and the tier that follows. */
export interface Hardware {
  readonly tier: Tier;
  readonly tierSource: ValueSource;
  /** The card as it was named or found. */
  readonly cardName?: string;
  readonly vramGiB?: number;
  /** The architecture of a card that the preset knows, also where its memory is none that it knows it with. */
  readonly architecture?: string;
  readonly ramGiB?: number;
  readonly diagnostics: readonly Diagnostic[];
}

/** What of the outside decides it: the cards there are, and those of which the pipeline gets one. */
type MachineFacts = Pick<Facts, "gpus" | "ramGiB"> & { readonly gpuPool?: readonly number[] | undefined };

/** Decides the tier from what the user wrote or, under `auto`, from the machine's cards. */
export function resolveHardware(spec: Spec, tiers: TiersPreset, facts: MachineFacts): Hardware {
  const request = spec.hardware;
  switch (request.kind) {
    case "auto":
      return fromMachine(spec, tiers, facts);
    case "name": {
      const source = sourceOfPlace(spec, request.place);
      const tier = TIERS.find((each) => each === request.name.trim().toLowerCase());
      if (tier !== undefined) return { tier, tierSource: source, diagnostics: [] };
      return fromCard(tiers, { name: request.name, place: request.place, source });
    }
    case "described": {
      const source = sourceOfPlace(spec, request.place);
      const ram = request.ramGiB === undefined ? {} : { ramGiB: request.ramGiB };
      if (request.gpu !== undefined) {
        const card = { name: request.gpu, vramGiB: request.vramGiB, place: request.place, source };
        return { ...fromCard(tiers, card), ...ram };
      }
      if (request.vramGiB !== undefined) {
        return { ...fromMemory(tiers, request.vramGiB, source), ...ram };
      }
      return { ...fromMachine(spec, tiers, facts), ...ram };
    }
  }
}

/** The cards that the pipeline runs on, or may get: training in parallel is bound by the smallest, and so is what fits on any of them. */
function fromMachine(spec: Spec, tiers: TiersPreset, facts: MachineFacts): Hardware {
  const ram = facts.ramGiB === undefined ? {} : { ramGiB: facts.ramGiB };
  const wanted = spec.gpus ?? facts.gpuPool;
  const chosen = facts.gpus.filter((gpu, order) => (wanted === undefined ? order === 0 : wanted.includes(gpu.index)));
  const smallest = [...chosen].sort((a, b) => a.vramGiB - b.vramGiB)[0];
  if (smallest === undefined) {
    const severity = spec.trainer.backend === "rehearsal" ? "note" : "warning";
    const detail =
      wanted !== undefined && facts.gpus.length > 0
        ? `The pipeline asks for the cards ${wanted.join(", ")}, and this machine has ${facts.gpus.map((gpu) => gpu.index).join(", ")}.`
        : "`hardware` is auto, and this machine shows no NVIDIA card.";
    return {
      tier: "entry",
      tierSource: { layer: "derived", text: "auto: no card found" },
      ...ram,
      diagnostics: [
        diagnose(
          RESOLVE_CODES.noCard,
          `${detail} The plan is made for the tier \`entry\`, which takes the least memory${spec.noise === undefined ? " and trains the low-noise model only" : ""}. Write the card that will train, for example \`hardware: RTX 4090\`, or a tier.`,
          { at: hardwarePlace(spec), path: "hardware", severity },
        ),
      ],
    };
  }
  const found = `${smallest.name}, ${Math.round(smallest.vramGiB)} GB`;
  const source: ValueSource = { layer: "derived", text: `auto: ${found}` };
  const place = hardwarePlace(spec);
  return { ...fromCard(tiers, { name: smallest.name, vramGiB: smallest.vramGiB, place, source }), ...ram };
}

interface NamedCard {
  readonly name: string;
  readonly vramGiB?: number | undefined;
  readonly place: Place;
  readonly source: ValueSource;
}

function fromCard(tiers: TiersPreset, named: NamedCard): Hardware {
  const name = parseCardName(named.name);
  // What was measured or written beside it counts for more than what the name says.
  const vramGiB = named.vramGiB ?? name.vramGiB;
  const fitting = findCards(tiers, name, vramGiB);
  const [card] = fitting;
  if (card !== undefined) return fromKnownCard(tiers, { named, card, fitting, vramGiB });
  if (vramGiB !== undefined) {
    const [sameName] = findCards(tiers, name, undefined);
    return {
      ...fromMemory(tiers, vramGiB, named.source),
      cardName: named.name,
      ...(sameName === undefined ? {} : { architecture: sameName.architecture }),
    };
  }
  const tier = nearest(named.name, TIERS);
  const similar = similarCards(tiers, named.name);
  const suggestions = [...(tier === undefined ? [] : [`the tier ${tier}`]), ...similar];
  const hint = suggestions.length === 0 ? "" : ` Did you mean ${suggestions.join(", or ")}?`;
  return {
    tier: "entry",
    tierSource: named.source,
    cardName: named.name,
    diagnostics: [
      diagnose(
        RESOLVE_CODES.unknownCard,
        `No card called ${named.name} is known.${hint} Correct the name; or say how much memory it has, as in \`hardware: {gpu: ${named.name}, vram_gb: 24}\`; or name a tier: ${TIERS.join(", ")}.`,
        { at: named.place, path: "hardware" },
      ),
    ],
  };
}

interface KnownCard {
  readonly named: NamedCard;
  readonly card: Card;
  readonly fitting: readonly Card[];
  readonly vramGiB: number | undefined;
}

function fromKnownCard(tiers: TiersPreset, { named, card, fitting, vramGiB }: KnownCard): Hardware {
  const memory = vramGiB ?? card.vram_gib;
  const tier = card.tier ?? tierOfMemory(tiers, memory);
  const basis =
    card.tier === undefined
      ? `${Math.round(memory)} GB of memory`
      : card.by === "manual"
        ? `the manual names the ${card.name}`
        : `the ${card.name} by name`;
  const other = fitting.find((each) => (each.tier ?? tierOfMemory(tiers, each.vram_gib)) !== tier);
  const ambiguous =
    vramGiB === undefined && other !== undefined
      ? [
          diagnose(
            RESOLVE_CODES.cardVariant,
            `${named.name} is taken as the one with ${card.vram_gib} GB, tier ${tier}. If yours has ${other.vram_gib} GB, write \`hardware: ${card.name} ${other.vram_gib}GB\`.`,
            { at: named.place, path: "hardware" },
          ),
        ]
      : [];
  return {
    tier,
    tierSource: { ...named.source, text: `${named.source.text} (${basis})` },
    cardName: named.name,
    vramGiB: memory,
    architecture: card.architecture,
    diagnostics: ambiguous,
  };
}

function fromMemory(tiers: TiersPreset, vramGiB: number, source: ValueSource): Hardware {
  return {
    tier: tierOfMemory(tiers, vramGiB),
    tierSource: { ...source, text: `${source.text} (${Math.round(vramGiB)} GB of memory)` },
    vramGiB,
    diagnostics: [],
  };
}

/** Where the pipeline speaks of hardware, or the file where it does not. */
export function hardwarePlace(spec: Spec): Place {
  return spec.places.get("hardware") ?? { file: spec.file };
}
