import type { Place } from "../diagnostic.ts";
import { folderOf, joinPath, pathInside } from "../paths.ts";
import type { LocatedPath } from "./spec.ts";

/** `${VAR}`, `${VAR:-default}` and `~/` in path values, and what a path means once they are replaced. */

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ExpandedPath {
  /** With every variable replaced that is set or has a default. */
  readonly text: string;
  /** Variables that are empty or not set and have no default, each once. */
  readonly unset: readonly string[];
  /** What begins with `${` and is neither form. */
  readonly malformed: readonly string[];
  /** `$NAME` without braces, taken literally. */
  readonly bare: readonly string[];
}

const VARIABLE = /\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\}/g;

/** Replaces variables. An empty one counts as not set: `${MODELS}/x` must never become `/x`. */
export function expandPath(written: string, environment: Environment): ExpandedPath {
  const unset = new Set<string>();
  const valueOfVariable = (name: string): string | undefined => {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    return value === "" ? undefined : value;
  };
  const rest = written.replace(VARIABLE, "");
  const malformed = rest.match(/\$\{[^}]{0,60}\}?/g) ?? [];
  const bare = rest.match(/\$[A-Za-z_][A-Za-z0-9_]*/g) ?? [];
  const replaced = written.replace(VARIABLE, (whole: string, name: string, fallback: string | undefined) => {
    const value = valueOfVariable(name) ?? fallback;
    if (value === undefined) unset.add(name);
    return value ?? whole;
  });
  return { text: expandHome(replaced, valueOfVariable, unset), unset: [...unset], malformed, bare };
}

function expandHome(path: string, valueOfVariable: (name: string) => string | undefined, unset: Set<string>): string {
  if (path !== "~" && !path.startsWith("~/")) return path;
  const home = valueOfVariable("HOME") ?? valueOfVariable("USERPROFILE");
  if (home === undefined) {
    unset.add("HOME");
    return path;
  }
  return `${home}${path.slice(1)}`;
}

/** Where a path was written: the file, relative to the root or absolute, and the place to mark. */
export interface WrittenPath {
  readonly written: string;
  readonly file: string;
  readonly place: Place;
}

/** What a path means: relative to its own file, then to the root where it lies inside. Absolute root with `/`. */
export function locatePath(path: WrittenPath, root: string, environment: Environment): LocatedPath {
  const { text, unset } = expandPath(path.written, environment);
  const whole = unset.length === 0;
  return {
    written: path.written,
    path: whole ? pathInside(root, joinPath(joinPath(root, folderOf(path.file)), text)) : path.written,
    place: path.place,
    unset,
  };
}
