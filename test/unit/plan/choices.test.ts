import { describe, expect, test } from "vitest";
import { foldState } from "../../../src/core/state/fold.ts";
import type { State } from "../../../src/core/state/state.ts";
import { randomFrom } from "../../rig/random.ts";
import { emptyDisk, observed, type SimulatedDisk, simulateRun } from "./simulated-trainer.ts";
import { applied, diskAfter, PIPELINE, type Planned, planWorld, reasonsOf, runPlan, type World } from "./world.ts";

/** `--only`, `--replace`, `--from` and `--from-epoch`: what of it is in the plan, and what is refused. Eight steps an epoch. */

const SEPARATE = PIPELINE.replace("hardware: entry", "hardware: high-end\nnoise: separate");
const OLD_MUSUBI: World = {
  yaml: PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi"),
  trainer: { version: "0.2.9" },
};

function stopped(world: World, untilStep: number): World {
  const planned = planWorld(world);
  const state = runPlan(planned, { untilStep, stopState: true });
  return { ...world, state, disk: diskAfter(state, planned) };
}

function actionsOf({ plan }: Planned): Readonly<Record<string, string>> {
  return Object.fromEntries(plan.stages.map(({ id, action }) => [id, action]));
}

function detailOf({ diagnostics }: Planned): string {
  return diagnostics.map(({ code, detail }) => `${code} ${detail}`).join("\n");
}

describe("asked for one stage alone", () => {
  test("that one runs, and those that would have something to do wait, with what that is", () => {
    const planned = planWorld({ only: ["cache-latents"] });
    expect(actionsOf(planned)).toEqual({ "cache-latents": "create", "cache-text": "wait", train: "wait" });
    expect(reasonsOf(planned.stage("train"))).toEqual([
      "only cache-latents is asked for; create otherwise: nothing was trained yet",
    ]);
    expect(planned.stage("cache-text").pending).toEqual([]);
    expect(planned.plan.checkpoints).toEqual([]);
    expect(planned.plan.estimates.time).toMatchObject({ low: 0, high: 0 });
    expect(planned.plan.digest).not.toBe(planWorld({}).plan.digest);
  });

  test("others that have nothing to do are left as they are", () => {
    const world = { ...applied(), only: ["train" as const], replace: ["train" as const] };
    expect(actionsOf(planWorld(world))).toEqual({ "cache-latents": "none", "cache-text": "none", train: "replace" });
  });

  test("what a stage that waits has trained stays, and its files are kept", () => {
    const planned = planWorld({ ...stopped({}, 19), only: ["cache-text"], replace: ["cache-text"] });
    expect(actionsOf(planned)).toEqual({ "cache-latents": "none", "cache-text": "update", train: "wait" });
    expect(planned.stage("train")).toMatchObject({ done_steps: 19 });
    expect(planned.stage("train").resume_from).toBeUndefined();
    expect(new Set(planned.plan.checkpoints.map(({ action }) => action))).toEqual(new Set(["keep"]));
  });

  test("training is refused where its caches are not right, and says what is wrong with them", () => {
    const planned = planWorld({ only: ["train"] });
    expect(planned.plan.valid).toBe(false);
    expect(planned.codes).toEqual(["P61"]);
    expect(detailOf(planned)).toContain("cache-latents: 8 cache files to make. cache-text: 4 cache files to make");
    expect(detailOf(planned)).toContain("Apply `--only cache-latents --only cache-text` first");
    expect(planWorld({ only: ["cache-latents", "cache-text", "train"] }).codes).toEqual([]);
  });

  test("nothing is started beside a stage that runs, but for the half that has a GPU of its own", () => {
    const world = stopped({}, 19);
    const beside = planWorld({ ...world, alive: ["train"], only: ["cache-text"], replace: ["cache-text"] });
    expect(beside.codes).toEqual(["P62"]);
    expect(planWorld({ ...world, alive: ["train"], only: ["train"] }).stage("train").action).toBe("resume");
    const halves = stopped({ yaml: `${SEPARATE}gpus: [0, 1]\n` }, 19);
    const other = planWorld({ ...halves, alive: ["train-low"], only: ["train-high"] });
    expect(other.codes).toEqual([]);
    expect(actionsOf(other)).toMatchObject({ "train-low": "wait", "train-high": "resume" });
  });
});

describe("asked to start over from a stage on", () => {
  test("it and all after it do, and those before it stay", () => {
    expect(actionsOf(planWorld({ ...applied(), from: "cache-text" }))).toEqual({
      "cache-latents": "none",
      "cache-text": "update",
      train: "replace",
    });
    expect(actionsOf(planWorld({ ...applied({ yaml: SEPARATE }), yaml: SEPARATE, from: "train-high" }))).toMatchObject({
      "train-low": "none",
      "train-high": "replace",
    });
  });

  test("a stage that the plan being carried out has begun is not started over again", () => {
    const world = { ...applied(), from: "cache-text" as const, begun: ["cache-text" as const] };
    expect(actionsOf(planWorld(world))).toMatchObject({ "cache-text": "none", train: "replace" });
  });
});

