/** A dataset of six items that the real trainer has cached: what tests of training start from. */
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Musubi, runScript, writeMiniatureModels } from "./musubi.ts";

const run = promisify(execFile);

/** Items in the dataset: three clips, each with one frame and with nine. */
export const SMALL_DATASET_ITEMS = 6;

export interface SmallDataset {
  /** `dataset.toml`, and model files by role; all relative to the folder. */
  readonly toml: string;
  readonly models: { readonly dit: string; readonly dit_high_noise: string; readonly vae: string; readonly t5: string };
}

/** Makes clips, captions, models and both caches in a folder; about fifteen seconds. */
export async function makeSmallDataset(musubi: Musubi, folder: string): Promise<SmallDataset> {
  await mkdir(join(folder, "data"), { recursive: true });
  for (const [index, frames] of [12, 16, 20].entries()) {
    const clip = ["-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=96x64:rate=16"];
    await run("ffmpeg", [
      ...clip,
      "-frames:v",
      String(frames),
      "-pix_fmt",
      "yuv420p",
      join(folder, `data/${index}.mp4`),
    ]);
    await writeFile(join(folder, `data/${index}.txt`), `fox number ${index}\n`);
  }
  const toml = "dataset.toml";
  await writeFile(
    join(folder, toml),
    `[[datasets]]
video_directory = "data"
cache_directory = "cache"
resolution = [96, 64]
caption_extension = ".txt"
target_frames = [1, 9]
enable_bucket = true
`,
  );
  await writeMiniatureModels(musubi, join(folder, "models"));
  const models = {
    dit: "models/wan2.2_t2v_low_noise_14B_fp32.safetensors",
    dit_high_noise: "models/wan2.2_t2v_high_noise_14B_fp32.safetensors",
    vae: "models/wan_2.1_vae.safetensors",
    t5: "models/models_t5_umt5-xxl-enc-bf16.pth",
  };
  await runScript(musubi, "cache-latents", ["--dataset_config", toml, "--vae", models.vae], { cwd: folder });
  await runScript(musubi, "cache-text", ["--dataset_config", toml, "--t5", models.t5], { cwd: folder });
  return { toml, models };
}
