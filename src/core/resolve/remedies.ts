import { findParameter } from "../trainer/parameters.ts";
import { type ParameterValue, SCRIPTS, type Script, SECTION_OF, type Section } from "../vocabulary.ts";
import type { Problem, Remedy } from "./preset-schema.ts";
import type { Presets } from "./presets.ts";
import type { Resolved, ResolvedParameters } from "./resolved.ts";

/** A remedy that would change something in a pipeline. */
export interface FittingRemedy {
  readonly id: string;
  /** In English: what it does, and why. */
  readonly title: string;
  readonly reason: string;
  /** In English: what it takes of speed or quality, as the manual says. */
  readonly costs: string | undefined;
  /** Lines for the pipeline file; empty where it is advice. */
  readonly patch: readonly string[];
}

/** For each problem, which end of a range helps: more swapped blocks for a full GPU, fewer for full host memory. */
const SWAP_HELPS: Readonly<Record<Problem, "more" | "less">> = {
  "out-of-memory": "more",
  slow: "less",
  unstable: "less",
  "dual-model": "less",
  estimate: "less",
  "host-memory": "less",
  tensorboard: "less",
};

/** The manual's remedies for a problem in its order, as changes to this pipeline; those that would change nothing are left out. */
export function findRemedies(problem: Problem, resolved: Resolved, presets: Presets): readonly FittingRemedy[] {
  return presets.remedies.problems[problem].remedies.flatMap((remedy) => {
    const changes = changesOf(problem, remedy, resolved);
    const keys = Object.entries(remedy.keys ?? {}).filter(([key, value]) => wouldHelp(key, value, resolved));
    const isAdvice = remedy.parameters === undefined && remedy.keys === undefined && remedy.by_task === undefined;
    if (!isAdvice && changes.length === 0 && keys.length === 0) return [];
    const patch = [...keys.map(([key, value]) => `${key}: ${String(value)}`), ...sectionLines(changes)];
    return [{ id: remedy.id, title: remedy.title.en, reason: remedy.reason.en, costs: remedy.costs?.en, patch }];
  });
}

/** Remedies as text to print: each a comment that says what it does, and the lines to write. */
export function remedyLines(remedies: readonly FittingRemedy[]): readonly string[] {
  return remedies.flatMap(({ title, reason, costs, patch }, index) => [
    `# ${index + 1}. ${title}. ${reason}`,
    ...(costs === undefined ? [] : [`#    Costs ${costs}.`]),
    ...patch,
  ]);
}

interface Change {
  readonly section: Section;
  readonly name: string;
  readonly value: ParameterValue;
}

function changesOf(problem: Problem, remedy: Remedy, resolved: Resolved): readonly Change[] {
  const wanted = { ...remedy.parameters, ...remedy.by_task?.[resolved.spec.task] };
  const changes: Change[] = [];
  for (const [name, value] of Object.entries(wanted)) {
    const parameter = findParameter(name);
    if (parameter === undefined || !canBeSet(name, resolved)) continue;
    for (const script of SCRIPTS) {
      if (parameter.takes[script] === undefined || !isUsedBy(script, name, resolved)) continue;
      const current = parametersOf(script, resolved)[name]?.value;
      const better = betterValue(problem, name, value, current);
      if (better !== undefined) changes.push({ section: SECTION_OF[script], name, value: better });
    }
  }
  return [...changes, ...companions(changes, resolved)];
}

export function parametersOf(script: Script, resolved: Resolved): ResolvedParameters {
  if (script === "cache-latents") return resolved.cacheLatents;
  if (script === "cache-text") return resolved.cacheText;
  return resolved.trainStages[0]?.parameters ?? {};
}

/** Training loads the VAE and T5 for samples only. */
function isUsedBy(script: Script, name: string, resolved: Resolved): boolean {
  const isForSamples = script === "train" && (name === "fp8_t5" || name === "vae_cache_cpu");
  return !isForSamples || parametersOf("train", resolved).sample_prompts !== undefined;
}

/** What the trainer would refuse here, or not read. */
function canBeSet(name: string, resolved: Resolved): boolean {
  const train = parametersOf("train", resolved);
  if (name === "timestep_boundary") return resolved.noise === "dual";
  if (name === "offload_inactive_dit")
    return resolved.noise === "dual" && !(Number(train.blocks_to_swap?.value ?? 0) > 0);
  if (name === "network_alpha") return train.network_alpha?.source.layer !== "derived";
  // It is `auto` unless a user decided otherwise, and then the trainer insists on it.
  if (name === "mixed_precision") return false;
  // Weights that are in 8 bits already had it taken away while resolving.
  return !(name === "fp8_scaled" && train.fp8_scaled?.source.layer === "derived");
}

/** The first better value that the remedy offers; undefined where the pipeline has it already. */
function betterValue(
  problem: Problem,
  name: string,
  offered: NonNullable<Remedy["parameters"]>[string],
  current: ParameterValue | undefined,
): ParameterValue | undefined {
  if (!Array.isArray(offered)) {
    const isLower =
      typeof offered !== "number" || typeof current !== "number" || name === "timestep_boundary" || offered < current;
    return offered === current || !isLower ? undefined : offered;
  }
  const [low, high] = offered;
  const now = typeof current === "number" ? current : 0;
  if (name !== "blocks_to_swap" || SWAP_HELPS[problem] === "less") {
    if (now > high) return high;
    return now > low ? low : undefined;
  }
  const type = findParameter(name)?.type;
  const most = Math.min(high, type !== undefined && "max" in type ? (type.max ?? high) : high);
  if (now < low) return low;
  // Ten more at a time: each ten cost 10 to 15 % of speed.
  return now < most ? Math.min(most, now + 10) : undefined;
}

/** What has to change along: the trainer takes either swapped blocks or an offloaded model. */
function companions(changes: readonly Change[], resolved: Resolved): readonly Change[] {
  const swaps = changes.some(({ name, value }) => name === "blocks_to_swap" && Number(value) > 0);
  const offload = parametersOf("train", resolved).offload_inactive_dit;
  return swaps && offload?.value === true ? [{ section: "train", name: "offload_inactive_dit", value: false }] : [];
}

function wouldHelp(key: string, value: unknown, { noise, spec }: Resolved): boolean {
  if (key === "noise") return noise === "dual";
  return key !== "output.name" || spec.output.name !== value;
}

/** As a pipeline file is written: training first. */
const SECTIONS = ["train", "cache_latents", "cache_text"] as const satisfies readonly Section[];

function sectionLines(changes: readonly Change[]): readonly string[] {
  return SECTIONS.flatMap((section) => {
    const own = changes.filter((change) => change.section === section);
    return own.length === 0 ? [] : [`${section}:`, ...own.map(({ name, value }) => `  ${name}: ${String(value)}`)];
  });
}
