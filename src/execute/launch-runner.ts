import { rename } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { proveWritable } from "../host/atomic-file.ts";
import { newRunId } from "../host/clock.ts";
import {
  isProcessAlive,
  type ProcessIdentity,
  type StartedProcess,
  type StartResult,
  startDetached,
} from "../host/process.ts";
import { listRuns, statePaths } from "../host/records/run-store.ts";
import { makeStateDir } from "../host/records/state-dir.ts";
import type { PipelinePlace } from "./take-over.ts";

/** Starts a runner in a session of its own, which no closed terminal and no Ctrl-C reaches. */

export interface RunnerRequest {
  /** The first pipeline that it works on. */
  readonly place: PipelinePlace;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type LaunchedRunner =
  | { readonly kind: "started"; readonly process: StartedProcess; readonly logFile: string }
  | Extract<StartResult, { kind: "failed" }>;

/** Throws system errors where what it says could not be kept. */
export async function launchRunner({ place, command, args, cwd, environment }: RunnerRequest): Promise<LaunchedRunner> {
  await makeStateDir(place.stateDir);
  const { backgroundDir } = statePaths(place.stateDir, place.pipeline);
  const name = join(backgroundDir, newRunId(place.pipeline));
  // What it says there is all that is ever heard of it: on a full disk it would end without a word.
  await proveWritable(backgroundDir);
  const opened = `${name}.log`;
  const started = await startDetached({ command, args, cwd, logFile: opened, env: inheritedBy(environment) });
  if (started.kind === "failed") return started;
  // So that a prune knows whose it is. A runner that runs is not to be lost for a name.
  const named = `${name}.${started.process.identity.pid}.log`;
  const logFile = await rename(opened, named).then(
    () => named,
    () => opened,
  );
  return { ...started, logFile };
}

export type Beginning =
  /** What comes of it is recorded as a run's. */
  | { readonly kind: "runs" }
  /** Nobody else will tell how. */
  | { readonly kind: "ended"; readonly exitCode: number | null }
  | { readonly kind: "waits" };

/** Between two looks for a run. */
const LOOK_MS = 100;

/** Comes back when the runner has a run, or has ended without one, or waits for something longer than that. */
export async function awaitBeginning(
  { ended }: StartedProcess,
  { stateDir, pipeline }: PipelinePlace,
  { after, patienceMs }: { readonly after: string | undefined; readonly patienceMs: number },
): Promise<Beginning> {
  const { runsDir } = statePaths(stateDir, pipeline);
  const hasRun = async () => {
    const last = (await listRuns(runsDir, pipeline)).at(-1);
    return last !== undefined && basename(last) !== after;
  };
  const end = ended.then(({ exitCode }): Beginning => ({ kind: "ended", exitCode }));
  for (const until = performance.now() + patienceMs; performance.now() < until; ) {
    const looked = await Promise.race([end, delay(LOOK_MS)]);
    if (await hasRun()) return { kind: "runs" };
    if (looked !== undefined) return looked;
  }
  return { kind: "waits" };
}

/** A CI runner ends what carries its variable when its job is over; this is to outlive that. */
function inheritedBy(environment: RunnerRequest["environment"]): Readonly<Record<string, string>> {
  const kept = Object.entries(environment).filter(
    ([name, value]) => value !== undefined && name !== "RUNNER_TRACKING_ID",
  );
  return Object.fromEntries(kept.map(([name, value]) => [name, value ?? ""]));
}

/** Asks a runner to stop as Ctrl-C does, where it still lives. */
export async function stopRunner(identity: ProcessIdentity): Promise<void> {
  if (!(await isProcessAlive(identity))) return;
  try {
    process.kill(identity.pid, "SIGTERM");
  } catch {
    // It has ended meanwhile.
  }
}
