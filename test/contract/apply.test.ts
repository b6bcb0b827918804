import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, extname, join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type PipelinePlan, planSchema, type StagePlan } from "../../src/core/plan/plan.ts";
import { type State, stateSchema } from "../../src/core/state/state.ts";
import { readEvents } from "../../src/host/records/run-store.ts";
import { isWhole, readSafetensorsHeader } from "../../src/host/safetensors.ts";
import { hasFfmpeg, type MediaPool, makeMediaPool } from "../rig/clips.ts";
import { type MiniaturePipeline, miniaturePipeline } from "../rig/miniature-pipeline.ts";
import { describeWithMusubi, miniatureEnvironment, writeMiniatureModels } from "../rig/musubi.ts";
import { makeProject, type Project, repository } from "../rig/project.ts";

/** `plan` and `apply` on the real trainer: what is planned is what its log says, what lies on disk, and what is recorded. */

const FILE = "mini.yaml";

const PLAIN: MiniaturePipeline = {
  task: "t2v-A14B",
  noise: "dual",
  dataset: `  resolution: 96x64
  enable_bucket: true
  batch_size: 2
  sources:
    - videos: clips
      target_frames: [1, 9]
      frame_extraction: head`,
  train: `  optimizer_type: adamw
  offload_inactive_dit: false
  max_train_epochs: 3
  network_dim: 4
  gradient_accumulation_steps: 2
  save_last_n_epochs_state: 1
  max_data_loader_n_workers: 0`,
  output: "  dir: out",
};

/** Every kind of source, awkward names and texts, checkpoints by epoch and by step, samples, a decaying schedule. */
const MIXED: MiniaturePipeline = {
  task: "i2v-A14B",
  noise: "dual",
  dataset: `  resolution: 96x64
  enable_bucket: true
  batch_size: 2
  caption_extension: .caption
  sources:
    - videos: 数据 clips
      target_frames: [5, 9]
      frame_extraction: chunk
      max_frames: 33
    - images: stills 🦊
      bucket_no_upscale: true
      num_repeats: 2
    - video_jsonl: rows.jsonl
      resolution: [64, 64]
      target_frames: [1, 9]
      frame_extraction: slide
      frame_stride: 7
      batch_size: 1
    - image_jsonl: stills.jsonl
      resolution: 80x48
      batch_size: 3`,
  train: `  optimizer_type: adamw
  offload_inactive_dit: false
  max_train_epochs: 3
  network_dim: 4
  network_alpha: 2
  gradient_accumulation_steps: 3
  lr_scheduler: cosine
  lr_warmup_steps: 5
  save_every_n_epochs: 1
  save_every_n_steps: 7
  save_last_n_epochs: 1
  save_last_n_epochs_state: 1
  save_precision: bf16
  max_data_loader_n_workers: 0
  log_with: tensorboard
  logging_dir: 日志 logs
  training_comment: "it's \\"quoted\\"\\nand 两 lines 🦊 $HOME \`x\`"
  metadata_author: "-n --dash"
  sample_prompts:
    - "a fox, \\"quoted\\" 狐 --w 64 --h 64 --f 5 --s 2 --i first frame.png"
  sample_every_n_epochs: 3`,
  output: `  dir: out 输出
  name: "狐 LoRA🦊"`,
};

/** A LoRA for each half, frame rates, and retention by steps. */
const SEPARATE: MiniaturePipeline = {
  task: "t2v-A14B",
  noise: "separate",
  dataset: `  resolution: 96x64
  enable_bucket: true
  num_repeats: 2
  batch_size: 3
  sources:
    - videos: at24
      target_frames: [5, 9]
      frame_extraction: uniform
      frame_sample: 3
      source_fps: 24.0
    - videos: at30
      target_frames: [1, 13]
      source_fps: auto
    - videos: clips
      frame_extraction: full
      max_frames: 17
      num_repeats: 1
      batch_size: 1
      resolution: 64x64`,
  train: `  optimizer_type: adafactor
  optimizer_args: [relative_step=False, scale_parameter=False]
  max_train_epochs: 3
  network_dim: 6
  network_args: ["exclude_patterns=['.*ffn.*']", "include_patterns=[r'.*ffn\\\\.0.*']"]
  gradient_accumulation_steps: 2
  save_every_n_epochs: 2
  save_every_n_steps: 4
  save_last_n_steps: 8
  save_last_n_steps_state: 4
  save_precision: fp16
  max_data_loader_n_workers: 0`,
  output: "  dir: out",
};

