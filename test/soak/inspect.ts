import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { isDeepStrictEqual } from "node:util";
import { compareStates } from "../../src/core/state/compare.ts";
import type { State } from "../../src/core/state/state.ts";
import { observeDisk } from "../../src/host/disk.ts";
import { statePaths } from "../../src/host/records/run-store.ts";
import { loadState, recoverState } from "../../src/host/records/state-store.ts";
import { FILE, readState } from "../rig/long-quickstart.ts";
import { apply, OUTPUT, PIPELINE, processesOf, start, type Trial, waitFor } from "./trial.ts";

/** Everything that must be so when a disturbed pipeline has come to its end. */

/** What a taking of a lock that was killed leaves may be another's: the next one removes it when it is a minute old. */
const YOUNG_LOCK = /\.lock(?:(?:\.claim-[0-9a-f]+)*\.[0-9a-f]{8}\.\d+\.tmp|(?:\.claim-[0-9a-f]+)+)$/;

/** SHA-256 by path below the output folder: of checkpoints, and of what training states hold but for their markers. */
export type Outputs = Readonly<Record<string, string>>;

export async function hashOutputs({ project }: Trial): Promise<Outputs> {
  const names = await project.list(OUTPUT);
  const kept = names.filter(
    (name) => !name.startsWith("archive/") && !name.endsWith("/wan22.json") && !YOUNG_LOCK.test(name),
  );
  const hashes = kept.map(async (name) => {
    const bytes = await readFile(project.path(`${OUTPUT}/${name}`));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}

/** Sees the pipeline to its end, and adds what is wrong then. */
export async function finishAndInspect(trial: Trial, wanted: Outputs): Promise<void> {
  const { project, findings } = trial;
  const demand = (holds: boolean, what: string) => {
    if (!holds) findings.push(`${project.folder}: ${what}`);
  };
  const last = apply(trial);
  const exitCode = await last.ended;
  demand(
    exitCode === 0,
    `the last apply, which nobody disturbed, ended with ${exitCode}: ${await saidBy(last.process)}`,
  );
  demand(await waitFor(() => processesOf(trial).length === 0, { seconds: 10 }), "processes are left");

  const outputs = await hashOutputs(trial);
  for (const name of new Set([...Object.keys(wanted), ...Object.keys(outputs)])) {
    const isThere = outputs[name] !== undefined;
    demand(
      outputs[name] === wanted[name],
      `${OUTPUT}/${name} ${isThere ? "is another, or one too many" : "is missing"}`,
    );
  }
  const planned = await start(trial, ["plan", FILE, "--detailed-exitcode"]);
  demand(planned.exitCode === 0, `plan ended with ${planned.exitCode}: ${planned.stdout}`);
  for (const text of await findDifferences(trial)) demand(false, text);
  for (const text of await findUnrecorded(trial)) demand(false, text);
  for (const file of await findLeftovers(trial)) demand(false, `${file} is left`);
}

async function saidBy(process: ReturnType<typeof apply>["process"]): Promise<string> {
  const { stdout, stderr } = await process;
  return `${stdout.split("\n").slice(-5).join("\n")}\n${stderr.split("\n").slice(-25).join("\n")}`;
}

/** Of the record, compared with what the journals and events of its runs make of it. */
async function findDifferences({ project }: Trial): Promise<readonly string[]> {
  const stateDir = project.path(".wan22");
  const request = { root: project.folder, stateDir, pipeline: PIPELINE, shownFile: "the record", host: hostname() };
  const { recorded, diagnostics, unrecorded, lock } = await loadState(request);
  const { state } = await recoverState(request, statePaths(stateDir, PIPELINE), "runs");
  const wrong = diagnostics.map(({ message }) => `the record: ${message}`);
  if (unrecorded.length > 0) wrong.push(`ends are not written down: ${JSON.stringify(unrecorded)}`);
  if (lock.kind !== "free") wrong.push(`the lock is ${lock.kind}`);
  if (recorded === undefined || state === undefined) return [...wrong, "there is no record, or no run"];
  const changes = compareStates(recorded, state);
  for (const { what, from, to } of changes) wrong.push(`the record says ${what}: ${from}, and its runs ${to}`);
  const [one, other] = [withoutSerial(recorded), withoutSerial(state)];
  if (changes.length === 0 && !isDeepStrictEqual(one, other)) {
    wrong.push(`the record says${linesMissing(one, other)}, and its runs${linesMissing(other, one)}`);
  }
  return wrong;
}

/** Checkpoints and training states that the record speaks of are there, and no others. */
async function findUnrecorded(trial: Trial): Promise<readonly string[]> {
  const { project } = trial;
  const { checkpoints, training_states } = await readState(project);
  const request = { root: project.folder, cacheDirs: [], outputDirs: [OUTPUT], stateDir: project.path(".wan22") };
  const { outputs, states } = await observeDisk(request);
  const recorded = new Set([...checkpoints.map(({ file }) => file), ...training_states.map(({ dir }) => dir)]);
  const files = Object.keys(outputs).filter((file) => !YOUNG_LOCK.test(file));
  const there = new Set([...files, ...states.map(({ dir }) => dir)]);
  return [
    ...[...recorded].filter((path) => !there.has(path)).map((path) => `${path} is recorded and not there`),
    ...[...there].filter((path) => !recorded.has(path)).map((path) => `${path} is there and not recorded`),
    ...states.filter(({ complete }) => !complete).map(({ dir }) => `${dir} is not complete`),
    ...checkpoints
      .filter(({ sha256 }) => sha256 === undefined)
      .map(({ file }) => `${file} has no digest in the record`),
  ];
}

/** What stands in one and not in the other. */
function linesMissing(one: object, other: object): string {
  const known = new Set(JSON.stringify(other, null, 1).split("\n"));
  const lines = JSON.stringify(one, null, 1).split("\n");
  return lines.filter((line) => !known.has(line)).join("");
}

/** A rebuilt state counts the entries that are left. */
function withoutSerial({ serial: _entries, ...state }: State): Omit<State, "serial"> {
  return state;
}

/** A run's own stop file stays with the run: it says that its trainer was asked. */
const LEFT = /\.tmp$|\.lock$|^\.wan22\/state\/.*\.stop$|\.claim|\.damaged-/;
async function findLeftovers({ project }: Trial): Promise<readonly string[]> {
  const names = await project.list(".");
  return names.filter((name) => LEFT.test(name) && !YOUNG_LOCK.test(name));
}
