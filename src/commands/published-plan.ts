import type { Prepared } from "../prepare/prepare.ts";
import { projectOf } from "../prepare/read-saved-plans.ts";
import { folderInRepository, withoutPlaces } from "../prepare/review.ts";
import { viewPlanMarkdown } from "../views/markdown/plan.ts";

/** A plan for whoever can see a pull request. */

/** As Markdown, with the mark of the project that the user stands in: the same whatever a change touches. */
export function viewComment(prepared: Prepared, folder: string): string {
  const project = folderInRepository(projectOf(folder));
  return viewPlanMarkdown(withoutPlaces(prepared), { sources: prepared.texts, project });
}

/** Where the files that diagnostics name are seen from: the project, or the user's folder where there are several. */
export function annotatedFolder({ known }: Pick<Prepared, "known">, folder: string): string {
  const roots = new Set(known.map(({ root }) => root));
  const [root] = roots;
  if (roots.size > 1) return folderInRepository(folder);
  return folderInRepository(root ?? projectOf(folder));
}
