import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { assemblePlan } from "../../../src/core/plan/assemble-plan.ts";
import { itemsMade } from "../../../src/core/plan/caches/store.ts";
import { effectsMoved } from "../../../src/core/plan/effects.ts";
import { onGpus } from "../../../src/core/plan/on-gpus.ts";
import type { PipelinePlan } from "../../../src/core/plan/plan.ts";
import { bindingOf } from "../../../src/core/plan/saved/binding.ts";
import {
  isSavedPlan,
  readSavedPlan,
  type SavedPipeline,
  savedPipelines,
  writeSavedPlan,
} from "../../../src/core/plan/saved/saved-plan.ts";
import { begunStages, findMoved } from "../../../src/core/plan/saved/staleness.ts";
import { withWrittenPaths } from "../../../src/core/plan/written-paths.ts";
import { applied, CLIPS, diskAfter, modelFacts, PIPELINE, planInput, planWorld, runPlan, type World } from "./world.ts";

/** What a saved plan binds, and what is said when it moves. Eight steps an epoch. */

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

const MUSUBI = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
const NO_TEMPLATES = { "train.args.hbs": { file: "train.args.hbs", text: "{{#each}}" } };

function present(world: World) {
  const { plan } = planWorld(world);
  const { resolved, presets, facts } = planInput(world);
  const { spec } = resolved;
  const binding = bindingOf({ spec, templates: NO_TEMPLATES, presets, trainer: facts.trainer, plan, sha256 });
  return { binding, plan, state: world.state };
}

/** A plan as it comes back from its file. */
function saved(world: World): SavedPipeline {
  const { plan, binding } = present(world);
  const made_from = [{ project: ".", file: "fox.yaml", binding }];
  const text = writeSavedPlan({ choices: world, plan: assemblePlan([plan], []), made_from }, sha256);
  expect(isSavedPlan(text)).toBe(true);
  const { value, diagnostics } = readSavedPlan(text, { file: "fox.plan", sha256 });
  expect(diagnostics).toEqual([]);
  const [pipeline] = value === undefined ? [] : savedPipelines(value);
  if (pipeline === undefined) throw new Error("one pipeline was saved");
  return pipeline;
}

function moved(before: World, now: World): readonly string[] {
  const plan = saved(before);
  const begun = begunStages(plan.plan.digest, now.state);
  return findMoved(plan, present({ ...now, ...plan.choices, begun }), { state: "compare" });
}

