import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import type { Spec } from "../spec/spec.ts";
import type { DatasetItems } from "../trainer/dataset.ts";
import { computeItems } from "../trainer/items.ts";
import type { Noise } from "../vocabulary.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { resolveDataset } from "./dataset.ts";
import { unusedDevices } from "./devices.ts";
import { type Hardware, resolveHardware } from "./hardware.ts";
import { layerParameters } from "./parameters.ts";
import type { SizeRule } from "./preset-schema.ts";
import type { Presets } from "./presets.ts";
import { fileOf, sourceOfPlace } from "./provenance.ts";
import type { Resolved, ResolvedHardware, ValueSource } from "./resolved.ts";
import { checkSuitability, manualFigures } from "./suitability.ts";
import { resolveTrainStages } from "./train-stages.ts";

export interface ResolveInput {
  readonly spec: Spec;
  readonly presets: Presets;
  readonly facts: Facts;
  /** Devices of which the pipeline gets one where it names none (`--gpus`); absent where it takes what it finds. */
  readonly gpuPool?: readonly number[] | undefined;
  /** SHA-256 of a text's UTF-8 bytes, in hex. */
  readonly sha256: (text: string) => string;
}

/**
 * Decides every value of a pipeline and says where it came from (design §4). Always gives a result, so that checking can
 * go on; what is wrong stands in `resolved.diagnostics`.
 */
export function resolve({ spec, presets, facts, gpuPool, sha256 }: ResolveInput): {
  readonly resolved: Resolved;
  readonly items: DatasetItems;
} {
  const dataset = resolveDataset(spec, facts, sha256);
  const items = computeItems(dataset.sources, facts.sources);
  const hardware = resolveHardware(spec, presets.tiers, { ...facts, gpuPool });
  const rule = chooseSizeRule(presets, items.files);
  const { noise, noiseSource } = chooseNoise(spec, presets, hardware);

  const circumstances = { spec, presets, rule, tier: hardware.tier };
  const cacheLatents = layerParameters("cache-latents", circumstances);
  const cacheText = layerParameters("cache-text", circumstances);
  const layered = layerParameters("train", circumstances);
  const train = resolveTrainStages({ spec, presets, facts, noise, layered: layered.values });
  const suiting = { spec, presets, hardware, counted: items.files, stages: train.stages };

  const resolved: Resolved = {
    spec,
    tier: hardware.tier,
    tierSource: hardware.tierSource,
    noise,
    noiseSource,
    sizeRule: { files: rule.files ?? rule.from ?? 0, counted: items.files },
    dataset: { parameters: dataset.parameters, sources: dataset.sources },
    cacheLatents: cacheLatents.values,
    cacheText: cacheText.values,
    trainStages: train.stages,
    models: spec.models,
    ...(gpuPool === undefined ? {} : { gpuPool }),
    hardware: knownHardware(hardware),
    manual: manualFigures(suiting),
    diagnostics: withoutRepeats([
      ...dataset.diagnostics,
      ...hardware.diagnostics,
      ...layered.diagnostics,
      ...train.diagnostics,
      ...checkSuitability(suiting),
      ...noteUnusedGpus(spec, noise),
      ...refuseGpusOutside(spec, gpuPool),
    ]),
  };
  return { resolved, items };
}

function noteUnusedGpus(spec: Spec, noise: Noise): readonly Diagnostic[] {
  const unused = unusedDevices({ gpus: spec.gpus, noise });
  if (unused.length === 0) return [];
  const detail = `Nothing is trained on ${deviceText(unused)}. ${RESOLVE_CODES.unusedGpu.mend}`;
  return [
    diagnose(RESOLVE_CODES.unusedGpu, detail, { at: spec.places.get("gpus") ?? { file: spec.file }, path: "gpus" }),
  ];
}

function refuseGpusOutside(spec: Spec, pool: readonly number[] | undefined): readonly Diagnostic[] {
  const outside = pool === undefined ? [] : (spec.gpus ?? []).filter((gpu) => !pool.includes(gpu));
  if (pool === undefined || outside.length === 0) return [];
  const detail = `\`gpus\` names ${deviceText(outside)}, and \`--gpus ${pool.join(",")}\` leaves it out. ${RESOLVE_CODES.gpuNotShared.mend}`;
  return [
    diagnose(RESOLVE_CODES.gpuNotShared, detail, { at: spec.places.get("gpus") ?? { file: spec.file }, path: "gpus" }),
  ];
}

function deviceText(devices: readonly number[]): string {
  return `device ${devices.join(", ")}`;
}

/** The first rule made for at least so many files, else the last. */
function chooseSizeRule({ sizeRules }: Presets, files: number): SizeRule {
  const { rules } = sizeRules;
  const found = rules.find((rule) => rule.files !== undefined && rule.files >= files) ?? rules.at(-1);
  if (found === undefined) throw new Error("Presets hold at least one size rule.");
  return found;
}

function chooseNoise(
  spec: Spec,
  presets: Presets,
  { tier }: Hardware,
): { readonly noise: Noise; readonly noiseSource: ValueSource } {
  if (spec.noise !== undefined) {
    return { noise: spec.noise, noiseSource: sourceOfPlace(spec, spec.places.get("noise") ?? { file: spec.file }) };
  }
  const { value: noise, place } = presets.tiers.tiers[tier].noise;
  return { noise, noiseSource: { layer: "tier", text: `tier ${tier}: ${noise}`, ...fileOf(place) } };
}

function knownHardware({ cardName, vramGiB, ramGiB }: Hardware): ResolvedHardware {
  return {
    ...(cardName === undefined ? {} : { card: cardName }),
    ...(vramGiB === undefined ? {} : { vramGiB }),
    ...(ramGiB === undefined ? {} : { ramGiB }),
  };
}

/** Two halves of one pipeline often have the same to say. */
function withoutRepeats(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>();
  return diagnostics.filter((diagnostic) => {
    const key = JSON.stringify([
      diagnostic.code,
      diagnostic.message,
      diagnostic.file,
      diagnostic.range,
      diagnostic.path,
    ]);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
