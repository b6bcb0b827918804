import type { Place } from "../../diagnostic.ts";
import type { PolicyFacts, RealPath } from "../../facts.ts";
import { joinPath, normalizePath, pathInside } from "../../paths.ts";
import type { LocatedPath } from "../../spec/spec.ts";
import { DEFAULT_STATE_DIR } from "../../spec/state-dir.ts";
import { withWrittenPaths } from "../written-paths.ts";
import type { PolicedPath } from "./policy-paths.ts";

/** What lies outside of a policy's roots, by where it really lies. */

export interface Strayed {
  /** `dataset.sources.0.videos: data/fox, which leads to /srv/other`; a path as it is written where it came of a variable. */
  readonly text: string;
  readonly place: Place | undefined;
}

export interface RootsJudged {
  readonly outside: readonly Strayed[];
  /** What nobody could look at. */
  readonly unseen: readonly Strayed[];
}

export interface RootsInput {
  readonly paths: readonly PolicedPath[];
  readonly roots: readonly LocatedPath[];
  readonly realPaths: PolicyFacts["realPaths"];
  /** How paths that came of variables are written. */
  readonly expanded: ReadonlyMap<string, string>;
}

/** The project's root, as it is asked for among the real paths. */
export const PROJECT_ROOT = ".";

export function judgeRoots({ paths, roots, realPaths, expanded }: RootsInput): RootsJudged {
  const realOf = (path: string): RealPath => (Object.hasOwn(realPaths, path) ? (realPaths[path] ?? {}) : {});
  const project = realOf(PROJECT_ROOT).real;
  const allowed = roots.flatMap(({ path, unset }) => {
    if (project === undefined) return [];
    // `${DATA}/..` must not become the project's folder where DATA is not set.
    if (unset.length > 0 && path.split("/").includes("..")) return [];
    const placed = joinPath(project, path);
    // A root in the project is the folder of that name, and no link that a pull request has put in its place. Links above
    // what lies elsewhere are the machine's.
    return placed === normalizePath(path) ? (realOf(path).real ?? []) : placed;
  });
  const allowedToOwn = project === undefined ? allowed : [...allowed, joinPath(project, DEFAULT_STATE_DIR)];
  const outside: Strayed[] = [];
  const unseen: Strayed[] = [];
  const strayed: PolicedPath[] = [];
  for (const policed of paths) {
    // Of a folder that lies outside nothing more is to be said.
    if (strayed.some(({ key, path }) => key === policed.key && isInside(policed.path, path))) continue;
    const found = realOf(policed.path);
    const own = { path: policed.path, ...(found.real === undefined ? {} : { real: found.real }) };
    for (const { path, real } of [own, ...(found.links ?? [])]) {
      const say = (leads: string): Strayed => ({
        text: `${policed.key}: ${withWrittenPaths(path, expanded)}${leads}`,
        place: policed.place,
      });
      if (real === undefined) unseen.push(say(""));
      else if (!(policed.isOwn === true ? allowedToOwn : allowed).some((root) => isInside(real, root))) {
        outside.push(say(leadsText({ path, real, project, expanded })));
        if (path !== policed.path) continue;
        // What lies beside it are items of a dataset, thousands perhaps: none of them holds another.
        if (policed.links !== "own") strayed.push(policed);
        break;
      }
    }
  }
  return { outside, unseen };
}

/** Whether a path is a folder or lies in it; one that merely begins with the same letters does not. */
function isInside(path: string, folder: string): boolean {
  const [inner, outer] = [normalizePath(path), normalizePath(folder)];
  return inner === outer || pathInside(outer, inner) !== inner;
}

/** Where a link leads. What a variable stands for is its machine's affair, and so is where that leads. */
function leadsText({
  path,
  real,
  project,
  expanded,
}: {
  readonly path: string;
  readonly real: string;
  readonly project: string | undefined;
  readonly expanded: ReadonlyMap<string, string>;
}): string {
  if (project === undefined || joinPath(project, path) === real) return "";
  if (withWrittenPaths(path, expanded) !== path) return ", which leads elsewhere through a link";
  return `, which leads to ${withWrittenPaths(pathInside(project, real), expanded)}`;
}
