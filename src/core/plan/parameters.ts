import type { Resolved, ResolvedParameters, ResolvedValue } from "../resolve/resolved.ts";
import { planValue } from "./inputs.ts";
import type { ParameterPlan } from "./plan.ts";

/** Every parameter of a plan with its value and source: train by bare name, the others with their section before it. */
export function planParameters(resolved: Resolved): Readonly<Record<string, ParameterPlan>> {
  const { trainStages, dataset, cacheLatents, cacheText } = resolved;
  const parameters: Record<string, ParameterPlan> = {};
  const first = trainStages[0];
  const names = [...new Set(trainStages.flatMap((stage) => Object.keys(stage.parameters)))].sort();
  for (const name of names) {
    const values = trainStages.map((stage) => stage.parameters[name]);
    if (values.every((value) => sameValue(value, values[0]))) {
      Object.assign(parameters, entryOf(name, first?.parameters[name]));
      continue;
    }
    // Halves that differ.
    for (const stage of trainStages) Object.assign(parameters, entryOf(`${stage.id}.${name}`, stage.parameters[name]));
  }
  const sections: readonly (readonly [string, ResolvedParameters])[] = [
    ["dataset", dataset.parameters],
    ["cache-latents", cacheLatents],
    ["cache-text", cacheText],
  ];
  for (const [section, values] of sections) {
    for (const name of Object.keys(values).sort()) {
      Object.assign(parameters, entryOf(`${section}.${name}`, values[name]));
    }
  }
  return parameters;
}

function sameValue(a: ResolvedValue | undefined, b: ResolvedValue | undefined): boolean {
  return JSON.stringify(a?.value) === JSON.stringify(b?.value);
}

function entryOf(name: string, resolved: ResolvedValue | undefined): Readonly<Record<string, ParameterPlan>> {
  if (resolved === undefined) return {};
  const { value, source, recommended } = resolved;
  const { layer, text, file, line } = source;
  return {
    [name]: {
      value: planValue(value),
      source: { layer, text, ...(file === undefined ? {} : { file }), ...(line === undefined ? {} : { line }) },
      ...(recommended === undefined ? {} : { recommended: [recommended[0], recommended[1]] }),
    },
  };
}
