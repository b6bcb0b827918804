import { describe, expect, test } from "vitest";
import type { DiskFacts } from "../../../src/core/facts.ts";
import {
  applied,
  CLIPS,
  diskAfter,
  HOST,
  modelFacts,
  PIPELINE,
  planWorld,
  reasonsOf,
  runPlan,
  type World,
} from "./world.ts";

/** Eight steps an epoch, four epochs, a checkpoint and a state after each; the last two epochs' states are kept. */
const CONSTANT = PIPELINE;
const COSINE = edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  lr_scheduler: cosine");
const MUSUBI = edited("backend: rehearsal", "backend: musubi\n  path: musubi");

const NO_DISK = { caches: {}, outputFolders: ["output/fox"], outputs: {}, states: [] };

function edited(from: string, to: string, yaml = PIPELINE): string {
  if (!yaml.includes(from)) throw new Error(`the pipeline does not say ${from}`);
  return yaml.replace(from, to);
}

function epochs(count: number, yaml = CONSTANT): string {
  return edited("max_train_epochs: 4", `max_train_epochs: ${count}`, yaml);
}

function stopped(world: World, untilStep: number, stopState: boolean) {
  const planned = planWorld(world);
  const state = runPlan(planned, { untilStep, stopState });
  return { state, disk: diskAfter(state, planned) };
}

