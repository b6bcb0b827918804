import { createHash } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import type { TrainerEvent } from "../../src/core/event.ts";
import { planSchema } from "../../src/core/plan/plan.ts";
import { readEvents } from "../../src/host/records/run-store.ts";
import { isWhole, readSafetensorsHeader } from "../../src/host/safetensors.ts";
import { type Applying, startApply, stepFrom } from "../rig/applying.ts";
import { type MiniaturePipeline, miniaturePipeline } from "../rig/miniature-pipeline.ts";
import {
  describeWithMusubi,
  hasGpu,
  hasPackage,
  miniatureEnvironment,
  runScript,
  writeMiniatureModels,
} from "../rig/musubi.ts";
import { makeProject, type Project, repository } from "../rig/project.ts";
import { readTensorFile } from "../rig/tensor-bytes.ts";

/**
 * The real trainer, interrupted: it ends with the same tensors, steps and losses as a run that was left alone, and that one
 * with those of Musubi's own script with sorted globs. The bridge finds the caches in reversed order, as on another machine.
 */

const FILE = "mini.yaml";

/** How a training is interrupted. */
const MANNERS = {
  /** Ctrl-C at the runner: it asks through the stop file. */
  "ctrl-c": { exitCode: 85, act: ({ process }: Applying) => process.kill("SIGINT") },
  /** Of the trainer's process group, its data loader's workers among it. */
  terminate: { exitCode: 85, act: (applying: Applying) => killTrainer(applying, "SIGTERM") },
  interrupt: { exitCode: 85, act: (applying: Applying) => killTrainer(applying, "SIGINT") },
  "kill the trainer": { exitCode: 6, act: (applying: Applying) => killTrainer(applying, "SIGKILL") },
  "kill both": {
    exitCode: undefined,
    act: (applying: Applying) => {
      applying.process.kill("SIGKILL");
      killTrainer(applying, "SIGKILL");
    },
  },
  /** Training goes on, and the next apply attaches. */
  "kill the runner": { exitCode: undefined, act: ({ process }: Applying) => process.kill("SIGKILL") },
} as const;

type Manner = keyof typeof MANNERS;

function killTrainer({ events }: Applying, signal: NodeJS.Signals): void {
  const started = events.findLast((event) => event.type === "stage-started");
  if (started?.type !== "stage-started" || started.pid === undefined) throw new Error("no stage was started");
  process.kill(-started.pid, signal);
}

/** A file's metadata, and a digest of its tensors with their names: a header's order is chance. */
async function readDigest(file: string) {
  const bytes = await readFile(file);
  const { metadata, tensors } = await readTensorFile(file);
  const data = bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
  return { metadata, digest: createHash("sha256").update(JSON.stringify(tensors)).update(data).digest("hex") };
}

/** Every checkpoint of a folder: its tensors' digest, and what it says of the training's place and length. */
async function checkpointsIn(folder: string) {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".safetensors")).sort();
  return Promise.all(
    names.map(async (name) => {
      const { metadata, digest } = await readDigest(join(folder, name));
      const { ss_epoch, ss_steps, ss_num_epochs, ss_max_train_steps } = metadata;
      return { name, digest, ss_epoch, ss_steps, ss_num_epochs, ss_max_train_steps };
    }),
  );
}

interface Interruption {
  /** From this step on, or at an event. */
  readonly at: number | ((event: TrainerEvent) => boolean);
  readonly manner: Manner;
}

interface Case {
  readonly name: string;
  readonly task?: MiniaturePipeline["task"];
  readonly noise?: MiniaturePipeline["noise"];
  readonly batchSize?: number;
  readonly mixedPrecision?: MiniaturePipeline["mixedPrecision"];
  /** A package of Python's without which it is skipped, or a GPU. */
  readonly needs?: string;
  readonly train: string;
  readonly interruptions: readonly Interruption[];
}

const DATASET = (batchSize: number) => `  resolution: 96x64
  enable_bucket: true
  batch_size: ${batchSize}
  sources:
    - videos: clips
      target_frames: [1, 9]
      frame_extraction: head
    - videos: more
      target_frames: [5]
      num_repeats: 2`;

/** Batches of an epoch with a batch size of 1: 16 items, and 3 that are taken twice. */
const BATCHES = 22;
const EPOCHS = 3;

