import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { Facts } from "../facts.ts";
import type { LocatedPath, Spec } from "../spec/spec.ts";
import { PARAMETERS } from "../trainer/parameters.ts";
import type { ModelRole, Noise } from "../vocabulary.ts";
import { noteOptimizerName, type StageValues, settleFp8, settlePrecision, settleSwapAndOffload } from "./clashes.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { precisionOf } from "./precision.ts";
import type { Presets } from "./presets.ts";
import { fileOf, isExplicit } from "./provenance.ts";
import type { ResolvedParameters, ResolvedTrainStage, ResolvedValue } from "./resolved.ts";

export interface TrainStageInput {
  readonly spec: Spec;
  readonly presets: Presets;
  readonly facts: Facts;
  readonly noise: Noise;
  /** The script's layered parameters, the same for every half. */
  readonly layered: ResolvedParameters;
}

interface Half {
  readonly id: ResolvedTrainStage["id"];
  readonly half: ResolvedTrainStage["half"];
  /** The model that `--dit` is. */
  readonly role: Extract<ModelRole, "dit" | "dit_high_noise">;
  readonly suffix: string;
}

/** The train stages of each `noise`: both halves in one, one alone, or each in its own (design §3). */
const HALVES: Readonly<Record<Noise, readonly Half[]>> = {
  dual: [{ id: "train", half: "dual", role: "dit", suffix: "" }],
  low: [{ id: "train", half: "low", role: "dit", suffix: "" }],
  high: [{ id: "train", half: "high", role: "dit_high_noise", suffix: "" }],
  separate: [
    { id: "train-low", half: "low", role: "dit", suffix: "-low" },
    { id: "train-high", half: "high", role: "dit_high_noise", suffix: "-high" },
  ],
};

/** Parameters that the trainer reads in dual training only. */
const DUAL_ONLY = ["timestep_boundary", "offload_inactive_dit"] as const;

/** Decides the train stages and what differs between them: model, name, timesteps, precision. */
export function resolveTrainStages(input: TrainStageInput): {
  readonly stages: readonly ResolvedTrainStage[];
  readonly diagnostics: readonly Diagnostic[];
} {
  const { spec, facts, noise, layered } = input;
  const diagnostics: Diagnostic[] = [...noteOptimizerName(spec, layered)];
  const stages = HALVES[noise].map((half): ResolvedTrainStage => {
    const dit: LocatedPath | undefined = spec.models[half.role];
    const stage: StageValues = { spec, values: { ...layered }, diagnostics };
    if (half.half === "dual") {
      settleSwapAndOffload(stage);
    } else {
      narrowToHalf(stage, half.half, input);
    }
    const weights = precisionOf(facts.models[half.role], dit);
    const high = spec.models.dit_high_noise;
    // In one run the trainer loads both as fp8, or scales both to it.
    settleFp8(stage, [
      { weights, dit },
      ...(half.half === "dual" ? [{ weights: precisionOf(facts.models.dit_high_noise, high), dit: high }] : []),
    ]);
    settlePrecision(stage, weights, dit);
    return {
      id: half.id,
      half: half.half,
      dit,
      ...(half.half === "dual" ? { ditHighNoise: spec.models.dit_high_noise } : {}),
      outputName: `${spec.output.name}${half.suffix}`,
      parameters: inTableOrder(stage.values),
    };
  });
  return { stages, diagnostics };
}

/** The timesteps of one half, cut at the task's boundary, or at the user's where there is one. */
function narrowToHalf(stage: StageValues, half: "low" | "high", { spec, presets, noise }: TrainStageInput): void {
  const { values, diagnostics } = stage;
  const preset = presets.tasks.tasks[spec.task].halves[half];
  const boundary = values.timestep_boundary;
  const offload = values.offload_inactive_dit;
  if (offload?.value === true && isExplicit(offload.source)) {
    diagnostics.push(
      diagnose(
        RESOLVE_CODES.noEffect,
        "`offload_inactive_dit` moves the other half of the model away, and here each run has one half. Remove it, or set `noise: dual`.",
        { at: offload.place, path: "train.offload_inactive_dit" },
      ),
    );
  }
  for (const name of DUAL_ONLY) delete values[name];

  const cut =
    boundary !== undefined && isExplicit(boundary.source)
      ? { ...boundary, source: { ...boundary.source, text: `${boundary.source.text} (timestep_boundary)` } }
      : undefined;
  const ofTask = (value: number): ResolvedValue => ({
    value,
    source: { layer: "task", text: `task ${spec.task}, ${half}-noise half: ${value}`, ...fileOf(preset.place) },
    ...(preset.place === undefined ? {} : { place: preset.place }),
  });
  const own = {
    min_timestep: half === "high" && cut !== undefined ? cut : ofTask(preset.min_timestep),
    max_timestep: half === "low" && cut !== undefined ? cut : ofTask(preset.max_timestep),
  };
  for (const name of ["min_timestep", "max_timestep"] as const) {
    const written = values[name];
    if (written === undefined || !isExplicit(written.source)) values[name] = own[name];
    // One range written for two halves narrows each; written for one half it is that half's.
    else if (noise === "separate" && !isInside(name, written, own[name])) values[name] = own[name];
  }
  const shape = values.preserve_distribution_shape;
  if (shape === undefined || !isExplicit(shape.source)) {
    values.preserve_distribution_shape = {
      value: true,
      source: { layer: "task", text: "one half of the model alone" },
    };
  }
  if (noise === "separate") checkTimestepsLeft(stage, half);
}

function isInside(name: "min_timestep" | "max_timestep", written: ResolvedValue, own: ResolvedValue): boolean {
  return name === "min_timestep"
    ? Number(written.value) >= Number(own.value)
    : Number(written.value) <= Number(own.value);
}

/** Of one range written for two halves, nothing may be left for one of them. A range that is none by itself is `check`'s concern. */
function checkTimestepsLeft({ values, diagnostics, spec }: StageValues, half: "low" | "high"): void {
  const from = Number(values.min_timestep?.value ?? 0);
  const to = Number(values.max_timestep?.value ?? 1000);
  if (from < to) return;
  diagnostics.push(
    diagnose(
      RESOLVE_CODES.emptyTimesteps,
      `Timesteps from ${from} to ${to} are left for the ${half}-noise half, which is none. Choose min_timestep below max_timestep, such that both halves keep some, or train one half alone.`,
      {
        at: values.max_timestep?.place ?? values.min_timestep?.place ?? { file: spec.file },
        path: "train.max_timestep",
      },
    ),
  );
}

function inTableOrder(values: Record<string, ResolvedValue>): ResolvedParameters {
  const ordered: Record<string, ResolvedValue> = {};
  for (const { name } of PARAMETERS) {
    const found = values[name];
    if (found !== undefined) ordered[name] = found;
  }
  return ordered;
}
