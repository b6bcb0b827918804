import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Applying, startApply } from "../rig/applying.ts";
import { jumpingClock } from "../rig/clocks.ts";
import { FILE } from "../rig/long-quickstart.ts";
import { addQuickstart, openProject, type Project, startCommand } from "../rig/project.ts";
import type { Random } from "../rig/random.ts";
import { pathWithRealPython } from "../rig/real-python.ts";
import { listProcesses, type TrialProcess } from "./processes.ts";

/** A project that is disturbed, and commands in it that may be killed. */

/** `single`: one train stage. `halves`: two that are trained at the same time. */
export type Kind = "single" | "halves";

export interface Trial {
  readonly kind: Kind;
  readonly project: Project;
  /** Of every command, and so of all that comes of it: by it the trial's processes are known. */
  readonly environment: Readonly<Record<string, string>>;
  readonly random: Random;
  /** `jumping`: some commands live by a system clock that is set again and again. */
  readonly clock: "steady" | "jumping";
  /** What was found that must not be, a sentence each. */
  readonly findings: string[];
  /** Commands by their name and how they ended: `apply 0`, `stop 85`, `apply killed`. */
  readonly ends: Map<string, number>;
}

const VARIABLE = "WAN22_SOAK";
export const PIPELINE = "quickstart";
export const OUTPUT = "output/quickstart";

/** Small weights, and a training state every two epochs: a kill costs little, and often falls into a save. */
const long = (yaml: string, epochs: number) =>
  yaml
    .replace("max_train_epochs: 4", `max_train_epochs: ${epochs}\n  save_every_n_epochs: 2`)
    .replace("network_dim: 16", "network_dim: 4");

const EDITS: Readonly<Record<Kind, (yaml: string, epochs: number) => string>> = {
  single: long,
  halves: (yaml, epochs) =>
    long(yaml, Math.ceil(epochs / 2)).replace("hardware: entry", "hardware: entry\nnoise: separate\ngpus: [0, 1]"),
};

export const TRAIN_STAGES = { single: ["train"], halves: ["train-low", "train-high"] } as const;

export interface TrialOptions {
  /** Made here, and kept: absolute. */
  readonly folder: string;
  readonly kind: Kind;
  /** For how long it trains; each of two halves half as long. */
  readonly epochs: number;
  readonly random: Random;
  readonly clock: Trial["clock"];
}

export async function makeTrial({ folder, kind, epochs, random, clock }: TrialOptions): Promise<Trial> {
  await mkdir(join(folder, ".git"), { recursive: true });
  const project = openProject(folder);
  await addQuickstart(project, (yaml) => EDITS[kind](yaml, epochs));
  const environment = {
    [VARIABLE]: folder,
    XDG_STATE_HOME: join(folder, ".state-home"),
    PATH: pathWithRealPython(),
  };
  return { kind, project, environment, random, clock, findings: [], ends: new Map() };
}

export function processesOf({ project }: Pick<Trial, "project">): readonly TrialProcess[] {
  return listProcesses({ name: VARIABLE, value: project.folder });
}

/** Runners and other commands, those in the background too. */
export const runnersOf = (trial: Trial) => processesOf(trial).filter(({ mark }) => mark === undefined);
export const trainersOf = (trial: Trial) => processesOf(trial).filter(({ mark }) => mark !== undefined);

function environmentOf({ environment, random, clock }: Trial): Readonly<Record<string, string>> {
  return clock === "jumping" && random.chance(0.3) ? { ...environment, ...jumpingClock("wild") } : environment;
}

export function apply(trial: Trial, ...args: readonly string[]): Applying {
  const { project } = trial;
  const applying = startApply(project, FILE, { args, environment: environmentOf(trial) });
  void applying.process.then((result) => note(trial, "apply", result));
  return applying;
}

export type Running = ReturnType<typeof startCommand>;

/** Any other command, by its words. */
export function start(trial: Trial, words: readonly string[]): Running {
  const running = startCommand(trial.project.folder, words, environmentOf(trial));
  void running.then((result) => note(trial, words[0] === "state" ? "restore" : (words[0] ?? ""), result));
  return running;
}

/** Exit codes that a disturbed command may end with (design §8). Nothing but these is a mishap that it knows. */
const EXPECTED: Readonly<Record<string, readonly number[]>> = {
  // 1 and 3: of an `apply --detach` whose background was killed, or found another plan.
  apply: [0, 1, 3, 4, 6, 85, 130],
  attach: [0, 4, 6, 85],
  stop: [0, 4, 6, 85],
  prune: [0, 4],
  // 1: refused while a trainer runs.
  restore: [0, 1, 4],
  status: [0],
  plan: [0, 2],
};

type Ended = Pick<Awaited<Running>, "exitCode" | "signal" | "stdout" | "stderr">;

function note({ ends, findings, project }: Trial, name: string, { exitCode, stdout, stderr, signal }: Ended): void {
  const how = exitCode === undefined ? `killed (${signal ?? "?"})` : String(exitCode);
  ends.set(`${name} ${how}`, (ends.get(`${name} ${how}`) ?? 0) + 1);
  const isKnown = exitCode === undefined ? signal === "SIGKILL" : EXPECTED[name]?.includes(exitCode) === true;
  const hasBug = /bug in wan22/.test(stdout + stderr);
  if (isKnown && !hasBug) return;
  findings.push(`${project.folder}: ${name} ended with ${how}:\n${tailOf(stdout)}\n${tailOf(stderr)}`);
}

function tailOf(text: string): string {
  return text.split("\n").slice(-25).join("\n");
}

/** Asks again and again, for what nothing tells by itself; false where it has not come by then. */
export async function waitFor(test: () => boolean | Promise<boolean>, { seconds = 60 } = {}): Promise<boolean> {
  const until = performance.now() + seconds * 1000;
  while (!(await test())) {
    if (performance.now() > until) return false;
    await delay(5);
  }
  return true;
}