const isEpoch = (epoch: number) => (event: TrainerEvent) => event.type === "epoch" && event.epoch === epoch;
const isSample = (event: TrainerEvent) => event.type === "sample";
const isState = (event: TrainerEvent) => event.type === "state";
const isStep = (step: number) => (event: TrainerEvent) => event.type === "step" && event.step >= step;

const GPU = "a GPU";

const CASES: readonly Case[] = [
  {
    name: "constant, stopped three times, once on the last batch of an epoch",
    train: "max_data_loader_n_workers: 0",
    interruptions: [
      { at: 5, manner: "ctrl-c" },
      { at: isStep(BATCHES), manner: "terminate" },
      { at: 51, manner: "interrupt" },
    ],
  },
  {
    name: "constant, killed in every way",
    train: "max_data_loader_n_workers: 2",
    interruptions: [
      { at: 30, manner: "kill the trainer" },
      { at: 35, manner: "kill the runner" },
      { at: 50, manner: "kill both" },
    ],
  },
  {
    name: "cosine with warm-up, two workers",
    train: "lr_scheduler: cosine\n  lr_warmup_steps: 5\n  max_data_loader_n_workers: 2",
    interruptions: [
      { at: 3, manner: "terminate" },
      { at: 40, manner: "ctrl-c" },
    ],
  },
  {
    name: "rex, persistent workers",
    train: "lr_scheduler: rex\n  max_data_loader_n_workers: 2\n  persistent_data_loader_workers: true",
    interruptions: [
      { at: 8, manner: "ctrl-c" },
      { at: isEpoch(2), manner: "ctrl-c" },
      { at: 60, manner: "kill the trainer" },
    ],
  },
  {
    name: "polynomial, accumulation, saves by step",
    train:
      "lr_scheduler: polynomial\n  gradient_accumulation_steps: 3\n  max_data_loader_n_workers: 0\n  save_every_n_steps: 4",
    interruptions: [
      { at: 7, manner: "ctrl-c" },
      { at: isState, manner: "kill the trainer" },
      { at: 18, manner: "interrupt" },
    ],
  },
  {
    name: "timestep buckets, no workers, one model",
    noise: "low",
    train: "num_timestep_buckets: 4\n  max_data_loader_n_workers: 0",
    interruptions: [
      { at: 6, manner: "ctrl-c" },
      { at: 31, manner: "terminate" },
    ],
  },
  {
    name: "timestep buckets, two workers, both models",
    train: "num_timestep_buckets: 4\n  max_data_loader_n_workers: 2",
    interruptions: [
      { at: 10, manner: "ctrl-c" },
      { at: 47, manner: "kill both" },
    ],
  },
  {
    name: "adafactor, retention of checkpoints and states",
    train:
      "optimizer_type: adafactor\n  optimizer_args: [relative_step=False]\n  save_last_n_epochs: 1\n  save_last_n_epochs_state: 1\n  max_data_loader_n_workers: 1",
    interruptions: [
      { at: isState, manner: "kill both" },
      { at: 50, manner: "ctrl-c" },
    ],
  },
  {
    name: "adamw in eight bits",
    needs: "bitsandbytes",
    train:
      "optimizer_type: adamw8bit\n  optimizer_args: [min_8bit_size=16]\n  network_dim: 64\n  max_data_loader_n_workers: 0",
    interruptions: [
      { at: 20, manner: "ctrl-c" },
      { at: 58, manner: "kill the trainer" },
    ],
  },
  {
    name: "samples every epoch and every ten steps",
    train:
      'sample_prompts:\n    - "a fox --w 64 --h 48 --f 5 --s 4 --d 1"\n    - "a cat --w 64 --h 48 --f 1 --s 4 --d 2"\n  sample_every_n_epochs: 1\n  sample_every_n_steps: 10\n  max_data_loader_n_workers: 0',
    interruptions: [
      { at: isSample, manner: "ctrl-c" },
      { at: isEpoch(1), manner: "ctrl-c" },
      { at: isEpoch(2), manner: "kill the trainer" },
      { at: isEpoch(3), manner: "ctrl-c" },
    ],
  },
  {
    name: "batches of two",
    batchSize: 2,
    train: "max_data_loader_n_workers: 1\n  lr_scheduler: linear",
    interruptions: [
      { at: 4, manner: "ctrl-c" },
      { at: 20, manner: "terminate" },
    ],
  },
  {
    name: "image to video, one model, dropout",
    task: "i2v-A14B",
    noise: "low",
    train: "network_dropout: 0.1\n  max_data_loader_n_workers: 0\n  save_precision: bf16",
    interruptions: [
      { at: 15, manner: "ctrl-c" },
      { at: 44, manner: "terminate" },
    ],
  },
  {
    name: "image to video, both models, retention by steps",
    task: "i2v-A14B",
    train:
      "save_every_n_steps: 5\n  save_last_n_steps: 5\n  save_last_n_steps_state: 6\n  max_data_loader_n_workers: 2",
    interruptions: [
      { at: 21, manner: "kill the trainer" },
      { at: 33, manner: "ctrl-c" },
    ],
  },
  {
    name: "bf16",
    mixedPrecision: "bf16",
    train: "max_data_loader_n_workers: 0",
    interruptions: [
      { at: 12, manner: "ctrl-c" },
      { at: 50, manner: "kill the trainer" },
    ],
  },
  {
    name: "fp16, whose losses are scaled",
    mixedPrecision: "fp16",
    train: "max_data_loader_n_workers: 0",
    interruptions: [
      { at: 12, manner: "ctrl-c" },
      { at: 50, manner: "kill the trainer" },
    ],
  },
  {
    name: "weights in scaled eight bits",
    mixedPrecision: "bf16",
    train: "fp8_base: true\n  fp8_scaled: true\n  max_data_loader_n_workers: 1",
    interruptions: [{ at: 30, manner: "ctrl-c" }],
  },
  {
    name: "weights in eight bits, on a GPU",
    needs: GPU,
    mixedPrecision: "bf16",
    train: "fp8_base: true\n  max_data_loader_n_workers: 0",
    interruptions: [{ at: 30, manner: "ctrl-c" }],
  },
  {
    name: "swapped blocks, optimizer in eight bits, on a GPU",
    needs: GPU,
    mixedPrecision: "bf16",
    train:
      "blocks_to_swap: 1\n  optimizer_type: adamw8bit\n  optimizer_args: [min_8bit_size=16]\n  network_dim: 64\n  max_data_loader_n_workers: 0",
    interruptions: [
      { at: 20, manner: "ctrl-c" },
      { at: 58, manner: "kill the trainer" },
    ],
  },
];

