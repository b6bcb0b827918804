import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import { settlePipeline } from "../../../src/execute/settle.ts";
import { appendJournal, readJournal, runFiles } from "../../../src/host/run-store.ts";
import { loadState, saveState } from "../../../src/host/state-store.ts";

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

  test("nothing at all is left as it is", async () => {
    await settle();
    expect(await readdir(stateDir)).toEqual(["runs"]);
  });
});