describe("a train stage", () => {
  test("that nothing is known of is created", () => {
    const { stage, codes, plan } = planWorld({});
    expect(stage("train")).toMatchObject({ action: "create", total_epochs: 4, total_steps: 32, done_steps: 0 });
    expect(reasonsOf(stage("train"))).toEqual(["nothing was trained yet"]);
    expect(codes).toEqual([]);
    expect(plan).toMatchObject({ valid: true, dataset: { steps_per_epoch: 8, total_steps: 32 } });
  });

  test("that nothing is known of archives files found under its names", () => {
    const disk = {
      ...NO_DISK,
      outputs: {
        "output/fox/fox.safetensors": { bytes: 10 },
        "output/fox/fox-000099.safetensors": { bytes: 10 },
        "output/fox/foxes.safetensors": { bytes: 10 },
        "output/fox/fox-low.safetensors": { bytes: 10 },
      },
      states: [{ dir: "output/fox/fox-state", complete: false }],
    };
    const { stage } = planWorld({ disk });
    expect(stage("train").action).toBe("create");
    expect(reasonsOf(stage("train"))).toEqual(["nothing was trained yet; 3 files found under its names are archived"]);
    expect(stage("train").archive).toEqual([
      "output/fox/fox-000099.safetensors",
      "output/fox/fox-state",
      "output/fox/fox.safetensors",
    ]);
  });

  test("that is finished is left alone", () => {
    const { stage, plan, codes } = planWorld(applied());
    expect(stage("train")).toMatchObject({ action: "none", done_epochs: 4, done_steps: 32 });
    expect(reasonsOf(stage("train"))).toEqual(["all 4 epochs are trained"]);
    expect(plan.stages.map(({ action }) => action)).toEqual(["none", "none", "none"]);
    expect(codes).toEqual([]);
  });

  test("of a changed parameter starts over, names it with its place, and archives what exists", () => {
    const yaml = edited("learning_rate: 2e-4", "learning_rate: 1e-4");
    const { stage } = planWorld({ ...applied(), yaml });
    expect(stage("train").action).toBe("replace");
    expect(stage("train").reasons).toEqual([
      {
        cause: "parameter-changed",
        parameter: "learning_rate",
        from: 2e-4,
        to: 1e-4,
        text: "learning_rate 2e-4 → 1e-4 (fox.yaml:14)",
      },
    ]);
    expect(stage("train").archive).toContain("output/fox/fox.safetensors");
    expect(stage("train").archive).toContain("output/fox/fox-state");
  });

  test("whose record was edited moves nothing that is not its own", () => {
    const { state, disk } = applied();
    const stray = ["wan22.yaml", "output/fox/notes.safetensors", "output/fox/fox-000001-state", "../fox.safetensors"];
    const checkpoints = stray.map((file) => ({ stage: "train" as const, file, epoch: 1, step: 8, bytes: 1 }));
    const training_states = ["src", "output/fox/fox.safetensors"].map((dir) => {
      return { stage: "train" as const, dir, done_epochs: 4, done_steps: 32 };
    });
    const edited_ = {
      ...state,
      checkpoints: [...state.checkpoints, ...checkpoints],
      training_states: [...state.training_states, ...training_states],
    };
    const yaml = edited("learning_rate: 2e-4", "learning_rate: 1e-4");
    const { stage } = planWorld({ state, disk, yaml });
    expect(stage("train").archive).not.toEqual([]);
    expect(planWorld({ state: edited_, disk, yaml }).stage("train").archive).toEqual(stage("train").archive);
    expect(planWorld({ state: edited_, disk: undefined, yaml }).stage("train").archive).toEqual(stage("train").archive);
  });

  test("whose parameter goes back to the trainer's default says so", () => {
    const before = applied({ yaml: edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  max_grad_norm: 0.5") });
    expect(reasonsOf(planWorld(before).stage("train"))).toEqual(["max_grad_norm 0.5 → 1 (trainer default)"]);
  });

  test.each([
    ["comments and spaces", edited("train:", "# slower\ntrain:   # here")],
    [
      "key order",
      edited("  max_train_epochs: 4\n  learning_rate: 2e-4", "  learning_rate: 2e-4\n  max_train_epochs: 4"),
    ],
    ["another way to write a number", edited("learning_rate: 2e-4", "learning_rate: 0.0002")],
    ["a default written out", edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  lr_scheduler: constant")],
    ["another folder with the same clips", edited("videos: data/fox", "videos: elsewhere/foxes")],
    [
      "a setting moved to the source",
      edited("      frame_extraction: head", "      frame_extraction: head\n      enable_bucket: true"),
    ],
    ["logging", edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  logging_dir: somewhere/else")],
    ["swapped blocks", edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  blocks_to_swap: 30")],
    ["the save interval", edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  save_every_n_epochs: 2")],
  ])("is not trained again for %s", (_what, yaml) => {
    expect(planWorld({ ...applied(), yaml }).stage("train").action).toBe("none");
  });

  test("counts data loader workers as learning only with timestep buckets", () => {
    const buckets = edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  num_timestep_buckets: 4");
    const workers = (yaml: string) => edited("train:", "train:\n  max_data_loader_n_workers: 0", yaml);
    expect(planWorld({ ...applied(), yaml: workers(CONSTANT) }).stage("train").action).toBe("none");
    const other = planWorld({ ...applied({ yaml: buckets }), yaml: workers(buckets) });
    expect(reasonsOf(other.stage("train"))).toEqual(["max_data_loader_n_workers 1 → 0 (fox.yaml:13)"]);
  });

  test("of another backend starts over", () => {
    const { stage } = planWorld({ ...applied(), yaml: MUSUBI });
    expect(stage("train").action).toBe("replace");
    expect(reasonsOf(stage("train"))).toEqual(["trainer.backend rehearsal → musubi"]);
  });

  test.each([
    [
      "a caption",
      CLIPS.map((clip) => (clip.stem < "c" ? { ...clip, caption: "A red fox" } : clip)),
      "caption of 2 clips changed: a, b",
    ],
    [
      "a clip's bytes",
      CLIPS.map((clip) => (clip.stem === "a" ? { ...clip, content: "new" } : clip)),
      "1 clip replaced: a",
    ],
    ["a new clip", [...CLIPS, { stem: "e" }], "1 clip added: e"],
    ["a missing clip", CLIPS.slice(1), "1 clip removed: a"],
    [
      "many new clips",
      [...CLIPS, ...["e", "f", "g", "h", "i"].map((stem) => ({ stem }))],
      "5 clips added: e, f, g and 2 more",
    ],
  ])("starts over for %s, and names it", (_what, clips, reason) => {
    const { stage } = planWorld({ ...applied(), clips });
    expect(stage("train").action).toBe("replace");
    expect(stage("train").reasons).toContainEqual({ cause: "dataset-changed", text: reason });
  });

  test("starts over for another model, but not for one that was moved away", () => {
    const world = { models: { dit: modelFacts("one"), vae: modelFacts("vae") } };
    const before = { ...world, ...applied(world) };
    const other = planWorld({ ...before, models: { ...world.models, vae: modelFacts("other") } });
    expect(other.stage("train").reasons).toEqual([
      { cause: "model-changed", parameter: "models.vae", text: "models.vae is another file than this was made with" },
    ]);
    expect(planWorld({ ...before, models: {} }).stage("train").action).toBe("none");
  });

  test("names a change of all sources once", () => {
    const { stage } = planWorld({ ...applied(), yaml: edited("256x144", "320x192") });
    expect(reasonsOf(stage("train"))).toEqual(["dataset.resolution 256x144 → 320x192 (fox.yaml:6)"]);
  });
});

describe("an unfinished train stage", () => {
  test("goes on from its newest complete training state", () => {
    const { stage, plan } = planWorld(stopped({}, 19, true));
    expect(stage("train")).toMatchObject({
      action: "resume",
      done_epochs: 2,
      done_steps: 19,
      done_batches: 3,
      resume_from: "output/fox/fox-step00000019-state",
    });
    expect(stage("train").argv.slice(-2)).toEqual(["--resume", "output/fox/fox-step00000019-state"]);
    expect(reasonsOf(stage("train"))).toEqual(["it was stopped after 19 steps; goes on after epoch 2, step 19"]);
    expect(plan.checkpoints.find(({ file }) => file.endsWith("step00000019-state"))?.action).toBe("prune");
  });

  test("passes over a state that is not complete", () => {
    const { state, disk } = stopped({}, 19, true);
    const states = disk.states.map((found) => ({
      ...found,
      complete: found.dir !== "output/fox/fox-step00000019-state",
    }));
    const { stage } = planWorld({ state, disk: { ...disk, states } });
    expect(stage("train")).toMatchObject({
      action: "resume",
      done_steps: 16,
      resume_from: "output/fox/fox-000002-state",
    });
  });

  test.each([
    ["more steps than its epochs and batches make", { doneSteps: 20 }, "refused"],
    ["fewer steps than its epochs make", { doneSteps: 15, doneBatches: 0 }, "refused"],
    ["steps of an epoch without its batches", { doneBatches: 0 }, "refused"],
    ["more batches than an epoch has", { doneSteps: 25, doneBatches: 9 }, "refused"],
    ["an epoch that is done and not counted yet", { doneSteps: 24, doneBatches: 8 }, "taken"],
  ] as const)("takes a state only if its counts can have come about together: %s", (_what, counts, verdict) => {
    const { state, disk } = stopped({}, 19, true);
    const states = disk.states.map((found) =>
      found.doneSteps === 19 ? { ...found, doneBatches: 3, ...counts } : found,
    );
    const { stage } = planWorld({ state, disk: { ...disk, states } });
    const told = { taken: "output/fox/fox-step00000019-state", refused: "output/fox/fox-000002-state" };
    expect(stage("train")).toMatchObject({ action: "resume", resume_from: told[verdict] });
  });

  test("counts the last, smaller step of an epoch whole", () => {
    const yaml = edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  gradient_accumulation_steps: 3");
    // 8 batches are 3 steps: of 3, 3 and 2 batches.
    const { state, disk } = stopped({ yaml }, 6, true);
    const states = disk.states.flatMap((found) =>
      found.dir.includes("-step") ? [{ ...found, doneEpochs: 1, doneBatches: 8 }] : [],
    );
    const { stage } = planWorld({ yaml, state, disk: { ...disk, states } });
    expect(stage("train")).toMatchObject({ action: "resume", done_epochs: 1, done_steps: 6, done_batches: 8 });
  });

  test("passes over a state of another fingerprint or stage", () => {
    const { state, disk } = stopped({}, 19, true);
    const foreign = (key: "fingerprint" | "stage") =>
      planWorld({ state, disk: { ...disk, states: disk.states.map((found) => ({ ...found, [key]: "other" })) } });
    expect(foreign("fingerprint").stage("train").action).toBe("create");
    expect(foreign("stage").stage("train").action).toBe("create");
  });

  test("without a complete training state is created again, and archives what exists", () => {
    const { state, disk } = stopped(
      { yaml: edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  save_state: false") },
      19,
      false,
    );
    const yaml = edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  save_state: false");
    const { stage } = planWorld({ state, disk, yaml });
    expect(stage("train").action).toBe("create");
    expect(stage("train").reasons.map(({ cause }) => cause)).toEqual(["unfinished", "no-training-state"]);
    expect(stage("train").archive).toEqual(["output/fox/fox-000001.safetensors", "output/fox/fox-000002.safetensors"]);
  });

  test("goes on to another number of epochs where the schedule allows it", () => {
    const world = stopped({}, 19, true);
    const more = planWorld({ ...world, yaml: epochs(6) });
    expect(more.stage("train")).toMatchObject({ action: "resume", total_steps: 48, done_steps: 19 });
    expect(reasonsOf(more.stage("train"))[1]).toBe("max_train_epochs 4 → 6");
    expect(planWorld({ ...world, yaml: epochs(3) }).stage("train")).toMatchObject({
      action: "resume",
      total_steps: 24,
    });
  });

  test("goes back to the last state that is not beyond the epochs wanted, which leaves only the last file to write", () => {
    const { stage, plan } = planWorld({ ...stopped({}, 19, true), yaml: epochs(2) });
    expect(stage("train")).toMatchObject({ action: "resume", done_steps: 16, total_steps: 16 });
    expect(plan.checkpoints.filter(({ action }) => action === "create").map(({ file }) => file)).toEqual([
      "output/fox/fox.safetensors",
      "output/fox/fox-state",
    ]);
  });

  test("that had written its last files goes back to fewer epochs without writing over them", () => {
    const { state, disk } = applied({ yaml: epochs(6) });
    const { train } = state.stages;
    if (train === undefined) throw new Error("it trained");
    // Its process was killed before it could say that it had finished.
    const lost = { ...state, stages: { ...state.stages, train: { ...train, status: "lost" as const } } };
    const { stage, plan } = planWorld({ state: lost, disk, yaml: epochs(5) });
    expect(stage("train")).toMatchObject({
      action: "resume",
      resume_from: "output/fox/fox-000005-state",
      archive: ["output/fox/fox-state", "output/fox/fox.safetensors"],
    });
    const last = plan.checkpoints.find(({ file }) => file === "output/fox/fox.safetensors");
    expect(last).toMatchObject({ action: "create", epoch: 5 });
  });

  test("starts over for another number of epochs where the schedule does not", () => {
    const { stage } = planWorld({ ...stopped({ yaml: COSINE }, 19, true), yaml: epochs(6, COSINE) });
    expect(stage("train").action).toBe("replace");
    expect(reasonsOf(stage("train"))).toEqual([
      "max_train_epochs 4 → 6",
      "the schedule cosine is laid out over all epochs, so another number of them changes every step",
    ]);
  });

  test("that went further than is wanted now stays as it is, with a warning", () => {
    const { state, disk } = stopped({}, 19, true);
    const states = disk.states.filter(({ dir }) => dir === "output/fox/fox-step00000019-state");
    const { stage, codes, diagnostics } = planWorld({ state, disk: { ...disk, states }, yaml: epochs(1) });
    expect(stage("train").action).toBe("none");
    expect(codes).toEqual(["P6"]);
    expect(diagnostics[0]?.detail).toContain("was trained for 19 steps; fox.yaml wants 1 epoch (8 steps) now");
  });
});

describe("a finished train stage that is to go on", () => {
  test("is extended where the schedule allows it; its last files get their epoch's names", () => {
    const { stage, plan } = planWorld({ ...applied(), yaml: epochs(6) });
    expect(stage("train")).toMatchObject({ action: "extend", done_epochs: 4, done_steps: 32, total_steps: 48 });
    expect(stage("train").reasons).toEqual([
      { cause: "more-epochs", parameter: "max_train_epochs", from: 4, to: 6, text: "max_train_epochs 4 → 6" },
    ]);
    expect(stage("train").renames).toEqual([
      { from: "output/fox/fox-state", to: "output/fox/fox-000004-state" },
      { from: "output/fox/fox.safetensors", to: "output/fox/fox-000004.safetensors" },
    ]);
    expect(stage("train").resume_from).toBe("output/fox/fox-000004-state");
    expect(
      plan.checkpoints.filter(({ kind }) => kind === "checkpoint").map(({ file, action }) => [file, action]),
    ).toEqual([
      ["output/fox/fox-000001.safetensors", "keep"],
      ["output/fox/fox-000002.safetensors", "keep"],
      ["output/fox/fox-000003.safetensors", "keep"],
      ["output/fox/fox-000004.safetensors", "keep"],
      ["output/fox/fox-000005.safetensors", "create"],
      ["output/fox/fox.safetensors", "create"],
    ]);
  });

  test("between two saves archives its last checkpoint and goes on from a state named by its step", () => {
    const every = (yaml: string) =>
      edited("learning_rate: 2e-4", "learning_rate: 2e-4\n  save_every_n_epochs: 3", yaml);
    const { stage, plan } = planWorld({ ...applied({ yaml: every(CONSTANT) }), yaml: every(epochs(6)) });
    expect(stage("train").archive).toEqual(["output/fox/fox.safetensors"]);
    expect(stage("train").renames).toEqual([{ from: "output/fox/fox-state", to: "output/fox/fox-step00000032-state" }]);
    expect(stage("train").resume_from).toBe("output/fox/fox-step00000032-state");
    expect(plan.checkpoints.find(({ file }) => file.endsWith("-step00000032-state"))?.action).toBe("prune");
    expect(plan.checkpoints.find(({ file }) => file === "output/fox/fox.safetensors")?.action).toBe("create");
  });

  test("goes on from the state of its last step, as that one says where it is, where that is the one that stays", () => {
    const { state, disk } = applied();
    const step = disk.states.find(({ dir }) => dir === "output/fox/fox-state");
    if (step === undefined) throw new Error("it saved its last state");
    const saved = { ...step, dir: "output/fox/fox-step00000032-state", doneEpochs: 3, doneBatches: 8 };
    const yaml = edited("max_train_epochs: 4", "max_train_epochs: 6\n  save_every_n_epochs: 3");
    const { stage } = planWorld({ state, disk: { ...disk, states: [...disk.states, saved] }, yaml });
    expect(stage("train")).toMatchObject({
      action: "extend",
      resume_from: saved.dir,
      done_epochs: 3,
      done_steps: 32,
      done_batches: 8,
    });
    expect(stage("train").archive).toContain("output/fox/fox-state");
  });

  test("moves away what a longer run would have removed when it saved the epoch that was the last one", () => {
    const yaml = edited(
      "learning_rate: 2e-4",
      "learning_rate: 2e-4\n  save_last_n_epochs: 2\n  save_last_n_epochs_state: 1",
    );
    const { stage, plan } = planWorld({ ...applied({ yaml }), yaml: epochs(6, yaml) });
    expect(stage("train").action).toBe("extend");
    // Epoch 4 removes the checkpoint of epoch 2 and the state of epoch 3.
    expect(stage("train").archive?.toSorted()).toEqual([
      "output/fox/fox-000002.safetensors",
      "output/fox/fox-000003-state",
    ]);
    const left = plan.checkpoints.filter(({ action }) => action !== "prune").map(({ file }) => file);
    const straight = planWorld({ yaml: epochs(6, yaml) });
    const wanted = straight.plan.checkpoints.filter(({ action }) => action !== "prune").map(({ file }) => file);
    expect(left).toEqual(wanted);
  });

  test("after a crash between renaming and training ends as it would have without", () => {
    const { state, disk } = applied();
    const halfway = {
      ...disk,
      outputs: { "output/fox/fox-000004.safetensors": { bytes: 1 } },
      states: disk.states.map((found) =>
        found.dir === "output/fox/fox-state" ? { ...found, dir: "output/fox/fox-000004-state" } : found,
      ),
    };
    const { stage } = planWorld({ state, disk: halfway, yaml: epochs(6) });
    expect(stage("train")).toMatchObject({ action: "extend", resume_from: "output/fox/fox-000004-state" });
    expect(stage("train").renames).toBeUndefined();
  });

  test("starts over where the schedule does not allow it, or its last state is gone", () => {
    expect(planWorld({ ...applied({ yaml: COSINE }), yaml: epochs(6, COSINE) }).stage("train").action).toBe("replace");
    const { state, disk } = applied();
    const { stage } = planWorld({ state, disk: { ...disk, states: [] }, yaml: epochs(6) });
    expect(stage("train").action).toBe("replace");
    expect(stage("train").reasons[1]).toEqual({
      cause: "no-training-state",
      text: "there is no complete training state of its last epoch",
    });
  });

  test("with fewer epochs is left alone, with a warning", () => {
    const { stage, codes, diagnostics } = planWorld({ ...applied(), yaml: epochs(2) });
    expect(stage("train").action).toBe("none");
    expect(codes).toEqual(["P6"]);
    expect(diagnostics[0]?.detail).toContain("was trained for 4 epochs; fox.yaml wants 2 epochs now");
    expect(diagnostics[0]?.range?.line).toBe(13);
  });

  test("with files deleted by hand is left alone, with a warning that names them", () => {
    const { state, disk } = applied();
    const { "output/fox/fox-000002.safetensors": _gone, ...outputs } = disk.outputs;
    const { stage, plan, diagnostics } = planWorld({ state, disk: { ...disk, outputs } });
    expect(stage("train").action).toBe("none");
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["P7", "warning"]]);
    expect(diagnostics[0]?.detail).toContain("output/fox/fox-000002.safetensors");
    expect(plan.checkpoints.map(({ file }) => file)).not.toContain("output/fox/fox-000002.safetensors");
  });

  test("with a file that is cut short or was written over is left alone, with a warning that names it", () => {
    const { state, disk } = applied();
    const cut = { ...disk.outputs, "output/fox/fox.safetensors": { bytes: 100 } };
    const { stage, diagnostics } = planWorld({ state, disk: { ...disk, outputs: cut } });
    expect(stage("train").action).toBe("none");
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["P14", "warning"]]);
    expect(diagnostics[0]?.detail).toContain("output/fox/fox.safetensors");
    const other = { ...disk.outputs, "output/fox/fox.safetensors": { bytes: 7, tensorBytes: 7 } };
    expect(planWorld({ state, disk: { ...disk, outputs: other } }).codes).toEqual(["P14"]);
  });

  test("under a new output name is left where it is, with a warning", () => {
    const yaml = edited("dir: output/fox", "dir: output/renamed");
    const { stage, codes, plan } = planWorld({ ...applied(), yaml });
    expect(stage("train").action).toBe("none");
    expect(codes).toEqual(["P10"]);
    expect(plan.checkpoints.every(({ file, action }) => action === "keep" && file.startsWith("output/fox/"))).toBe(
      true,
    );
  });
});

describe("a stage whose process is alive", () => {
  test("is followed", () => {
    const { stage } = planWorld({ ...stopped({}, 19, false), alive: ["train"] });
    expect(stage("train")).toMatchObject({ action: "resume", done_steps: 19 });
    expect(stage("train").reasons).toEqual([{ cause: "running", text: "it is running (run run-1)" }]);
    expect(stage("train").resume_from).toBeUndefined();
  });

  test("of something else is an error, and the plan holds nothing to do", () => {
    const yaml = edited("learning_rate: 2e-4", "learning_rate: 1e-4");
    const { plan, diagnostics } = planWorld({ ...stopped({}, 19, false), alive: ["train"], yaml });
    expect(plan).toMatchObject({ valid: false, stages: [], checkpoints: [] });
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["P4", "error"]]);
    expect(diagnostics[0]?.detail).toContain("learning_rate 2e-4 → 1e-4 (fox.yaml:14)");
    expect(diagnostics[0]?.detail).toContain("Take that back, and `wan22 apply fox.yaml` follows it again");
  });

  test("for another number of epochs is followed to its own end, with a warning", () => {
    const { stage, codes, plan } = planWorld({ ...stopped({}, 19, false), alive: ["train"], yaml: epochs(9) });
    expect(stage("train")).toMatchObject({ action: "resume", total_epochs: 4, total_steps: 32 });
    expect(codes).toEqual(["P11"]);
    expect(plan.checkpoints.at(-1)).toMatchObject({ epoch: 4, step: 32 });
  });

  test("of a caching stage with other settings is an error too", () => {
    const world = applied();
    expect(planWorld({ ...world, alive: ["cache-latents"] }).stage("cache-latents").reasons[0]?.cause).toBe("running");
    expect(planWorld({ ...world, alive: ["cache-latents"], yaml: edited("256x144", "320x192") }).codes).toEqual(["P4"]);
  });
});

describe("a training whose files were moved to where output.dir points now", () => {
  const yaml = edited("dir: output/fox", "dir: output/moved");
  const moved = (disk: DiskFacts): DiskFacts => {
    const to = (path: string) => path.replace("output/fox", "output/moved");
    return {
      ...disk,
      outputFolders: ["output/moved", "output/fox"],
      outputs: Object.fromEntries(Object.entries(disk.outputs).map(([path, facts]) => [to(path), facts])),
      states: disk.states.map((state) => ({ ...state, dir: to(state.dir) })),
    };
  };

  test("goes on there, and misses nothing", () => {
    const { state, disk } = stopped({}, 19, true);
    const { stage, codes, plan } = planWorld({ state, disk: moved(disk), yaml });
    expect(stage("train")).toMatchObject({ action: "resume", done_steps: 19 });
    expect(stage("train").resume_from).toBe("output/moved/fox-step00000019-state");
    expect(codes).toEqual([]);
    expect(plan.checkpoints.every(({ file }) => file.startsWith("output/moved/"))).toBe(true);
  });

  test("is extended there", () => {
    const { state, disk } = applied();
    const { stage } = planWorld({ state, disk: moved(disk), yaml: epochs(6, yaml) });
    expect(stage("train")).toMatchObject({ action: "extend", resume_from: "output/moved/fox-000004-state" });
  });

  test("goes on from where they lie if they were not moved; nothing there is said to be removed", () => {
    const { state, disk } = stopped({}, 19, true);
    const looked = { ...disk, outputFolders: ["output/moved", "output/fox"] };
    const { stage, plan } = planWorld({ state, disk: looked, yaml });
    expect(stage("train").resume_from).toBe("output/fox/fox-step00000019-state");
    const old = plan.checkpoints.filter(({ file }) => file.startsWith("output/fox/"));
    expect(new Set(old.map(({ action }) => action))).toEqual(new Set(["keep"]));
  });
});

describe("a training that is interrupted while its checkpoints are removed by something else", () => {
  test("goes on, with a warning that names what is gone", () => {
    const { state, disk } = stopped({}, 19, true);
    const { "output/fox/fox-000001.safetensors": _gone, ...outputs } = disk.outputs;
    const { stage, diagnostics } = planWorld({ state, disk: { ...disk, outputs } });
    expect(stage("train").action).toBe("resume");
    expect(diagnostics.map(({ code }) => code)).toEqual(["P7"]);
    expect(diagnostics[0]?.detail).toContain("output/fox/fox-000001.safetensors");
  });
});

describe("the backend musubi with the bridge", () => {
  const musubi = { yaml: MUSUBI, trainer: { version: "0.3.4" } };

  test("goes on from the newest complete training state, and is extended where the schedule allows that", () => {
    const { stage } = planWorld({ ...stopped(musubi, 19, true), ...musubi });
    expect(stage("train")).toMatchObject({ action: "resume", driver: "bridge", done_epochs: 2, done_steps: 19 });
    const extended = planWorld({ ...applied(musubi), ...musubi, yaml: epochs(6, MUSUBI) });
    expect(extended.stage("train")).toMatchObject({ action: "extend", driver: "bridge" });
  });

  test("is taken for granted where the trainer is not installed, so that a plan is the same everywhere", () => {
    expect(planWorld({ yaml: MUSUBI }).plan.stages.map(({ driver }) => driver)).toEqual(["bridge", "bridge", "bridge"]);
  });

  test("begins anew where the states are those of Musubi's own scripts, which know nothing of it", () => {
    const { state, disk } = stopped(musubi, 19, false);
    const states = disk.states.map(({ dir }) => ({ dir, complete: false }));
    expect(planWorld({ state, disk: { ...disk, states }, ...musubi }).stage("train").action).toBe("create");
  });

  test("is not used in training with several processes, but is in caching", () => {
    const { plan } = planWorld({ ...musubi, yaml: `${MUSUBI}gpus: [0, 1]\n` });
    expect(plan.stages.map(({ driver }) => driver)).toEqual(["bridge", "bridge", "scripts"]);
  });
});

describe("the backend musubi with a trainer that is older than the bridge", () => {
  const musubi = (untilStep: number) => {
    const given = { yaml: MUSUBI, trainer: { version: "0.2.9" } };
    const { state, disk } = stopped(given, untilStep, false);
    // The trainer alone writes no wan22.json: its states are never complete.
    return { state, disk: { ...disk, states: disk.states.map(({ dir }) => ({ dir, complete: false })) }, ...given };
  };

  test("refuses to resume, says what is kept and what to do", () => {
    const { plan, diagnostics } = planWorld(musubi(19));
    expect(plan.valid).toBe(false);
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["P5", "error"]]);
    expect(diagnostics[0]?.detail).toContain("output/fox/fox-000002-state");
    expect(diagnostics[0]?.detail).toContain("`wan22 apply --replace train fox.yaml`");
    expect(diagnostics[0]?.detail).toContain("this Musubi Tuner is 0.2.9, and the bridge needs 0.3.0 or newer");
  });

  test("starts over when asked to, with everything archived", () => {
    const { stage } = planWorld({ ...musubi(19), replace: ["train"] });
    expect(stage("train").action).toBe("replace");
    expect(stage("train").reasons.map(({ cause }) => cause)).toEqual(["requested"]);
    expect(stage("train").archive).toContain("output/fox/fox-000002-state");
  });

  test("starts over by itself where no training state was saved", () => {
    expect(planWorld(musubi(3)).stage("train")).toMatchObject({ action: "create" });
  });

  test("refuses to extend where the schedule would allow it", () => {
    const world = applied({ yaml: MUSUBI, trainer: { version: "0.2.9" } });
    expect(planWorld({ ...world, trainer: { version: "0.2.9" }, yaml: epochs(6, MUSUBI) }).codes).toEqual(["P5"]);
  });
});