describeWithMusubi("a training that is interrupted on the real trainer", (musubi) => {
  const environment = { ...miniatureEnvironment(musubi), WAN22_MINIATURE_GLOBS: "reversed" };
  let shared: string;

  beforeAll(async () => {
    shared = await mkdtemp(join(tmpdir(), "wan22-interrupted-"));
    await writeMiniatureModels(musubi, join(shared, "models"));
  });
  afterAll(() => rm(shared, { recursive: true, force: true }));

  function pipelineOf(tested: Case): string {
    const { task = "t2v-A14B", noise = "dual", batchSize = 1, mixedPrecision = "no", train } = tested;
    const optimizer = train.includes("optimizer_type") ? "" : "  optimizer_type: adamw\n";
    return miniaturePipeline(
      {
        task,
        noise,
        mixedPrecision,
        dataset: DATASET(batchSize),
        train: `${optimizer}  offload_inactive_dit: false\n  max_train_epochs: ${EPOCHS}\n  save_every_n_epochs: 1\n${train.includes("network_dim") ? "" : "  network_dim: 2\n"}  learning_rate: 1e-3\n  ${train}`,
        output: "  dir: out",
      },
      musubi,
    );
  }

  async function makeCase(tested: Case): Promise<Project> {
    const project = await makeProject({ [FILE]: pipelineOf(tested) });
    await cp(join(shared, "models"), project.path("models"), { recursive: true });
    const clips = join(repository, "pipelines/quickstart/clips");
    await cp(clips, project.path("clips"), { recursive: true });
    for (const name of ["01-test-pattern", "02-gradient", "03-mandelbrot"]) {
      for (const end of [".mp4", ".txt"]) await cp(join(clips, name + end), project.path(`more/${name}${end}`));
    }
    return project;
  }

  /** What a training gave: its checkpoints, the states' names, nothing unfinished, and its samples but for their time. */
  async function resultOf(project: Project) {
    const names = (await readdir(project.path("out"))).sort();
    const samples = await readdir(project.path("out/sample")).catch(() => []);
    return {
      checkpoints: await checkpointsIn(project.path("out")),
      states: names.filter((name) => name.endsWith("-state")),
      unfinished: names.filter((name) => name.startsWith(".")),
      samples: samples.map((name) => name.replace(/_\d{14}(?=[_.])/, "")).sort(),
    };
  }

  /** Each step's loss and rate over all runs, and each epoch's average; a step that was trained twice must have given the same twice. */
  async function stepsOf(project: Project): Promise<Readonly<Record<string, unknown>>> {
    const told: Record<string, unknown> = {};
    for (const run of (await readdir(project.path(".wan22/runs"))).sort()) {
      for (const event of await readEvents(project.path(`.wan22/runs/${run}`), "train")) {
        if (event.type !== "step" && event.type !== "epoch") continue;
        const key = event.type === "step" ? `step ${event.step}` : `epoch ${event.epoch}`;
        const value = event.type === "step" ? [event.epoch, event.loss, event.lr] : [event.loss];
        if (told[key] !== undefined) expect(value, `${key} of ${run}`).toEqual(told[key]);
        told[key] = value;
      }
    }
    return told;
  }

  async function expectApplied(project: Project, args: readonly string[] = []): Promise<readonly ApplyEvent[]> {
    const applying = startApply(project, FILE, { args, environment });
    const exitCode = await applying.ended;
    const { stderr } = await applying.process;
    expect(exitCode, String(stderr)).toBe(0);
    return applying.events;
  }

  for (const tested of CASES) {
    it(tested.name, async (context) => {
      const { needs } = tested;
      const has = needs === GPU ? hasGpu : hasPackage;
      if (needs !== undefined && !(await has(musubi, needs))) return context.skip(`needs ${needs} in MUSUBI_PYTHON`);
      const project = await makeCase(tested);
      await expectApplied(project);
      const whole = await resultOf(project);
      const wholeSteps = await stepsOf(project);
      expect(whole.unfinished).toEqual([]);
      const total = Object.keys(wholeSteps).filter((key) => key.startsWith("step")).length;
      expect(Object.keys(wholeSteps)).toHaveLength(total + EPOCHS);

      const { stdout } = await project.run(["plan", "--format", "json", FILE], { environment });
      const train = planSchema.parse(JSON.parse(stdout)).pipelines[0]?.stages.find(({ id }) => id === "train");
      const argv = (train?.argv ?? []).slice(1).map((word) => (word === "out" ? "own" : word));
      await runScript(musubi, "train", argv, { cwd: project.folder });
      expect(await checkpointsIn(project.path("own"))).toEqual(whole.checkpoints);

      await rm(project.path("out/sample"), { recursive: true, force: true });
      await interrupt(project, tested);
      const interrupted = await resultOf(project);
      expect(interrupted).toEqual(whole);
      expect(await stepsOf(project)).toEqual(wholeSteps);
      const again = await project.run(["plan", "--detailed-exitcode", FILE], { environment });
      expect(again.exitCode, again.stdout).toBe(0);
    });
  }

  it("gone back to an epoch, and stopped on the way: the same again, and what came after is in the archive", async () => {
    const tested: Case = {
      name: "cosine, back to the first epoch",
      train: "lr_scheduler: cosine\n  max_data_loader_n_workers: 2",
      interruptions: [],
    };
    const project = await makeCase(tested);
    await expectApplied(project);
    const whole = await resultOf(project);
    const wholeSteps = await stepsOf(project);
    const back = startApply(project, FILE, { args: ["--from-epoch", "1"], environment });
    await back.until(stepFrom(BATCHES + 9));
    MANNERS["ctrl-c"].act(back);
    expect(await back.ended).toBe(85);
    await expectApplied(project);
    expect(await resultOf(project)).toEqual(whole);
    expect(await stepsOf(project)).toEqual(wholeSteps);
    const archived = (await project.list("out/archive")).map((name) => name.split("/")[1]);
    expect([...new Set(archived)]).toEqual([
      "mini-000002-state",
      "mini-000002.safetensors",
      "mini-state",
      "mini.safetensors",
    ]);
  });

  it("caching, stopped and killed: what is there is whole, and the next apply makes the rest", async () => {
    const [tested] = CASES;
    if (tested === undefined) throw new Error("there are cases");
    const whole = await makeCase(tested);
    await expectApplied(whole);
    const project = await makeCase(tested);
    const moments: readonly [string, number, Manner][] = [
      ["cache-latents", 3, "ctrl-c"],
      ["cache-latents", 6, "kill both"],
      ["cache-latents", 9, "terminate"],
      ["cache-text", 2, "kill the trainer"],
      ["cache-text", 4, "ctrl-c"],
    ];
    for (const [stage, from, manner] of moments) {
      const applying = startApply(project, FILE, { environment });
      await applying.until(
        (event) =>
          event.type === "trainer" && event.stage === stage && event.event.type === "item" && event.event.done >= from,
      );
      MANNERS[manner].act(applying);
      expect(await applying.ended, `${manner} in ${stage}`).toBe(MANNERS[manner].exitCode);
      for (const file of (await project.list(".wan22/cache")).filter((name) => name.endsWith(".safetensors"))) {
        const reading = await readSafetensorsHeader(project.path(`.wan22/cache/${file}`));
        expect(reading.kind === "header" && isWhole(reading.header), file).toBe(true);
      }
    }
    await expectApplied(project);
    const caches = ".wan22/cache/mini";
    expect(await project.list(caches)).toEqual(await whole.list(caches));
    for (const file of await whole.list(caches)) {
      const wanted = await readDigest(whole.path(`${caches}/${file}`));
      expect(await readDigest(project.path(`${caches}/${file}`)), file).toEqual(wanted);
    }
    expect(await checkpointsIn(project.path("out"))).toEqual(await checkpointsIn(whole.path("out")));
  });

  /** A rate that is sound for an epoch and then overflows every weight. */
  const OVERFLOWING: Case = {
    name: "overflow",
    train: `lr_scheduler: piecewise_constant\n  lr_scheduler_args: ["step_rules='1:${BATCHES + 3},1e40'"]\n  max_data_loader_n_workers: 0`,
    interruptions: [],
  };

  it("a loss that is not a number ends it, and replaces nothing that was saved before", async () => {
    const project = await makeCase(OVERFLOWING);
    const applying = startApply(project, FILE, { environment });
    expect(await applying.ended).toBe(6);
    const { stderr } = await applying.process;
    expect(String(stderr)).toContain('"A28"');
    const steps = applying.events.flatMap((event) =>
      event.type === "trainer" && event.event.type === "step" ? [event.event] : [],
    );
    expect(steps.at(-1)?.loss).toBeNull();
    expect((await readdir(project.path("out"))).sort()).toEqual(["mini-000001-state", "mini-000001.safetensors"]);
  });

  it("a loss that is not a number is a warning where the pipeline says so", async () => {
    const project = await makeCase(OVERFLOWING);
    await project.write(FILE, (await project.read(FILE)).replace("backend: musubi", "backend: musubi\n  on_nan: warn"));
    const events = await expectApplied(project);
    const warnings = events.flatMap((event) =>
      event.type === "trainer" && event.event.type === "warning" ? [event.event.text] : [],
    );
    expect(warnings[0]).toMatch(/^The loss of step \d+ is not a number; the weights are ruined\.$/);
    expect(await readdir(project.path("out"))).toContain("mini.safetensors");
  });

  /** Trains again from the start, with what exists archived, and interrupts it as the case says. */
  async function interrupt(project: Project, { interruptions }: Case): Promise<void> {
    let args: readonly string[] = ["--replace", "train"];
    for (const { at, manner } of interruptions) {
      const applying = startApply(project, FILE, { args, environment });
      args = [];
      await applying.until(
        typeof at === "number" ? stepFrom(at) : (event) => event.type === "trainer" && at(event.event),
      );
      MANNERS[manner].act(applying);
      expect(await applying.ended, `${manner} at ${String(at)}`).toBe(MANNERS[manner].exitCode);
    }
    await expectApplied(project, args);
  }
});
