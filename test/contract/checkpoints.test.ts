/** Every file that a training run saves and removes, with its step and bytes, predicted and then made by the trainer. */
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CheckpointOptions,
  epochStateName,
  lastStateName,
  scheduleCheckpoints,
  scheduleRemovals,
  stepStateName,
} from "../../src/core/trainer/checkpoints.ts";
import { loraModulesFromTensors, selectModules } from "../../src/core/trainer/lora.ts";
import { stepsPerEpoch } from "../../src/core/trainer/steps.ts";
import { hasFfmpeg } from "../rig/clips.ts";
import { askOracle, describeWithMusubi, type OracleAnswer, takesArgument } from "../rig/musubi.ts";
import { type Random, randomFrom } from "../rig/random.ts";
import { makeSmallDataset, SMALL_DATASET_ITEMS, type SmallDataset } from "../rig/small-dataset.ts";
import { readTensorFile } from "../rig/tensor-bytes.ts";

const RUNS = Number(process.env.WAN22_RANDOM_RUNS ?? 24);
const SEED = Number(process.env.WAN22_SEED ?? 22);
const NAME = "fox";

interface TrainingRun {
  readonly accumulation: number;
  readonly networkArgs: readonly string[];
  readonly maxTrainSteps?: number;
  readonly options: Omit<CheckpointOptions, "modules" | "stepsPerEpoch">;
}

/** Four that a pipeline is likely to ask for, and one that sets the numbers of states to 0, which counts as not given. */
const CHOSEN: readonly TrainingRun[] = [
  run({ epochs: 6, saveEveryEpochs: 1, keepLastEpochs: 2, saveState: true }),
  run({ epochs: 4, saveEveryEpochs: 1, saveEverySteps: 3, keepLastSteps: 6, saveState: true, keepLastStepsState: 3 }),
  { ...run({ epochs: 3, saveEveryEpochs: 2, saveEverySteps: 2 }), accumulation: 4 },
  run({ epochs: 2, saveStateOnTrainEnd: true, savePrecision: "bf16", dim: 8 }),
  run({
    epochs: 5,
    saveEveryEpochs: 1,
    saveEverySteps: 4,
    saveState: true,
    keepLastEpochs: 2,
    keepLastEpochsState: 0,
    keepLastSteps: 8,
    keepLastStepsState: 0,
  }),
];

function run(options: Partial<CheckpointOptions> & { readonly epochs: number }): TrainingRun {
  return { accumulation: 1, networkArgs: [], options: { name: NAME, dim: 4, ...options } };
}

function randomRun(random: Random): TrainingRun {
  const maybe = (max: number, min = 1) => (random.chance(0.5) ? random.integer(min, max) : undefined);
  const accumulation = random.integer(1, 4);
  const epochSteps = stepsPerEpoch({ batches: SMALL_DATASET_ITEMS, processes: 1, accumulation });
  const maxTrainSteps = random.chance(0.2) ? random.integer(1, 20) : undefined;
  return {
    accumulation,
    networkArgs: random.pick([[], [], ["exclude_patterns=['.*ffn.*']"], ["exclude_patterns=[r'.*\\.[qk]']"]]),
    ...(maxTrainSteps === undefined ? {} : { maxTrainSteps }),
    options: {
      name: NAME,
      epochs: maxTrainSteps === undefined ? random.integer(1, 7) : Math.ceil(maxTrainSteps / epochSteps),
      totalSteps: maxTrainSteps,
      saveEveryEpochs: maybe(3),
      saveEverySteps: maybe(7),
      saveState: random.chance(0.6),
      saveStateOnTrainEnd: random.chance(0.3),
      keepLastEpochs: maybe(3, 0),
      keepLastEpochsState: maybe(3, 0),
      keepLastSteps: maybe(9, 0),
      keepLastStepsState: maybe(9, 0),
      savePrecision: random.pick([undefined, "float", "fp32", "fp16", "bf16"]),
      dim: random.pick([undefined, 1, 4, 6]),
    },
  };
}

/** As a version takes it that always saves in the precision of the training. */
function withoutPrecision(run: TrainingRun): TrainingRun {
  return { ...run, options: { ...run.options, savePrecision: undefined } };
}

function argvOf({ options, accumulation, networkArgs, maxTrainSteps }: TrainingRun, { toml, models }: SmallDataset) {
  const valued = {
    task: "t2v-A14B",
    dit: models.dit,
    dataset_config: toml,
    mixed_precision: "no",
    optimizer_type: "adamw",
    learning_rate: 1e-3,
    network_module: "networks.lora_wan",
    network_dim: options.dim,
    max_data_loader_n_workers: 0,
    seed: 1,
    timestep_sampling: "shift",
    discrete_flow_shift: 3,
    gradient_accumulation_steps: accumulation,
    max_train_epochs: maxTrainSteps === undefined ? options.epochs : undefined,
    max_train_steps: maxTrainSteps,
    save_every_n_epochs: options.saveEveryEpochs,
    save_every_n_steps: options.saveEverySteps,
    save_last_n_epochs: options.keepLastEpochs,
    save_last_n_epochs_state: options.keepLastEpochsState,
    save_last_n_steps: options.keepLastSteps,
    save_last_n_steps_state: options.keepLastStepsState,
    save_precision: options.savePrecision,
    output_name: NAME,
  };
  const flags = { sdpa: true, save_state: options.saveState, save_state_on_train_end: options.saveStateOnTrainEnd };
  return [
    ...Object.entries(valued).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)])),
    ...Object.entries(flags).flatMap(([name, value]) => (value === true ? [`--${name}`] : [])),
    ...(networkArgs.length === 0 ? [] : ["--network_args", ...networkArgs]),
  ];
}

