import pLimit from "p-limit";
import type { StageOutcome } from "../core/apply-event.ts";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import { monotonicSeconds } from "../host/clock.ts";
import type { LockWork } from "../host/locks/lock-owner.ts";
import { startOf } from "./apply-input.ts";
import { explainLeftAtWork } from "./goes-on.ts";
import { workOf } from "./locks/take-stage-locks.ts";
import { reportEnd } from "./stage/end-stage.ts";
import { findOtherState } from "./stage/resumed-state.ts";
import { findNoRoom, warnOfLittleRoom } from "./stage/room.ts";
import { runStage } from "./stage/run-stage.ts";
import type { StageResult } from "./stage/stage.ts";
import { initialProgress, isRunning, type StageInput } from "./stage/stage.ts";
import { whyNotStartable } from "./stage/start-stage.ts";
import { findClosedFolder } from "./stage/written-folders.ts";

/** One turn of a run: a stage by itself, or the halves that are trained at the same time (`core/plan/turns.ts`). */

export type TurnInput = Omit<StageInput, "stage" | "startGate">;

/** The last of them that any stage of a turn has is the turn's: as among pipelines, a stop comes before a failure. */
const BY_WEIGHT: readonly StageOutcome[] = ["finished", "lost", "failed", "stopped", "detached"];

/** Comes back when all have ended: one that fails leaves the others to their work, which is worth as much without it. */
export async function runTurn(turn: readonly StagePlan[], input: TurnInput): Promise<StageResult> {
  const startGate = pLimit(1);
  const results: StageResult[] = [];
  const startable: StagePlan[] = [];
  for (const stage of turn) {
    // Those of a turn write at the same time.
    const together = [...startable.filter((other) => !isRunning(other, input.apply)), stage];
    const refused = isRunning(stage, input.apply) ? undefined : await whyRefused(together, input);
    if (refused === undefined) startable.push(stage);
    else results.push({ outcome: "failed", diagnostics: [refused] });
  }
  const starting = startable.filter((stage) => !isRunning(stage, input.apply));
  const tight = await warnOfLittleRoom(starting, input.apply.root);
  if (tight !== undefined) input.report({ type: "note", severity: "warning", text: tight });
  const settled = await Promise.allSettled(startable.map((stage) => runAmong({ ...input, stage, startGate }, turn)));
  for (const each of settled) {
    if (each.status === "rejected") throw each.reason;
    results.push(each.value);
  }
  const weights = results.map(({ outcome }) => BY_WEIGHT.indexOf(outcome));
  return {
    outcome: BY_WEIGHT[Math.max(...weights)] ?? "finished",
    diagnostics: results.flatMap(({ diagnostics }) => diagnostics),
  };
}

/**
 * An error that ends the run is said when it comes, though the other stages of its turn are seen to their end first. A stage that
 * lives is left to itself by it, as by a runner that detaches.
 */
async function runAmong(input: StageInput, turn: readonly StagePlan[]): Promise<StageResult> {
  const startedAt = monotonicSeconds();
  try {
    return await runStage(input);
  } catch (error) {
    const left = await explainLeftAtWork(error, workNow(input));
    if (left !== undefined) {
      const { done, total } = initialProgress(input.stage);
      reportEnd(
        input,
        { done: Math.max(done, recordOf(input)?.done_steps ?? 0), total },
        startedAt,
        "detached",
        undefined,
      );
      return { outcome: "detached", diagnostics: [left] };
    }
    if (turn.length > 1) {
      const text = `${input.stage.id} can't be followed any more: ${error instanceof Error ? error.message : String(error)}. What runs beside it is followed to its end.`;
      input.report({ type: "note", stage: input.stage.id, severity: "warning", text });
    }
    throw error;
  }
}

function recordOf({ stage, recorder }: StageInput) {
  return recorder.state()?.stages[stage.id];
}

/** With its process, as far as that was written down. */
function workNow(input: StageInput): LockWork {
  const work = workOf(input);
  const record = recordOf(input);
  return record?.process === undefined || record.run !== work.run ? work : { ...work, process: record.process };
}

/** Why these stages can't be started here: no Python, nothing to go on from, no room, or a folder that can't be written to. */
export async function whyRefused(
  starting: readonly StagePlan[],
  { apply, workDir }: Pick<TurnInput, "apply" | "workDir">,
): Promise<Diagnostic | undefined> {
  const { trainer, resolved } = startOf(apply);
  const { root } = apply;
  return (
    whyNotStartable(trainer) ??
    (await findOtherState(starting, root)) ??
    (await findClosedFolder(starting, { root, resolved, workDir })) ??
    (await findNoRoom(starting, { root, spec: resolved.spec }))
  );
}
