import { isAbsolute, join, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../core/diagnostic.ts";
import { baseName, folderOf } from "../core/paths.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import { countText, namesText } from "../core/plan/wording.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { State } from "../core/state/state.ts";
import { observeRealPaths } from "../host/real-paths.ts";
import { statePaths } from "../host/records/run-store.ts";
import { findRecorded } from "../host/records/state-folders.ts";
import { readStateFile } from "../host/records/state-store.ts";
import { PREPARE_CODES } from "./codes.ts";

/** What a plan would archive that another pipeline's record knows as its own. */

interface Planned {
  readonly root: string;
  readonly spec: Spec;
  readonly plan: PipelinePlan;
}

/** Whose they are, a warning for each other pipeline of the state folder. No record is read where nothing is archived. */
export async function findOthersFiles({ root, spec, plan }: Planned): Promise<readonly Diagnostic[]> {
  const archived = plan.stages.flatMap(({ archive = [] }) => archive);
  if (archived.length === 0) return [];
  const placeOf = realPlaces(root);
  const places = new Map<string, string>();
  for (const file of archived) places.set(await placeOf(file), file);
  const stateDir = resolve(root, spec.stateDir);
  const found: Diagnostic[] = [];
  for (const { pipeline } of await findRecorded([stateDir])) {
    if (pipeline === spec.name) continue;
    const state = await readStateFile(statePaths(stateDir, pipeline).stateFile, pipeline);
    const theirs: string[] = [];
    for (const file of recordedFiles(state)) {
      const archives = places.get(await placeOf(file));
      if (archives !== undefined) theirs.push(archives);
    }
    if (theirs.length === 0) continue;
    const kind = PREPARE_CODES.othersFiles;
    const detail = `${countText(theirs.length, "file")} that ${spec.name} would archive ${theirs.length === 1 ? "is" : "are"} ${pipeline}'s by its record: ${namesText(theirs)}. ${kind.why} ${kind.mend}`;
    found.push(
      diagnose(kind, detail, { at: spec.places.get("output.name") ?? { file: spec.file }, path: "output.name" }),
    );
  }
  return found;
}

function recordedFiles(state: State | undefined): readonly string[] {
  return [
    ...(state?.checkpoints ?? []).map(({ file }) => file),
    ...(state?.training_states ?? []).map(({ dir }) => dir),
  ];
}

/** One name for each place, whatever path leads to its folder; a folder is looked at once. */
function realPlaces(root: string): (file: string) => Promise<string> {
  const folders = new Map<string, Promise<string>>();
  const realFolder = async (folder: string) => {
    const seen = await observeRealPaths([{ path: folder, links: "none" }], { root });
    return seen[folder]?.real ?? (isAbsolute(folder) ? folder : resolve(root, folder));
  };
  return async (file) => {
    const folder = folderOf(file);
    const looking = folders.get(folder) ?? realFolder(folder);
    folders.set(folder, looking);
    return join(await looking, baseName(file));
  };
}
