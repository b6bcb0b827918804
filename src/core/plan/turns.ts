import { scriptOf } from "../vocabulary.ts";
import type { StagePlan } from "./plan.ts";

/** Which stages run at the same time: the halves of `noise: separate`, where each has GPUs of its own (`gpus: [0, 1]`). */

/** A plan's stages in the order they run. Those of one turn start together; the next turn waits for all of them. */
export function turnsOf<Stage extends Pick<StagePlan, "id" | "gpus">>(
  stages: readonly Stage[],
): readonly (readonly Stage[])[] {
  const turns: Stage[][] = [];
  for (const stage of stages) {
    const turn = turns.at(-1);
    if (turn?.every((other) => runBeside(other, stage))) turn.push(stage);
    else turns.push([stage]);
  }
  return turns;
}

/** Where no device is named, both would take the first. */
function runBeside(one: Pick<StagePlan, "id" | "gpus">, other: Pick<StagePlan, "id" | "gpus">): boolean {
  if (scriptOf(one.id) !== "train" || scriptOf(other.id) !== "train") return false;
  const { gpus: taken = [] } = one;
  const { gpus: wanted = [] } = other;
  return taken.length > 0 && wanted.length > 0 && !wanted.some((gpu) => taken.includes(gpu));
}
