import { scriptOf } from "../vocabulary.ts";
import type { StagePlan } from "./plan.ts";

/** Which stages run at the same time: the halves of `noise: separate`, where each has GPUs of its own (`gpus: [0, 1]`). */

type Runnable = Pick<StagePlan, "id" | "gpus" | "reasons">;

/**
 * A plan's stages in the order they run. Those of one turn start together; the next turn waits for all of them. Trainers that
 * live already are the first turn, whatever their place in the plan: they are followed, and told to stop, together.
 */
export function turnsOf<Stage extends Runnable>(
  stages: readonly Stage[],
  isLiving: (stage: Stage) => boolean = isPlannedRunning,
): readonly (readonly Stage[])[] {
  const living = stages.filter(isLiving);
  const turns: Stage[][] = living.length === 0 ? [] : [living];
  for (const stage of stages) {
    if (isLiving(stage)) continue;
    const turn = turns.at(-1);
    const mayJoin = turn !== living || isNew(stage);
    if (mayJoin && turn?.every((other) => runBeside(other, stage))) turn.push(stage);
    else turns.push([stage]);
  }
  return turns;
}

function isPlannedRunning({ reasons }: Runnable): boolean {
  return reasons.some(({ cause }) => cause === "running");
}

/** Beside a trainer that lives, only what never began: what ended beside it is begun again in a run of its own, afterwards. */
function isNew({ reasons }: Runnable): boolean {
  return reasons.some(({ cause }) => cause === "no-record");
}

/** Where no device is named, both would take the first. */
export function runBeside(one: Pick<StagePlan, "id" | "gpus">, other: Pick<StagePlan, "id" | "gpus">): boolean {
  if (scriptOf(one.id) !== "train" || scriptOf(other.id) !== "train") return false;
  const { gpus: taken = [] } = one;
  const { gpus: wanted = [] } = other;
  return taken.length > 0 && wanted.length > 0 && !wanted.some((gpu) => taken.includes(gpu));
}
