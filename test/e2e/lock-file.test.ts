// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { chmod, copyFile, mkdir, rename, rm, truncate } from "node:fs/promises";
import { delimiter } from "node:path";
import { describe, expect, it } from "vitest";
import { A14B, ditLayout, INPUT_CHANNELS } from "../../src/core/check/dit-layout.ts";
import { lockSchema } from "../../src/core/lock/lock.ts";
import type { Plan } from "../../src/core/plan/plan.ts";
import { planSchema } from "../../src/core/plan/plan.ts";
import { savedPlanSchema } from "../../src/core/plan/saved/saved-plan.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";
import { safetensors } from "../unit/host/samples.ts";

/** `wan22 lock`: what is locked is planned elsewhere as where it is, and what differs from it is said, and refused. */

const FILE = "pipelines/quickstart.yaml";
const LOCK = "pipelines/quickstart.lock.json";
const CLIPS = "pipelines/quickstart/clips";
const PLAN = "quickstart.plan";

type Environment = Readonly<Record<string, string>>;

async function planOf(project: Project, environment: Environment = {}): Promise<Plan> {
  const { stdout } = await project.run(["plan", FILE, "--format", "json"], { environment });
  return planSchema.parse(JSON.parse(stdout));
}

/** Without what says that it was made from the lock, and how much room this machine has at this moment. */
function unmarked({ pipelines, ...plan }: Plan): unknown {
  return {
    ...plan,
    pipelines: pipelines.map(({ planned_from: _, estimates, ...pipeline }) => {
      const { disk, ...rest } = estimates;
      const { available: __, ...needed } = disk ?? {};
      return { ...pipeline, estimates: { ...rest, disk: needed } };
    }),
  };
}

async function lock(project: Project, environment: Environment = {}): Promise<void> {
  const { exitCode, stderr } = await project.run(["lock", FILE], { environment });
  expect(exitCode, stderr).toBe(0);
}

const moveClips = (project: Project) => rename(project.path(CLIPS), project.path("clips-elsewhere"));
const bringClips = (project: Project) => rename(project.path("clips-elsewhere"), project.path(CLIPS));

