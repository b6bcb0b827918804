import { readYaml } from "./read-yaml.ts";
import type { SourceText } from "./spec.ts";
import { type Environment, expandPath } from "./variables.ts";
import { nodeAt, plainValue } from "./yaml-tree.ts";

/** A key of a pipeline or project file for whoever wants nothing else of it, however wrong the rest may be. */

/** Where everything of a project is kept, unless it says otherwise; relative to the root. */
export const DEFAULT_STATE_DIR = ".wan22";

/** `state_dir`, relative to the file's folder; undefined where it isn't there, or can't be told. */
export function stateDirIn(source: SourceText, environment: Environment): string | undefined {
  const written = stringIn(source, "state_dir");
  if (written === undefined) return undefined;
  const { text, unset, malformed } = expandPath(written, environment);
  return unset.length > 0 || malformed.length > 0 ? undefined : text;
}

/** The pipeline's `name`, as far as it can be told. */
export function nameIn(source: SourceText): string | undefined {
  return stringIn(source, "name");
}

/** Whether a project file asks anything of its pipelines, as far as it can be told. */
export function hasPolicy(source: SourceText): boolean {
  const { root } = readYaml(source);
  return root !== undefined && nodeAt(root, ["policy"])?.kind === "map";
}

function stringIn(source: SourceText, key: string): string | undefined {
  const { root } = readYaml(source);
  const node = root === undefined ? undefined : nodeAt(root, [key]);
  const value = node === undefined ? undefined : plainValue(node);
  return typeof value === "string" ? value : undefined;
}
