import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "./project.ts";

/** The README, so that what it shows is tried. */

const README = readFileSync(join(repository, "README.md"), "utf8");

/** Its blocks of a language, in order; `""` for those without one. */
function blocks(language: string): readonly string[] {
  return [...README.matchAll(/^```(\w*)\n(.*?)\n```$/gms)].flatMap(([, of = "", text = ""]) =>
    of === language ? [`${text}\n`] : [],
  );
}

/** The project that it shows: `wan22.yaml` and `pipelines/fox.yaml`. */
export function readmeProject(): { readonly project: string; readonly pipeline: string } {
  const [project, pipeline] = blocks("yaml");
  if (project === undefined || pipeline === undefined) throw new Error("The README shows no project.");
  return { project, pipeline };
}

/** The plan that it shows, with the command that gives it. */
export function readmePlan(): string {
  const plan = blocks("").find((text) => text.startsWith("$ "));
  if (plan === undefined) throw new Error("The README shows no plan.");
  return plan;
}