describe("a lock", () => {
  it("gives the plan again where the clips are not, marked as made from it", async () => {
    const project = await makeQuickstart();
    await lock(project);
    const here = await planOf(project);
    expect(here.pipelines[0]?.planned_from).toBeUndefined();
    await moveClips(project);

    const elsewhere = await planOf(project);

    expect(unmarked(elsewhere)).toEqual(unmarked(here));
    expect(elsewhere.pipelines[0]?.planned_from).toEqual({ lock: LOCK, keys: ["dataset.sources.0.videos"] });
    const { stdout } = await project.run(["plan", FILE]);
    expect(stdout.replace(/\s+/g, " ")).toContain(`Planned from ${LOCK}; not at hand: dataset.sources.0.videos`);
    const markdown = await project.run(["plan", FILE, "--format", "markdown"]);
    expect(markdown.stdout.split("\n")[0]).toContain(`planned from \`${LOCK}\``);
    // What is not here can't be trained on.
    expect(await project.run(["apply", FILE, "--auto-approve"])).toMatchObject({ exitCode: 1 });
    expect(await project.list(".wan22/runs")).toEqual([]);
  });

  it("is the same text whenever it is written, has no path of the machine in it, and a caption is one line of its diff", async () => {
    const project = await makeQuickstart();
    await lock(project);
    const before = await project.read(LOCK);
    expect(lockSchema.parse(JSON.parse(before)).sources[0]?.items).toHaveLength(8);
    expect(before).not.toContain(project.folder);
    await rm(project.path(".wan22"), { recursive: true });
    expect(await project.run(["lock", FILE])).toMatchObject({ stdout: `${LOCK}: up to date` });
    await rm(project.path(LOCK));
    await lock(project);
    expect(await project.read(LOCK)).toBe(before);

    await project.write(`${CLIPS}/04-life.txt`, "Cells that bloom, fade and die, seen from above");
    expect((await project.run(["lock", FILE])).stdout).toBe(`${LOCK}: written anew\n  ~ ${CLIPS}/04-life.mp4: caption`);
    const [old, now] = [before.split("\n"), (await project.read(LOCK)).split("\n")];
    expect(now.filter((line, index) => line !== old[index])).toHaveLength(1);
  });

  it("is compared item by item: plan warns, lock --check exits with 1, apply refuses until the lock is renewed", async () => {
    const project = await makeQuickstart();
    expect(await project.run(["lock", "--check", FILE])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("L6"),
    });
    await lock(project);
    expect(await project.run(["lock", "--check", FILE])).toMatchObject({
      exitCode: 0,
      stdout: `${LOCK}: as it is here`,
    });
    await project.write(`${CLIPS}/01-test-pattern.txt`, "A test pattern, and a clock that runs in front of it");
    await rm(project.path(`${CLIPS}/02-gradient.mp4`));
    await copyFile(project.path(`${CLIPS}/03-mandelbrot.mp4`), project.path(`${CLIPS}/05-colour-bars.mp4`));
    await copyFile(project.path(`${CLIPS}/03-mandelbrot.mp4`), project.path(`${CLIPS}/09-new.mp4`));
    await project.write(`${CLIPS}/09-new.txt`, "A camera zoom into the Mandelbrot set, once more");
    const items = [
      `~ ${CLIPS}/01-test-pattern.mp4: caption`,
      `- ${CLIPS}/02-gradient.mp4`,
      `~ ${CLIPS}/05-colour-bars.mp4: content`,
      `+ ${CLIPS}/09-new.mp4`,
    ];
    const locked = await project.read(LOCK);

    const { pipelines, diagnostics } = await planOf(project);
    expect(pipelines).toMatchObject([{ valid: true }]);
    expect(diagnostics.find(({ code }) => code === "L1")).toMatchObject({ severity: "warning", file: LOCK });
    const check = await project.run(["lock", "--check", FILE]);
    expect(check).toMatchObject({ exitCode: 1, stdout: [`${LOCK}: 4 differences`, ...items].join("\n  ") });
    const refused = await project.run(["apply", FILE, "--auto-approve"]);
    expect(refused).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("error[L1]") });
    for (const item of items) expect(refused.stdout).toContain(item);
    expect(await project.list(".wan22/runs")).toEqual([]);
    expect(await project.read(LOCK)).toBe(locked);

    const applied = await project.run(["apply", FILE, "--auto-approve", "--update-lock"]);
    expect(applied.exitCode, applied.stderr).toBe(0);
    expect(applied.stderr).toContain([`${LOCK}: written anew`, ...items].join("\n  "));
    expect(await project.run(["lock", "--check", FILE])).toMatchObject({ exitCode: 0 });
  });

  it("that is torn, merged badly, newer, another's, or none is refused with its name", async () => {
    const project = await makeQuickstart();
    await lock(project);
    const text = await project.read(LOCK);
    const refusals: readonly (readonly [text: string, code: string, says: string])[] = [
      [text.slice(0, 1000), "L2", "is cut short"],
      [text.replace("{", "<<<<<<< HEAD\n{"), "L2", "conflicts of a merge"],
      [text.replace('"bytes":28054', '"bytes":-1'), "L2", "sources.0.items.0.bytes"],
      [text.replace("02-gradient.mp4", "01-test-pattern.mp4"), "L2", "has 01-test-pattern.mp4 twice"],
      [text.replace("02-gradient.mp4", "../secret.mp4"), "L2", "names a folder"],
      [text.replace('"version": 1', '"version": 99'), "L3", "version 99"],
      [text.replace('"quickstart"', '"dog"'), "L4", "is the lock of `dog`"],
      ["{}", "L4", "is no lock file"],
    ];
    for (const [broken, code, says] of refusals) {
      await project.write(LOCK, broken);
      const { pipelines, diagnostics } = await planOf(project);
      expect(pipelines, says).toMatchObject([{ valid: false }]);
      const found = diagnostics.filter(({ severity }) => severity === "error");
      expect(found, says).toMatchObject([{ code, file: LOCK, detail: expect.stringContaining(says) }]);
      // Only what is broken is written anew; what is somebody else's stays.
      expect((await project.run(["lock", FILE])).exitCode, says).toBe(code === "L2" ? 0 : 1);
      expect(await project.read(LOCK), says).toBe(code === "L2" ? text : broken);
    }
  });

  it("that is older than its pipeline says which keys it does not fit", async () => {
    const project = await makeQuickstart();
    await lock(project);
    await moveClips(project);
    await project.write(
      FILE,
      (await project.read(FILE)).replace("videos: quickstart/clips", "videos: quickstart/more"),
    );
    const { diagnostics } = await planOf(project);
    const found = diagnostics.find(({ code }) => code === "L5");
    expect(found).toMatchObject({ severity: "error", file: FILE, path: "dataset.sources.0.videos" });
    expect(found?.detail).toMatch(/^`dataset\.sources\.0\.videos` names .*Run `wan22 lock`/);
  });

  it("lets a plan be saved where the clips are not, and applied where they are, or says what moved", async () => {
    const project = await makeQuickstart();
    await lock(project);
    await moveClips(project);
    expect(await project.run(["plan", FILE, "--out", PLAN])).toMatchObject({ exitCode: 0 });
    await bringClips(project);

    await project.write(`${CLIPS}/01-test-pattern.txt`, "Another caption than the one that was locked");
    const stale = await project.run(["apply", PLAN, "--auto-approve"]);
    expect(stale).toMatchObject({
      exitCode: 3,
      stderr: expect.stringContaining("clip 0/01-test-pattern: caption changed"),
    });
    const { sources } = lockSchema.parse(JSON.parse(await project.read(LOCK)));
    await project.write(`${CLIPS}/01-test-pattern.txt`, sources[0]?.items[0]?.caption ?? "");

    const applied = await project.run(["apply", PLAN, "--auto-approve"]);
    expect(applied.exitCode, applied.stderr).toBe(0);
    expect((await project.run(["apply", PLAN, "--auto-approve"])).stdout).toContain("No changes.");
  });

  it("holds the LoRA that training starts from, so that a plan saved without it binds the same", async () => {
    const project = await makeQuickstart((yaml) =>
      yaml.replace("train:\n", "train:\n  network_weights: ${LORAS}/start.safetensors\n"),
    );
    const layer = "lora_unet_blocks_0_self_attn_q";
    const tensor = (...shape: number[]) => ({ dtype: "F32", shape, bytes: 4 * shape.reduce((a, b) => a * b, 1) });
    const lora = safetensors({
      [`${layer}.alpha`]: tensor(),
      [`${layer}.lora_down.weight`]: tensor(16, 5120),
      [`${layer}.lora_up.weight`]: tensor(5120, 16),
    });
    await project.write("loras/start.safetensors", lora);
    const here = { LORAS: project.path("loras") };
    await lock(project, here);
    expect(await project.run(["plan", FILE, "--out", "here.plan"], { environment: here })).toMatchObject({
      exitCode: 0,
    });
    await rm(project.path("loras"), { recursive: true });

    expect(await project.run(["plan", FILE, "--out", "elsewhere.plan"])).toMatchObject({ exitCode: 0 });

    const [made, from] = await Promise.all(
      ["here.plan", "elsewhere.plan"].map(async (name) => savedPlanSchema.parse(JSON.parse(await project.read(name)))),
    );
    expect(from?.made_from).toEqual(made?.made_from);
    expect(from?.made_from[0]?.binding.models).toHaveProperty("network_weights");
    expect(from?.plan.pipelines[0]?.planned_from?.keys).toEqual(["train.network_weights"]);
  });

  it("refuses a plan that was saved after something had changed, until it is renewed", async () => {
    const project = await makeQuickstart();
    await lock(project);
    await project.write(`${CLIPS}/04-life.txt`, "Cells that bloom, fade and die, seen from above");
    expect(await project.run(["plan", FILE, "--out", PLAN])).toMatchObject({ exitCode: 0 });

    expect(await project.run(["apply", PLAN, "--auto-approve"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/error\[L1\][\s\S]*~ pipelines\/quickstart\/clips\/04-life\.mp4: caption/),
    });
    const applied = await project.run(["apply", PLAN, "--auto-approve", "--update-lock"]);
    expect(applied.exitCode, applied.stderr).toBe(0);
    expect(await project.run(["lock", "--check", FILE])).toMatchObject({ exitCode: 0 });
  });
});

