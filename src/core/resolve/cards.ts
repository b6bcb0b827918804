import { editDistance } from "../spec/suggest.ts";
import type { Tier } from "../vocabulary.ts";
import { TIERS } from "../vocabulary.ts";
import type { Card, TiersPreset } from "./preset-schema.ts";

/** Words of a card's name that say who made it, in which shape, or for which slot, but not which card it is. */
const DECORATION: ReadonlySet<string> = new Set([
  "nvidia",
  "geforce",
  "quadro",
  "tesla",
  "rtx",
  "gtx",
  "gpu",
  "graphics",
  "card",
  "generation",
  "edition",
  "founders",
  "workstation",
  "server",
  "blackwell",
  "max",
  "q",
  "sff",
  "tensor",
  "core",
  "pcie",
  "pci",
  "sxm",
  "sxm2",
  "sxm3",
  "sxm4",
  "sxm5",
  "nvl",
  "oam",
  "hgx",
  "dgx",
  "hbm2",
  "hbm2e",
  "hbm3",
  "hbm3e",
  "gddr6",
  "gddr6x",
  "gddr7",
]);

/** How far a card's reported memory may be from the figure in its name: ECC and firmware take their share. */
const MEMORY_TOLERANCE = 0.15;

/** A card's name as written, taken apart. */
export interface CardName {
  /** What is left to compare: `4060 ti`, `a100`, `pro 6000`. */
  readonly key: string;
  /** Memory that the name itself mentions, in GiB. */
  readonly vramGiB?: number;
}

/** Takes a card's name apart, in whatever way it is written: `NVIDIA GeForce RTX 4090`, `4090`, `A100-SXM4-80GB`, `RTX4060Ti 16G`. */
export function parseCardName(name: string): CardName {
  const spaced = name
    .toLowerCase()
    .replace(/\((r|tm)\)/g, " ")
    .replace(/(?<![a-z0-9.])(\d+(?:\.\d+)?)\s*g(?:i?b)?(?![a-z0-9])/g, " $1gb ")
    .replace(/[^a-z0-9.]+/g, " ")
    .replace(/\b(rtx|gtx|quadro|tesla|geforce|nvidia)(?=[a-z]?\d)/g, "$1 ")
    .replace(/(\d)(ti|super|tisuper|ada|d)\b/g, "$1 $2")
    .replace(/\btisuper\b/g, "ti super");
  const words = spaced.split(" ").filter((word) => word !== "");
  const memory = words.map((word) => /^(\d+(?:\.\d+)?)gb$/.exec(word)?.[1]).find((found) => found !== undefined);
  const kept = words.filter((word) => !/^\d+(\.\d+)?gb$/.test(word));
  const key = kept.filter((word) => !DECORATION.has(word)).join(" ");
  return { key, ...(memory === undefined ? {} : { vramGiB: Number(memory) }) };
}

/** The known cards of a name, the manual's first; of several variants those that fit the memory, where it is known. */
export function findCards(tiers: TiersPreset, name: CardName, vramGiB: number | undefined): readonly Card[] {
  const named = tiers.cards.filter((card) => parseCardName(card.name).key === name.key);
  if (vramGiB === undefined) return named;
  return named
    .filter((card) => Math.abs(card.vram_gib - vramGiB) <= card.vram_gib * MEMORY_TOLERANCE)
    .sort((a, b) => Math.abs(a.vram_gib - vramGiB) - Math.abs(b.vram_gib - vramGiB));
}

/** The tier of a card by its memory alone, in GiB; what is reported is rounded, since cards show a little less than they have. */
export function tierOfMemory(tiers: TiersPreset, vramGiB: number): Tier {
  return TIERS.find((tier) => Math.round(vramGiB) >= tiers.tiers[tier].memory_from_gib) ?? "entry";
}

/** Known cards whose names are nearest to one that is not known, best first, at most three. */
export function similarCards(tiers: TiersPreset, name: string): readonly string[] {
  const { key } = parseCardName(name);
  const names = [...new Set(tiers.cards.map((card) => card.name))];
  return names
    .map((known) => ({ known, distance: editDistance(key, parseCardName(known).key) }))
    .filter(({ known, distance }) => distance <= Math.max(1, parseCardName(known).key.length / 2))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ known }) => known);
}
