import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import type { State } from "../../../src/core/state/state.ts";
import type { Backend } from "../../../src/core/vocabulary.ts";
import { identifyProcess, startDetached } from "../../../src/host/process.ts";
import {
  appendEvents,
  appendJournal,
  readEvents,
  readRun,
  runFiles,
  stageMark,
} from "../../../src/host/records/run-store.ts";
import { loadState, saveState } from "../../../src/host/records/state-store.ts";
import { safetensors } from "./samples.ts";

const RUN = "20260701T100000Z-fox-abcd";
const HOST = "gpu-1";

let root: string;
let stateDir: string;
let runDir: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "wan22-state-"));
  stateDir = join(root, ".wan22");
  runDir = join(stateDir, "runs", RUN);
  await mkdir(runDir, { recursive: true });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const load = () => loadState({ root, stateDir, pipeline: "fox", shownFile: ".wan22/state/fox.json", host: HOST });

const runEntry: JournalEntry = {
  v: 1,
  t: 1,
  type: "run",
  run: RUN,
  pipeline: "fox",
  file: "fox.yaml",
  lineage: "5f3c1c1e-0000-4000-8000-000000000000",
  host: HOST,
  plan_digest: "d",
};

function stageEntry(backend: Backend = "rehearsal"): JournalEntry {
  return {
    v: 1,
    t: 2,
    type: "stage",
    stage: "train",
    action: "create",
    backend,
    fingerprint: "f",
    inputs: {},
    identities: {},
    segment: 1,
    total_epochs: 2,
    steps_per_epoch: 3,
    output_dir: "out",
    output_name: "fox",
  };
}

const processEntry = (pid: number, start_time: string, boot_id = "an earlier boot"): JournalEntry => ({
  v: 1,
  t: 3,
  type: "process",
  stage: "train",
  pid,
  boot_id,
  start_time,
});

/** A run whose runner was killed after these entries, with the state that it had written. */
async function leaveRun(entries: readonly JournalEntry[]): Promise<State> {
  await appendJournal(runFiles.journal(runDir), entries);
  const state = foldState(undefined, entries);
  if (state === undefined) throw new Error("no state");
  await saveState(state, { stateDir });
  return state;
}

const step = (number: number) => ({ v: 1, t: 10 + number, type: "step", step: number, epoch: 1, loss: 0.1 }) as const;
const savedState = { v: 1, t: 13, type: "state", dir: "out/fox-000001-state", done_epochs: 1, done_steps: 3 } as const;

describe("a state", () => {
  test("is read as it was written", async () => {
    const state = await leaveRun([runEntry]);
    expect(await load()).toEqual({
      state,
      recorded: state,
      diagnostics: [],
      lock: { kind: "free" },
      alive: [],
      copied: [],
      unrecorded: [],
      unsaved: [],
      unwritten: [],
    });
  });

  test("is not there where nothing has happened", async () => {
    await rm(stateDir, { recursive: true });
    expect(await load()).toMatchObject({ state: undefined, diagnostics: [] });
  });

  test("that was removed is put together again from the runs", async () => {
    const state = await leaveRun([
      runEntry,
      stageEntry(),
      { v: 1, t: 9, type: "end", stage: "train", outcome: "finished", exit_code: 0 },
    ]);
    await rm(join(stateDir, "state"), { recursive: true });
    expect((await load()).state).toEqual(state);
  });

  test("that is torn at any byte is put together again, and kept aside when the next one is written", async () => {
    const end: JournalEntry = { v: 1, t: 9, type: "end", stage: "train", outcome: "finished", exit_code: 0 };
    const state = await leaveRun([runEntry, stageEntry(), end]);
    const file = join(stateDir, "state", "fox.json");
    const { length } = await readFile(file);
    for (let bytes = 0; bytes < length - 1; bytes += 97) {
      await saveState(state, { stateDir });
      await truncate(file, bytes);
      const loaded = await load();
      expect(loaded.state, `torn at byte ${bytes}`).toEqual(state);
      expect(loaded.diagnostics.map(({ code, severity }) => [code, severity])).toEqual([["A1", "warning"]]);
    }
    const { damagedFile } = await load();
    await saveState(state, { stateDir, damagedFile });
    expect((await load()).diagnostics).toEqual([]);
    expect((await readdir(join(stateDir, "state"))).some((name) => name.startsWith("fox.json.damaged-"))).toBe(true);
  });

  test("that is damaged comes from its backup where the runs were cleared away", async () => {
    const state = await leaveRun([runEntry]);
    await saveState({ ...state, serial: 7 }, { stateDir });
    await rm(join(stateDir, "runs"), { recursive: true });
    await writeFile(join(stateDir, "state", "fox.json"), "null");
    expect((await load()).state).toEqual(state);
  });

  test("of a newer version is left alone, and nothing is guessed in its place", async () => {
    const state = await leaveRun([runEntry]);
    await writeFile(join(stateDir, "state", "fox.json"), JSON.stringify({ ...state, version: 99 }));
    expect(await load()).toMatchObject({ state: undefined, diagnostics: [{ code: "P2", severity: "error" }] });
    expect((await load()).damagedFile).toBeUndefined();
  });
});

