import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import { planSchema } from "../../../src/core/plan/plan.ts";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import { readState } from "../../../src/core/state/migrate.ts";
import { appendJournal, listRuns, readRun, runFiles } from "../../../src/host/records/run-store.ts";
import { saveState } from "../../../src/host/records/state-store.ts";
import { prepare } from "../../../src/prepare/prepare.ts";
import { viewPlanHuman } from "../../../src/views/human/plan.ts";
import { viewPlanJson } from "../../../src/views/json.ts";
import { viewPlanMarkdown } from "../../../src/views/markdown/plan.ts";
import { mutateFile } from "../../rig/mutate.ts";
import { repository } from "../../rig/project.ts";
import { randomFrom } from "../../rig/random.ts";

/** Any file of a project damaged in any way: a plan comes out, or findings in words. */

const MUTATIONS = Number(process.env.WAN22_RANDOM_PROJECTS ?? 50);
const SEED = Number(process.env.WAN22_SEED ?? 22);

const RUN = "20260701T100000Z-fox-abcd";
const PIPELINE = `version: 1
name: fox
task: t2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  sources:
    - videos: clips
      target_frames: [1, 17]
      frame_extraction: slide
      frame_stride: 4
    - video_jsonl: rows.jsonl
train:
  max_train_epochs: 3
  save_every_n_steps: 10
  sample_prompts: [a fox]
trainer:
  backend: rehearsal
`;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-mutated-"));
  const write = async (name: string, text: string) => writeFile(join(folder, name), text);
  await mkdir(join(folder, "clips"));
  for (const name of ["01-test-pattern", "04-life"]) {
    for (const end of ["mp4", "txt"]) {
      await cp(join(repository, `pipelines/quickstart/clips/${name}.${end}`), join(folder, `clips/${name}.${end}`));
    }
  }
  await cp(join(repository, "templates"), join(folder, "own"), { recursive: true });
  await write("wan22.yaml", "version: 1\ntemplates: own\nstrategy: balanced\ndataset:\n  enable_bucket: true\n");
  await write("fox.yaml", PIPELINE);
  await write("rows.jsonl", `${JSON.stringify({ video_path: "clips/04-life.mp4", caption: "cells that live" })}\n`);
  await leaveState();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A run that was killed in its second epoch, as its runner left it. */
async function leaveState(): Promise<void> {
  const stateDir = join(folder, ".wan22");
  const runDir = join(stateDir, "runs", RUN);
  await mkdir(runDir, { recursive: true });
  const base = { v: 1, t: 1_782_900_000 } as const;
  const journal: readonly JournalEntry[] = [
    {
      ...base,
      type: "run",
      run: RUN,
      pipeline: "fox",
      file: "fox.yaml",
      lineage: "5f3c1c1e-0000-4000-8000-000000000000",
      host: hostname(),
      plan_digest: "d",
    },
    {
      ...base,
      type: "stage",
      stage: "train",
      action: "create",
      backend: "rehearsal",
      fingerprint: "f",
      inputs: { learning_rate: 1e-4, optimizer_args: ["a=1"] },
      identities: { "item.0": "i" },
      segment: 1,
      total_epochs: 3,
      steps_per_epoch: 16,
      output_dir: "output/fox",
      output_name: "fox",
    },
    { ...base, type: "process", stage: "train", pid: 2 ** 22, boot_id: "none", start_time: "1" },
  ];
  const events: readonly TrainerEvent[] = [
    { ...base, type: "started" },
    { ...base, type: "step", step: 10, epoch: 1, loss: 0.5, seconds: 0.1 },
    { ...base, type: "checkpoint", file: "output/fox/fox-step00000010.safetensors", epoch: 1, step: 10, bytes: 9 },
    { ...base, type: "state", dir: "output/fox/fox-step00000010-state", done_epochs: 0, done_steps: 10 },
    { ...base, type: "epoch", epoch: 1, loss: 0.5 },
  ];
  await appendJournal(runFiles.journal(runDir), journal);
  await writeFile(runFiles.events(runDir, "train"), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  const state = foldState(undefined, journal);
  if (state === undefined) throw new Error("The journal makes no state.");
  await saveState(state, { stateDir });
  await saveState(state, { stateDir });
  await mkdir(join(folder, "output/fox/fox-step00000010-state"), { recursive: true });
  await writeFile(
    join(folder, "output/fox/fox-step00000010-state/wan22.json"),
    JSON.stringify({
      version: 1,
      stage: "train",
      fingerprint: "f",
      done_epochs: 0,
      done_steps: 10,
      done_batches: 10,
      total_epochs: 3,
      files: {},
    }),
  );
}

async function planAll() {
  const prepared = await prepare(["fox.yaml"], { folder, environment: {}, history: "read", lock: "plan" });
  const shown = [
    viewPlanHuman(prepared.plan, { colour: false, width: 80, sources: prepared.texts, details: "full" }),
    viewPlanMarkdown(prepared.plan, { sources: prepared.texts }),
  ];
  return { ...prepared, json: viewPlanJson(prepared.plan), shown };
}

/** What a rebuilt state would be must be a state: else it would be damaged again once it is written. */
async function faultOfRebuilt(): Promise<string | undefined> {
  for (const runDir of await listRuns(join(folder, ".wan22/runs"), "fox")) {
    const state = foldState(undefined, await readRun(runDir));
    if (state === undefined) continue;
    const reading = readState(JSON.stringify(state), { file: "state", pipeline: state.pipeline });
    if (reading.kind === "damaged") return reading.why;
  }
  return undefined;
}

test("the project as it stands is planned", async () => {
  const { plan } = await planAll();
  expect(plan.pipelines[0]?.valid, JSON.stringify(plan.diagnostics)).toBe(true);
});

test(`${MUTATIONS} projects with a damaged file are planned, or what is wrong is said in words`, {
  timeout: 60_000 + MUTATIONS * 1000,
}, async () => {
  const random = randomFrom(SEED);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
  for (let round = 0; round < MUTATIONS; round++) {
    const name = random.pick(random.chance(0.3) ? ["fox.yaml", "wan22.yaml"] : names);
    const path = join(folder, name);
    const sound = await readFile(path);
    const mutated = mutateFile(name, sound, random);
    await writeFile(path, mutated);
    const { plan, json, shown } = await planAll();
    const about = `round ${round}, ${name}:\n${mutated.toString("utf8").slice(0, 3000)}`;
    expect(planSchema.safeParse(JSON.parse(json)).success, about).toBe(true);
    const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
    expect(plan.pipelines[0]?.valid === false, about).toBe(errors.length > 0);
    for (const { detail } of plan.diagnostics) {
      expect(detail, about).not.toMatch(/\bundefined\b|\[object|Invalid input| {4}at /);
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not reach a terminal.
    for (const text of shown) expect(text, about).not.toMatch(/[\0-\x08\x0b-\x1f\x7f\u202e]/);
    expect(await faultOfRebuilt(), about).toBeUndefined();
    await writeFile(path, sound);
  }
});