describe("of what a saved plan binds", () => {
  test("what was to be taken from the store and is not there any more has moved; what has come there since has not", () => {
    const promised = new Map(itemsMade(planWorld({}).plan).map((item) => [item, "owl"]));
    expect(moved({ promised }, {})).toEqual([
      expect.stringMatching(/^stage cache-latents: 8 files fewer to be taken from the store: /),
      expect.stringMatching(/^stage cache-text: 4 files fewer to be taken from the store: /),
    ]);
    expect(moved({}, { promised })).toEqual([]);
  });

  test("nothing has moved where all is the same", () => {
    expect(moved({}, {})).toEqual([]);
    expect(moved(applied(), applied())).toEqual([]);
    expect(moved({}, { yaml: `# A comment\n${PIPELINE}` })).toEqual([]);
  });

  test.each<[string, World, World, readonly string[]]>([
    [
      "keys",
      {},
      { yaml: PIPELINE.replace("256x144", "320x192").replace("learning_rate: 2e-4", "seed: 7") },
      ["dataset.resolution: 256x144 → 320x192", "train.learning_rate: 2e-4 → not set", "train.seed: not set → 7"],
    ],
    [
      "clips",
      {},
      {
        clips: [
          ...CLIPS.slice(2),
          { stem: "a", content: "other" },
          { stem: "e", caption: "new" },
          { stem: "b", caption: "Not a fox", content: "another" },
        ],
      },
      ["clip 0/a: content changed", "clip 0/b: content and caption changed", "clip 0/e: added"],
    ],
    [
      "models",
      { models: { vae: modelFacts("one"), t5: modelFacts("t5") } },
      { models: { vae: modelFacts("two"), dit: modelFacts("dit") } },
      ["model dit: added", "model t5: removed", "model vae: changed"],
    ],
    [
      "the trainer",
      { yaml: MUSUBI, trainer: { version: "0.3.3", commit: "abc" } },
      { yaml: MUSUBI, trainer: { version: "0.3.4" } },
      ["trainer version: 0.3.3 → 0.3.4", "trainer commit: abc → not found"],
    ],
  ])("%s are named one by one", (_, before, now, items) => {
    expect(moved(before, now)).toEqual(items);
  });

  test("a trainer that was not there when it was saved can't have moved", () => {
    expect(moved({ yaml: MUSUBI }, { yaml: MUSUBI, trainer: { version: "0.3.4" } })).toEqual([]);
  });

  test("another card that decides other values is told by these values", () => {
    const yaml = PIPELINE.replace("hardware: entry\n", "");
    const gpus = (vramGiB: number) => [{ index: 0, name: "A card", vramGiB }];
    const items = moved({ yaml, gpus: gpus(18) }, { yaml, gpus: gpus(80) });
    expect(items).toContain("tier: entry → professional");
    expect(items).toContainEqual(expect.stringMatching(/^blocks_to_swap: \d+ → /));
  });

  test("a state that another plan moved is told by its serial and that plan", () => {
    const again = planWorld({ ...applied(), replace: ["train"] });
    const [item = "", ...others] = moved({}, { ...applied(), state: runPlan(again, {}, applied().state) });
    expect(others).toEqual([]);
    expect(item).toMatch(
      /^state: nothing was run then; run run-1, of another plan \([0-9a-f]{8}\), has moved it since$/,
    );
  });

  test("a state that the plan itself has moved is where it goes on", () => {
    const planned = planWorld({});
    const state = runPlan(planned, { untilStep: 19 });
    expect(moved({}, { state, disk: diskAfter(state, planned) })).toEqual([]);
    expect(moved({}, applied())).toEqual([]);
  });

  test("a stage that was to get one of several cards may be at work on one of them, and on no other", () => {
    const planned = planWorld({ gpuPool: [0, 1] });
    const { gpu_pool: pool, ...stage } = planned.stage("train");
    expect(pool).toEqual([0, 1]);
    const on = (gpus: readonly number[]): PipelinePlan => ({
      ...planned.plan,
      stages: planned.plan.stages.map((one) => (one.id === "train" ? { ...stage, gpus: [...gpus] } : one)),
    });
    expect(effectsMoved(planned.plan, on([1]), ["train"])).toEqual([]);
    expect(effectsMoved(planned.plan, on([2]), ["train"])).toEqual(["stage train: other GPUs"]);
    expect(onGpus(planned.plan, [1]).stages).toMatchObject([{ gpus: [1] }, { gpus: [1] }, { gpus: [1] }]);
    expect(onGpus(planned.plan, [1]).digest).toBe(planned.plan.digest);
  });

  test("what was started over is not asked for again, and what was not yet, still is", () => {
    const before = applied();
    const plan = planWorld({ ...before, replace: ["cache-text", "train"] });
    const partly = { ...plan, plan: { ...plan.plan, stages: plan.plan.stages.slice(0, 2) } };
    const state = runPlan(partly, {}, before.state);
    const now = { ...before, state, disk: diskAfter(state, plan) };
    expect(moved({ ...before, replace: ["cache-text", "train"] }, now)).toEqual([]);
    const begun = begunStages(plan.plan.digest, state);
    expect(begun).toEqual(["cache-text"]);
    const { stage } = planWorld({ ...now, replace: ["cache-text", "train"], begun });
    expect([stage("cache-text").action, stage("train").action]).toEqual(["none", "replace"]);
  });

  test("files that came or went are told where everything else is the same", () => {
    const before = applied();
    const without = {
      ...before,
      disk: before.disk && {
        ...before.disk,
        outputs: Object.fromEntries(Object.entries(before.disk.outputs).slice(1)),
      },
    };
    expect(moved({ ...before, replace: ["train"] }, without)).toEqual([
      "stage train: 1 file fewer to be archived: output/fox/fox-000001.safetensors",
      "output/fox/fox-000001.safetensors: replace → create",
    ]);
    expect(moved(before, without)).toEqual(["output/fox/fox-000001.safetensors: keep → gone"]);
  });
});

describe("paths that came of the environment", () => {
  const expanded = new Map([
    ["/mnt/big/models/dit.safetensors", `\${MODELS}/dit.safetensors`],
    ["/mnt/big", `\${BIG}`],
    ["data", `\${DATA}`],
  ]);

  const inBig = (path: string) => `\${BIG}${path}`;

  test("are as they were written, wherever they stand", () => {
    const plan = {
      argv: ["train.py", "--dit", "/mnt/big/models/dit.safetensors", "--output_dir", "/mnt/big/out"],
      files: { "dataset.toml": 'video_directory = "data"\ncache_directory = "/mnt/big/cache"\n' },
      cache_digests: { "/mnt/big/cache/a.safetensors": "1" },
      text: "Nothing is in /mnt/big/cache. See /mnt/bigger, data/01.mp4 and /mnt/big.",
      prompt: "A fox that reads data",
    };
    expect(withWrittenPaths(plan, expanded)).toEqual({
      argv: ["train.py", "--dit", `\${MODELS}/dit.safetensors`, "--output_dir", `\${BIG}/out`],
      files: { "dataset.toml": `video_directory = "\${DATA}"\ncache_directory = "\${BIG}/cache"\n` },
      cache_digests: { [inBig("/cache/a.safetensors")]: "1" },
      text: `Nothing is in \${BIG}/cache. See /mnt/bigger, \${DATA}/01.mp4 and \${BIG}.`,
      prompt: "A fox that reads data",
    });
  });
});
