import { expect } from "vitest";
import { FILE } from "./long-quickstart.ts";
import type { Project } from "./project.ts";

/** The quickstart with a plan of it that was saved. */

export const PLAN = "quickstart.plan";

/** Saves a plan of the quickstart; the words are options of `plan`. */
export async function savePlan(project: Project, ...words: readonly string[]): Promise<void> {
  const { exitCode, stderr, stdout } = await project.run(["plan", FILE, "--out", PLAN, ...words]);
  expect(exitCode, stderr + stdout).toBe(0);
}

export const applySaved = (project: Project, ...words: readonly string[]) =>
  project.run(["apply", PLAN, "--auto-approve", ...words]);

export const editQuickstart = async (project: Project, from: string | RegExp, to: string) =>
  project.write(FILE, (await project.read(FILE)).replace(from, to));
