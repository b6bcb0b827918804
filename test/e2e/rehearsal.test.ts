import { watch } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type CheckpointOptions, scheduleCheckpoints } from "../../src/core/trainer/checkpoints.ts";
import { loraBytes } from "../../src/core/trainer/lora.ts";
import { REHEARSAL_MODULES } from "../../src/core/trainer/rehearsal.ts";
import { isWhole, readSafetensorsHeader } from "../../src/host/safetensors.ts";
import { type Random, randomFrom } from "../rig/random.ts";
import {
  cacheAll,
  copyProject,
  hashOutputs,
  makeProject,
  newestState,
  OUTPUT_NAME,
  type RehearsalProject,
  startCaching,
  startTraining,
  type TrainingOptions,
} from "../rig/rehearsal.ts";

const SEED = Number(process.env.WAN22_SEED ?? 22);
const ITEMS = 10;

let cached: RehearsalProject;
const projects: RehearsalProject[] = [];

beforeAll(async () => {
  cached = await makeProject({ items: ITEMS });
  await cacheAll(cached);
});
afterAll(() => cached.remove());
afterEach(async () => {
  for (const project of projects.splice(0)) await project.remove();
});

async function freshProject(): Promise<RehearsalProject> {
  const project = await copyProject(cached);
  projects.push(project);
  return project;
}

async function train(project: RehearsalProject, options: TrainingOptions) {
  return (await startTraining(project, options)).ended;
}

describe("caching", () => {
  test("makes a whole file for each item, that says what it was made from and by whom", async () => {
    const reading = await readSafetensorsHeader(join(cached.folder, "cache/clip3_00000-009_0128x0096_wan.safetensors"));
    const text = await readSafetensorsHeader(join(cached.folder, "cache/clip3_wan_te.safetensors"));

    expect(reading).toMatchObject({
      kind: "header",
      header: {
        metadata: { architecture: "wan", width: "128", height: "96", frame_count: "9", wan22_rehearsal: "true" },
        tensors: { latents_3x2x2_float16: { dtype: "F16", shape: [16, 3, 2, 2] } },
      },
    });
    expect(text).toMatchObject({
      header: { metadata: { caption1: "clip number 3, 狐狸 🦊", wan22_rehearsal: "true" } },
    });
    expect(reading.kind === "header" && isWhole(reading.header)).toBe(true);
  });

  test("makes what is missing, and removes what is not in the dataset", async () => {
    const project = await freshProject();
    const cache = join(project.folder, "cache");
    await rm(join(cache, "clip4_00000-009_0128x0096_wan.safetensors"));
    await writeFile(join(cache, "gone_00000-009_0128x0096_wan.safetensors"), "of a clip that was removed");

    const { events, exitCode } = await (await startCaching(project, { stage: "cache-latents" })).ended;

    expect(exitCode).toBe(0);
    expect(events).toMatchObject([
      { type: "started" },
      { type: "item", file: "cache/clip4_00000-009_0128x0096_wan.safetensors", done: ITEMS, total: ITEMS },
      { type: "removed", file: "cache/gone_00000-009_0128x0096_wan.safetensors" },
      { type: "finished" },
    ]);
  });

  test("keeps what is not in the dataset with --keep_cache, and makes the first frame's latent with --i2v", async () => {
    const project = await makeProject({ items: 1 });
    projects.push(project);
    const other = join(project.folder, "cache/gone_wan.safetensors");
    await mkdir(join(project.folder, "cache"));
    await writeFile(other, "");

    await (await startCaching(project, { stage: "cache-latents", args: ["--i2v", "--keep_cache"] })).ended;

    const reading = await readSafetensorsHeader(
      join(project.folder, "cache/clip0_00000-009_0128x0096_wan.safetensors"),
    );
    expect(reading.kind === "header" && Object.keys(reading.header.tensors)).toEqual([
      "latents_3x2x2_float16",
      "latents_image_3x2x2_float16",
    ]);
    expect(await readFile(other, "utf8")).toBe("");
  });

  test("ends between two files when it is asked to stop", async () => {
    const project = await makeProject({ items: 400 });
    projects.push(project);
    const stage = await startCaching(project, { stage: "cache-text" });
    await stage.until(({ type }) => type === "item");
    await stage.requestStop();

    const { exitCode, events } = await stage.ended;

    expect(exitCode).toBe(85);
    expect(events.slice(-2)).toMatchObject([{ type: "stopping" }, { type: "stopped" }]);
    const written = await readdir(join(project.folder, "cache"));
    expect(written.every((name) => name.endsWith("_wan_te.safetensors"))).toBe(true);
    expect(written).toHaveLength(events.filter(({ type }) => type === "item").length);
  });

  test("says which source it could not read", async () => {
    const project = await makeProject({ items: 2 });
    projects.push(project);
    await rm(join(project.folder, "clip1.mp4"));

    const { exitCode, events } = await (await startCaching(project, { stage: "cache-latents" })).ended;

    expect(exitCode).toBe(1);
    expect(events.at(-1)).toMatchObject({
      type: "failed",
      reason: "io",
      message: "No such file or directory (clip1.mp4)",
    });
  });
});