describe("a stage whose runner was killed", () => {
  test("is caught up with what its process said since, and lost if that is no end", async () => {
    await leaveRun([runEntry, stageEntry(), processEntry(1, "1")]);
    await appendEvents(runFiles.events(runDir, "train"), [step(1), step(2), step(3), savedState, step(4)]);
    await appendFile(runFiles.events(runDir, "train"), '{"v":1,"t":15,"type":"step","st');

    const { state, alive, unrecorded } = await load();

    expect(alive).toEqual([]);
    expect(state?.stages.train).toMatchObject({ status: "lost", done_steps: 4 });
    expect(state?.training_states).toMatchObject([{ dir: "out/fox-000001-state", done_steps: 3 }]);
    expect(unrecorded).toMatchObject([{ run: RUN, entry: { type: "end", stage: "train", outcome: "lost" } }]);
  });

  test.each(["finished", "stopped"] as const)("has %s where that was its last word", async (type) => {
    await leaveRun([runEntry, stageEntry(), processEntry(1, "1")]);
    await appendEvents(runFiles.events(runDir, "train"), [step(1), { v: 1, t: 20, type }]);
    const { state, unrecorded } = await load();
    expect(state?.stages.train?.status).toBe(type);
    expect(unrecorded).toMatchObject([{ entry: { outcome: type, t: 20 } }]);
  });

  test("is not lost while another apply is at work on it: that one starts it, or judges how it ended", async () => {
    const owner = { version: 1, who: "ada", host: hostname(), since: "2026-07-01T00:00:00Z" };
    const lock = JSON.stringify({ ...owner, ...(await identifyProcess(process.ppid)) });
    for (const entries of [
      [runEntry, stageEntry()],
      [runEntry, stageEntry(), processEntry(1, "1")],
    ]) {
      await rm(runFiles.journal(runDir), { force: true });
      await leaveRun(entries);
      await writeFile(join(stateDir, "state", "fox.lock"), lock);
      expect(await load()).toMatchObject({
        lock: { kind: "held" },
        alive: ["train"],
        unrecorded: [],
        state: { stages: { train: { status: "running" } } },
      });
    }
  });

  test("has its end to be written down also where its last word is in the state already", async () => {
    const said = { v: 1, t: 20, type: "finished" } as const;
    await appendJournal(runFiles.journal(runDir), [runEntry, stageEntry(), processEntry(1, "1")]);
    await appendEvents(runFiles.events(runDir, "train"), [said]);
    const state = foldState(undefined, await readRun(runDir));
    expect(state?.stages.train?.status).toBe("finished");
    if (state !== undefined) await saveState(state, { stateDir });
    expect(await load()).toMatchObject({ unrecorded: [{ entry: { type: "end", outcome: "finished", t: 20 } }] });
  });

  test("is alive as long as its process is", async () => {
    const logFile = join(root, "x.log");
    const started = await startDetached({ command: "sleep", args: ["60"], cwd: root, env: {}, logFile });
    if (started.kind === "failed") throw new Error(started.message);
    const { identity, ended } = started.process;
    await leaveRun([runEntry, stageEntry(), processEntry(identity.pid, identity.start_time, identity.boot_id)]);

    expect(await load()).toMatchObject({
      alive: ["train"],
      unrecorded: [],
      state: { stages: { train: { status: "running" } } },
    });
    process.kill(identity.pid, "SIGKILL");
    await ended;
    expect(await load()).toMatchObject({ alive: [], unrecorded: [{ entry: { outcome: "lost" } }] });
  });

  test.runIf(process.platform === "linux")(
    "is found alive although its runner was killed before it wrote down the pid",
    async () => {
      await leaveRun([runEntry, stageEntry()]);
      const { name, value } = stageMark(RUN, "train");
      const child = spawn("sleep", ["60"], { detached: true, env: { ...process.env, [name]: value } });
      await once(child, "spawn");
      const { alive, unrecorded, state } = await load();
      expect(alive).toEqual(["train"]);
      expect(unrecorded).toMatchObject([{ entry: { type: "process", pid: child.pid } }]);
      expect(state?.stages.train?.process?.pid).toBe(child.pid);
      child.kill("SIGKILL");
    },
  );

  test("of Musubi Tuner is caught up from the log, which nobody turned into events any more", async () => {
    await leaveRun([runEntry, stageEntry("musubi"), processEntry(1, "1")]);
    const said = [
      "\nepoch 1/2\n",
      "\rsteps:  17%|#| 1/6 [00:01<00:07,  1.00s/it, avr_loss=0.2]",
      "\rsteps:  50%|#| 3/6 [00:03<00:07,  1.00s/it, avr_loss=0.2]\n",
      "saving checkpoint: out/fox-000001.safetensors\n",
      "\nepoch 2/2\n",
    ].join("");
    await writeFile(runFiles.log(runDir, "train"), said);
    await mkdir(join(root, "out"));
    const whole = safetensors({ down: { dtype: "F32", shape: [4], bytes: 16 } });
    await writeFile(join(root, "out/fox-000001.safetensors"), whole);
    await appendEvents(runFiles.events(runDir, "train"), [step(1)]);

    const { state, unwritten } = await load();

    expect(unwritten).toMatchObject([
      {
        run: RUN,
        stage: "train",
        events: [{ type: "step", step: 3 }, { type: "checkpoint" }, { type: "epoch", epoch: 1 }],
      },
    ]);
    expect(state?.checkpoints).toMatchObject([
      { file: "out/fox-000001.safetensors", epoch: 1, step: 3, bytes: whole.length },
    ]);
    expect(state?.stages.train).toMatchObject({ status: "lost", done_steps: 3, done_epochs: 1 });
  });

  test("on another machine is none of this one's business", async () => {
    const state = await leaveRun([
      { ...runEntry, host: "elsewhere" } as JournalEntry,
      stageEntry(),
      processEntry(1, "1"),
    ]);
    expect(await load()).toMatchObject({ state, unrecorded: [] });
  });
});

