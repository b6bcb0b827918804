import { join, relative } from "node:path";
import { findRoot, PIPELINES_FOLDER } from "../host/project.ts";
import { pipelinesIn } from "../prepare/pipelines-folder.ts";
import type { Terminal } from "./terminal.ts";

/** The pipeline files that a command is about: those named, or all in the project's `pipelines/`. */
export async function pipelineFiles(
  files: readonly string[],
  terminal: Terminal,
): Promise<readonly string[] | undefined> {
  if (files.length > 0) return files;
  const found = await yamlFilesOf(terminal.folder);
  if (found.length > 0) return found;
  sayNoPipeline(undefined, terminal);
  return undefined;
}

/** `command`: the one that was typed, where it takes no other. */
export function sayNoPipeline(command: string | undefined, terminal: Pick<Terminal, "folder" | "err">): void {
  const where = join(projectOf(terminal.folder), PIPELINES_FOLDER);
  const how = command === undefined ? "Name one" : `Name one: wan22 ${command} FILE`;
  terminal.err(
    `No pipeline was named, and there is none in ${where}. ${how}, or go to your project's folder; the README says what a project is.`,
  );
}

/** All in the `pipelines/` of the project around a folder, as that folder sees them. */
export async function yamlFilesOf(folder: string): Promise<readonly string[]> {
  return (await pipelinesIn(projectOf(folder))).map((file) => relative(folder, file));
}

/** The root of the project around a folder, absolute. */
export function projectOf(folder: string): string {
  return findRoot(join(folder, "pipeline.yaml"));
}
