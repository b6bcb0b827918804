import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { beforeEach, expect, it, onTestFinished, vi } from "vitest";
import { foldState, type StateEntry } from "../../../src/core/state/fold.ts";
import type { State } from "../../../src/core/state/state.ts";
import { openPublisher } from "../../../src/execute/publish-record.ts";
import { lookAtStateBranch, type StateBranch } from "../../../src/host/git/state-branch.ts";
import { runGitIn } from "../../rig/git-project.ts";
import { makeTeamFolder } from "../../rig/team.ts";

/** A run's record on its way to a real remote. */

const at = { v: 1 as const, t: 1_700_000_000 };
const begun: readonly StateEntry[] = [
  { ...at, type: "run", run: "1", pipeline: "fox", file: "fox.yaml", lineage: "a", host: "here", plan_digest: "p" },
  {
    ...{ ...at, type: "stage", stage: "train", action: "create", backend: "rehearsal", fingerprint: "f" },
    ...{ inputs: {}, identities: {}, segment: 1, total_epochs: 100, steps_per_epoch: 1 },
  },
];

function fold(state: State | undefined, ...entries: readonly StateEntry[]): State {
  const folded = foldState(state, entries);
  if (folded === undefined) throw new Error("no run");
  return folded;
}

let folder: string;
let ann: string;
beforeEach(async () => {
  folder = await makeTeamFolder();
  ann = join(folder, "ann");
  return () => rm(folder, { recursive: true, force: true });
});

const look = async (root = ann): Promise<StateBranch> => {
  const place = { root, branch: "wan22-state", remote: "origin", environment: process.env };
  const found = await lookAtStateBranch(place, { timeoutMs: 60_000 });
  if (found.kind !== "open") throw new Error("it can be used");
  return found;
};
const open = async (warnings: string[] = [], root = ann) => {
  const branch = await look(root);
  return openPublisher({ branch: async () => branch, onWarning: (text) => warnings.push(text) });
};
const pushed = async (): Promise<State> =>
  JSON.parse(await runGitIn(join(folder, "remote.git"), "show", "wan22-state:state/fox.json"));

it("is pushed as it is at the end, and not as often as it was written", async () => {
  const publisher = await open();
  let state = fold(undefined, ...begun);
  for (let step = 1; step <= 100; step += 1) {
    state = fold(
      state,
      { ...at, type: "step", stage: "train", step, epoch: step, loss: 0.1 },
      { ...at, type: "checkpoint", stage: "train", file: `out/fox-${step}.safetensors`, epoch: step, step, bytes: 9 },
    );
    publisher.take(state);
  }
  expect(await publisher.close({ timeoutMs: 60_000 })).toEqual([]);
  expect((await pushed()).serial).toBe(state.serial);
  const commits = await runGitIn(join(folder, "remote.git"), "rev-list", "--count", "wan22-state");
  expect(Number(commits)).toBeLessThanOrEqual(2);
});

it("waits for a remote that is gone no longer than it may, and says what was not pushed", async () => {
  const publisher = await open();
  await runGitIn(ann, "remote", "set-url", "origin", "../gone.git");
  publisher.take(fold(undefined, ...begun));
  const said = await publisher.close({ timeoutMs: 60_000 });
  expect(said.map(({ code, severity }) => [code, severity])).toEqual([["G7", "warning"]]);
  expect(said[0]?.detail).toContain("gone.git");
});

it("gives a branch up that can't be used", async () => {
  const timers = vi.spyOn(globalThis, "setTimeout");
  onTestFinished(() => timers.mockRestore());
  const publisher = openPublisher({ branch: async () => undefined, onWarning: (text) => expect.fail(text) });
  const state = fold(undefined, ...begun);
  publisher.take(state);
  // What comes again at once would have come many times by then.
  for (let turn = 0; turn < 20; turn += 1) await delay(1);
  publisher.take({ ...state, run: "2" });
  expect(await publisher.close({ timeoutMs: 60_000 })).toEqual([]);
  // For the first push, and the limit of the last.
  expect(timers.mock.calls).toHaveLength(2);
});

/** The same pipeline, gone on with by another machine. */
const takenOver = (state: State): State =>
  fold(
    state,
    { ...at, type: "run", run: "2", pipeline: "fox", file: "fox.yaml", lineage: "a", host: "gpu-7", plan_digest: "p" },
    { ...at, type: "end", stage: "train", outcome: "lost", exit_code: null },
    ...begun.slice(1),
  );

it("overwrites nothing of a machine that has taken the pipeline over, and says so at once", async () => {
  const state = fold(undefined, ...begun);
  const elsewhere = await open();
  elsewhere.take(takenOver(state));
  expect(await elsewhere.close({ timeoutMs: 60_000 })).toEqual([]);
  const warnings: string[] = [];
  const publisher = await open(warnings);
  publisher.take(state);
  expect((await publisher.close({ timeoutMs: 60_000 })).map(({ code }) => code)).toEqual(["G11"]);
  expect(warnings).toEqual([expect.stringContaining("with run 2 on gpu-7: the pipeline was taken over there")]);
  expect((await pushed()).run).toBe("2");
});

it("says that a stage begins before it does, and hears that another machine said so first", async () => {
  const [first, second] = [await open(), await open()];
  const state = fold(undefined, ...begun);
  expect(await first.claim(state)).toBeUndefined();
  expect(await pushed()).toEqual(state);
  const other = fold(
    undefined,
    { ...begun[0], run: "9", lineage: "b", host: "gpu-7" } as StateEntry,
    ...begun.slice(1),
  );
  const refused = await second.claim(other);
  expect([refused?.code, refused?.severity]).toEqual(["G10", "error"]);
  expect(refused?.detail).toContain("run 1 on here, and train is at work there");
  expect(await second.close({ timeoutMs: 60_000 })).toEqual([]);
  expect(await pushed()).toEqual(state);
  // Who went on from it meanwhile keeps the next stage from beginning.
  const third = await open();
  expect(await third.claim(takenOver(state))).toBeUndefined();
  expect((await first.claim(fold(state, { ...at, type: "epoch", stage: "train", epoch: 1, loss: 0.1 })))?.code).toBe(
    "G10",
  );
});

it("begins nothing later for a remote that is gone, and tells nothing of a run that has begun no stage", async () => {
  const publisher = await open();
  await runGitIn(ann, "remote", "set-url", "origin", "../gone.git");
  expect(await publisher.claim(fold(undefined, ...begun))).toBeUndefined();
  expect((await publisher.close({ timeoutMs: 60_000 })).map(({ code }) => code)).toEqual(["G7"]);
  await runGitIn(ann, "remote", "set-url", "origin", "../remote.git");
  const idle = await open();
  idle.take(fold(undefined, ...begun.slice(0, 1)));
  expect(await idle.close({ timeoutMs: 60_000 })).toEqual([]);
  await expect(pushed()).rejects.toThrow();
});

it("lies below the project's folder, where a repository holds several projects", async () => {
  for (const project of [ann, join(ann, "projects/cats"), join(ann, "projects")]) {
    await mkdir(project, { recursive: true });
    const publisher = await open([], project);
    publisher.take(fold(undefined, ...begun));
    expect(await publisher.close({ timeoutMs: 60_000 })).toEqual([]);
  }
  const files = await runGitIn(join(folder, "remote.git"), "ls-tree", "-r", "--name-only", "wan22-state");
  expect(files.split("\n")).toEqual([
    "README.md",
    "state/fox.json",
    "state/projects/cats/fox.json",
    "state/projects/fox.json",
  ]);
});