describe("a journal", () => {
  test("goes on after a line that was cut off", async () => {
    const file = runFiles.journal(runDir);
    await appendJournal(file, [runEntry]);
    await appendFile(file, '{"v":1,"t":2,"type":"sta');
    await appendJournal(file, [stageEntry()]);
    expect((await readRun(runDir)).map(({ type }) => type)).toEqual(["run", "stage"]);
  });

  test("of events that the runner writes for its trainer does so too", async () => {
    const file = runFiles.events(runDir, "train");
    await appendEvents(file, [step(1)]);
    await appendFile(file, '{"v":1,"t":12,"type":"checkp');
    await appendEvents(file, [step(2), savedState]);
    expect(await readEvents(runDir, "train")).toEqual([step(1), step(2), savedState]);
  });

  test("that is full of rubbish is passed over line by line", async () => {
    await writeFile(
      runFiles.journal(runDir),
      `\u0000\u0001\n{"type":"unknown"}\n[]\n${JSON.stringify(runEntry)}\n"x"\n`,
    );
    expect((await readRun(runDir)).map(({ type }) => type)).toEqual(["run"]);
  });
});

describe("What is there and can't be read is an error that names it", () => {
  const unreadable = async () => {
    const { state, diagnostics } = await load();
    expect(state).toBeUndefined();
    expect(diagnostics).toMatchObject([{ code: "A2", severity: "error" }]);
    return diagnostics[0]?.detail;
  };

  test("the state file", async () => {
    await mkdir(join(stateDir, "state", "fox.json"), { recursive: true });
    expect(await unreadable()).toContain(".wan22/state/fox.json can't be read: it is a folder");
  });

  test("a run's journal, and a stage's events, where they are all that is left", async () => {
    await mkdir(runFiles.journal(runDir));
    expect(await unreadable()).toContain(`.wan22/runs/${RUN}/journal.ndjson can't be read: it is a folder`);
    await rm(runFiles.journal(runDir), { recursive: true });
    await appendJournal(runFiles.journal(runDir), [runEntry, stageEntry()]);
    await mkdir(runFiles.events(runDir, "train"));
    expect(await unreadable()).toContain(`.wan22/runs/${RUN}/train.events.ndjson can't be read`);
  });
});
