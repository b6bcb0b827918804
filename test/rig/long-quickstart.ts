import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, onTestFinished } from "vitest";
import { type State, stateSchema } from "../../src/core/state/state.ts";
import type { StageId } from "../../src/core/vocabulary.ts";
import { type Applying, startApply as startApplyOf } from "./applying.ts";
import { makeQuickstart, type Project } from "./project.ts";

/** A quickstart that trains long enough to be disturbed, and `wan22 apply` on it as a process that a test can disturb. */

export const FILE = "pipelines/quickstart.yaml";
const EPOCHS = 30;
export const STEPS = EPOCHS * 24;

/** Makes the quickstart's file one that trains long enough. */
export const longer = (yaml: string) =>
  yaml.replace("max_train_epochs: 4", `max_train_epochs: ${EPOCHS}\n  save_every_n_epochs: 5`);

export const longQuickstart = (edit: (yaml: string) => string = (yaml) => yaml) =>
  makeQuickstart((yaml) => edit(longer(yaml)));

/** One that no test sees to its end, however slow the machine is that it is disturbed on. */
export const endlessQuickstart = (edit: (yaml: string) => string = (yaml) => yaml) =>
  longQuickstart((yaml) => edit(yaml.replace(`max_train_epochs: ${EPOCHS}`, "max_train_epochs: 3000")));

/** Steps of the last training state that was saved at an epoch's end, after so many steps. */
export const savedSteps = (steps: number) => Math.floor(steps / 120) * 120;

/** Starts `wan22 apply` on it and reads what it says. */
export function startApply(project: Project): Applying {
  return startApplyOf(project, FILE);
}

export async function readState(project: Project): Promise<State> {
  return stateSchema.parse(JSON.parse(await project.read(".wan22/state/quickstart.json")));
}

/** The trainer of a stage. Throws where it has none (any more): a signal to number 0 would hit whoever runs the tests. */
export async function trainerOf(project: Project, stage: StageId = "train"): Promise<number> {
  return pidIn(await readState(project), stage);
}

/** The same by a record that was read already. */
export function pidIn({ pipeline, stages }: State, stage: StageId = "train"): number {
  const pid = stages[stage]?.process?.pid;
  if (pid === undefined) throw new Error(`${stage} of ${pipeline} has no process: it is ${stages[stage]?.status}.`);
  return pid;
}

/** Halts the trainers of these stages, so that they are there still when a test comes to them; they go on by what comes back. */
export async function holdTrainers(project: Project, ...stages: readonly StageId[]): Promise<() => void> {
  const state = await readState(project);
  const pids = stages.map((stage) => pidIn(state, stage));
  const signal = (name: NodeJS.Signals) => {
    for (const pid of pids) process.kill(pid, name);
  };
  signal("SIGSTOP");
  onTestFinished(() => {
    for (const pid of pids.filter(isAlive)) process.kill(pid, "SIGCONT");
  });
  return () => signal("SIGCONT");
}

export async function checkpointHashes(project: Project): Promise<Readonly<Record<string, string>>> {
  const names = (await project.list("output/quickstart")).filter((name) => name.endsWith(".safetensors"));
  const hashes = names.map(async (name) => {
    const bytes = await readFile(project.path(`output/quickstart/${name}`));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

let known: Promise<Readonly<Record<string, string>>> | undefined;

/** The checkpoints of one that nobody disturbs; trained once for all tests of a file. */
export function undisturbed(): Promise<Readonly<Record<string, string>>> {
  known ??= trainUndisturbed();
  return known;
}

async function trainUndisturbed(): Promise<Readonly<Record<string, string>>> {
  const project = await longQuickstart();
  const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
  expect(exitCode, stderr).toBe(0);
  return checkpointHashes(project);
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
