import { join } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { StageId } from "../core/vocabulary.ts";
import { lookAtLock } from "../host/locks/lock.ts";
import type { LockOwner } from "../host/locks/lock-owner.ts";
import {
  type StopManner,
  type StopRequest,
  withdrawStopRequest,
  writeStopRequest,
} from "../host/locks/stop-request.ts";
import { ownerOfProcess, type ProcessIdentity } from "../host/process.ts";
import { signalMembers } from "../host/process-group.ts";
import { runFiles, stageMark, statePaths } from "../host/records/run-store.ts";
import { EXECUTE_CODES } from "./codes.ts";
import { recordedPlan } from "./recorded-plan.ts";
import { askTrainer } from "./stage/follow.ts";
import { explainSystemError } from "./system-error.ts";
import { loadPlace, type PipelinePlace } from "./take-over.ts";

/** Asks for a stop from outside: the runner that is at work, if there is one, and the trainers themselves. */

export interface AskToStop {
  readonly place: PipelinePlace;
  /** The runner at work. It must know first: it takes a trainer that ends without being asked to for one that failed. */
  readonly runner: (ProcessIdentity & Partial<Pick<LockOwner, "who">>) | undefined;
  readonly manner: StopManner;
}

/** How a stage was told. Musubi's own scripts watch no stop file: they are ended by SIGTERM. */
export type Told = "asked" | "terminated" | "killed";

export interface ToldStage {
  readonly stage: StageId;
  readonly pid: number;
  readonly told: Told;
}

export interface Asked {
  readonly told: readonly ToldStage[];
  /** Why the runner could not be asked: it takes its trainer's end for what that itself says of it. */
  readonly problem: Diagnostic | undefined;
  /** Neither the runner nor any trainer heard of it: whose they are, and that all goes on. */
  readonly refused: Diagnostic | undefined;
}

/** The trainers are told also by way of their runner; a runner that is suspended, or hangs, would not. */
export async function askToStop({ place, runner, manner }: AskToStop): Promise<Asked> {
  const { stopFile, lockFile, runsDir } = statePaths(place.stateDir, place.pipeline);
  const { state, alive } = await loadPlace(place);
  const problem = runner === undefined ? undefined : await request(place, stopFile, { to: runner, manner });
  const told: ToldStage[] = [];
  const refusing: number[] = [];
  for (const stage of alive) {
    const { run, process } = state?.stages[stage] ?? {};
    if (state === undefined || run === undefined || process === undefined) continue;
    const group = { leader: process, mark: stageMark(run, stage) };
    const plan = await recordedPlan(place, state, run);
    const driver = plan.stages.find(({ id }) => id === stage)?.driver ?? state.stages[stage]?.driver;
    const { pid } = process;
    const how: Told = manner === "now" ? "killed" : driver === "scripts" ? "terminated" : "asked";
    const signalled =
      how === "asked"
        ? await askTrainer(group, runFiles.stop(join(runsDir, run), stage))
        : await signalMembers(group, how === "killed" ? "SIGKILL" : "SIGTERM");
    // A runner that was asked passes it on.
    if (signalled === "refused" && (runner === undefined || problem !== undefined)) refusing.push(pid);
    else told.push({ stage, pid, told: how });
  }
  // One that has given its lock back meanwhile has looked for requests for the last time.
  if (runner !== undefined && !(await holdsLock(runner, lockFile))) await withdrawStopRequest(stopFile, runner);
  const isUnheard = refusing.length > 0 || (problem !== undefined && alive.length === 0);
  const refused = isUnheard && told.length === 0 ? refusedText(place, { runner, refusing, problem }) : undefined;
  return { told, problem, refused };
}

interface Unheard extends Pick<AskToStop, "runner">, Pick<Asked, "problem"> {
  /** Pids of trainers that take no signal of this user's. */
  readonly refusing: readonly number[];
}

function refusedText({ pipeline }: PipelinePlace, { runner, refusing, problem }: Unheard): Diagnostic {
  const kind = EXECUTE_CODES.stopNotHeard;
  const pids = refusing.length > 0 ? refusing : [runner?.pid ?? 0];
  const whose = runner?.who ?? ownerOfProcess(pids[0] ?? 0);
  const who = whose === undefined ? "another user's" : `${whose}'s`;
  const why = problem === undefined ? "" : ` ${problem.detail}`;
  const signal = refusing.length > 0 ? " The system lets you send no signal to it." : "";
  return diagnose(
    kind,
    `${pipeline} is at work in ${who} name (process ${pids.join(", ")}). It was asked for nothing and goes on.${why}${signal} ${kind.mend}`,
  );
}

async function holdsLock({ pid, start_time }: ProcessIdentity, lockFile: string): Promise<boolean> {
  const lock = await lookAtLock(lockFile);
  const owner = lock.kind === "held" && lock.by === "runner" ? lock.owner : undefined;
  return lock.kind === "own" || (owner?.pid === pid && owner.start_time === start_time);
}

/** A full disk takes no request; the trainers hear of it all the same. */
async function request(place: PipelinePlace, file: string, asked: StopRequest): Promise<Diagnostic | undefined> {
  try {
    await writeStopRequest(file, asked);
    return undefined;
  } catch (error) {
    const diagnostic = await explainSystemError(error, place.root, { mend: "" });
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}
