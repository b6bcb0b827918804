import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TrainerEvent } from "../../../src/core/event.ts";
import type { Provenance } from "../../../src/core/provenance/record.ts";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import { settlePipeline } from "../../../src/execute/settle.ts";
import {
  appendEvents,
  appendJournal,
  readJournal,
  readProvenance,
  runFiles,
} from "../../../src/host/records/run-store.ts";
import { loadState, saveState } from "../../../src/host/records/state-store.ts";

const RUN = "20260701T100000Z-fox-abcd";
const ARCHIVE = `out/archive/${RUN}`;

let root: string;
let stateDir: string;
let runDir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "wan22-settle-"));
  stateDir = join(root, ".wan22");
  runDir = join(stateDir, "runs", RUN);
  await mkdir(join(root, "out/fox-state"), { recursive: true });
  await mkdir(runDir, { recursive: true });
  await writeFile(join(root, "out/fox.safetensors"), "finished work");
  await writeFile(join(root, "out/fox-state/model.safetensors"), "its state");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const settle = () => settlePipeline({ root, stateDir, pipeline: "fox", host: "here" });
const load = () => loadState({ root, stateDir, pipeline: "fox", shownFile: ".wan22/state/fox.json", host: "here" });
const base = { v: 1, t: 1 } as const;

const RUN_ENTRY: JournalEntry = {
  ...base,
  type: "run",
  run: RUN,
  pipeline: "fox",
  file: "fox.yaml",
  lineage: "5f3c1c1e-0000-4000-8000-000000000000",
  host: "here",
  plan_digest: "d",
};
const STAGE_ENTRY: JournalEntry = {
  ...base,
  type: "stage",
  stage: "train",
  action: "replace",
  backend: "rehearsal",
  fingerprint: "f",
  inputs: {},
  identities: {},
  segment: 2,
};
const ARCHIVED: JournalEntry = {
  ...base,
  type: "archived",
  stage: "train",
  files: [
    { from: "out/fox.safetensors", to: `${ARCHIVE}/fox.safetensors` },
    { from: "out/fox-state", to: `${ARCHIVE}/fox-state` },
  ],
};

async function leave(...entries: readonly JournalEntry[]): Promise<void> {
  await appendJournal(runFiles.journal(runDir), entries);
  const state = foldState(undefined, entries);
  if (state !== undefined) await saveState(state, { stateDir });
}

describe("what a killed runner left", () => {
  test("a start that is journalled and in no state yet has begun, as the runs tell it", async () => {
    const before = foldState(undefined, [RUN_ENTRY]);
    if (before === undefined) throw new Error("no state");
    await saveState(before, { stateDir });
    await appendJournal(runFiles.journal(runDir), [RUN_ENTRY, STAGE_ENTRY, ARCHIVED]);
    expect((await load()).unrecorded).toMatchObject([
      { run: RUN, entry: { type: "end", stage: "train", outcome: "lost" } },
    ]);
    expect(await settle()).toBeUndefined();
    expect(await readdir(join(root, ARCHIVE))).toContain("fox.safetensors");
    const { state } = await load();
    expect(state?.stages.train).toMatchObject({ run: RUN, segment: 2, status: "lost" });
    const rebuilt = foldState(undefined, await readJournal(runDir));
    expect(state).toEqual({ ...rebuilt, serial: state?.serial });
  });

  test("moves that had begun are finished: none of the files is overwritten or lost", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY, ARCHIVED);
    await mkdir(join(root, ARCHIVE), { recursive: true });
    await rm(join(root, "out/fox.safetensors"));
    await writeFile(join(root, ARCHIVE, "fox.safetensors"), "finished work");

    await settle();

    expect(await readdir(join(root, "out"))).toEqual(["archive"]);
    expect(await readFile(join(root, ARCHIVE, "fox.safetensors"), "utf8")).toBe("finished work");
    expect(await readFile(join(root, ARCHIVE, "fox-state/model.safetensors"), "utf8")).toBe("its state");
  });

  test("moves of a stage that came to start are done: files of the same names are new ones", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY, ARCHIVED, {
      ...base,
      type: "process",
      stage: "train",
      pid: 1,
      boot_id: "earlier",
      start_time: "1",
    });
    await settle();
    expect((await readdir(join(root, "out"))).sort()).toEqual(["fox-state", "fox.safetensors"]);
  });

  test("moves that the system refuses are a diagnostic that names the place, and stay to be made", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY, ARCHIVED);
    await writeFile(join(root, "out/archive"), "a file where the folder should be");
    expect((await settle())?.detail).toContain("out/archive");
    await rm(join(root, "out/archive"));
    expect(await settle()).toBeUndefined();
    expect(await readdir(join(root, "out"))).toEqual(["archive"]);
  });

  test("an end that nobody saw is written down once, with a result for the run", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY);

    await settle();
    await settle();

    expect((await readJournal(runDir)).map(({ type }) => type)).toEqual(["run", "stage", "end"]);
    expect(JSON.parse(await readFile(runFiles.result(runDir), "utf8"))).toMatchObject({
      run: RUN,
      outcome: "failed",
      stages: [{ stage: "train", outcome: "lost" }],
    });
    const { state, unrecorded } = await load();
    expect([state?.stages.train?.status, unrecorded]).toEqual(["lost", []]);
  });

  test("an end is written down though the run's folder was cleared away: else nothing could be applied any more", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY);
    await rm(join(stateDir, "runs"), { recursive: true });
    expect(await settle()).toBeUndefined();
    const { state, unrecorded } = await load();
    expect([state?.stages.train?.status, unrecorded]).toEqual(["lost", []]);
  });

  test("a damaged state is set aside, and the one put together again takes its place", async () => {
    await leave(RUN_ENTRY, STAGE_ENTRY, { ...base, type: "end", stage: "train", outcome: "finished", exit_code: 0 });
    await writeFile(join(stateDir, "state/fox.json"), "{ torn");

    await settle();

    expect(await load()).toMatchObject({ diagnostics: [], state: { stages: { train: { status: "finished" } } } });
    const names = await readdir(join(stateDir, "state"));
    expect(names.filter((name) => name.includes("damaged"))).toHaveLength(1);
  });

  test("a damaged state of which nothing else is left is set aside too: a new one must not overwrite it", async () => {
    await rm(runDir, { recursive: true });
    await mkdir(join(stateDir, "state"), { recursive: true });
    await writeFile(join(stateDir, "state/fox.json"), "{ torn");

    await settle();

    const [name, ...others] = await readdir(join(stateDir, "state"));
    expect(others).toEqual([]);
    expect(name).toMatch(/^fox\.json\.damaged-/);
    expect(await readFile(join(stateDir, "state", name ?? ""), "utf8")).toBe("{ torn");
  });

  test("what it had begun to write goes, of the record and of every run; not what may be another's", async () => {
    await leave(RUN_ENTRY);
    const gone = spawnSync("true").pid;
    const ours = [`state/fox.json.0a1b2c3d.${gone}.tmp`, `state/fox.stop.0a1b2c3d.${gone}.tmp`];
    const ofRun = `runs/${RUN}/plan.json.0a1b2c3d.${gone}.tmp`;
    const others = [
      `state/fox.lock.0a1b2c3d.${gone}.tmp`,
      `state/dog.json.0a1b2c3d.${gone}.tmp`,
      `state/fox.json.0a1b2c3d.${process.pid}.tmp`,
    ];
    for (const name of [...ours, ofRun, ...others]) await writeFile(join(stateDir, name), "half of");
    expect(await settle()).toBeUndefined();
    expect((await readdir(join(stateDir, "state"))).sort()).toEqual(
      ["state/fox.json", ...others].map((name) => name.slice("state/".length)).sort(),
    );
    expect(await readdir(runDir)).toEqual(["journal.ndjson"]);
  });

  test("nothing at all is left as it is", async () => {
    await settle();
    expect(await readdir(stateDir)).toEqual(["runs"]);
  });
});

