import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { startApply, stepFrom } from "../rig/applying.ts";
import { miniaturePipeline } from "../rig/miniature-pipeline.ts";
import { describeWithMusubi, miniatureEnvironment, writeMiniatureModels } from "../rig/musubi.ts";
import { makeProject, type Project, repository } from "../rig/project.ts";

/** Two projects on one GPU, with the real trainer; on a CPU, to which a GPU's id is as good as any. */

const FILE = "mini.yaml";

describeWithMusubi("the GPU of a training", (musubi) => {
  let shared: string;
  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), "wan22-gpu-"));
    await writeMiniatureModels(musubi, join(shared, "models"));
  });
  afterAll(() => rm(shared, { recursive: true, force: true }));

  async function makeTraining(name: string, epochs: number): Promise<Project> {
    const text = miniaturePipeline(
      {
        task: "t2v-A14B",
        noise: "low",
        dataset:
          "  resolution: 96x64\n  enable_bucket: true\n  sources:\n    - videos: clips\n      target_frames: [1, 9]\n      frame_extraction: head",
        train: `  optimizer_type: adamw\n  max_train_epochs: ${epochs}\n  network_dim: 2\n  max_data_loader_n_workers: 0`,
        output: "  dir: out",
      },
      musubi,
    );
    const project = await makeProject({ [FILE]: text.replace("name: mini", `name: ${name}\ngpus: [0]`) });
    await cp(join(shared, "models"), project.path("models"), { recursive: true });
    await cp(join(repository, "pipelines/quickstart/clips"), project.path("clips"), { recursive: true });
    return project;
  }

  it("is its trainer's, also when the runner was killed, until that has ended", async () => {
    const environment = { ...miniatureEnvironment(musubi), XDG_STATE_HOME: join(shared, "state") };
    const locks = () => readdir(join(shared, "state/wan22/gpus", hostname()));
    const [fox, dog] = [await makeTraining("fox", 16), await makeTraining("dog", 1)];
    const first = startApply(fox, FILE, { environment });
    await first.until(stepFrom(2));
    const isTraining = (event: ApplyEvent) => event.type === "stage-started" && event.stage === "train";
    const trainer = first.events.find(isTraining);
    const lock = JSON.parse(await readFile(join(shared, "state/wan22/gpus", hostname(), "0.lock"), "utf8"));
    expect(lock.work).toMatchObject({ pipeline: "fox", project: fox.folder, stage: "train" });
    expect(trainer).toMatchObject({ pid: lock.work.process.pid });

    const refused = startApply(dog, FILE, { environment });
    expect(await refused.ended).toBe(4);
    const said = (await refused.process).stderr.replace(/\s+/g, " ");
    expect(said).toContain("A51");
    expect(said).toContain(`train of fox in ${fox.folder} has GPU 0 since`);

    first.process.kill("SIGKILL");
    await first.ended;
    expect(await startApply(dog, FILE, { environment }).ended).toBe(4);

    const waiting = startApply(dog, FILE, { environment, args: ["--lock-timeout", "10m"] });
    await waiting.until(({ type }) => type === "note");
    const second = startApply(fox, FILE, { environment });
    await second.until(isTraining);
    expect(second.events.find(isTraining)).toMatchObject({ attached: true });
    expect(await second.ended).toBe(0);
    expect(await waiting.ended).toBe(0);
    expect(waiting.events.flatMap((event) => (event.type === "note" ? [event.text] : []))).toContainEqual(
      expect.stringMatching(/^Waiting, since train of fox in .* has GPU 0 since/),
    );
    expect(await locks()).toEqual([]);
  });
});
