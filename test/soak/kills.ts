import { setTimeout as delay } from "node:timers/promises";
import { stepFrom } from "../rig/applying.ts";
import { FILE } from "../rig/long-quickstart.ts";
import { rememberProgress } from "./kept-progress.ts";
import { isStillAlive, kill, type TrialProcess } from "./processes.ts";
import { usePidsAgain } from "./reuse-pids.ts";
import { apply, PIPELINE, type Running, runnersOf, start, type Trial, trainersOf, waitFor } from "./trial.ts";

/** Kills at random moments: of the runner, of trainers, of both; and of whatever other command is at work meanwhile. */

export interface KillOptions {
  /** How long an apply needs on this machine until its first trainer runs: what moments are spread over. */
  readonly startMs: number;
  /** No more than this. */
  readonly most: number;
}

type Victim = "runner" | "trainer" | "both";

export interface Kills {
  /** By whom they hit. */
  readonly kills: Readonly<Record<Victim, number>>;
  /** How many of the dead had their pid given to another process. */
  readonly reused: number;
}

/** Until the pipeline is finished, or so many kills are done. */
export async function killAgainAndAgain(trial: Trial, { startMs, most }: KillOptions): Promise<Kills> {
  const { random } = trial;
  const kills = { runner: 0, trainer: 0, both: 0 };
  let reused = 0;
  let users = usePidsAgain([]);
  const moment = () => delay(random.integer(0, Math.round(3 * startMs)));
  while (kills.runner + kills.trainer + kills.both < most) {
    if (random.chance(0.15)) kills.runner += await useAnotherCommand(trial, moment);
    const victim = random.pick<Victim>(["runner", "runner", "trainer", "both", "both"]);
    const isDetached = random.chance(0.2);
    const progress = await rememberProgress(trial);
    const applying = isDetached ? apply(trial, "--detach") : apply(trial);
    let hasEnded = false;
    const over = applying.ended.then((exitCode) => {
      hasEnded = true;
      return exitCode;
    });
    await Promise.race([moment(), over]);
    if (victim === "trainer") {
      const isOver = () => hasEnded && runnersOf(trial).length === 0;
      await waitFor(() => trainersOf(trial).length > 0 || isOver());
      await delay(random.integer(0, 300));
    }
    const hit = strike(trial, victim);
    if (hit.length > 0) kills[victim] += 1;
    // What a killed trainer leaves to its runner ends that by itself; a runner in the background is not waited for.
    const exitCode = await over;
    progress.compare(applying.events);
    const ended = users.end();
    if (ended > 0) trial.findings.push(`${trial.project.folder}: ${ended} strangers with a dead one's pid were ended.`);
    users = usePidsAgain(random.chance(0.2) ? hit : []);
    reused += users.count;
    if (hit.length === 0 && exitCode === 0) break;
  }
  users.end();
  return { kills, reused };
}

/** Those who were there to be killed. */
function strike(trial: Trial, victim: Victim): readonly TrialProcess[] {
  const runners = victim === "trainer" ? [] : runnersOf(trial);
  const trainers = victim === "runner" ? [] : trainersOf(trial);
  // Of halves sometimes one alone.
  const hit = [...runners, ...(victim === "trainer" ? trial.random.some(trainers, 1, trainers.length) : trainers)];
  // Runners first or trainers first: what dies last may still see the other's end.
  const order = trial.random.chance(0.5) ? hit : hit.toReversed();
  for (const process of order) kill(process);
  return hit;
}

/** Something else that a user may do between; sometimes that is killed too. How many kills it was. */
async function useAnotherCommand(trial: Trial, moment: () => Promise<void>): Promise<number> {
  const { random } = trial;
  const words = random.pick<readonly string[]>([
    ["stop"],
    ["stop", "--now"],
    ["stop", "--no-wait"],
    ["prune", "--auto-approve"],
    ["prune", "--runs", "--auto-approve"],
    ["state", "restore", PIPELINE, "--from", "runs", "--auto-approve"],
    ["state", "restore", PIPELINE, "--auto-approve"],
    ["status"],
    ["plan", FILE],
  ]);
  // Beside an apply that is at work as often as beside none.
  const beside = random.chance(0.5) ? apply(trial) : undefined;
  if (beside !== undefined) await Promise.race([beside.until(stepFrom(1)), moment()]);
  const running = start(trial, words);
  const isKilled = random.chance(0.4) && (await killInTime(running, moment));
  await running;
  if (words[0] === "stop" && beside !== undefined) await beside.ended;
  else for (const runner of runnersOf(trial)) kill(runner);
  await beside?.ended;
  return (isKilled ? 1 : 0) + (beside === undefined || words[0] === "stop" ? 0 : 1);
}

async function killInTime(running: Running, moment: () => Promise<void>): Promise<boolean> {
  await Promise.race([moment(), running]);
  const { pid } = running;
  return pid !== undefined && running.exitCode === null && running.kill("SIGKILL");
}

/** Nobody is left at work: what was detached is followed to its end. */
export async function settleDown(trial: Trial): Promise<void> {
  for (let looks = 0; looks < 20; looks += 1) {
    const runners = runnersOf(trial);
    if (runners.length === 0) return;
    await start(trial, ["attach", FILE]);
    await waitFor(() => !runners.some(isStillAlive), { seconds: 10 });
  }
  trial.findings.push(`${trial.project.folder}: runners don't come to an end.`);
}
