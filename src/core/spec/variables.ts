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

/** Every variable that a text names in this way, wherever in it. */
export function variablesIn(text: string): readonly string[] {
  return [...text.matchAll(VARIABLE)].flatMap(([, name]) => name ?? []);
}

/** Replaces variables. An empty one counts as not set: `${MODELS}/x` must never become `/x`. */
export function expandPath(written: string, environment: Environment): ExpandedPath {
  const unset = new Set<string>();
  const valueOfVariable = (name: string): string | undefined => {
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined;
    return value === "" ? undefined : value;
  };
  const malformed = malformedIn(written);
  const bare = written.replace(VARIABLE, "").match(/\$[A-Za-z_][A-Za-z0-9_]*/g) ?? [];
  const replaced = written.replace(VARIABLE, (whole: string, name: string, fallback: string | undefined) => {
    const value = valueOfVariable(name) ?? fallback;
    if (value === undefined) unset.add(name);
    return value ?? whole;
  });
  return { text: expandHome(replaced, valueOfVariable, unset), unset: [...unset], malformed, bare };
}

/** What begins with `${` and is neither form, up to the brace that closes it: a default with a variable in it too. */
function malformedIn(written: string): readonly string[] {
  const found: string[] = [];
  for (let at = written.indexOf("${"); at >= 0; at = written.indexOf("${", at)) {
    const whole = new RegExp(VARIABLE.source, "y");
    whole.lastIndex = at;
    const length = whole.exec(written)?.[0].length ?? 0;
    if (length > 0) {
      at += length;
      continue;
    }
    const end = closingBrace(written, at + 2);
    found.push(written.slice(at, end));
    at = end;
  }
  return found;
}

/** Offset after the brace that closes one opened before `from`; the text's end where there is none. */
function closingBrace(text: string, from: number): number {
  let open = 1;
  for (let at = from; at < text.length; at += 1) {
    if (text.startsWith("${", at)) open += 1;
    else if (text[at] === "}") open -= 1;
    if (open === 0) return at + 1;
  }
  return text.length;
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

/** A path as written, and where: the place's file is relative to the root or absolute. */
export interface WrittenPath {
  readonly written: string;
  readonly place: Place;
}

/** What a path means: relative to its own file, then to the root where it lies inside. Absolute root with `/`. */
export function locatePath(path: WrittenPath, root: string, environment: Environment): LocatedPath {
  const { text, unset } = expandPath(path.written, environment);
  const whole = unset.length === 0;
  return {
    written: path.written,
    path: whole ? pathInside(root, joinPath(joinPath(root, folderOf(path.place.file)), text)) : path.written,
    place: path.place,
    unset,
  };
}