describe("training", () => {
  test("brings the loss down, honestly said to be a rehearsal", async () => {
    const project = await freshProject();
    const { exitCode, events, log } = await train(project, {
      epochs: 6,
      args: ["--network_dim", "16", "--network_alpha", "16"],
    });

    const losses = events.flatMap((event) => (event.type === "epoch" ? [event.loss ?? Number.NaN] : []));
    expect(exitCode).toBe(0);
    expect(losses).toHaveLength(6);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) * 0.7);
    expect(log.split("\n")[0]).toContain("This is wan22's rehearsal, not Wan2.2");
    expect(await readSafetensorsHeader(join(project.folder, `out/${OUTPUT_NAME}.safetensors`))).toMatchObject({
      header: {
        metadata: { wan22_rehearsal: "true", ss_epoch: "6", ss_steps: String(6 * ITEMS), ss_network_dim: "16" },
      },
    });
  });

  test("counts steps and epochs as the context says, with a learning rate for each", async () => {
    const project = await freshProject();
    const { events } = await train(project, {
      epochs: 2,
      accumulation: 4,
      args: ["--lr_scheduler", "linear", "--lr_warmup_steps", "2"],
    });

    const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
    expect(steps.map(({ step, epoch }) => [step, epoch])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 2],
      [6, 2],
    ]);
    expect(steps.map(({ lr }) => lr)).toEqual([0, 1e-4, 2e-4, 1.5e-4, 1e-4, 5e-5].map((lr) => expect.closeTo(lr, 12)));
  });

  test("leaves exactly the files that the plan's arithmetic foretells, with exactly their bytes", async () => {
    const random = randomFrom(SEED);
    for (let index = 0; index < 12; index += 1) {
      const project = await freshProject();
      const { options, accumulation, args } = randomSaving(random);
      const schedule = scheduleCheckpoints({
        ...options,
        stepsPerEpoch: Math.ceil(ITEMS / accumulation),
        modules: REHEARSAL_MODULES,
      });

      const { exitCode, events, log } = await train(project, { epochs: options.epochs, accumulation, args });

      const because = `${args.join(" ")} (WAN22_SEED=${SEED}, case ${index})\n${log}`;
      expect(exitCode, because).toBe(0);
      const wanted = schedule.filter(({ prunedAtStep }) => prunedAtStep === undefined);
      expect((await readdir(join(project.folder, "out"))).sort(), because).toEqual(
        wanted.map(({ file }) => file).sort(),
      );
      const saved = events.flatMap((event) => (event.type === "checkpoint" ? [[event.file, event.step]] : []));
      const foretold = schedule.flatMap(({ file, kind, step }) =>
        kind === "checkpoint" ? [[`out/${file}`, step]] : [],
      );
      expect(saved, because).toEqual(foretold);
      for (const { file, kind } of wanted) {
        if (kind === "checkpoint")
          expect(await tensorBytes(join(project.folder, "out", file)), because).toBe(
            loraBytes({ ...options, modules: REHEARSAL_MODULES }),
          );
      }
    }
  });

  describe("whose weights are not numbers any more", () => {
    const args = ["--learning_rate", "1e30", "--optimizer_type", "SGD", "--max_grad_norm", "0", "--save_state"];

    test("ends before anything is saved of them", async () => {
      const project = await freshProject();
      const { exitCode, events } = await train(project, { epochs: 2, args: [...args, "--save_every_n_steps", "1"] });
      expect(exitCode).toBe(1);
      const { step } = events.findLast((event) => event.type === "step") ?? {};
      expect(events.at(-1)).toMatchObject({
        type: "failed",
        reason: "nan-loss",
        message: `The weights are not numbers any more at step ${step}; nothing is saved of them.`,
      });
      expect(events.filter(({ type }) => type === "checkpoint")).toHaveLength((step ?? 0) - 1);
      for (const name of await readdir(join(project.folder, "out"))) {
        if (name.endsWith(".safetensors")) expect(await hasOnlyNumbers(join(project.folder, "out", name))).toBe(true);
      }
    });

    test("goes on where that is wished, says so, and says NaN as null", async () => {
      const project = await freshProject();
      const { exitCode, events } = await train(project, { epochs: 1, args, context: { on_nan: "warn" } });
      expect(exitCode).toBe(0);
      expect(events.findLast(({ type }) => type === "step")).toMatchObject({ loss: null });
      expect(events.find(({ type }) => type === "warning")).toMatchObject({
        text: expect.stringMatching(/^The loss of step \d+ is not a number; the weights are ruined\.$/),
      });
    });
  });

  test("names the caches that are missing", async () => {
    const project = await freshProject();
    await rm(join(project.folder, "cache/clip2_wan_te.safetensors"));
    const { exitCode, events } = await train(project, { epochs: 1 });
    expect(exitCode).toBe(1);
    expect(events.at(-1)).toMatchObject({
      type: "failed",
      reason: "missing-cache",
      message: "1 cache files are missing, the first is cache/clip2_wan_te.safetensors.",
    });
  });
});

