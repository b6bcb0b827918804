import { normalizePath } from "../paths.ts";
import type { Parameter } from "../trainer/parameter.ts";
import { scalarValue } from "../trainer/parameter-value.ts";
import type { ParameterValue, Strategy } from "../vocabulary.ts";
import type { Recommendation } from "./preset-schema.ts";

/** A recommendation made one value: which, and out of which range. */
export interface Choice {
  readonly value: ParameterValue;
  /** The recommended range as far as the trainer takes it. */
  readonly range?: readonly [number, number];
  /** The manual's figure, where the trainer takes less. */
  readonly loweredFrom?: number;
}

/** Memory parameters of which more saves more GPU memory; of all others less does. */
const MORE_SAVES_MEMORY: ReadonlySet<string> = new Set(["blocks_to_swap"]);

/** Ranks are multiples of 4, as all of the manual's are. */
const RANK_STEP = 4;
const RANKS: ReadonlySet<string> = new Set(["network_dim", "network_alpha"]);

/** A single recommended value as a plan holds it. Paths in presets are seen from the project's root. */
export function presetValue(parameter: Parameter, value: string | number | boolean): string | number | boolean {
  const { kind } = parameter.type;
  const isPath = (kind === "path" || kind === "prompts") && typeof value === "string";
  return isPath ? normalizePath(value) : scalarValue(parameter, value);
}

/** Chooses one value of a recommendation by where in its range the user wants to stand (design §4, "Ranges"). */
export function chooseValue(parameter: Parameter, { value }: Recommendation, strategy: Strategy): Choice {
  if (!Array.isArray(value)) return { value: presetValue(parameter, value) };
  const [low, high] = value;
  const wanted = wantedInRange(parameter, low, high, strategy);
  const most = "max" in parameter.type ? (parameter.type.max ?? high) : high;
  const range = [Math.min(low, most), Math.min(high, most)] as const;
  return wanted > most ? { value: most, range, loweredFrom: wanted } : { value: wanted, range };
}

function wantedInRange(parameter: Parameter, low: number, high: number, strategy: Strategy): number {
  if (strategy === "balanced") return middle(parameter, low, high);
  const conservativeIsHigh = parameter.group === "memory" && MORE_SAVES_MEMORY.has(parameter.name);
  return (strategy === "conservative") === conservativeIsHigh ? high : low;
}

/** The middle, rounded down: ranks to a multiple of 4, whole numbers to a whole number. Never below the range. */
function middle(parameter: Parameter, low: number, high: number): number {
  const exact = (low + high) / 2;
  if (RANKS.has(parameter.name)) return Math.max(low, Math.floor(exact / RANK_STEP) * RANK_STEP);
  if (parameter.type.kind === "integer") return Math.max(low, Math.floor(exact));
  // 1.5e-4 and 2.5e-4 make 2e-4, not 1.9999999999999998e-4.
  return Number(exact.toPrecision(12));
}
