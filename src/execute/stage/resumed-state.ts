import { resolve } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { isGoneOnFrom, stateGoneOnFrom } from "../../core/plan/resumed-state.ts";
import { observeTrainingState } from "../../host/disk.ts";
import { EXECUTE_CODES } from "../codes.ts";

/** Looks once more at what stages go on from, before their files get other names: the trainer would ask only afterwards. */
export async function findOtherState(stages: readonly StagePlan[], root: string): Promise<Diagnostic | undefined> {
  for (const stage of stages) {
    const dir = stateGoneOnFrom(stage);
    if (dir === undefined || isGoneOnFrom(await observeTrainingState(resolve(root, dir), dir), stage)) continue;
    const { otherState } = EXECUTE_CODES;
    const detail = `${stage.id} was to go on from ${dir} after step ${stage.done_steps}, and that is no complete training state of this step and these settings any more. ${otherState.why} ${otherState.mend}`;
    return diagnose(otherState, detail);
  }
  return undefined;
}