describe("an interrupted training", () => {
  const ARGS = [
    "--save_state",
    "--save_every_n_epochs",
    "2",
    "--save_every_n_steps",
    "7",
    "--lr_scheduler",
    "cosine",
    "--lr_warmup_steps",
    "3",
  ];
  const EPOCHS = 6;

  /** What an undisturbed run of the same options leaves. */
  async function undisturbed(options: TrainingOptions): Promise<Readonly<Record<string, string>>> {
    const project = await freshProject();
    const { exitCode, log } = await train(project, options);
    expect(exitCode, log).toBe(0);
    return hashOutputs(project);
  }

  test("ends with the same bytes as one that was not, stopped at 20 random steps", async () => {
    const random = randomFrom(SEED + 1);
    const steps = EPOCHS * ITEMS;
    const stops = random.some(
      Array.from({ length: steps - 1 }, (_, index) => index + 1),
      20,
      20,
    );
    const options = { epochs: EPOCHS, args: ARGS };
    const wanted = await undisturbed(options);
    const project = await freshProject();
    let segment = 1;
    let stage = await startTraining(project, options);
    for (const stop of [...stops].sort((a, b) => a - b)) {
      await stage.until((event) => event.type === "step" && event.step >= stop);
      await stage.requestStop();
      const { exitCode, events, log } = await stage.ended;
      if (exitCode === 0) break;
      expect(exitCode, log).toBe(85);
      expect(events.at(-1)?.type).toBe("stopped");
      const resume = await newestState(project);
      expect(resume.steps).toBe(events.findLast((event) => event.type === "step")?.step);
      segment += 1;
      stage = await startTraining(project, { ...options, segment, resume });
    }
    expect((await stage.ended).exitCode).toBe(0);
    expect(await hashOutputs(project)).toEqual(wanted);
  });

  test("also with gradient accumulation, an optimizer of another kind and half precision", async () => {
    const options = {
      epochs: 4,
      accumulation: 3,
      args: [
        "--save_state",
        "--optimizer_type",
        "bitsandbytes.optim.Lion",
        "--save_precision",
        "bf16",
        "--save_every_n_steps",
        "5",
      ],
    };
    const wanted = await undisturbed(options);
    const project = await freshProject();
    let stage = await startTraining(project, options);
    for (const stop of [2, 6, 9, 13]) {
      await stage.until((event) => event.type === "step" && event.step >= stop);
      stage.process.kill("SIGTERM");
      const { exitCode } = await stage.ended;
      if (exitCode === 0) break;
      expect(exitCode).toBe(85);
      stage = await startTraining(project, { ...options, resume: await newestState(project) });
    }
    expect((await stage.ended).exitCode).toBe(0);
    expect(await hashOutputs(project)).toEqual(wanted);
  });

  test("loses only what came after its last complete state when it is killed", async () => {
    const options = { epochs: EPOCHS, args: ARGS };
    const wanted = await undisturbed(options);
    const project = await freshProject();
    let stage = await startTraining(project, options);
    for (const kill of [9, 16, 23, 31, 44, 52]) {
      await stage.until((event) => event.type === "step" && event.step >= kill);
      stage.process.kill("SIGKILL");
      if ((await stage.ended).exitCode === 0) break;
      stage = await startTraining(project, { ...options, resume: await newestState(project) });
    }
    expect((await stage.ended).exitCode).toBe(0);
    expect(await hashOutputs(project)).toEqual(wanted);
  });

  test("has under a state's name only what is complete, whenever it is killed", async () => {
    const options = { epochs: EPOCHS, args: ARGS };
    const project = await freshProject();
    const out = join(project.folder, "out");
    await mkdir(out, { recursive: true });
    let torn = 0;
    for (let tries = 0; tries < 40 && torn < 2; tries += 1) {
      const stage = await startTraining(project, options);
      const saves = watch(out);
      saves.on("change", (_, name) => String(name).includes("-state.") && stage.process.kill("SIGKILL"));
      await stage.ended;
      saves.close();
      const names = await readdir(out);
      torn += names.filter((name) => name.endsWith(".tmp")).length;
      for (const name of names.filter((one) => one.endsWith("-state")))
        expect(await readdir(join(out, name))).toContain("wan22.json");
    }
    expect(torn).toBeGreaterThan(0);
  });

  const byStep = (epoch: number) => `fox-step${String(epoch * ITEMS).padStart(8, "0")}`;
  test.each([
    {
      save: "--save_every_n_epochs 1 --save_last_n_epochs_state 2",
      later: [],
      overdue: ["fox-000003-state"],
    },
    {
      save: `--save_every_n_steps ${ITEMS} --save_last_n_steps ${2 * ITEMS} --save_last_n_steps_state ${ITEMS}`,
      later: [`${byStep(6)}-state`, `${byStep(6)}.safetensors`],
      overdue: [`${byStep(3)}-state`, `${byStep(2)}.safetensors`],
    },
  ])("ends what a process that was killed had begun to remove: $overdue", async ({ save, later, overdue }) => {
    const options = { epochs: EPOCHS, args: ["--save_state", ...save.split(" ")] };
    const project = await freshProject();
    expect((await train(project, options)).exitCode).toBe(0);
    const wanted = await hashOutputs(project);
    const out = (name: string) => join(project.folder, "out", name);
    // As if a kill had come right after a save, before what goes for it was gone; and another one in the middle of a removal.
    for (const name of [...later, "fox-state", "fox.safetensors"]) await rm(out(name), { recursive: true });
    const resume = await newestState(project);
    for (const name of overdue) {
      await cp(join(project.folder, resume.dir), out(name), { recursive: true });
      await rm(out(`${name}/wan22.json`));
    }
    await cp(join(project.folder, resume.dir), out("fox-000001-state.4194305.tmp"), { recursive: true });
    const others = ["fox-two-000001-state.4194305.tmp", "fox-000001-state.tmp"];
    for (const name of others) await cp(join(project.folder, resume.dir), out(name), { recursive: true });

    const { exitCode, events, log } = await train(project, { ...options, resume });

    expect(exitCode, log).toBe(0);
    const removed = events.flatMap((event) => (event.type === "removed" ? [event.file] : []));
    expect(removed.slice(0, overdue.length)).toEqual(overdue.map((name) => `out/${name}`));
    expect(await readdir(out(""))).toEqual(expect.arrayContaining(others));
    for (const name of others) await rm(out(name), { recursive: true });
    expect(await readdir(out(""))).not.toContain("fox-000001-state.4194305.tmp");
    expect(await hashOutputs(project)).toEqual(wanted);
  });

  test("can be extended by more epochs, as if they had been planned so", async () => {
    const args = ["--save_state", "--save_every_n_epochs", "1"];
    const wanted = await undisturbed({ epochs: 4, args });
    const project = await freshProject();
    await train(project, { epochs: 2, args });
    const out = join(project.folder, "out");
    const { rename } = await import("node:fs/promises");
    await rename(join(out, "fox.safetensors"), join(out, "fox-000002.safetensors"));
    await rename(join(out, "fox-state"), join(out, "fox-000002-state"));

    const resume = { dir: "out/fox-000002-state", epochs: 2, steps: 2 * ITEMS, batches: 0 };
    expect((await train(project, { epochs: 4, args, resume })).exitCode).toBe(0);

    const hashes = await hashOutputs(project);
    const metadata = (name: string) => name === "fox-000001.safetensors" || name === "fox-000002.safetensors";
    // Checkpoints of the first run say in their metadata how long that one was to be.
    expect(Object.keys(hashes)).toEqual(Object.keys(wanted));
    for (const [name, hash] of Object.entries(wanted))
      if (!metadata(name)) expect([name, hashes[name]]).toEqual([name, hash]);
  });

  test("writes the last checkpoint when all steps were done already", async () => {
    const project = await freshProject();
    const args = ["--save_state"];
    await train(project, { epochs: 2, args });
    const before = await hashOutputs(project);
    await rm(join(project.folder, "out/fox.safetensors"));

    const { exitCode, events } = await train(project, { epochs: 2, args, resume: await newestState(project) });

    expect(exitCode).toBe(0);
    expect(events.some(({ type }) => type === "step")).toBe(false);
    expect(await hashOutputs(project)).toEqual(before);
  });

  test("removes the state that a stop left once a later one is complete", async () => {
    const project = await freshProject();
    const options = { epochs: 40, args: ["--save_state", "--save_every_n_epochs", "20"] };
    const stage = await startTraining(project, options);
    await stage.until((event) => event.type === "step" && event.step >= 3);
    await stage.requestStop();
    await stage.ended;
    const stopped = await newestState(project);
    expect(stopped.dir).toMatch(/^out\/fox-step0000\d{4}-state$/);

    const { events } = await train(project, { ...options, resume: stopped });

    expect(events.filter(({ type }) => type === "removed")).toMatchObject([{ file: stopped.dir }]);
    expect(await readdir(join(project.folder, "out"))).not.toContain(stopped.dir.slice(4));
  });

  test("refuses to go on from something else", async () => {
    const project = await freshProject();
    await train(project, { epochs: 1, args: ["--save_state"] });
    const resume = await newestState(project);
    const refusal = async (options: Partial<TrainingOptions>) => {
      const { exitCode, events } = await train(project, { epochs: 2, resume, ...options });
      const last = events.at(-1);
      return [exitCode, last?.type === "failed" ? `${last.reason}: ${last.message}` : last?.type];
    };
    expect(await refusal({ fingerprint: "a".repeat(64) })).toEqual([
      1,
      expect.stringMatching(/^resume-mismatch: .* disagree about fingerprint/),
    ]);
    expect(await refusal({ resume: { ...resume, steps: 3 } })).toEqual([
      1,
      expect.stringMatching(/disagree about done_steps: 10 and 3/),
    ]);
    expect(await refusal({ context: { resume: "out/other-state" } })).toEqual([
      1,
      expect.stringMatching(/--resume is out\/fox-state/),
    ]);
    expect(await refusal({ args: ["--network_dim", "8"] })).toEqual([1, expect.stringMatching(/^weights-mismatch: /)]);
    await rm(join(project.folder, "out/fox-state/optimizer.safetensors"));
    expect(await refusal({})).toEqual([1, "resume-mismatch: out/fox-state is not a complete training state."]);
  });

  test("ends at once on a second Ctrl-C", async () => {
    const project = await freshProject();
    const stage = await startTraining(project, { epochs: 200 });
    await stage.until((event) => event.type === "step");
    stage.process.kill("SIGINT");
    stage.process.kill("SIGINT");
    // Both may arrive as one; then it is an ordinary stop.
    expect([130, 85]).toContain((await stage.ended).exitCode);
  });
});

