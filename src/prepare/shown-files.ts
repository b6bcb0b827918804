import { existsSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import type { Diagnostic } from "../core/diagnostic.ts";
import type { PipelinePlan } from "../core/plan/plan.ts";
import { readAddress } from "../core/spec/cell.ts";

/** How files are called where pipelines of several projects are looked at together: a project's own names may be another's too. */

/** From the name in its project to the name shown. */
export type ShowFile = (file: string) => string;

export interface ShownFrom {
  /** The folder that the user stands in, absolute. */
  readonly folder: string;
  /** The roots of all pipelines given; empty for a file that could not be read. */
  readonly roots: readonly string[];
}

/** Names of one project's files: as they are, or from where the user stands if there are several projects. */
export function showFilesOf(root: string, { folder, roots }: ShownFrom): ShowFile {
  if (root === "" || new Set(roots.filter((one) => one !== "")).size < 2) return (file) => file;
  return (file) => {
    const path = resolve(root, file);
    // What came with this installation, or was never found, belongs to no project.
    return isAbsolute(file) || !existsSync(readAddress(path).file) ? file : relative(folder, path);
  };
}

export function showDiagnostic(diagnostic: Diagnostic, show: ShowFile): Diagnostic {
  const related = diagnostic.related.map((place) => ({ ...place, file: show(place.file) }));
  return { ...diagnostic, related, ...(diagnostic.file === undefined ? {} : { file: show(diagnostic.file) }) };
}

export function showPlan(plan: PipelinePlan, show: ShowFile): PipelinePlan {
  const { planned_from: from } = plan;
  return {
    ...plan,
    file: show(plan.file),
    ...(from === undefined ? {} : { planned_from: { ...from, lock: show(from.lock) } }),
  };
}

export function showTexts(texts: ReadonlyMap<string, string>, show: ShowFile): ReadonlyMap<string, string> {
  return new Map([...texts].map(([file, text]) => [show(file), text]));
}