describeWithMusubi("a pipeline on the real trainer", (musubi) => {
  const environment = miniatureEnvironment(musubi);
  let shared: string;
  let pool: MediaPool | undefined;

  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), "wan22-apply-"));
    await writeMiniatureModels(musubi, join(shared, "models"));
    if (hasFfmpeg()) pool = await makeMediaPool(join(shared, "pool"));
  }, 60_000);
  afterAll(() => rm(shared, { recursive: true, force: true }));

  async function makeMiniature(pipeline: MiniaturePipeline): Promise<Project> {
    const project = await makeProject({ [FILE]: miniaturePipeline(pipeline, musubi) });
    await cp(join(shared, "models"), project.path("models"), { recursive: true });
    await cp(join(repository, "pipelines/quickstart/clips"), project.path("clips"), { recursive: true });
    return project;
  }

  /** Copies media of the pool, by name, into a folder, each with a caption. */
  async function copyMedia(
    project: Project,
    folder: string,
    extension: string,
    names: Readonly<Record<string, string>>,
  ) {
    for (const [name, copy] of Object.entries(names)) {
      const from = [...(pool?.clips ?? []), ...(pool?.images ?? [])].find((path) => basename(path) === name);
      if (from === undefined) throw new Error(`no ${name} in the pool`);
      const stem = copy.slice(0, -extname(copy).length);
      await project.write(`${folder}/${stem}${extension}`, `A "fox" runs in ${stem}\r\n它在跑 🦊 \n`);
      await cp(from, project.path(`${folder}/${copy}`));
    }
  }

  async function plan(project: Project): Promise<PipelinePlan> {
    const { stdout } = await project.run(["plan", "--format", "json", FILE], { environment });
    const { pipelines, diagnostics } = planSchema.parse(JSON.parse(stdout));
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    const [mini] = pipelines;
    if (mini === undefined) throw new Error("no plan");
    return mini;
  }

  /** Applies, and compares the trainer's log, the disk and the record with what was planned. */
  async function applyAsPlanned(project: Project): Promise<PipelinePlan> {
    const planned = await plan(project);
    const applied = await project.run(["apply", FILE, "--auto-approve"], { environment });
    expect(applied.stderr).toBe("");
    expect(applied.exitCode).toBe(0);
    const caches = planned.stages
      .flatMap((stage) => stage.cache_files ?? [])
      .map((file) => file.replace(".wan22/cache/mini/", ""));
    expect(await project.list(".wan22/cache/mini")).toEqual(caches.sort());
    const state = stateSchema.parse(JSON.parse(await project.read(".wan22/state/mini.json")));
    for (const stage of planned.stages) {
      if (stage.id.startsWith("train") && stage.action !== "none") await expectTrained(project, planned, stage, state);
    }
    await expectOutputs(project, planned, state);
    const again = await project.run(["plan", "--detailed-exitcode", FILE], { environment });
    expect(again.exitCode, again.stdout).toBe(0);
    return planned;
  }

  async function expectTrained(project: Project, planned: PipelinePlan, stage: StagePlan, state: State) {
    const { batches, steps_per_epoch, total_steps } = planned.dataset;
    const runDir = project.path(`.wan22/runs/${state.run}`);
    const log = await readFile(join(runDir, `${stage.id}.log`), "utf8");
    const counted = (label: string) => Number(new RegExp(`${label}[^:\\n]*: (\\d+)`).exec(log)?.[1]);
    expect(counted("num batches per epoch")).toBe(batches);
    expect(counted("total optimization steps")).toBe(total_steps);
    expect(state.stages[stage.id]).toMatchObject({
      status: "finished",
      done_epochs: stage.total_epochs,
      done_steps: total_steps,
    });
    const events = await readEvents(runDir, stage.id);
    const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
    expect(steps.map(({ step, epoch }) => [step, epoch])).toEqual(
      Array.from({ length: total_steps }, (_, index) => [index + 1, Math.floor(index / steps_per_epoch) + 1]),
    );
    expect(steps.filter(({ loss }) => loss === null)).toEqual([]);
    expect(events.filter(({ type }) => type === "epoch")).toHaveLength(stage.total_epochs ?? 0);
    const made = planned.checkpoints.filter((checkpoint) => checkpoint.stage === stage.id);
    const told = events.flatMap((event) => {
      if (event.type === "checkpoint") return [`${event.file} ${event.step}`];
      return event.type === "state" ? [`${event.dir} ${event.done_steps}`] : [];
    });
    const wanted = made.filter(({ action }) => action !== "orphan").map(({ file, step }) => `${file} ${step}`);
    expect(told.toSorted()).toEqual(wanted.toSorted());
    expect(events.at(-1)).toMatchObject({ type: "finished" });
  }

  async function expectOutputs(project: Project, planned: PipelinePlan, state: State) {
    const there = planned.checkpoints.filter(({ action }) => action !== "prune" && action !== "orphan");
    const folder = planned.checkpoints[0]?.file.split("/").slice(0, -1).join("/") ?? "";
    const found = (await readdir(project.path(folder))).filter((name) => name !== "sample" && name !== "archive");
    expect(found.sort()).toEqual(there.map(({ file }) => basename(file)).sort());
    const recorded = [
      ...state.checkpoints.flatMap(({ file, sha256 }) => (sha256 === undefined ? [] : [file])),
      ...state.training_states.map(({ dir }) => dir),
    ];
    expect(recorded.sort()).toEqual(there.map(({ file }) => file).sort());
    for (const { file, bytes, kind } of there) {
      if (kind === "state") continue;
      const reading = await readSafetensorsHeader(project.path(file));
      if (reading.kind !== "header") throw new Error(`${file} has no header`);
      expect(isWhole(reading.header)).toBe(true);
      const headerBytes = 8 + Number((await readFile(project.path(file))).readBigUInt64LE(0));
      expect(reading.header.fileBytes - headerBytes).toBe(bytes);
    }
  }

  it("text to video, both halves in one LoRA: what is planned is what is on disk", async () => {
    const project = await makeMiniature(PLAIN);
    const { stages, dataset } = await applyAsPlanned(project);
    expect(stages.map(({ action }) => action)).toEqual(["create", "create", "create"]);
    const [run] = await readdir(project.path(".wan22/runs"));
    const log = await project.read(`.wan22/runs/${run}/train.log`);
    expect(log).toMatch(new RegExp(`num train items[^:\\n]*: ${dataset.items}\\n`));
  });

  it("image to video, every kind of source, awkward names, saves by step and epoch, samples", async (context) => {
    if (pool === undefined) return context.skip("ffmpeg makes its clips: apt-get install ffmpeg");
    const project = await makeMiniature(MIXED);
    await copyMedia(project, "数据 clips", ".caption", {
      "vp9.webm": "a fox.webm",
      "h264.mkv": "狐狸 🦊.mkv",
      "mjpeg.avi": "c.avi",
      "h264-bframes.mp4": "e'quote\".mp4",
    });
    await copyMedia(project, "stills 🦊", ".caption", {
      "small.jpeg": "small.jpeg",
      "wide.png": "宽 wide.png",
      "photo.webp": "photo.webp",
      "flat.bmp": "no caption.bmp",
    });
    await rm(project.path("stills 🦊/no caption.caption"));
    await copyMedia(project, "rows", ".unread", { "h264-16.mp4": "row one.mp4", "square.jpg": "x y.jpg" });
    await copyMedia(project, "", ".unread", { "wide.png": "first frame.png" });
    for (const from of pool.folders.slice(0, 1)) await cp(from, project.path("rows/走 walk"), { recursive: true });
    const rows = [
      { video_path: "rows/走 walk", caption: 'a folder of frames, "quoted"' },
      { video_path: project.path("rows/row one.mp4"), caption: "行 one\nnew line" },
    ];
    await project.write("rows.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));
    await project.write("stills.jsonl", `${JSON.stringify({ image_path: "rows/x y.jpg", caption: "狐 x of y" })}\n`);

    await applyAsPlanned(project);

    expect(await project.list("out 输出/sample")).toHaveLength(1);
    const reading = await readSafetensorsHeader(project.path("out 输出/狐 LoRA🦊.safetensors"));
    expect(reading).toMatchObject({
      header: {
        metadata: {
          ss_training_comment: 'it\'s "quoted"\nand 两 lines 🦊 $HOME `x`',
          "modelspec.author": "-n --dash",
        },
      },
    });
  });

  it("a LoRA for each half, clips of other rates, retention by steps", async (context) => {
    if (pool === undefined) return context.skip("ffmpeg makes its clips: apt-get install ffmpeg");
    const project = await makeMiniature(SEPARATE);
    await copyMedia(project, "at24", ".txt", { "h264-24.mp4": "a.mp4", "h265.mp4": "b.mp4", "vp9.webm": "c.webm" });
    await copyMedia(project, "at30", ".txt", { "long.mp4": "a.mp4", "wmv2.wmv": "b.wmv" });
    const { stages } = await applyAsPlanned(project);
    expect(stages.map(({ id }) => id)).toEqual(["cache-latents", "cache-text", "train-low", "train-high"]);
  });

  const BRIEF: MiniaturePipeline = { ...PLAIN, noise: "low", train: PLAIN.train.replace("epochs: 3", "epochs: 1") };

  it("another pipeline on the same clips trains on what this one has encoded, and leaves it as it is", async () => {
    const project = await makeMiniature(BRIEF);
    await applyAsPlanned(project);
    const other = miniaturePipeline({ ...BRIEF, output: "  dir: other" }, musubi);
    await project.write("other.yaml", other.replace("name: mini", "name: other"));
    // Latents alone: nobody knows which T5 the miniature's stand-in is.
    const caches = async (name: string) => {
      const own = (file: string) => file.startsWith(`${name}/`) && file.endsWith("_wan.safetensors");
      const files = (await project.list(".wan22/cache")).filter(own);
      const looked = files.map(async (file) => {
        const path = project.path(`.wan22/cache/${file}`);
        const { ino, mode, mtimeMs } = await stat(path);
        const digest = createHash("sha256")
          .update(await readFile(path))
          .digest("hex");
        return [basename(file), ino, mode & 0o777, mtimeMs, digest] as const;
      });
      return Promise.all(looked);
    };
    const before = await caches("mini");
    const applied = await project.run(["apply", "other.yaml", "--auto-approve"], { environment });
    expect(applied.exitCode, applied.stderr).toBe(0);
    expect(await caches("mini")).toEqual(before);
    expect(await caches("other")).toEqual(before);
    expect(new Set(before.map(([, , mode]) => mode))).toEqual(new Set([0o444]));
    const [run = ""] = (await readdir(project.path(".wan22/runs"))).filter((name) => name.includes("-other-"));
    expect((await readdir(project.path(`.wan22/runs/${run}`))).filter((name) => name.endsWith(".log"))).toEqual([
      "cache-text.log",
      "train.log",
    ]);
    expect(await project.list("other")).toContain("other.safetensors");
  });

  it("after edits and damage exactly what is stale is made again", async () => {
    const project = await makeMiniature(BRIEF);
    await applyAsPlanned(project);
    const caches = async () => {
      const files = (await project.list(".wan22/cache")).filter((file) => file.startsWith("mini/"));
      const times = files.map(
        async (file) => [file, (await stat(project.path(`.wan22/cache/${file}`))).mtimeMs] as const,
      );
      return new Map(await Promise.all(times));
    };
    const before = await caches();

    await project.write("clips/01-test-pattern.txt", "another caption altogether");
    await rename(project.path("clips/08-automaton.mp4"), project.path("clips/09-new.mp4"));
    await rename(project.path("clips/08-automaton.txt"), project.path("clips/09-new.txt"));
    await cp(project.path("clips/02-gradient.mp4"), project.path("clips/03-mandelbrot.mp4"));
    const torn = [...before.keys()].filter((file) => file.includes("/04-life_"));
    for (const file of torn) await truncate(project.path(`.wan22/cache/${file}`), 700);

    const { stages } = await applyAsPlanned(project);

    const after = await caches();
    const made = [...after].filter(([file, time]) => before.get(file) !== time).map(([file]) => `.wan22/cache/${file}`);
    expect(made.sort()).toEqual(stages.flatMap(({ pending }) => pending ?? []).sort());
    const [run = ""] = (await readdir(project.path(".wan22/runs"))).sort().slice(-1);
    // Of the clip that is called otherwise now, and of the one that is another's copy, the store has all.
    expect(await project.read(`.wan22/runs/${run}/cache-latents.log`)).toContain("1 of 8 sources have caches to make");
    const stems = [...new Set(made.map((file) => /\/(\d\d)-[^/]*$/.exec(file)?.[1]))];
    expect(stems).toEqual(["01", "03", "04", "09"]);
    const gone = [...before.keys()].filter((file) => !after.has(file)).map((file) => `.wan22/cache/${file}`);
    expect(stages.flatMap(({ leftover }) => leftover ?? []).sort()).toEqual(gone.sort());
    expect(stages.map(({ action }) => action)).toEqual(["update", "update", "replace"]);
  });
});
