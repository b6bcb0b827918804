import { baseName } from "../paths.ts";
import type { PipelinePlan } from "../plan/plan.ts";
import type { Binding } from "../plan/saved/binding.ts";
import { bindingMoved } from "../plan/saved/staleness.ts";
import type { CheckpointRecord } from "../state/state.ts";
import type { Provenance, ProvenanceOutput } from "./record.ts";

/** What is not the same any more where a run is made again, and whether the same comes of it. */

/** What a plan that is made again is compared by. */
export interface PresentMaking {
  readonly madeFrom: Binding;
  readonly plan: Pick<PipelinePlan, "stages">;
  readonly tool: string;
  readonly python: string | undefined;
  readonly platform: string;
  /** Names of the cards; those of a rehearsal, which uses none, are left out. */
  readonly gpus: readonly string[];
  readonly driver: string | undefined;
}

export interface Difference {
  /** `result`: something else may come of it. `machine`: it shapes no fingerprint, though a GPU may round otherwise. */
  readonly weighs: "result" | "machine";
  readonly text: string;
}

/** Where its own things lie is what a run that is made again has otherwise. */
const PLACES: readonly string[] = ["output.dir", "state_dir", "cache_dir"];

/** Item by item. The fingerprints have the last word: they say whether anything of it shapes the result. */
export function compareMaking(record: Provenance, now: PresentMaking): readonly Difference[] {
  const moved = bindingMoved(withoutPlaces(record.made_from), withoutPlaces(now.madeFrom));
  const others = record.stages.flatMap(({ id, fingerprint }) => {
    const stage = now.plan.stages.find((one) => one.id === id);
    return stage?.fingerprint === fingerprint ? [] : [id];
  });
  const decided =
    others.length > 0 && moved.length === 0
      ? [`${others.join(", ")}: decided otherwise by this wan22 or this machine, though the files are the same`]
      : [];
  return [
    ...[...moved, ...decided].map((text): Difference => ({ weighs: others.length > 0 ? "result" : "machine", text })),
    ...machineMoved(record, now).map((text): Difference => ({ weighs: "machine", text })),
  ];
}

function withoutPlaces(binding: Binding): Binding {
  const spec = Object.entries(binding.spec).filter(([key]) => !PLACES.includes(key));
  return { ...binding, spec: Object.fromEntries(spec) };
}

function machineMoved({ tool, python, machine }: Provenance, now: PresentMaking): readonly string[] {
  const gpus = machine.gpus.map(({ name }) => name);
  const pairs: readonly (readonly [string, string, string])[] = [
    ["wan22", tool.version, now.tool],
    ["Python", python ?? "unknown", now.python ?? "unknown"],
    ["platform", machine.platform, now.platform],
    ["GPU driver", machine.driver ?? "none", now.driver ?? "none"],
    ["GPUs", gpus.join(", ") || "none", now.gpus.join(", ") || "none"],
  ];
  return pairs.flatMap(([what, before, after]) => (before === after ? [] : [`${what}: ${before} → ${after}`]));
}

export interface ComparedOutput {
  /** Base name. */
  readonly file: string;
  /** `same-tensors`: their header alone differs, which holds times where Musubi Tuner writes it. */
  readonly becomes: "same" | "same-tensors" | "other" | "missing";
}

/** The checkpoint that was made again of an output, by stage and name. */
export function madeAgain(
  { stage, file }: Pick<ProvenanceOutput, "stage" | "file">,
  made: readonly CheckpointRecord[],
): CheckpointRecord | undefined {
  return made.find((one) => one.stage === stage && baseName(one.file) === baseName(file));
}

/** What the run made, beside what was made again. `sameTensors`: names of outputs whose tensors were compared and are the same. */
export function compareOutputs(
  { outputs }: Pick<Provenance, "outputs">,
  made: readonly CheckpointRecord[],
  sameTensors: ReadonlySet<string>,
): readonly ComparedOutput[] {
  return outputs.map((output) => {
    const name = baseName(output.file);
    const again = madeAgain(output, made);
    if (again === undefined) return { file: name, becomes: "missing" };
    if (again.sha256 === output.sha256) return { file: name, becomes: "same" };
    return { file: name, becomes: sameTensors.has(output.file) ? "same-tensors" : "other" };
  });
}
