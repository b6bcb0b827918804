import { folderOf, joinPath } from "../paths.ts";
import type { Spec } from "./spec.ts";

/** Where the lock file of a pipeline lies: beside its file, by the pipeline's name. As a plan writes paths. */
export function lockFileOf({ file, name }: Pick<Spec, "file" | "name">): string {
  return joinPath(folderOf(file), `${name}.lock.json`);
}
