import { join } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { StageId } from "../core/vocabulary.ts";
import type { ProcessIdentity } from "../host/process.ts";
import { signalMembers } from "../host/process-group.ts";
import { runFiles, stageMark, statePaths } from "../host/run-store.ts";
import { type StopManner, type StopRequest, writeStopRequest } from "../host/stop-request.ts";
import { askTrainer } from "./follow.ts";
import { recordedPlan } from "./recorded-plan.ts";
import { explainSystemError } from "./system-error.ts";
import { loadPlace, type PipelinePlace } from "./take-over.ts";

/** Asks for a stop from outside: the runner that is at work, if there is one, and the trainers themselves. */

export interface AskToStop {
  readonly place: PipelinePlace;
  /** The runner at work. It must know first: it takes a trainer that ends without being asked to for one that failed. */
  readonly runner: ProcessIdentity | undefined;
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
}

/** The trainers are told also by way of their runner; a runner that is suspended, or hangs, would not. */
export async function askToStop({ place, runner, manner }: AskToStop): Promise<Asked> {
  const { stopFile, runsDir } = statePaths(place.stateDir, place.pipeline);
  const { state, alive } = await loadPlace(place);
  const problem = runner === undefined ? undefined : await request(place, stopFile, { to: runner, manner });
  const told: ToldStage[] = [];
  for (const stage of alive) {
    const { run, process } = state?.stages[stage] ?? {};
    if (state === undefined || run === undefined || process === undefined) continue;
    const group = { leader: process, mark: stageMark(run, stage) };
    const plan = await recordedPlan(place, state, run);
    const driver = plan.stages.find(({ id }) => id === stage)?.driver ?? state.stages[stage]?.driver;
    const { pid } = process;
    if (manner === "now") {
      await signalMembers(group, "SIGKILL");
      told.push({ stage, pid, told: "killed" });
    } else if (driver === "scripts") {
      await signalMembers(group, "SIGTERM");
      told.push({ stage, pid, told: "terminated" });
    } else {
      await askTrainer(group, runFiles.stop(join(runsDir, run), stage));
      told.push({ stage, pid, told: "asked" });
    }
  }
  return { told, problem };
}

/** A full disk takes no request; the trainers hear of it all the same. */
async function request(place: PipelinePlace, file: string, asked: StopRequest): Promise<Diagnostic | undefined> {
  try {
    await writeStopRequest(file, asked);
    return undefined;
  } catch (error) {
    const diagnostic = await explainSystemError(error, place.root);
    if (diagnostic === undefined) throw error;
    return diagnostic;
  }
}
