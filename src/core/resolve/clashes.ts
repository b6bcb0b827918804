import { type Diagnostic, diagnose, type Place } from "../diagnostic.ts";
import { baseName } from "../paths.ts";
import type { LocatedPath, Spec } from "../spec/spec.ts";
import { optimizerTypeForTrainer } from "../trainer/optimizers.ts";
import { RESOLVE_CODES } from "./codes.ts";
import { hardwarePlace } from "./hardware.ts";
import { mixedPrecisionFor, type WeightPrecision } from "./precision.ts";
import { isExplicit } from "./provenance.ts";
import type { ResolvedParameters, ResolvedValue } from "./resolved.ts";

/**
 * Where the manual asks for what the trainer refuses, the preset gives way and a note says so (trainer facts §2).
 * What a user wrote is never changed: if it cannot work, checking says so.
 */

/** The parameters of one train stage while they are being decided. */
export interface StageValues {
  readonly spec: Spec;
  readonly values: Record<string, ResolvedValue>;
  readonly diagnostics: Diagnostic[];
}

function isOn(values: Record<string, ResolvedValue>, name: string): boolean {
  return values[name]?.value === true;
}

function wasWritten(values: Record<string, ResolvedValue>, name: string): boolean {
  const found = values[name];
  return found !== undefined && isExplicit(found.source);
}

/** The place of the first of some parameters that a user wrote, else where hardware is chosen. */
function placeOf({ spec, values }: StageValues, ...names: readonly string[]): Place {
  const written = names.map((name) => values[name]).find((found) => found?.place !== undefined);
  return written?.place ?? hardwarePlace(spec);
}

function settle(stage: StageValues, name: string, value: string | number | boolean, text: string): void {
  stage.values[name] = { value, source: { layer: "derived", text } };
}

/** T2: in dual training swapped blocks and an offloaded model exclude each other. */
export function settleSwapAndOffload(stage: StageValues): void {
  const { values, diagnostics } = stage;
  const blocks = Number(values.blocks_to_swap?.value ?? 0);
  if (blocks <= 0 || !isOn(values, "offload_inactive_dit")) return;
  const swapWritten = wasWritten(values, "blocks_to_swap");
  const offloadWritten = wasWritten(values, "offload_inactive_dit");
  if (swapWritten && offloadWritten) return;
  const options = {
    at: placeOf(stage, "offload_inactive_dit", "blocks_to_swap"),
    path: offloadWritten ? "train.blocks_to_swap" : "train.offload_inactive_dit",
  };
  if (offloadWritten) {
    settle(stage, "blocks_to_swap", 0, "offload_inactive_dit was chosen instead");
    diagnostics.push(
      diagnose(
        RESOLVE_CODES.swapOverOffload,
        `\`offload_inactive_dit: true\` is kept as written, and the recommended \`blocks_to_swap: ${blocks}\` becomes 0, since the trainer refuses both together. This takes more GPU memory than swapping.`,
        options,
      ),
    );
    return;
  }
  settle(stage, "offload_inactive_dit", false, "block swap wins over offload_inactive_dit");
  diagnostics.push(
    diagnose(
      RESOLVE_CODES.swapOverOffload,
      `The manual recommends \`offload_inactive_dit: true\` beside \`blocks_to_swap: ${blocks}\`, and the trainer refuses both together. Block swap is used, which saves more.`,
      options,
    ),
  );
}

/** T3 and T4: fp8_scaled needs fp8_base and 16-bit weights; 8-bit weights need fp8_base alone. */
export function settleFp8(
  stage: StageValues,
  models: readonly { readonly weights: WeightPrecision; readonly dit: LocatedPath | undefined }[],
): void {
  const { values, diagnostics } = stage;
  const adjust = (name: "fp8_base" | "fp8_scaled", value: boolean, why: string) => {
    settle(stage, name, value, why);
    diagnostics.push(
      diagnose(RESOLVE_CODES.fp8Adjusted, `The recommended \`${name}: ${!value}\` becomes ${value}, since ${why}.`, {
        at: placeOf(stage, "fp8_base", "fp8_scaled"),
        path: `train.${name}`,
      }),
    );
  };
  const scaledWritten = wasWritten(values, "fp8_scaled");
  const baseWritten = wasWritten(values, "fp8_base");
  const inFp8 = models.find(({ weights }) => weights.precision === "fp8");
  if (inFp8 !== undefined) {
    const file = inFp8.dit === undefined ? "the model file" : baseName(inFp8.dit.path);
    if (isOn(values, "fp8_scaled") && !scaledWritten) {
      adjust("fp8_scaled", false, `the weights of ${file} are in 8 bits already`);
    }
    // The other half is converted to whatever the first one is kept in.
    if (inFp8 === models[0] && !isOn(values, "fp8_base") && !baseWritten) {
      adjust("fp8_base", true, `the weights of ${file} are in 8 bits`);
    }
  }
  if (!isOn(values, "fp8_scaled") || isOn(values, "fp8_base")) return;
  if (!scaledWritten) adjust("fp8_scaled", false, "it needs fp8_base, which is switched off");
  else if (!baseWritten) adjust("fp8_base", true, "fp8_scaled was chosen and needs it");
}

/** T1: `mixed_precision: auto` is the dtype of the weights. */
export function settlePrecision(stage: StageValues, weights: WeightPrecision, dit: LocatedPath | undefined): void {
  const { values, diagnostics } = stage;
  if (values.mixed_precision?.value !== "auto") return;
  const precision = mixedPrecisionFor(weights);
  const file = dit === undefined ? undefined : baseName(dit.path);
  const basis = {
    header: `the weights of ${file ?? "the model file"} are ${weights.precision}`,
    "file-name": `the name of ${file ?? "the model file"} says ${weights.precision}`,
    nothing: "the weights are not known",
  }[weights.known];
  const place = values.mixed_precision.place;
  values.mixed_precision = {
    value: precision,
    source: { layer: "derived", text: `auto: ${basis}` },
    ...(place === undefined ? {} : { place }),
  };
  if (precision !== "fp16") return;
  diagnostics.push(
    diagnose(
      RESOLVE_CODES.precisionOfWeights,
      `\`mixed_precision\` is fp16, since ${basis}, and the trainer takes such weights with fp16 only. The manual's bf16 would need a bf16 model file.`,
      { at: place ?? dit?.place ?? { file: stage.spec.file }, path: "train.mixed_precision" },
    ),
  );
}

/** T7: the manual's short names of optimizers are not the trainer's; each is written as the class that it stands for. */
export function noteOptimizerName(spec: Spec, parameters: ResolvedParameters): readonly Diagnostic[] {
  const optimizer = parameters.optimizer_type;
  if (typeof optimizer?.value !== "string") return [];
  const name = optimizerTypeForTrainer(optimizer.value);
  if (name === undefined || name === optimizer.value) return [];
  return [
    diagnose(
      RESOLVE_CODES.optimizerRenamed,
      `\`optimizer_type: ${optimizer.value}\` is given to the trainer as \`${name}\`, the class that it stands for: the trainer would not find it by the short name.`,
      { at: optimizer.place ?? { file: spec.file }, path: "train.optimizer_type" },
    ),
  ];
}