describe("asked to train on from an epoch", () => {
  test("a finished stage resumes from its training state, and what came after it is archived", () => {
    const { stage, plan } = planWorld({ ...applied(), fromEpoch: 3 });
    expect(stage("train")).toMatchObject({
      action: "resume",
      resume_from: "output/fox/fox-000003-state",
      done_epochs: 3,
      done_steps: 24,
      archive: ["output/fox/fox-state", "output/fox/fox.safetensors"],
    });
    expect(reasonsOf(stage("train"))).toEqual(["asked to train on from epoch 3; what came after it is archived"]);
    expect(plan.checkpoints.map(({ file, action }) => [file.replace("output/fox/", ""), action])).toEqual([
      ["fox-000001.safetensors", "keep"],
      ["fox-000002.safetensors", "keep"],
      ["fox-000002-state", "keep"],
      ["fox-000003.safetensors", "keep"],
      ["fox-000003-state", "keep"],
      ["fox.safetensors", "replace"],
      ["fox-state", "replace"],
    ]);
  });

  test("an unfinished one does, and its stop's state is archived with the rest", () => {
    const { stage } = planWorld({ ...stopped({}, 29), fromEpoch: 2 });
    expect(stage("train")).toMatchObject({ action: "resume", done_epochs: 2, done_steps: 16 });
    expect(stage("train").archive).toEqual([
      "output/fox/fox-000003-state",
      "output/fox/fox-000003.safetensors",
      "output/fox/fox-step00000029-state",
    ]);
  });

  test("the last epoch is extended from, as if nothing had been asked", () => {
    const longer = { ...applied(), yaml: PIPELINE.replace("max_train_epochs: 4", "max_train_epochs: 6") };
    const asked = planWorld({ ...longer, fromEpoch: 4 }).stage("train");
    expect(asked.action).toBe("extend");
    expect({ ...asked, reasons: [] }).toEqual({ ...planWorld(longer).stage("train"), reasons: [] });
  });

  test("where none of that epoch is kept, those that are are listed", () => {
    const planned = planWorld({ ...applied(), fromEpoch: 1 });
    expect(planned.codes).toEqual(["P63"]);
    expect(detailOf(planned)).toContain("no complete training state of it is kept, only of epochs 2, 3 and 4");
  });

  test.each<[string, World, string]>([
    ["nothing was trained", {}, "nothing was trained yet"],
    [
      "something else was trained",
      { ...applied(), yaml: PIPELINE.replace("learning_rate: 2e-4", "learning_rate: 1e-4") },
      "learning_rate 2e-4 → 1e-4",
    ],
    [
      "no epoch comes after it",
      { ...applied(), yaml: PIPELINE.replace("max_train_epochs: 4", "max_train_epochs: 2") },
      "the pipeline wants 2 epochs, so none comes after it",
    ],
    [
      "the schedule is laid out over another number of epochs",
      (() => {
        const yaml = PIPELINE.replace("learning_rate: 2e-4", "lr_scheduler: cosine");
        return { ...applied({ yaml }), yaml: yaml.replace("max_train_epochs: 4", "max_train_epochs: 8") };
      })(),
      "the schedule cosine is laid out over all epochs",
    ],
  ])("is refused where %s", (_, world, why) => {
    const planned = planWorld({ ...world, fromEpoch: 2 });
    expect(planned.codes).toEqual(["P63"]);
    expect(detailOf(planned)).toContain(why);
  });

  test("is refused where the trainer does not resume exactly, and beside one that runs", () => {
    const { state, disk } = stopped(OLD_MUSUBI, 19);
    const refused = planWorld({ ...OLD_MUSUBI, state, disk, fromEpoch: 2 });
    expect(refused.codes).toEqual(["P5"]);
    expect(detailOf(refused)).toContain("The stage train of fox is asked to train on from epoch 2.");
    expect(planWorld({ ...stopped({}, 19), alive: ["train"], fromEpoch: 1 }).codes).toEqual(["P4"]);
  });

  test("of one half, that half has to be named", () => {
    const world = { ...applied({ yaml: SEPARATE }), yaml: SEPARATE, fromEpoch: 3 };
    const unnamed = planWorld(world);
    expect(unnamed.codes).toEqual(["P60"]);
    expect(detailOf(unnamed)).toContain("does not say which of them it means");
    expect(actionsOf(planWorld({ ...world, only: ["train-high"] }))).toMatchObject({
      "train-low": "none",
      "train-high": "resume",
    });
    expect(actionsOf(planWorld({ ...world, only: ["train-low", "train-high"] }))).toMatchObject({
      "train-low": "resume",
      "train-high": "resume",
    });
  });
});

