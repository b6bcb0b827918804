import { type Diagnostic, diagnose } from "../diagnostic.ts";
import { scriptOf } from "../vocabulary.ts";
import { isCarriedOut } from "./carried-out.ts";
import { PLAN_CODES } from "./codes.ts";
import type { PlannedStage, Planning } from "./stage.ts";
import { runBeside } from "./turns.ts";
import { listWords } from "./wording.ts";

/** What the stages that run need of those that wait (`--only`): caches that are right, and nobody at work on them. */
export function waitingDiagnostics(planned: readonly PlannedStage[], planning: Planning): readonly Diagnostic[] {
  const waiting = planned.filter(({ withheld }) => withheld !== undefined);
  // One that runs already reads what it began with, and is only followed.
  const starting = planned.filter(({ stage }) => isCarriedOut(stage) && !planning.alive.has(stage.id));
  const alive = waiting.filter(({ stage }) => planning.alive.has(stage.id));
  const inTheWay = alive.filter((other) => starting.some(({ stage }) => !runBeside(stage, other.stage)));
  if (inTheWay.length > 0) return [otherStageRuns(inTheWay, starting, planning)];
  const caching = waiting.filter(({ stage }) => scriptOf(stage.id) !== "train");
  const training = starting.filter(({ stage }) => scriptOf(stage.id) === "train");
  return caching.length > 0 && training.length > 0 ? [cachesWait(caching, training, planning)] : [];
}

function cachesWait(
  caching: readonly PlannedStage[],
  training: readonly PlannedStage[],
  { resolved }: Planning,
): Diagnostic {
  const { name, file } = resolved.spec;
  const todo = caching.map(
    ({ stage, withheld }) => `${stage.id}: ${(withheld?.reasons ?? []).map(({ text }) => text).join("; ")}`,
  );
  const first = caching.map(({ stage }) => `--only ${stage.id}`).join(" ");
  const trains = training.map(({ stage }) => stage.id);
  return diagnose(
    PLAN_CODES.cachesWait,
    `${listWords(trains)} of ${name} can't run without what comes before (${todo.join(". ")}). Apply \`${first}\` first, add it to \`--only ${trains.join(" --only ")}\`, or leave \`--only\` out.`,
    { at: { file } },
  );
}

function otherStageRuns(
  alive: readonly PlannedStage[],
  starting: readonly PlannedStage[],
  { resolved, state }: Planning,
): Diagnostic {
  const { name, file } = resolved.spec;
  const others = alive.map(({ stage }) => `${stage.id} (run ${state?.stages[stage.id]?.run ?? ""})`);
  return diagnose(
    PLAN_CODES.otherStageRuns,
    `${listWords(starting.map(({ stage }) => stage.id))} of ${name} can't be started while ${listWords(others)} ${others.length === 1 ? "is" : "are"} running. \`wan22 apply ${file}\` follows it: let it finish, or stop it there with Ctrl-C.`,
    { at: { file } },
  );
}