describe("what a run was made from is completed by whoever comes next", () => {
  const began: Provenance = {
    ...{ format: "wan22-provenance", version: 1, run: RUN, pipeline: "fox", file: "fox.yaml", plan_digest: "d" },
    started: "2026-07-01T10:00:00.000Z",
    source: { commit: "a".repeat(40), project: ".", changed: [], changed_count: 0 },
    texts: [],
    made_from: { spec: {}, templates: {}, presets: {}, dataset: {}, models: {}, trainer: {} },
    stages: [],
    tool: { version: "0.1.0" },
    machine: { host: "here", platform: "linux-x64", gpus: [] },
    outputs: [],
  };
  const train: JournalEntry = { ...STAGE_ENTRY, output_dir: "out", output_name: "fox" } as JournalEntry;
  const sha256 = createHash("sha256").update("finished work").digest("hex");
  const made = { ...base, type: "checkpoint", file: "out/fox.safetensors", epoch: 4, step: 8, bytes: 13 } as const;
  const events: readonly TrainerEvent[] = [{ ...base, type: "started" }, made, { ...base, type: "finished" }];
  const process = { ...base, type: "process", stage: "train", pid: 1, boot_id: "earlier", start_time: "1" } as const;
  const digest: JournalEntry = { ...base, type: "digest", stage: "train", file: made.file, sha256 };
  const end: JournalEntry = { ...base, t: 9, type: "end", stage: "train", outcome: "finished", exit_code: 0 };

  test.each<readonly [string, readonly JournalEntry[]]>([
    ["where the trainer ended while nobody watched", []],
    ["where its runner was killed after the last stage's end", [digest, end]],
  ])("%s", async (_, written) => {
    await writeFile(runFiles.provenance(runDir), JSON.stringify(began));
    await appendEvents(runFiles.events(runDir, "train"), events);
    const entries = [RUN_ENTRY, train, process];
    await appendJournal(runFiles.journal(runDir), [...entries, ...written]);
    const said = events.map((event) => ({ ...event, stage: "train" as const }));
    const state = foldState(undefined, [...entries, ...(written.length === 0 ? [] : said), ...written]);
    if (state === undefined) throw new Error("no state");
    await saveState(state, { stateDir });

    expect(await settle()).toBeUndefined();

    const record = await readProvenance(runDir);
    expect(record?.ended).toBeDefined();
    expect(record?.outputs).toEqual([{ stage: "train", file: made.file, epoch: 4, step: 8, bytes: 13, sha256 }]);
    const statement = JSON.parse(await readFile(join(root, `${made.file}.intoto.json`), "utf8"));
    expect(statement.subject).toEqual([{ name: "fox.safetensors", digest: { sha256 } }]);
  });
});