describe("choices that contradict each other", () => {
  test.each<[string, World]>([
    ["from and only", { from: "cache-text", only: ["train"] }],
    ["a stage that starts over and waits", { replace: ["cache-text"], only: ["train"] }],
    ["an epoch to go on from and a start from nothing", { fromEpoch: 2, replace: ["train"] }],
    ["an epoch to go on from and a start from a stage before", { fromEpoch: 2, from: "cache-latents" }],
    ["an epoch to go on from and nothing that trains", { fromEpoch: 2, only: ["cache-text"] }],
  ])("%s: nothing is guessed", (_, choices) => {
    const planned = planWorld({ ...applied(), ...choices });
    expect(planned.plan.valid).toBe(false);
    expect(planned.codes).toEqual(["P60"]);
  });

  test("a stage that the pipeline does not have is none to choose", () => {
    expect(planWorld({ only: ["train-low"] }).codes).toEqual(["P13"]);
    expect(planWorld({ from: "train-high" }).codes).toEqual(["P13"]);
  });
});

interface Life {
  readonly disk: SimulatedDisk;
  state: State | undefined;
  planned: Planned | undefined;
}

function plan(life: Life, world: World): Planned {
  const blank = planWorld({ ...world, fromEpoch: undefined });
  return planWorld({ ...world, state: life.state, disk: observed(life.disk, life.planned ?? blank) });
}

function carryOut(life: Life, planned: Planned, more: { untilStep?: number; manner?: "stop" | "kill" } = {}): void {
  life.state = foldState(life.state, simulateRun({ planned, disk: life.disk, lineage: "one", ...more }));
  life.planned = planned;
}

function filesOf({ disk }: Life): readonly string[] {
  return [...disk.checkpoints.keys(), ...disk.states.keys()].sort();
}

describe("over random lives", () => {
  test("whoever goes back to any epoch, however often disturbed, ends with the files of an undisturbed run", () => {
    let wentBack = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = randomFrom(40_000 + seed);
      const line = (probability: number, text: () => string) => (random.chance(probability) ? [text()] : []);
      const lines = [
        `max_train_epochs: ${random.integer(2, 7)}`,
        `save_every_n_epochs: ${random.integer(1, 2)}`,
        ...line(0.4, () => `save_every_n_steps: ${random.integer(2, 9)}`),
        ...line(0.4, () => `save_last_n_epochs: ${random.integer(1, 3)}`),
        ...line(0.6, () => `save_last_n_epochs_state: ${random.integer(1, 5)}`),
        ...line(0.3, () => `save_last_n_steps_state: ${random.integer(1, 12)}`),
      ];
      const train = lines.map((text) => `  ${text}\n`).join("");
      const world = { yaml: PIPELINE.replace("  max_train_epochs: 4\n", train), clips: [{ stem: "a" }, { stem: "b" }] };
      const straight: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
      carryOut(straight, plan(straight, world));
      const life: Life = { disk: emptyDisk(), state: undefined, planned: undefined };
      const ends = random.chance(0.5) ? {} : { untilStep: random.integer(5, 20), manner: "stop" as const };
      carryOut(life, plan(life, world), ends);
      const epochs = [...life.disk.states.values()].map(({ doneEpochs }) => doneEpochs);
      const total = life.planned?.stage("train").total_epochs ?? 0;
      const fromEpoch = random.pick([0, ...epochs].filter((epoch) => epoch < total));
      if (fromEpoch > 0) {
        wentBack += 1;
        const back = plan(life, { ...world, fromEpoch });
        const label = `seed ${seed}, back to ${fromEpoch}: ${lines.join(", ")}`;
        expect(back.stage("train"), label).toMatchObject({ action: "resume", done_epochs: fromEpoch });
        const from = back.stage("train").done_steps ?? 0;
        carryOut(life, back, { untilStep: from + random.integer(1, 6), manner: random.pick(["stop", "kill"]) });
        const again = plan(life, world);
        expect(again.stage("train").done_steps, label).toBeGreaterThanOrEqual(from);
      }
      for (let rest = plan(life, world); rest.stage("train").action !== "none"; rest = plan(life, world)) {
        carryOut(life, rest);
      }
      expect(filesOf(life), `seed ${seed}: ${lines.join(", ")}`).toEqual(filesOf(straight));
    }
    expect(wentBack).toBeGreaterThan(15);
  }, 60_000);
});
