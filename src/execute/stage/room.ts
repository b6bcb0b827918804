import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import type { StagePlan } from "../../core/plan/plan.ts";
import { judgeRoom, type Room, roomAdvice, roomFigures } from "../../core/plan/room.ts";
import type { Spec } from "../../core/spec/spec.ts";
import { observeFileSystems } from "../../host/file-systems.ts";
import { EXECUTE_CODES } from "../codes.ts";

/**
 * What keeps these stages from being started for want of room: the bytes that each cannot do without, on the disks as they
 * are at this moment. A plan may be hours old, and other programs write too.
 */
export async function findNoRoom(
  stages: readonly StagePlan[],
  { root, spec }: { readonly root: string; readonly spec: Pick<Spec, "file" | "output"> },
): Promise<Diagnostic | undefined> {
  const short = await roomsThatAre("short", stages, root);
  if (short.length === 0) return undefined;
  const names = stages.map(({ id }) => id).join(", ");
  const advice = roomAdvice({ file: spec.file, outputDir: spec.output.dir.path }, short);
  return diagnose(EXECUTE_CODES.noRoom, `Of what ${names} would write, ${figuresOf(short)}. ${advice}`);
}

/** What is to be said of stages that fit by the lower end of what they write, and by the upper end not, or barely. */
export async function warnOfLittleRoom(stages: readonly StagePlan[], root: string): Promise<string | undefined> {
  const tight = await roomsThatAre("tight", stages, root);
  return tight.length === 0 ? undefined : `The disk may become full, or nearly so: ${figuresOf(tight)}.`;
}

async function roomsThatAre(
  verdict: Room["verdict"],
  stages: readonly StagePlan[],
  root: string,
): Promise<readonly Room[]> {
  const writes = stages.flatMap((stage) => stage.writes ?? []);
  const folders = writes.map(({ folder }) => folder);
  const rooms = judgeRoom(writes, await observeFileSystems(folders, { root }));
  return rooms.filter((room) => room.verdict === verdict);
}

function figuresOf(rooms: readonly Room[]): string {
  return rooms.map(roomFigures).join("; ");
}
