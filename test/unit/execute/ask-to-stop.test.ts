import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApplyEvent } from "../../../src/core/apply-event.ts";
import { NO_ADVICE } from "../../../src/core/resolve/advice.ts";
import { foldState } from "../../../src/core/state/fold.ts";
import type { JournalEntry } from "../../../src/core/state/journal.ts";
import type { Driver } from "../../../src/core/vocabulary.ts";
import { applyPipeline } from "../../../src/execute/apply-pipeline.ts";
import { askToStop } from "../../../src/execute/ask-to-stop.ts";
import { recordedPlan } from "../../../src/execute/recorded-plan.ts";
import { giveBack } from "../../../src/execute/take-over.ts";
import { acquireLock, type Lock } from "../../../src/host/locks/lock.ts";
import { readStopRequest, writeStopRequest } from "../../../src/host/locks/stop-request.ts";
import { identifyThisProcess, startDetached } from "../../../src/host/process.ts";
import { findMembers } from "../../../src/host/process-group.ts";
import { isThere } from "../../../src/host/read-file.ts";
import { appendJournal, runFiles, stageMark, statePaths } from "../../../src/host/records/run-store.ts";
import { saveState } from "../../../src/host/records/state-store.ts";

/** A stop that another process asks for, while a real process is followed as a trainer of one driver or another. */

const RUN = "20260701T100000Z-fox-abcd";
const MARK = stageMark(RUN, "train");
const base = { v: 1, t: 1 } as const;

let root: string;
let place: { root: string; stateDir: string; pipeline: string; host: string };
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "wan22-stop-"));
  place = { root, stateDir: join(root, ".wan22"), pipeline: "fox", host: "here" };
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function takeLock(): Promise<Lock> {
  const result = await acquireLock(statePaths(place.stateDir, place.pipeline).lockFile);
  if (result.kind !== "acquired") throw new Error("the lock is taken");
  return result.lock;
}

/** Starts a process that ignores no signal and watches no stop file, and follows it as `apply` does. */
async function follow(driver: Driver, script: string) {
  const runDir = join(place.stateDir, "runs", RUN);
  await mkdir(runDir, { recursive: true });
  const env = { PATH: process.env.PATH ?? "", [MARK.name]: MARK.value };
  const args = ["-c", script];
  const started = await startDetached({
    command: "bash",
    args,
    cwd: root,
    env,
    logFile: runFiles.log(runDir, "train"),
  });
  if (started.kind === "failed") throw new Error(started.message);
  const { identity } = started.process;
  const stage = { stage: "train", action: "create", backend: "musubi", driver, fingerprint: "f", segment: 1 } as const;
  const entries: readonly JournalEntry[] = [
    { ...base, type: "run", run: RUN, pipeline: "fox", file: "fox.yaml", lineage: "l", host: "here", plan_digest: "d" },
    { ...base, type: "stage", ...stage, inputs: {}, identities: {}, total_epochs: 2, steps_per_epoch: 4 },
    { ...base, type: "process", stage: "train", ...identity },
  ];
  await appendJournal(runFiles.journal(runDir), entries);
  const state = foldState(undefined, entries);
  if (state === undefined) throw new Error("there is no state");
  await saveState(state, place);
  await takeLock();
  const never = new AbortController().signal;
  let begin: (event: ApplyEvent) => void = () => undefined;
  const begun = new Promise<void>((done) => {
    begin = ({ type }) => type === "stage-started" && done();
  });
  const ended = applyPipeline({
    ...place,
    plan: await recordedPlan(place, state, RUN),
    state,
    alive: ["train"],
    environment: {},
    notify: [],
    remediesFor: async () => NO_ADVICE,
    report: begin,
    signals: { stop: never, stopNow: never },
  });
  await begun;
  return { ended, left: () => findMembers({ leader: identity, mark: MARK }) };
}

describe("a stop that another process asks for", () => {
  test("ends Musubi's own scripts at once: nothing of them can be gone on from, and that is no failure", async () => {
    const { ended, left } = await follow("scripts", "sleep 60");
    const { told } = await askToStop({ place, runner: await identifyThisProcess(), manner: "save" });
    expect(told).toMatchObject([{ stage: "train", told: "terminated" }]);
    const { outcome, state } = await ended;
    expect([outcome, state?.stages.train?.status]).toEqual(["interrupted", "stopped"]);
    expect(await left()).toEqual([]);
  });

  test("at once leaves nothing that came of the trainer, also what left its group; the run has stopped", async () => {
    const { ended, left } = await follow("bridge", "setsid sleep 60 & sleep 60 & sleep 60");
    const { told } = await askToStop({ place, runner: await identifyThisProcess(), manner: "now" });
    expect(told).toMatchObject([{ stage: "train", told: "killed" }]);
    const { outcome, state } = await ended;
    expect([outcome, state?.stages.train?.status]).toEqual(["stopped", "stopped"]);
    expect(await left()).toEqual([]);
  });

  test("is heard by the one that it is for, and by no later holder of the lock", async () => {
    const file = join(root, "fox.stop");
    const me = await identifyThisProcess();
    expect(await readStopRequest(file)).toBeUndefined();
    await writeStopRequest(file, { to: me, manner: "now" });
    expect(await readStopRequest(file)).toBe("now");
    await writeStopRequest(file, { to: { ...me, start_time: "1" }, manner: "now" });
    expect(await readStopRequest(file)).toBeUndefined();
  });

  test("of one that has given its lock back, or is about to, is not left behind", async () => {
    const { stopFile } = statePaths(place.stateDir, place.pipeline);
    const me = await identifyThisProcess();
    const other = { ...me, start_time: "1" };
    const lock = await takeLock();
    const release = async () => {
      await writeStopRequest(stopFile, { to: me, manner: "save" });
      await lock.release();
    };
    await giveBack(place, { ...lock, release });
    expect(await isThere(stopFile)).toBe(false);

    expect(await askToStop({ place, runner: me, manner: "save" })).toEqual({ told: [], problem: undefined });
    expect(await isThere(stopFile)).toBe(false);

    // What the next holder of the lock is asked for stays.
    await giveBack(place, { ...lock, release: () => writeStopRequest(stopFile, { to: other, manner: "save" }) });
    expect(await isThere(stopFile)).toBe(true);
  });
});
