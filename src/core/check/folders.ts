import { type Diagnostic, diagnose, type Place } from "../diagnostic.ts";
import { possibleValues } from "../resolve/possible-values.ts";
import type { Presets } from "../resolve/presets.ts";
import type { Spec } from "../spec/spec.ts";
import { SCHEDULE_CODES } from "./codes.ts";
import { type Judged, pointAt, type Rule, type StageRule, textOf } from "./rule.ts";

/** Folders that are written into, and that nothing may stand in the way of. */

/** The paths of all such folders, each once: what the host looks at for `facts.folders`. */
export function namedFolders(spec: Spec, presets: Presets): readonly string[] {
  const logs = possibleValues("logging_dir", spec, presets).filter((value) => typeof value === "string");
  return [...new Set([spec.output.dir.path, spec.cacheDir, spec.stateDir, ...logs])];
}

function finding(key: string, path: string, options: { readonly at?: Place | undefined }, { facts }: Judged) {
  const problem = facts.folders?.[path];
  if (problem === undefined) return [];
  const detail = `\`${key}\` is ${path}, a folder that cannot be made: ${problem.text}. Name another folder, or move the file away.`;
  return [diagnose(SCHEDULE_CODES.folder, detail, { path: key, ...options })];
}

/** T46: folders of checkpoints, caches and states. */
export const foldersCanBeMade: Rule = (judged): readonly Diagnostic[] => {
  const { output, cacheDir, stateDir, places, file } = judged.resolved.spec;
  const at = (key: string) => ({ at: places.get(key) ?? { file } });
  return [
    ...finding("output.dir", output.dir.path, { at: output.dir.place }, judged),
    ...finding("state_dir", stateDir, at("state_dir"), judged),
    // Without a `cache_dir` of its own it lies in the state's.
    ...(places.has("cache_dir") ? finding("cache_dir", cacheDir, at("cache_dir"), judged) : []),
  ];
};

/** T46: the folder of the logs. */
export const logFolderCanBeMade: StageRule = ({ parameters }, judged) => {
  const folder = textOf(parameters, "logging_dir");
  if (folder === undefined) return [];
  return finding("train.logging_dir", folder, pointAt(parameters, "logging_dir"), judged);
};