describe("asked to start over", () => {
  test("a stage that runs is an error, and so is one that the pipeline does not have", () => {
    const { codes } = planWorld({ ...stopped({}, 19, false), alive: ["train"], replace: ["train"] });
    expect(codes).toEqual(["P4"]);
    const unknown = planWorld({ replace: ["train-low"] });
    expect(unknown.codes).toEqual(["P13"]);
    expect(unknown.diagnostics[0]?.detail).toContain("Its stages are cache-latents, cache-text, train;");
  });

  test("a finished stage is replaced; one that never ran is created", () => {
    expect(planWorld({ ...applied(), replace: ["train"] }).stage("train").action).toBe("replace");
    expect(planWorld({ replace: ["train"] }).stage("train").action).toBe("create");
  });
});

describe("a state written on another machine", () => {
  test("has nothing of this machine's written over, whatever it is called", () => {
    const { state, disk } = applied();
    const foreign = (dir: string) => ({ dir, complete: true, fingerprint: "another", stage: "train" });
    const here: DiskFacts = {
      ...NO_DISK,
      outputFolders: ["output/fox"],
      outputs: {
        "output/fox/fox-000003.safetensors": { bytes: 1, tensorBytes: 1, sha256: "mine" },
        "output/fox/fox-000007.safetensors": { bytes: 1, tensorBytes: 1 },
        "output/fox/other.safetensors": { bytes: 1, tensorBytes: 1 },
      },
      states: [foreign("output/fox/fox-000004-state")],
    };
    const replaced = planWorld({ state, disk: here, host: "laptop", replace: ["train"] }).stage("train");
    expect(replaced.archive).toEqual(
      expect.arrayContaining(["output/fox/fox-000004-state", "output/fox/fox-000007.safetensors"]),
    );
    expect(replaced.archive).not.toContain("output/fox/other.safetensors");
    // An extend gives fox-state that name, and leaves epochs 3 and 7 as they are.
    const extended = planWorld({ state, disk: here, host: "laptop", yaml: epochs(6) }).stage("train");
    const retained = "output/fox/fox-000002-state";
    expect(extended).toMatchObject({ action: "extend", archive: [retained, "output/fox/fox-000004-state"] });
    // On a disk that both have, the files are the other's as well.
    expect(planWorld({ state, disk, host: "laptop" }).stage("train").archive).toBeUndefined();
  });

  test("is believed, and the disk is not asked", () => {
    const { state } = applied();
    const { plan, codes } = planWorld({ state, disk: NO_DISK, host: "laptop" });
    expect(plan.stages.map(({ action }) => action)).toEqual(["none", "none", "none"]);
    expect(codes).toEqual(["P12"]);
  });

  test("tells where training would go on", () => {
    const { state } = stopped({}, 19, true);
    expect(planWorld({ state, host: "laptop" }).stage("train")).toMatchObject({ action: "resume", done_steps: 19 });
  });

  test("says of a process there no more than the record does", () => {
    const { state } = stopped({}, 19, false);
    const { train } = state.stages;
    if (train === undefined) throw new Error("it trained");
    const running = { ...state, stages: { ...state.stages, train: { ...train, status: "running" as const } } };
    expect(reasonsOf(planWorld({ state: running, host: "laptop" }).stage("train"))).toEqual([
      `it was running on ${HOST} when last heard of, after 19 steps; goes on after epoch 2, step 16`,
    ]);
  });
});
