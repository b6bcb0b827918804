import type { StagePlan } from "./plan.ts";

/** Whether applying does something with a stage. */
export function isCarriedOut({ action }: Pick<StagePlan, "action">): boolean {
  return action !== "none" && action !== "wait";
}
