import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Spec } from "../spec/spec.ts";
import { findParameter, parametersOf } from "../trainer/parameters.ts";
import { type ParameterValue, type Script, SECTION_OF, type Tier } from "../vocabulary.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { hardwarePlace } from "./hardware.ts";
import type { Recommendations, SizeRule, TierPreset } from "./preset-schema.ts";
import type { Presets } from "./presets.ts";
import { fileOf, shownPlace, shownValue, sourceOfPlace } from "./provenance.ts";
import { chooseValue } from "./ranges.ts";
import type { Layer, ResolvedParameters, ResolvedValue } from "./resolved.ts";

/** What decides the values of a script's parameters, beside what the user wrote. */
export interface Circumstances {
  readonly spec: Spec;
  readonly presets: Presets;
  readonly rule: SizeRule;
  readonly tier: Tier;
}

export interface LayeredParameters {
  readonly values: ResolvedParameters;
  readonly diagnostics: readonly Diagnostic[];
}

/** Loading processes that both the dataset and the machine have a say in: the smaller number holds. */
const WORKERS = "max_data_loader_n_workers";
const RANK = "network_dim";
const ALPHA = "network_alpha";

/**
 * Lays the layers over one another, lowest first (design §4): trainer, default column, task, size rule, tier, project,
 * pipeline. The trainer's own defaults are among the values where they shape the result, so that writing one out
 * changes nothing.
 */
export function layerParameters(script: Script, { spec, presets, rule, tier }: Circumstances): LayeredParameters {
  const values: Record<string, ResolvedValue> = {};
  const lowered = new Map<string, Diagnostic>();
  const tierPreset = presets.tiers.tiers[tier];
  const layer = (recommendations: Recommendations, name: Layer, label: (by: string) => string) => {
    for (const [key, recommendation] of Object.entries(recommendations)) {
      const parameter = findParameter(key);
      if (parameter?.takes[script] === undefined) continue;
      const { value, range, loweredFrom } = chooseValue(parameter, recommendation, spec.strategy);
      const strategy =
        range === undefined ? "" : `, ${spec.strategy} in ${shownValue(range[0])}–${shownValue(range[1])}`;
      const { place } = recommendation;
      const own = place === undefined ? undefined : shownPlace(place);
      const text =
        name === "defaults"
          ? `${label(own ?? recommendation.by)}${strategy}`
          : `${label("")}${strategy}: ${shownValue(value)}${own === undefined ? "" : ` (${own})`}`;
      values[key] = {
        value,
        source: { layer: name, text, ...fileOf(place) },
        ...(range === undefined ? {} : { recommended: range }),
        ...(place === undefined ? {} : { place }),
      };
      if (loweredFrom === undefined) lowered.delete(key);
      else lowered.set(key, describeLowered(spec, key, loweredFrom, value));
    }
  };

  for (const parameter of parametersOf(script)) {
    const change = parameter.takes[script];
    if (parameter.trainerDefault === null || change === "nothing" || change === "next-epoch") continue;
    values[parameter.name] = {
      value: parameter.trainerDefault,
      source: { layer: "trainer", text: "trainer default" },
    };
  }
  layer(presets.defaults.parameters, "defaults", (by) => `default (${by})`);
  layer(presets.tasks.tasks[spec.task].parameters, "task", () => `task ${spec.task}`);
  layer(rule.parameters, "size-rule", () => `size rule ${rule.label} files`);
  const workersOfData = values[WORKERS];
  layer(tierPreset.parameters, "tier", () => `tier ${tier}`);
  keepSmallerWorkers(values, workersOfData, tier);
  capRank(values, tierPreset, tier);
  for (const override of spec.overrides) {
    if (override.section !== SECTION_OF[script]) continue;
    const parameter = findParameter(override.name);
    if (parameter === undefined) continue;
    const below = values[override.name];
    const recommended = below?.recommended;
    values[override.name] = {
      value: override.value,
      source: { ...sourceOfPlace(spec, override.place), layer: override.layer },
      ...(recommended === undefined ? {} : { recommended }),
      place: override.place,
    };
    lowered.delete(override.name);
  }
  followRank(values);
  return { values, diagnostics: [...lowered.values()] };
}

function describeLowered(spec: Spec, name: string, from: number, to: ParameterValue): Diagnostic {
  return diagnose(
    RESOLVE_CODES.clampedToTrainer,
    `The manual's \`${name}: ${from}\` for this case is more than the trainer takes; ${String(to)} is used.`,
    { at: hardwarePlace(spec), path: `train.${name}` },
  );
}

function keepSmallerWorkers(
  values: Record<string, ResolvedValue>,
  ofData: ResolvedValue | undefined,
  tier: Tier,
): void {
  const ofTier = values[WORKERS];
  if (ofTier?.source.layer !== "tier" || ofData === undefined) return;
  const wanted = Number(ofData.value);
  const allowed = Number(ofTier.value);
  if (wanted <= allowed) values[WORKERS] = ofData;
  else values[WORKERS] = { ...ofTier, source: { ...ofTier.source, text: `tier ${tier} caps ${wanted} at ${allowed}` } };
}

/** A tier limits the rank at the upper end of its range and never raises it. */
function capRank(values: Record<string, ResolvedValue>, tierPreset: TierPreset, tier: Tier): void {
  const rank = values[RANK];
  const cap = rankCap(tierPreset);
  if (rank === undefined || cap === undefined || Number(rank.value) <= cap[1]) return;
  const { place } = tierPreset.caps[RANK] ?? {};
  values[RANK] = {
    value: cap[1],
    source: { layer: "tier", text: `tier ${tier} caps ${String(rank.value)} at ${cap[1]}`, ...fileOf(place) },
    recommended: cap,
    ...(place === undefined ? {} : { place }),
  };
}

/** The tier's recommended ranks, low and high. */
export function rankCap(tierPreset: TierPreset): readonly [number, number] | undefined {
  const cap = tierPreset.caps[RANK]?.value;
  if (Array.isArray(cap)) return cap;
  return typeof cap === "number" ? [cap, cap] : undefined;
}

/** Alpha equals the rank unless a user wrote it: the manual's advice in every table. */
function followRank(values: Record<string, ResolvedValue>): void {
  const rank = values[RANK];
  const alpha = values[ALPHA];
  if (rank === undefined || alpha?.source.layer === "project" || alpha?.source.layer === "pipeline") return;
  values[ALPHA] = {
    value: rank.value,
    source: { layer: "derived", text: "follows network_dim" },
    ...(rank.recommended === undefined ? {} : { recommended: rank.recommended }),
  };
}
