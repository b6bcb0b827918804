import { type Applying, stepFrom } from "../rig/applying.ts";
import { FILE, readState } from "../rig/long-quickstart.ts";
import { rememberProgress } from "./kept-progress.ts";
import { apply, processesOf, start, TRAIN_STAGES, type Trial, waitFor } from "./trial.ts";

/** Stops at random steps, in every way there is; after each the next apply goes on at the very step. */

type Way = "Ctrl-C" | "SIGTERM" | "stop" | "stop --no-wait" | "stop --now" | "Ctrl-C twice";
const WAYS: readonly Way[] = ["Ctrl-C", "SIGTERM", "stop", "stop --no-wait", "stop --now", "Ctrl-C twice"];
/** So many steps at most between two stops. */
const STRIDE = 120;

/** Until the pipeline is finished, or so many stops are done; how many they were. */
export async function stopAgainAndAgain(trial: Trial, most: number): Promise<number> {
  const { random, project, findings } = trial;
  let stops = 0;
  while (stops < most) {
    const progress = await rememberProgress(trial);
    const applying = apply(trial);
    const isStarted = (event: Applying["events"][number]) =>
      event.type === "stage-started" && event.stage.startsWith("train");
    await applying.until(isStarted);
    const begun = applying.events.find(isStarted);
    const done = begun?.type === "stage-started" ? begun.done : 0;
    await applying.until(stepFrom(done + random.integer(1, STRIDE)));
    const way = random.pick(WAYS);
    await stop(trial, applying, way);
    const exitCode = await applying.ended;
    progress.compare(applying.events);
    await waitFor(() => processesOf(trial).length === 0);
    const state = await readState(project);
    const wrong = (what: string) => findings.push(`${project.folder}: after ${way}: ${what}`);
    if (exitCode === 0) return stops;
    stops += 1;
    if (exitCode !== 85 && exitCode !== 130) wrong(`apply ended with ${exitCode}`);
    for (const stage of TRAIN_STAGES[trial.kind]) {
      const record = state.stages[stage];
      if (record?.status === "finished") continue;
      if (record?.status !== "stopped") wrong(`${stage} is ${record?.status}`);
      const isSaved = state.training_states.some(({ done_steps }) => done_steps === record?.done_steps);
      if (!isSaved && way !== "stop --now" && way !== "Ctrl-C twice") wrong(`step ${record?.done_steps} was not saved`);
    }
  }
  return stops;
}

async function stop(trial: Trial, { process }: Applying, way: Way): Promise<void> {
  switch (way) {
    case "Ctrl-C":
      process.kill("SIGINT");
      return;
    case "Ctrl-C twice":
      process.kill("SIGINT");
      process.kill("SIGINT");
      return;
    case "SIGTERM":
      process.kill("SIGTERM");
      return;
    default:
      await start(trial, [...way.split(" "), FILE]);
  }
}
