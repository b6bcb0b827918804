import { describe, expect, test } from "vitest";
import { applied, diskAfter, PIPELINE, type Planned, planWorld, runPlan, type World } from "./world.ts";

function withTrain(...lines: readonly string[]): string {
  return PIPELINE.replace(
    "  learning_rate: 2e-4\n",
    `  learning_rate: 2e-4\n${lines.map((line) => `  ${line}\n`).join("")}`,
  );
}

/** `ACTION NAME` of each, in the plan's order. */
function listed({ plan }: Planned): readonly string[] {
  return plan.checkpoints.map(({ action, file }) => `${action} ${file.replace("output/fox/", "")}`);
}

describe("the list of checkpoints", () => {
  test("names every file of a new run with its epoch, last step and bytes", () => {
    const { plan } = planWorld({});
    expect(plan.checkpoints.map(({ file, kind, epoch, step }) => [file, kind, epoch, step])).toEqual([
      ["output/fox/fox-000001.safetensors", "checkpoint", 1, 8],
      ["output/fox/fox-000001-state", "state", 1, 8],
      ["output/fox/fox-000002.safetensors", "checkpoint", 2, 16],
      ["output/fox/fox-000002-state", "state", 2, 16],
      ["output/fox/fox-000003.safetensors", "checkpoint", 3, 24],
      ["output/fox/fox-000003-state", "state", 3, 24],
      ["output/fox/fox.safetensors", "checkpoint", 4, 32],
      ["output/fox/fox-state", "state", 4, 32],
    ]);
    // Rank 20, in float32: 16 square layers of 8, and two of 8 and 16 in each of two blocks; 20 alphas.
    const weights = 20 * (16 * (8 + 8) + 4 * (8 + 16));
    expect(new Set(plan.checkpoints.filter(({ kind }) => kind === "checkpoint").map(({ bytes }) => bytes))).toEqual(
      new Set([4 * (weights + 20)]),
    );
  });

  test("tells what retention will remove from what stays", () => {
    expect(listed(planWorld({ yaml: withTrain("save_last_n_epochs: 1", "save_last_n_epochs_state: 1") }))).toEqual([
      "prune fox-000001.safetensors",
      "prune fox-000001-state",
      "prune fox-000002.safetensors",
      "prune fox-000002-state",
      "create fox-000003.safetensors",
      "create fox-000003-state",
      "create fox.safetensors",
      "create fox-state",
    ]);
  });

  test("keeps what a finished run left", () => {
    expect(listed(planWorld(applied()))).toEqual([
      "keep fox-000001.safetensors",
      "keep fox-000002.safetensors",
      "keep fox-000002-state",
      "keep fox-000003.safetensors",
      "keep fox-000003-state",
      "keep fox.safetensors",
      "keep fox-state",
    ]);
  });

  test("replaces what a run that starts over makes again", () => {
    const { state, disk } = applied();
    const { plan } = planWorld({ state, disk, yaml: PIPELINE.replace("2e-4", "1e-4") });
    expect(listed({ plan } as Planned)).toContain("replace fox-000002.safetensors");
    expect(listed({ plan } as Planned)).toContain("replace fox.safetensors");
  });

  test("of a resumed run holds what is done and what is to come", () => {
    const planned = planWorld({});
    const state = runPlan(planned, { untilStep: 19, stopState: true });
    expect(listed(planWorld({ state, disk: diskAfter(state, planned) }))).toEqual([
      "keep fox-000001.safetensors",
      "prune fox-000001-state",
      "keep fox-000002.safetensors",
      "keep fox-000002-state",
      "prune fox-step00000019-state",
      "create fox-000003.safetensors",
      "create fox-000003-state",
      "create fox.safetensors",
      "create fox-state",
    ]);
  });

  test("of a run stopped on an epoch's last batch holds that epoch's own saves", () => {
    const planned = planWorld({});
    const state = runPlan(planned, { untilStep: 15 });
    const disk = diskAfter(state, planned);
    const stop = {
      dir: "fox-step00000016-state",
      complete: true,
      stage: "train",
      fingerprint: planned.stage("train").fingerprint,
      doneEpochs: 1,
      doneSteps: 16,
      doneBatches: 8,
    };
    const resumed = planWorld({ state, disk: { ...disk, states: [...disk.states, stop] } });
    expect(resumed.stage("train")).toMatchObject({ done_steps: 16, done_epochs: 1, done_batches: 8 });
    expect(listed(resumed)).toContain("create fox-000002.safetensors");
    expect(listed(resumed)).toContain("create fox-000002-state");
  });

  test("calls a file that nobody knows of an orphan, and leaves it", () => {
    const { state, disk } = applied();
    const outputs = {
      ...disk.outputs,
      "output/fox/fox-000077.safetensors": { bytes: 50, tensorBytes: 5 },
      "output/fox/other.safetensors": { bytes: 5 },
    };
    const planned = planWorld({ state, disk: { ...disk, outputs } });
    expect(listed(planned)).toContain("orphan fox-000077.safetensors");
    expect(listed(planned).some((line) => line.includes("other"))).toBe(false);
    expect(planned.stage("train").action).toBe("none");
  });

  test("calls the files of a stage that is planned no more orphans", () => {
    const { state, disk } = applied();
    const planned = planWorld({
      state,
      disk,
      yaml: PIPELINE.replace("hardware: entry", "hardware: entry\nnoise: separate"),
    });
    expect(planned.plan.stages.map(({ id, action }) => [id, action]).slice(2)).toEqual([
      ["train-low", "create"],
      ["train-high", "create"],
    ]);
    expect(listed(planned)).toContain("create fox-low.safetensors");
    expect(listed(planned)).toContain("orphan fox.safetensors");
  });

  test("counts the bytes of a trainer without save_precision in the precision that it trains in", () => {
    const yaml = withTrain("mixed_precision: bf16", "save_state: false").replace(
      "backend: rehearsal",
      "backend: musubi\n  path: musubi",
    );
    const bytesWith = (trainer: World["trainer"] = {}) => planWorld({ yaml, trainer }).plan.checkpoints[0]?.bytes ?? 0;
    const older = { "cache-latents": undefined, "cache-text": undefined, train: new Map() };
    expect(bytesWith({ arguments: older }) * 2).toBe(bytesWith());
  });

  test("lists saves by step beside those by epoch", () => {
    const lines = listed(planWorld({ yaml: withTrain("save_every_n_steps: 16", "save_state: false") }));
    expect(lines).toEqual([
      "create fox-000001.safetensors",
      "create fox-000002.safetensors",
      "create fox-step00000016.safetensors",
      "create fox-000003.safetensors",
      "create fox-step00000032.safetensors",
      "create fox.safetensors",
    ]);
  });
});
