import { readdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { findRoot, PIPELINES_FOLDER } from "../host/project.ts";
import type { Terminal } from "./terminal.ts";

/** The pipeline files that a command is about: those named, or all in the project's `pipelines/`. */
export async function pipelineFiles(
  files: readonly string[],
  terminal: Terminal,
): Promise<readonly string[] | undefined> {
  if (files.length > 0) return files;
  const folder = join(findRoot(join(terminal.folder, "pipeline.yaml")), PIPELINES_FOLDER);
  const names = await readdir(folder).catch(() => []);
  const found = names.filter((name) => /\.ya?ml$/.test(name)).sort();
  if (found.length > 0) return found.map((name) => relative(terminal.folder, join(folder, name)));
  terminal.err(`No pipeline file was named, and there is none in ${folder}. Name one: wan22 plan pipelines/fox.yaml`);
  return undefined;
}