/** The lines of Musubi's training loop by which it is known. */
const TRAINING_LOOP = `    def _run_training_loop(
        epoch_to_start = 0
        global_step = 0
        loss_recorder = train_utils.LossRecorder()
        loss_recorder.add(epoch=epoch, step=step, loss=current_loss)
    def on_post_optimizer_step(
`;

/** A quickstart as it would train for real: models behind a variable, a checkout outside the project, a card. */
async function makeTraining(): Promise<{ project: Project; here: Environment; elsewhere: Environment }> {
  const outer = await makeQuickstart();
  const tensors = [...ditLayout(A14B, INPUT_CHANNELS["t2v-A14B"])].map(([name, shape]) => {
    const bytes = 2 * shape.reduce((product, side) => product * side, 1);
    return [name, { dtype: "F16", shape, bytes }] as const;
  });
  // As large as the real one, and all of it but the header a hole.
  const header = safetensors(Object.fromEntries(tensors), { dataBytes: 0 });
  await outer.write("models/low.safetensors", header);
  await truncate(
    outer.path("models/low.safetensors"),
    header.length + tensors.reduce((sum, [, { bytes }]) => sum + bytes, 0),
  );
  await outer.write("models/t5.pth", "PK\u0003\u0004 the text encoder");
  await outer.write("models/vae.pth", "PK\u0003\u0004 the VAE");
  await outer.write("bin/nvidia-smi", "#!/bin/sh\necho '0, NVIDIA GeForce RTX 4090, 24564'\n");
  await chmod(outer.path("bin/nvidia-smi"), 0o755);
  await outer.write("musubi/src/musubi_tuner/wan_train_network.py", "    trainer = WanNetworkTrainer()\n");
  await outer.write("musubi/src/musubi_tuner/training/trainer_base.py", TRAINING_LOOP);
  await outer.write("musubi/pyproject.toml", '[project]\nname = "musubi-tuner"\nversion = "0.3.4"\n');
  await mkdir(outer.path("project/.git"), { recursive: true });
  await rename(outer.path("pipelines"), outer.path("project/pipelines"));
  const path = (name: string) => outer.path(`project/${name}`);
  const project: Project = {
    ...outer,
    folder: path("."),
    path,
    write: (name, content) => outer.write(`project/${name}`, content),
    read: (name) => outer.read(`project/${name}`),
    list: (name) => outer.list(`project/${name}`),
    run: (args, options = {}) => outer.run(args, { folder: path("."), ...options }),
  };
  const yaml = (await project.read(FILE))
    .replace("hardware: entry\n", "noise: low\nhardware: auto\n")
    .replace("backend: rehearsal", "backend: musubi\n  path: ../../musubi")
    .replace(
      "train:\n",
      "models:\n  dit: ${MODELS}/low.safetensors\n  vae: ${MODELS}/vae.pth\n  t5: ${MODELS}/t5.pth\ntrain:\n  optimizer_type: adamw\n",
    );
  await project.write(FILE, yaml);
  const here = { MODELS: outer.path("models"), PATH: `${outer.path("bin")}${delimiter}${process.env.PATH}` };
  return { project, here, elsewhere: {} };
}

