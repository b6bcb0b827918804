import { cp, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { planSchema } from "../../src/core/plan/plan.ts";
import { stateSchema } from "../../src/core/state/state.ts";
import { isWhole, readSafetensorsHeader } from "../../src/host/safetensors.ts";
import { describeWithMusubi, miniatureEnvironment, writeMiniatureModels } from "../rig/musubi.ts";
import { makeProject, repository } from "../rig/project.ts";

interface Case {
  readonly task: "t2v-A14B" | "i2v-A14B";
  readonly noise: "dual" | "low";
}

const CASES: readonly Case[] = [
  { task: "t2v-A14B", noise: "dual" },
  { task: "i2v-A14B", noise: "low" },
];

function pipeline({ task, noise }: Case, musubi: { readonly path: string; readonly python: string }): string {
  const letter = task.slice(0, 3);
  return `version: 1
name: mini
task: ${task}
noise: ${noise}
hardware: professional
dataset:
  resolution: 96x64
  enable_bucket: true
  batch_size: 2
  sources:
    - videos: clips
      target_frames: [1, 9]
      frame_extraction: head
models:
  dit: models/wan2.2_${letter}_low_noise_14B_fp32.safetensors
  dit_high_noise: models/wan2.2_${letter}_high_noise_14B_fp32.safetensors
  vae: models/wan_2.1_vae.safetensors
  t5: models/models_t5_umt5-xxl-enc-bf16.pth
train:
  mixed_precision: "no"
  optimizer_type: adamw
  offload_inactive_dit: false
  max_train_epochs: 3
  network_dim: 4
  gradient_accumulation_steps: 2
  save_last_n_epochs_state: 1
  max_data_loader_n_workers: 0
output:
  dir: out
trainer:
  backend: musubi
  path: ${musubi.path}
  python: ${musubi.python}
`;
}

describeWithMusubi("a pipeline on the real trainer", (musubi) => {
  it.each(CASES)("$task $noise: what is planned is what is on disk", async (chosen) => {
    const project = await makeProject({ "mini.yaml": pipeline(chosen, musubi) });
    await cp(join(repository, "pipelines/quickstart/clips"), project.path("clips"), { recursive: true });
    await writeMiniatureModels(musubi, project.path("models"));
    const environment = miniatureEnvironment(musubi);

    const planned = await project.run(["plan", "--format", "json", "mini.yaml"], { environment });
    const plan = planSchema.parse(JSON.parse(planned.stdout));
    expect(plan.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const [mini] = plan.pipelines;
    if (mini === undefined) throw new Error("no plan");

    const applied = await project.run(["apply", "mini.yaml", "--auto-approve"], { environment });
    expect(applied.stderr).toBe("");
    expect(applied.exitCode).toBe(0);

    const caches = mini.stages
      .flatMap((stage) => stage.cache_files ?? [])
      .map((file) => file.replace(".wan22/cache/", ""));
    expect(await project.list(".wan22/cache")).toEqual(caches.sort());

    const [run] = [...new Set((await project.list(".wan22/runs")).map((name) => name.split("/")[0]))];
    const log = await project.read(`.wan22/runs/${run}/train.log`);
    const counted = (label: string) => Number(new RegExp(`${label}[^:\\n]*: (\\d+)`).exec(log)?.[1]);
    expect(counted("num train items")).toBe(mini.dataset.items);
    expect(counted("num batches per epoch")).toBe(mini.dataset.batches);
    expect(counted("total optimization steps")).toBe(mini.dataset.total_steps);

    const created = mini.checkpoints.filter(({ action }) => action === "create");
    const names = (kind: "checkpoint" | "state") =>
      created.flatMap((checkpoint) => (checkpoint.kind === kind ? [basename(checkpoint.file)] : [])).sort();
    const outputs = await project.list("out");
    expect(outputs.filter((name) => !name.includes("/"))).toEqual(names("checkpoint"));
    expect([...new Set(outputs.flatMap((name) => (name.includes("/") ? [name.split("/")[0]] : [])))]).toEqual(
      names("state"),
    );
    for (const { file, bytes, kind } of created) {
      if (kind === "state") continue;
      const reading = await readSafetensorsHeader(project.path(file));
      if (reading.kind !== "header") throw new Error(`${file} has no header`);
      expect(isWhole(reading.header)).toBe(true);
      const headerBytes = 8 + Number((await readFile(project.path(file))).readBigUInt64LE(0));
      expect(reading.header.fileBytes - headerBytes).toBe(bytes);
    }

    const state = stateSchema.parse(JSON.parse(await project.read(".wan22/state/mini.json")));
    expect(state.stages.train).toMatchObject({
      status: "finished",
      done_epochs: 3,
      done_steps: mini.dataset.total_steps,
    });
    const again = await project.run(["plan", "--detailed-exitcode", "mini.yaml"], { environment });
    expect(again.exitCode).toBe(0);
  });
});