/** What the trainer's line says: `+` for saved, `-` for removed, and the name in the output folder. */
function happening(line: string): string {
  const epoch = /^saving state at epoch (\d+)/.exec(line)?.[1];
  if (epoch !== undefined) return `+${epochStateName(NAME, Number(epoch))}`;
  const step = /^saving state at step (\d+)/.exec(line)?.[1];
  if (step !== undefined) return `+${stepStateName(NAME, Number(step))}`;
  if (line.startsWith("saving last state")) return `+${lastStateName(NAME)}`;
  return `${line.startsWith("saving") ? "+" : "-"}${basename(line.slice(line.indexOf(": ") + 2))}`;
}

async function listSizes(folder: string): Promise<Readonly<Record<string, number>>> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  const sizes: Record<string, number> = {};
  for (const entry of entries) {
    if (entry.parentPath !== folder) continue;
    // A state's bytes are an estimate; a checkpoint's are exact.
    sizes[entry.name] = entry.isDirectory() ? 0 : (await readTensorFile(join(folder, entry.name))).tensorBytes;
  }
  return sizes;
}

describeWithMusubi(`checkpoints and states of ${RUNS} training runs`, (musubi) => {
  let folder = "";
  const random = randomFrom(SEED);
  const all = [...CHOSEN, ...Array.from({ length: Math.max(0, RUNS - CHOSEN.length) }, () => randomRun(random))];
  const runs = takesArgument(musubi, "--save_precision") ? all : all.map(withoutPrecision);
  let answers: readonly OracleAnswer<"train">[] = [];
  let scheduled: readonly CheckpointOptions[] = [];

  beforeAll(async () => {
    if (!hasFfmpeg()) throw new Error("ffmpeg is needed to make clips: sudo apt-get install ffmpeg");
    folder = await mkdtemp(join(tmpdir(), "wan22-checkpoints-"));
    const dataset = await makeSmallDataset(musubi, folder);
    const { tensors } = await readTensorFile(join(folder, dataset.models.dit));
    scheduled = runs.map(({ options, accumulation, networkArgs }) => ({
      ...options,
      stepsPerEpoch: stepsPerEpoch({ batches: SMALL_DATASET_ITEMS, processes: 1, accumulation }),
      modules: selectModules(loraModulesFromTensors(tensors), networkArgs).modules,
    }));
    const requests = runs.map((each, index) => ({
      kind: "train" as const,
      argv: [...argvOf(each, dataset), "--output_dir", `output/${index}`],
    }));
    answers = await askOracle<"train">(musubi, requests, { cwd: folder });
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(runs.map((each, index) => ({ index, each })))("run $index: $each", async ({ index }) => {
    const answer = answers[index];
    const options = scheduled[index];
    if (options === undefined) throw new Error("no such run");
    expect(answer?.error).toBeUndefined();
    const { counts, saves } = answer?.value ?? { counts: {}, saves: [] };
    const files = scheduleCheckpoints(options);

    expect(counts).toEqual({
      "num batches per epoch": SMALL_DATASET_ITEMS,
      "num epochs": options.epochs,
      "total optimization steps": options.totalSteps ?? options.epochs * options.stepsPerEpoch,
    });

    const happened = saves.map(happening);
    expect(happened.filter((name) => name.startsWith("+"))).toEqual(files.map(({ file }) => `+${file}`));
    const saved = new Set(files.map(({ file }) => file));
    const removed = scheduleRemovals(options).filter(({ file }) => saved.has(file));
    expect(happened.filter((name) => name.startsWith("-"))).toEqual(removed.map(({ file }) => `-${file}`));

    const left = files.filter(({ prunedAtStep }) => prunedAtStep === undefined);
    expect(await listSizes(join(folder, "output", String(index)))).toEqual(
      Object.fromEntries(left.map(({ file, kind, bytes }) => [file, kind === "state" ? 0 : bytes])),
    );

    for (const { file, kind, epoch, step } of left) {
      if (kind === "state") continue;
      const { metadata } = await readTensorFile(join(folder, "output", String(index), file));
      expect(metadata.ss_steps).toBe(String(step));
      // A step's checkpoint holds the epochs done, ours the epoch in progress.
      expect(metadata.ss_epoch).toBe(String(file.includes("-step") ? epoch - 1 : epoch));
    }
  });

  test("a state is about as large as estimated", async () => {
    const options = scheduled[0];
    if (options === undefined) throw new Error("no runs");
    const state = join(folder, "output/0", lastStateName(NAME));
    const sizes = await Promise.all((await readdir(state)).map(async (file) => (await stat(join(state, file))).size));
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    const estimate = scheduleCheckpoints(options).findLast(({ kind }) => kind === "state")?.bytes ?? 0;
    expect(estimate / bytes).toBeGreaterThan(0.9);
    expect(estimate / bytes).toBeLessThan(1.1);
  });
});
