/** Pipelines for the real trainer on miniature models. */
import { type Musubi, takesArgument } from "./musubi.ts";

/** What tests vary of it. */
export interface MiniaturePipeline {
  readonly task: "t2v-A14B" | "i2v-A14B";
  readonly noise: "dual" | "low" | "separate";
  /** `no` if left out. */
  readonly mixedPrecision?: "no" | "bf16" | "fp16";
  /** Lines under these keys, as they stand in the file. */
  readonly dataset: string;
  readonly train: string;
  readonly output: string;
}

/** The text of a pipeline that trains the miniature models on the CPU. */
export function miniaturePipeline(
  { task, noise, mixedPrecision = "no", dataset, train, output }: MiniaturePipeline,
  musubi: Musubi,
): string {
  const { path, python } = musubi;
  const letter = task.slice(0, 3);
  return `version: 1
name: mini
task: ${task}
noise: ${noise}
hardware: professional
dataset:
${dataset}
models:
  dit: models/wan2.2_${letter}_low_noise_14B_fp32.safetensors
  dit_high_noise: models/wan2.2_${letter}_high_noise_14B_fp32.safetensors
  vae: models/wan_2.1_vae.safetensors
  t5: models/models_t5_umt5-xxl-enc-bf16.pth
train:
  mixed_precision: "${mixedPrecision}"
${takenLines(train, musubi)}
output:
${output}
trainer:
  backend: musubi
  path: ${path}
  python: ${python}
`;
}

/** The same without what an older version lacks. */
function takenLines(train: string, musubi: Musubi): string {
  const lacks = (line: string) => line.startsWith("  save_precision:") && !takesArgument(musubi, "--save_precision");
  return train
    .split("\n")
    .filter((line) => !lacks(line))
    .join("\n");
}
