import { dirname, join, resolve } from "node:path";
import { readAddress } from "../core/spec/cell.ts";
import { shapingPaths } from "../core/spec/shaping-paths.ts";
import type { Spec } from "../core/spec/spec.ts";
import type { ChangedPath, Changes } from "../host/git/git-changes.ts";
import { parseJsonl } from "../host/media/jsonl.ts";
import { PROJECT_FILE } from "../host/project.ts";
import { readOpenFile } from "../host/read-file.ts";
import { observeRealPaths } from "../host/real-paths.ts";
import type { ReadPipeline } from "./read.ts";
import { nameInRepository } from "./review.ts";

/** Which pipelines a change touches: those of which a file that shapes them differs. */

/**
 * The paths that changed of all that a pipeline is made from: its file, all that it extends, wan22.yaml, presets and templates,
 * the lock, clips, captions and rows, prompts, and whatever else it names in the repository. Empty for one that is not touched.
 */
export async function touchingPaths(
  pipeline: Pick<ReadPipeline, "root" | "file" | "files" | "spec">,
  { top, paths }: Pick<Changes, "top" | "paths">,
): Promise<readonly ChangedPath[]> {
  if (paths.length === 0) return [];
  const shaping = (await placesOf(pipeline, top)).flatMap((path) => nameInRepository(path, top) ?? []);
  const exact = new Set(shaping);
  if (exact.has(".")) return paths;
  // What lies in a folder that is named changes it, and so does a link on the way to what is named.
  return paths.filter(
    ({ path }) =>
      foldersOf(path).some((folder) => exact.has(folder)) || shaping.some((one) => one.startsWith(`${path}/`)),
  );
}

/** A path and every folder that it lies in. */
function foldersOf(path: string): readonly string[] {
  const parts = path.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** All that a pipeline is made from: absolute, each as it is named and as it really lies. `top`: what projects are looked for in. */
export async function placesOf(
  { root, file, files, spec }: Pick<ReadPipeline, "root" | "file" | "files" | "spec">,
  top: string,
): Promise<readonly string[]> {
  const own = resolve(root, readAddress(file).file);
  const named = [...files, ...(spec === undefined ? [] : [...shapingPaths(spec), ...(await rowPaths(spec, root))])];
  const paths = [...new Set([own, ...projectFilesOf(own, top), ...named.map((path) => resolve(root, path))])];
  const real = await observeRealPaths(
    // A checkout of the trainer may hold a whole environment; clips and templates lie in their folder itself.
    paths.map((path) => ({ path, links: nameInRepository(path, top) === undefined ? "none" : "own" })),
    { root },
  );
  return [
    ...paths,
    ...Object.values(real).flatMap(({ real: place, links = [] }) => [place, ...links.map((link) => link.real)]),
  ].filter((path) => path !== undefined);
}

/** wan22.yaml in the file's folder and in each above it: one that comes or goes there changes which project this is. */
function projectFilesOf(file: string, top: string): readonly string[] {
  const found: string[] = [];
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    found.push(join(folder, PROJECT_FILE));
    if (folder === top || dirname(folder) === folder) return found;
  }
}

/** Rows of JSONL files name clips by paths that are relative to the root. What can't be read names none. */
async function rowPaths(spec: Spec, root: string): Promise<readonly string[]> {
  const read = spec.dataset.sources.map(async ({ kind, input }) => {
    if (kind !== "video_jsonl" && kind !== "image_jsonl") return [];
    const reading = await readOpenFile(resolve(root, input.path), (handle) => handle.readFile());
    const rows = reading.kind === "read" ? (parseJsonl(reading.value, kind) ?? []) : [];
    return rows.flatMap((row) => (row.kind === "row" ? [row.path] : []));
  });
  return (await Promise.all(read)).flat();
}
