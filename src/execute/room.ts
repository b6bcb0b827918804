import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import type { StagePlan } from "../core/plan/plan.ts";
import { judgeRoom, roomAdvice, roomFigures } from "../core/plan/room.ts";
import type { Spec } from "../core/spec/spec.ts";
import { observeFileSystems } from "../host/file-systems.ts";
import { EXECUTE_CODES } from "./codes.ts";

/**
 * What keeps these stages from being started for want of room: the bytes that each cannot do without, on the disks as they
 * are at this moment. A plan may be hours old, and other programs write too.
 */
export async function findNoRoom(
  stages: readonly StagePlan[],
  { root, spec }: { readonly root: string; readonly spec: Pick<Spec, "file"> },
): Promise<Diagnostic | undefined> {
  const writes = stages.flatMap((stage) => stage.writes ?? []);
  const fileSystems = await observeFileSystems(
    writes.map(({ folder }) => folder),
    { root },
  );
  const short = judgeRoom(writes, fileSystems).filter(({ verdict }) => verdict === "short");
  if (short.length === 0) return undefined;
  const names = stages.map(({ id }) => id).join(", ");
  const figures = short.map(roomFigures).join("; ");
  return diagnose(EXECUTE_CODES.noRoom, `Of what ${names} would write, ${figures}. ${roomAdvice(spec.file)}`);
}
