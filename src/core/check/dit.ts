import { type Diagnostic, diagnose } from "../diagnostic.ts";
import type { ModelFacts } from "../facts.ts";
import type { ResolvedTrainStage } from "../resolve/resolved.ts";
import type { LocatedPath } from "../spec/spec.ts";
import { TRAINER_CODES } from "../trainer/refusal-codes.ts";
import type { ModelRole, Task } from "../vocabulary.ts";
import { MODEL_CODES } from "./codes.ts";
import {
  A14B,
  bareName,
  ditDtype,
  ditLayout,
  INPUT_CHANNELS,
  readDitSizes,
  readInputChannels,
  type TensorFacts,
} from "./dit-layout.ts";
import { cite, isOn, type Judged, list, pointAt, type StageRule, textOf } from "./rule.ts";

/** Rules about the DiT weights, from their headers: T1, T4, T14, M20, and whether the halves belong together. */

/** A model that a stage loads, with what was seen of it. */
interface Dit {
  readonly role: ModelRole;
  readonly path: LocatedPath;
  readonly facts: ModelFacts | undefined;
}

/** The weights of a stage: first the one that the trainer asks for its dtype, then in dual training the other half. */
export function ditsOf(stage: ResolvedTrainStage, { facts }: Judged): readonly Dit[] {
  const [first, second]: readonly ModelRole[] =
    stage.half === "high" ? ["dit_high_noise"] : stage.half === "low" ? ["dit"] : ["dit", "dit_high_noise"];
  const dit = (role: ModelRole | undefined, path: LocatedPath | undefined): readonly Dit[] =>
    role === undefined || path === undefined ? [] : [{ role, path, facts: facts.models[role] }];
  return [...dit(first, stage.dit), ...dit(second, stage.ditHighNoise)];
}

const DTYPE_NAMES: Readonly<Record<string, string>> = {
  F16: "fp16",
  BF16: "bf16",
  F32: "float32",
  F8_E4M3: "fp8_e4m3fn",
  F8_E5M2: "fp8_e5m2",
};

function nameOf(dtype: string): string {
  return DTYPE_NAMES[dtype] ?? dtype;
}

function isFp8(dtype: string | undefined): boolean {
  return dtype?.startsWith("F8_") === true;
}

/** What a header of other weights is, where it can be recognised. */
function recognise(tensors: TensorFacts): string | undefined {
  const names = Object.keys(tensors).map(bareName);
  const dim = readDitSizes(tensors)?.dim;
  if (names.some((name) => name.startsWith("img_emb."))) return "Wan2.1's image-to-video weights";
  if (dim === 3072) return "Wan2.2's 5B weights";
  if (dim === 1536) return "Wan2.1's 1.3B weights";
  if (names.some((name) => name.includes("lora_"))) return "a LoRA";
  if (names.some((name) => name.startsWith("vace_"))) return "Wan2.1's VACE weights";
  return undefined;
}

const SCALED = /(?:^|\.)scaled_fp8$|\.(?:scale_weight|scale_input|weight_scale|input_scale)$/;

/** Keys that only weights stored as scaled fp8 have; the strict load refuses them. */
function isScaled(tensors: TensorFacts): boolean {
  return Object.keys(tensors).some((name) => SCALED.test(name));
}

interface Layout {
  readonly task: Task;
  readonly miniature: boolean;
}

/** What a strict load of these tensors would stumble over, as clauses; empty where it would not. */
function findLayoutFaults(tensors: TensorFacts, { task, miniature }: Layout): readonly string[] {
  const own = readDitSizes(tensors);
  const layout = ditLayout(miniature && own !== undefined ? own : A14B, INPUT_CHANNELS[task]);
  const missing: string[] = [];
  const wrong: string[] = [];
  const found = new Map(Object.entries(tensors).map(([name, { shape }]) => [bareName(name), shape]));
  for (const [name, shape] of layout) {
    const has = found.get(name);
    if (has === undefined) missing.push(name);
    else if (has.length !== shape.length || has.some((size, axis) => size !== shape[axis])) {
      wrong.push(`${name} is [${has.join(", ")}] instead of [${shape.join(", ")}]`);
    }
  }
  const unknown = [...found.keys()].filter((name) => !layout.has(name));
  return [
    ...(wrong.length === 0 ? [] : [list(wrong, 2)]),
    ...(missing.length === 0 ? [] : [`${list(missing, 3)} ${missing.length === 1 ? "is" : "are"} missing`]),
    ...(unknown.length === 0 ? [] : [`${list(unknown, 3)} should not be there`]),
  ];
}

