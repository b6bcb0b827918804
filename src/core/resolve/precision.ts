import type { ModelFacts } from "../facts.ts";
import { baseName } from "../paths.ts";
import type { LocatedPath } from "../spec/spec.ts";

/** The tensor whose dtype the trainer takes for the whole DiT (`detect_wan_sd_dtype`), and its name in other layouts. */
const DTYPE_TENSORS = ["model.diffusion_model.blocks.0.cross_attn.k.weight", "blocks.0.cross_attn.k.weight"] as const;

/** What a DiT's weights are kept in, and how that is known. */
export interface WeightPrecision {
  readonly precision: "fp16" | "bf16" | "fp32" | "fp8";
  readonly known: "header" | "file-name" | "nothing";
}

/** The dtype of a DiT: from its header, else from its name, else bf16. */
export function precisionOf(facts: ModelFacts | undefined, path: LocatedPath | undefined): WeightPrecision {
  const tensors = facts?.tensors;
  for (const name of tensors === undefined ? [] : DTYPE_TENSORS) {
    const dtype = tensors !== undefined && Object.hasOwn(tensors, name) ? tensors[name]?.dtype : undefined;
    const precision = dtype === undefined ? undefined : precisionOfDtype(dtype);
    if (precision !== undefined) return { precision, known: "header" };
  }
  const hint = path === undefined ? undefined : /fp16|bf16|fp32|fp8/i.exec(baseName(path.path))?.[0]?.toLowerCase();
  if (hint === "fp16" || hint === "bf16" || hint === "fp32" || hint === "fp8") {
    return { precision: hint, known: "file-name" };
  }
  return { precision: "bf16", known: "nothing" };
}

function precisionOfDtype(dtype: string): WeightPrecision["precision"] | undefined {
  if (dtype === "F16") return "fp16";
  if (dtype === "BF16") return "bf16";
  if (dtype === "F32") return "fp32";
  return dtype.startsWith("F8_") ? "fp8" : undefined;
}

/** The `mixed_precision` that the trainer takes for such weights: their own, or bf16 where it does not insist (T1). */
export function mixedPrecisionFor({ precision }: WeightPrecision): "fp16" | "bf16" {
  return precision === "fp16" ? "fp16" : "bf16";
}
