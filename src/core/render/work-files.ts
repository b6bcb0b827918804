import { joinPath } from "../paths.ts";
import type { Spec } from "../spec/spec.ts";

/** Where the trainer's input files lie: known when the plan is made, so that no run's name occurs in a plan (design §5, "Paths"). */

export const DATASET_FILE = "dataset.toml";
export const PROMPTS_FILE = "prompts.txt";

/** The folder of a pipeline's work files, relative to the root where the state folder is inside it. */
export function workFolder({ stateDir, name }: Pick<Spec, "stateDir" | "name">): string {
  return joinPath(stateDir, `work/${name}`);
}

/** The path of a work file, as its folder's is written. */
export function workFile(spec: Pick<Spec, "stateDir" | "name">, file: string): string {
  return joinPath(workFolder(spec), file);
}
