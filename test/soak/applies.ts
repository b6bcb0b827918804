import { stepFrom } from "../rig/applying.ts";
import { kill } from "./processes.ts";
import { apply, runnersOf, type Trial, trainersOf, waitFor } from "./trial.ts";

/** Many applies at the same moment: one of them is at work, and the others are told so. */

/** What they find: a runner that was killed, with its trainer or without. */
export type Found = "nothing" | "a dead lock" | "a lone trainer";
export const FOUND: readonly Found[] = ["nothing", "a dead lock", "a lone trainer"];

export async function applyAtOnce(trial: Trial, { count, found }: { count: number; found: Found }): Promise<void> {
  let wasDone = false;
  if (found !== "nothing") {
    const first = apply(trial);
    await first.until(stepFrom(trial.random.integer(1, 200)));
    for (const runner of runnersOf(trial)) kill(runner);
    if (found === "a dead lock") for (const trainer of trainersOf(trial)) kill(trainer);
    // With few epochs it comes to its end before it is hit.
    wasDone = (await first.ended) === 0;
  }
  const applies = Array.from({ length: count }, () => apply(trial));
  const codes = await Promise.all(applies.map(({ ended }) => ended));
  const wrong = (what: string) => trial.findings.push(`${trial.project.folder}: of ${count} applies at once ${what}`);
  // A trainer that ended before the first of them looked leaves nothing to carry out.
  const atWork = applies.filter(({ events }) => events.some(({ type }) => type === "run-started"));
  if (atWork.length > 1 || (atWork.length === 0 && found !== "a lone trainer" && !wasDone)) {
    wrong(`${atWork.length} carried something out`);
  }
  const others = codes.filter((code) => code !== 0 && code !== 4);
  if (others.length > 0) wrong(`some ended with ${others.join(", ")}`);
  if (!codes.includes(0)) wrong("none came to the end");
  await waitFor(() => runnersOf(trial).length === 0);
}