function explainLayout(tensors: TensorFacts, task: Task): string {
  const channels = readInputChannels(tensors);
  const isOtherTask = Object.values(INPUT_CHANNELS).some((known) => known === channels);
  if (recognise(tensors) === undefined && isOtherTask && channels !== INPUT_CHANNELS[task]) {
    const other = channels === INPUT_CHANNELS["i2v-A14B"] ? "image-to-video" : "text-to-video";
    return `takes ${channels} input channels, as ${other} weights do, and the task ${task} needs ${INPUT_CHANNELS[task]}`;
  }
  const what = recognise(tensors);
  return what === undefined ? "is not a Wan2.2 A14B model" : `seems to hold ${what}`;
}

/** T14: weights of another task, model or size. */
export const weightsFitTheTask: StageRule = (stage, judged) =>
  ditsOf(stage, judged).flatMap(({ role, path, facts }): readonly Diagnostic[] => {
    if (facts?.tensors === undefined || facts.problem !== undefined || isScaled(facts.tensors)) return [];
    const { task } = judged.resolved.spec;
    const faults = findLayoutFaults(facts.tensors, { task, miniature: judged.facts.miniature });
    if (faults.length === 0) return [];
    const detail = `\`models.${role}\` (${path.path}) ${explainLayout(facts.tensors, task)}: ${faults.join("; ")}. The trainer loads weights strictly. Name the Wan2.2 A14B weights of ${task}, or change the task.`;
    return [diagnose(TRAINER_CODES.wrongWeights, detail, { at: path.place, path: `models.${role}` })];
  });

/** M20: the trainer has no name for other types (`str_to_dtype`), and parameters of whole numbers take no gradient. */
export const weightsAreFloats: StageRule = (stage, judged) =>
  ditsOf(stage, judged).flatMap(({ role, path, facts }): readonly Diagnostic[] => {
    const dtype = facts?.tensors === undefined ? undefined : ditDtype(facts.tensors);
    if (dtype === undefined || Object.hasOwn(DTYPE_NAMES, dtype)) return [];
    const detail = `\`models.${role}\` (${path.path}) holds ${dtype} weights, and the trainer takes ${Object.values(DTYPE_NAMES).join(", ")} only. Use the fp16 or bf16 weights.`;
    return [diagnose(MODEL_CODES.weightsOfNoFloat, detail, { at: path.place, path: `models.${role}` })];
  });

/** T4: fp8 weights that can't be used, or not in this way. */
export const fp8WeightsAreUsable: StageRule = (stage, judged) => {
  const { parameters } = stage;
  return ditsOf(stage, judged).flatMap(({ role, path, facts }): readonly Diagnostic[] => {
    if (facts?.tensors === undefined) return [];
    const options = { at: path.place, path: `models.${role}` };
    if (isScaled(facts.tensors)) {
      const detail = `\`models.${role}\` (${path.path}) holds scaled fp8 weights, which the trainer cannot load. Use the fp16 or bf16 weights; \`fp8_base\` and \`fp8_scaled\` make fp8 of them while loading.`;
      return [diagnose(TRAINER_CODES.fp8Weights, detail, options)];
    }
    const dtype = ditDtype(facts.tensors);
    if (dtype === undefined || !isFp8(dtype) || !isOn(parameters, "fp8_scaled")) return [];
    const detail = `\`models.${role}\` (${path.path}) holds ${nameOf(dtype)} weights, and ${cite(parameters, "fp8_scaled")}: what is fp8 already cannot be scaled to fp8. Use fp16 or bf16 weights, or set \`fp8_scaled: false\`.`;
    return [diagnose(TRAINER_CODES.fp8Weights, detail, { ...options, ...pointAt(parameters, "fp8_scaled") })];
  });
};

/** Why a precision does not go with weights of a dtype, as a clause; undefined where it does. */
function precisionFault(
  precision: string,
  { dtype, fp8Base, fp8Scaled }: { readonly dtype: string; readonly fp8Base: boolean; readonly fp8Scaled: boolean },
): string | undefined {
  if (dtype === "F16" && precision !== "fp16") return "fp16 weights train with `mixed_precision: fp16` only";
  if (dtype === "BF16" && precision !== "bf16") return "bf16 weights train with `mixed_precision: bf16` only";
  if (precision !== "no") return undefined;
  if (isFp8(dtype)) return "fp8 weights do not train without mixed precision";
  if (fp8Base && !fp8Scaled) return "`fp8_base` makes fp8 of the weights, which do not train without mixed precision";
  return undefined;
}