interface Saving {
  readonly options: Omit<CheckpointOptions, "modules" | "stepsPerEpoch">;
  readonly accumulation: number;
  readonly args: readonly string[];
}

function randomSaving(random: Random): Saving {
  const maybe = (max: number) => (random.chance(0.5) ? random.integer(1, max) : undefined);
  const options: Saving["options"] = {
    name: OUTPUT_NAME,
    dim: random.pick([1, 4, 6]),
    epochs: random.integer(1, 6),
    saveEveryEpochs: maybe(3),
    saveEverySteps: maybe(7),
    saveState: random.chance(0.6),
    saveStateOnTrainEnd: random.chance(0.3),
    keepLastEpochs: maybe(3),
    keepLastEpochsState: maybe(2),
    keepLastSteps: maybe(9),
    keepLastStepsState: maybe(9),
    savePrecision: random.pick([undefined, "float", "fp16", "bf16"]),
  };
  const value = (name: string, of: number | string | undefined) => (of === undefined ? [] : [`--${name}`, String(of)]);
  const flag = (name: string, of: boolean | undefined) => (of === true ? [`--${name}`] : []);
  return {
    options,
    accumulation: random.integer(1, 3),
    args: [
      ...value("network_dim", options.dim),
      ...value("save_every_n_epochs", options.saveEveryEpochs),
      ...value("save_every_n_steps", options.saveEverySteps),
      ...flag("save_state", options.saveState),
      ...flag("save_state_on_train_end", options.saveStateOnTrainEnd),
      ...value("save_last_n_epochs", options.keepLastEpochs),
      ...value("save_last_n_epochs_state", options.keepLastEpochsState),
      ...value("save_last_n_steps", options.keepLastSteps),
      ...value("save_last_n_steps_state", options.keepLastStepsState),
      ...value("save_precision", options.savePrecision),
    ],
  };
}

/** Of a file of 32-bit floats: those behind its header. */
async function hasOnlyNumbers(file: string): Promise<boolean> {
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  for (let at = start; at < bytes.length; at += 4) if (!Number.isFinite(bytes.readFloatLE(at))) return false;
  return true;
}

const ELEMENT_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };

async function tensorBytes(file: string): Promise<number> {
  const reading = await readSafetensorsHeader(file);
  if (reading.kind !== "header") throw new Error(reading.problem.text);
  return Object.values(reading.header.tensors).reduce(
    (sum, { dtype, shape }) =>
      sum + shape.reduce((product, side) => product * side, ELEMENT_BYTES[dtype] ?? Number.NaN),
    0,
  );
}