describe("a lock of a real training", () => {
  it("gives its plan on a machine without models, trainer, card and variables, and binds the same", async () => {
    const { project, here, elsewhere } = await makeTraining();
    await lock(project, here);
    const text = await project.read(LOCK);
    expect(text).not.toContain(project.path("..").slice(0, -1));
    expect(text.split("\n").length).toBeLessThan(130);
    const locked = lockSchema.parse(JSON.parse(text));
    expect(locked.hardware).toMatchObject({ tier: "high-end", gpus: [{ name: "NVIDIA GeForce RTX 4090" }] });
    expect(locked.trainer).toMatchObject({ version: "0.3.4" });
    expect(locked.models.dit?.path).toBe("${MODELS}/low.safetensors");
    expect(await project.run(["plan", FILE, "--out", "here.plan"], { environment: here })).toMatchObject({
      exitCode: 0,
    });
    await rename(project.path("../musubi"), project.path("../musubi-elsewhere"));
    await moveClips(project);

    const plan = await planOf(project, elsewhere);

    expect(plan.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(plan.pipelines[0]).toMatchObject({
      valid: true,
      tier: "high-end",
      planned_from: {
        lock: LOCK,
        keys: ["dataset.sources.0.videos", "models.dit", "models.vae", "models.t5", "trainer", "hardware"],
      },
    });
    expect(await project.run(["plan", FILE, "--out", "elsewhere.plan"])).toMatchObject({ exitCode: 0 });
    const saved = async (name: string) => JSON.parse(await project.read(name));
    const [made, from] = [await saved("here.plan"), await saved("elsewhere.plan")];
    expect(from.made_from).toEqual(made.made_from);
    expect(unmarked(from.plan)).toEqual({
      ...(unmarked(made.plan) as object),
      pipelines: (unmarked(made.plan) as Plan).pipelines.map((pipeline) => ({
        ...pipeline,
        digest: from.plan.pipelines[0].digest,
      })),
    });
  });

  it("keeps a policy elsewhere whose roots have variables", async () => {
    const { project, here, elsewhere } = await makeTraining();
    const roots = ["pipelines/quickstart", "../musubi", '"${MODELS}"'].join(", ");
    await project.write("wan22.yaml", `version: 1\npolicy: { input_roots: [${roots}], require_lock: true }\n`);
    await lock(project, here);
    expect((await planOf(project, here)).pipelines[0]?.policy).toMatchObject([
      { verdict: "kept" },
      { verdict: "kept" },
    ]);
    await rename(project.path("../musubi"), project.path("../musubi-elsewhere"));

    const plan = await planOf(project, elsewhere);

    expect(plan.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(plan.pipelines[0]?.policy).toMatchObject([{ verdict: "kept" }, { verdict: "kept" }]);
  });

  it("is kept part by part where only the clips are, and tells another model and another card", async () => {
    const { project, here, elsewhere } = await makeTraining();
    await lock(project, here);
    await project.write(`${CLIPS}/04-life.txt`, "Cells that bloom, fade and die, seen from above");
    const before = lockSchema.parse(JSON.parse(await project.read(LOCK)));

    const written = await project.run(["lock", FILE], { environment: elsewhere });

    expect(written).toMatchObject({ exitCode: 0 });
    expect(written.stdout).toContain("kept as it was locked: models.dit, models.vae, models.t5, hardware");
    const after = lockSchema.parse(JSON.parse(await project.read(LOCK)));
    expect({ ...after, sources: [] }).toEqual({ ...before, sources: [] });
    expect(after.sources).not.toEqual(before.sources);

    await project.write("../models/vae.pth", "PK\u0003\u0004 another VAE");
    await project.write("../bin/nvidia-smi", "#!/bin/sh\necho '0, NVIDIA GeForce RTX 3060, 12288'\n");
    const { stdout } = await project.run(["lock", "--check", FILE], { environment: here });
    expect(stdout.split("\n").slice(1)).toEqual([
      "  ~ models.vae: content",
      "  ~ hardware: tier high-end (NVIDIA GeForce RTX 4090, 24 GB) → tier entry (NVIDIA GeForce RTX 3060, 12 GB)",
    ]);
  });
});

describe("a lock beside a checkout from which only the clips are missing", () => {
  const TEXT = "Cells that bloom, fade and die, seen from above";

  it("gives the clips, and the captions that are there count", async () => {
    const project = await makeQuickstart();
    await lock(project);
    const here = await planOf(project);
    for (const name of await project.list(CLIPS)) {
      if (name.endsWith(".mp4")) await rm(project.path(`${CLIPS}/${name}`));
    }
    const elsewhere = await planOf(project);
    expect(elsewhere.pipelines[0]?.planned_from?.keys).toEqual(["dataset.sources.0.videos"]);
    expect(unmarked(elsewhere)).toEqual(unmarked(here));

    await project.write(`${CLIPS}/04-life.txt`, TEXT);

    expect(await project.run(["lock", "--check", FILE])).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining(`~ ${CLIPS}/04-life.mp4: caption`),
    });
    expect((await planOf(project)).pipelines[0]?.dataset.digest).not.toBe(here.pipelines[0]?.dataset.digest);
  });

  it("stands in for files that Git LFS has not fetched, as long as their pointers are to what was locked", async () => {
    const project = await makeQuickstart();
    await lock(project);
    const here = await planOf(project);
    const { sources } = lockSchema.parse(JSON.parse(await project.read(LOCK)));
    const point = (name: string, sha256 = "", bytes = 0) =>
      project.write(
        `${CLIPS}/${name}`,
        `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${bytes}\n`,
      );
    for (const { name, sha256, bytes } of sources[0]?.items ?? []) await point(name, sha256, bytes);

    expect(unmarked(await planOf(project))).toEqual(unmarked(here));
    await point("04-life.mp4", "0".repeat(64), 1);

    const { pipelines, diagnostics } = await planOf(project);
    expect(pipelines).toMatchObject([{ valid: false }]);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toMatchObject([
      { detail: expect.stringMatching(/04-life\.mp4: it is Git LFS's pointer/) },
    ]);
  });
});