/** T1: mixed_precision against the dtype that the trainer finds in the first of the weights. */
export const precisionFitsTheWeights: StageRule = (stage, judged) => {
  const { parameters } = stage;
  const [dit] = ditsOf(stage, judged);
  const dtype = dit?.facts?.tensors === undefined ? undefined : ditDtype(dit.facts.tensors);
  const precision = textOf(parameters, "mixed_precision");
  if (dit === undefined || dtype === undefined || precision === undefined || precision === "auto") return [];
  const fault = precisionFault(precision, {
    dtype,
    fp8Base: isOn(parameters, "fp8_base"),
    fp8Scaled: isOn(parameters, "fp8_scaled"),
  });
  if (fault === undefined) return [];
  const detail = `${cite(parameters, "mixed_precision")}, and \`models.${dit.role}\` (${dit.path.path}) holds ${nameOf(dtype)} weights: ${fault}. Set \`mixed_precision: auto\`, which takes what fits, or use other weights.`;
  const pointed = pointAt(parameters, "mixed_precision");
  const related = [...(pointed.related ?? []), { ...dit.path.place, message: `${nameOf(dtype)} weights` }];
  return [diagnose(TRAINER_CODES.mixedPrecisionMismatch, detail, { at: dit.path.place, ...pointed, related })];
};

function isSameFile(a: ModelFacts | undefined, b: ModelFacts | undefined): boolean {
  if (a === undefined || b === undefined || a.blocksSha256 === "" || b.blocksSha256 === "") return false;
  return a.bytes === b.bytes && a.headerSha256 === b.headerSha256 && a.blocksSha256 === b.blocksSha256;
}

/** Low and high noise as one file or the same content, swapped by their names, or of different precision. */
export const halvesBelongTogether = ({ resolved, facts }: Judged): readonly Diagnostic[] => {
  const { dit, dit_high_noise: high } = resolved.models;
  const usesHigh = resolved.trainStages.some((stage) => stage.half !== "low");
  const usesLow = resolved.trainStages.some((stage) => stage.half !== "high");
  const findings: Diagnostic[] = [];
  const swapped = (path: LocatedPath | undefined, role: ModelRole, says: RegExp, means: RegExp) => {
    const file = path?.path.slice(path.path.lastIndexOf("/") + 1).toLowerCase() ?? "";
    if (path === undefined || !says.test(file) || means.test(file)) return;
    const detail = `\`models.${role}\` is ${path.path}, which by its name is the other half. \`dit\` is the low-noise model and \`dit_high_noise\` the high-noise one. Exchange the paths if the names are right.`;
    findings.push(diagnose(MODEL_CODES.halvesSwapped, detail, { at: path.place, path: `models.${role}` }));
  };
  // One path for both is said below; its name is then no sign of anything.
  const isOnePath = usesLow && usesHigh && dit?.path === high?.path;
  if (usesLow && !isOnePath) swapped(dit, "dit", /high/, /low/);
  if (usesHigh && !isOnePath) swapped(high, "dit_high_noise", /low/, /high/);
  if (dit === undefined || high === undefined || !usesHigh || !usesLow) return findings;

  const related = [{ ...dit.place, message: "the low-noise model" }];
  const options = { at: high.place, path: "models.dit_high_noise", related };
  if (dit.path === high.path || isSameFile(facts.models.dit, facts.models.dit_high_noise)) {
    const what =
      dit.path === high.path ? `are both ${dit.path}` : `have the same content (${dit.path} and ${high.path})`;
    const detail = `\`models.dit\` and \`models.dit_high_noise\` ${what}. Wan2.2 has two different models; name the high-noise one as \`dit_high_noise\`.`;
    findings.push(diagnose(MODEL_CODES.sameModelForBothHalves, detail, options));
    return findings;
  }
  const [low, other] = [facts.models.dit?.tensors, facts.models.dit_high_noise?.tensors].map((tensors) =>
    tensors === undefined ? undefined : ditDtype(tensors),
  );
  const inOneRun = resolved.trainStages.some((stage) => stage.half === "dual");
  if (inOneRun && low !== undefined && other !== undefined && low !== other) {
    const detail = `${dit.path} holds ${nameOf(low)} weights and ${high.path} ${nameOf(other)} ones. The trainer decides by the first and converts the second. Use weights of one precision.`;
    findings.push(diagnose(MODEL_CODES.halvesOfDifferentPrecision, detail, options));
  }
  return findings;
};
