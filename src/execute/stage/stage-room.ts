import type { StagePlan } from "../../core/plan/plan.ts";
import { countText, namesText } from "../../core/plan/wording.ts";
import type { JournalEntry } from "../../core/state/journal.ts";
import { stamp } from "../recorder.ts";
import {
  carryOutMoves,
  findExisting,
  findTurnedUp,
  type Move,
  planArchive,
  planRenames,
  removeFiles,
} from "./make-room.ts";
import type { StageInput } from "./stage.ts";

/** What has to go before a stage's process is started: planned, journalled, done. */

interface Room {
  /** Files that the plan did not know, among those that are archived. */
  readonly turnedUp: readonly string[];
  readonly archived: readonly Move[];
  readonly renamed: readonly Move[];
  readonly stale: readonly string[];
  readonly leftover: readonly string[];
}

export async function planRoom({ apply: { root }, plan, stage, recorder }: StageInput): Promise<Room> {
  const { checkpoints = [], training_states: states = [] } = recorder.state() ?? {};
  const recorded = new Set([...checkpoints.map(({ file }) => file), ...states.map(({ dir }) => dir)]);
  const turning = { checkpoints: plan.checkpoints, recorded, root };
  const { files: turnedUp, statements } = await findTurnedUp(stage, turning);
  const archive = [...(stage.archive ?? []), ...turnedUp, ...statements];
  return {
    turnedUp,
    archived: await planArchive({ ...stage, archive }, { root, run: recorder.run }),
    renamed: await planRenames(stage, root),
    stale: await findExisting(stage.pending ?? [], root),
    leftover: await findExisting(stage.leftover ?? [], root),
  };
}

export function roomEntries(
  { archived, renamed, stale, leftover }: Room,
  stage: StagePlan["id"],
): readonly JournalEntry[] {
  const base = { ...stamp(), stage };
  return [
    ...(archived.length === 0
      ? []
      : [{ ...base, type: "archived" as const, files: archived.map((move) => ({ ...move })) }]),
    ...renamed.map((move) => ({ ...base, type: "renamed" as const, ...move })),
    ...[...stale, ...leftover].map((file) => ({ ...base, type: "unlinked" as const, file })),
  ];
}

/** Archives, then renames, then removes stale caches; all of it is in the journal. */
export async function makeRoom(
  { turnedUp, archived, renamed, stale, leftover }: Room,
  { apply, stage, report }: StageInput,
) {
  const { root } = apply;
  if (turnedUp.length > 0) {
    const are = turnedUp.length === 1 ? "has" : "have";
    const text = `${countText(turnedUp.length, "file")} under names that ${stage.id} writes ${are} turned up since it was planned, and ${turnedUp.length === 1 ? "is" : "are"} archived too: ${namesText(turnedUp)}.`;
    report({ type: "note", stage: stage.id, severity: "warning", text });
  }
  await carryOutMoves([...archived, ...renamed], root);
  await removeFiles([...stale, ...leftover], root);
  if (archived.length > 0) report({ type: "moved", stage: stage.id, reason: "archive", files: [...archived] });
  if (renamed.length > 0) report({ type: "moved", stage: stage.id, reason: "rename", files: [...renamed] });
  if (stale.length + leftover.length > 0) {
    report({ type: "unlinked", stage: stage.id, stale: [...stale], leftover: [...leftover] });
  }
}
