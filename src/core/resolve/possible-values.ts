import type { Spec } from "../spec/spec.ts";
import { findParameter } from "../trainer/parameters.ts";
import type { ParameterValue } from "../vocabulary.ts";
import type { Recommendations } from "./preset-schema.ts";
import type { Presets } from "./presets.ts";
import { presetValue } from "./ranges.ts";

/**
 * What a train parameter may come to, asked before anything is resolved, so that whatever its value names can be looked
 * at: what the user wrote, or whatever a preset may choose where the user wrote nothing. Ranges are numbers, and name nothing.
 */
export function possibleValues(
  name: string,
  { overrides }: Pick<Spec, "overrides">,
  { defaults, tasks, sizeRules, tiers }: Presets,
): readonly ParameterValue[] {
  const parameter = findParameter(name);
  if (parameter === undefined) return [];
  const written = overrides.filter((override) => override.section === "train" && override.name === name).at(-1);
  if (written !== undefined) return [written.value];
  const layers: readonly Recommendations[] = [
    defaults.parameters,
    ...Object.values(tasks.tasks).map((task) => task.parameters),
    ...sizeRules.rules.map((rule) => rule.parameters),
    ...Object.values(tiers.tiers).map((tier) => tier.parameters),
  ];
  const values = layers.flatMap((layer) => {
    const value = Object.hasOwn(layer, name) ? layer[name]?.value : undefined;
    return value === undefined || Array.isArray(value) ? [] : [presetValue(parameter, value)];
  });
  return [...new Set(values)];
}
