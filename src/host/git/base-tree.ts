import { copyFile, lstat, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, parse, relative } from "node:path";
import type { Diagnostic } from "../../core/diagnostic.ts";
import { folderOf } from "../../core/paths.ts";
import { isDone } from "./git.ts";
import { type ChangedPath, type Changes, gitFailed } from "./git-changes.ts";
import { askGit } from "./repository.ts";

/**
 * The repository as it is without a change, in a temporary folder, for it to be planned there like any other. What did not
 * change, and what Git does not know, is the working tree's own through links: clips are not copied, and the record of what is
 * trained is the same. Nothing in the repository is touched.
 */
export interface BaseTree {
  /** Above everything in it, absolute: a path without it is the path of the same thing in the working tree. */
  readonly prefix: string;
  readonly remove: () => Promise<void>;
}

/** A clip in Git that is larger is not brought back: what names it says that it is missing. */
const MAX_BLOB_BYTES = 64 * 1024 * 1024;

/** Where the same path lies in the tree. */
export function inBase({ prefix }: Pick<BaseTree, "prefix">, path: string): string {
  return join(prefix, relative(parse(path).root, path));
}

/** Throws system errors. */
export async function layBaseTree(changes: Changes): Promise<BaseTree | Diagnostic> {
  const { top, commit } = changes;
  const listed = await askGit(top, ["ls-tree", "-r", "-z", "--full-tree", "--name-only", commit]);
  if (!isDone(listed)) return gitFailed(listed);
  const yaml = listed.stdout
    .toString("utf8")
    .split("\0")
    .filter((name) => /\.ya?ml$/.test(name));
  const blobs = await readBlobs(changes);
  if ("severity" in blobs) return blobs;
  // Some systems name their folder for temporary files by a link.
  const prefix = await realpath(await mkdtemp(join(tmpdir(), "wan22-base-")));
  const remove = () => rm(prefix, { recursive: true, force: true });
  try {
    await lay({ changes, yaml, prefix, blobs });
  } catch (error) {
    await remove();
    throw error;
  }
  return { prefix, remove };
}

interface Laying {
  readonly changes: Changes;
  /** From the repository's top. */
  readonly yaml: readonly string[];
  readonly prefix: string;
  readonly blobs: ReadonlyMap<string, Buffer>;
}

async function lay(laying: Laying): Promise<void> {
  const { changes, yaml, prefix, blobs } = laying;
  const { top, paths } = changes;
  await linkNeighbours(top, prefix);
  const changed = new Map(paths.map((path) => [path.path, path]));
  const isFile = (name: string) => changed.get(name)?.before !== undefined;
  const folders = new Set([...changed.keys(), ...yaml].flatMap(foldersAbove));
  // YAML files are copies: what a pipeline extends has to lie in its project, wherever links lead.
  const copied = new Set(yaml.filter((name) => !changed.has(name)));
  for (const folder of [...folders].sort((a, b) => a.length - b.length)) {
    if ([folder, ...foldersAbove(folder)].some(isFile)) continue;
    const place = inBase({ prefix }, join(top, folder));
    await mkdir(place, { recursive: true });
    for (const name of await namesIn(join(top, folder))) {
      const path = folder === "." ? name : `${folder}/${name}`;
      if (changed.has(path) || folders.has(path)) continue;
      const [from, to] = [join(top, path), join(place, name)];
      if (copied.has(path)) await copyFile(from, to);
      else await symlink(from, to);
    }
  }
  for (const path of changed.values()) await layChanged(path, { top, prefix, blobs });
}

async function layChanged(
  { path, before }: ChangedPath,
  { top, prefix, blobs }: Pick<Laying, "prefix" | "blobs"> & { readonly top: string },
): Promise<void> {
  if (before === undefined) return;
  const place = inBase({ prefix }, join(top, path));
  const blob = blobs.get(before.object);
  await mkdir(dirname(place), { recursive: true });
  // Of another repository inside this one only what is checked out is at hand.
  if (before.mode === SUBMODULE) await symlink(join(top, path), place);
  else if (before.mode === LINK && blob !== undefined) await symlink(blob.toString("utf8"), place);
  else if (blob !== undefined) await writeFile(place, blob);
}

const SUBMODULE = "160000";
const LINK = "120000";

/** `.` and every folder below it that a path lies in. */
function foldersAbove(path: string): readonly string[] {
  const above = folderOf(path);
  return above === "." ? ["."] : [...foldersAbove(above), above];
}

/** Nothing of what is no folder itself: a link in its place leads elsewhere. */
async function namesIn(folder: string): Promise<readonly string[]> {
  const stats = await lstat(folder).catch(() => undefined);
  return stats?.isDirectory() === true ? readdir(folder) : [];
}

/** A relative path may lead out of the repository (`../musubi-tuner`): what lies around it is there too. */
export async function linkNeighbours(top: string, prefix: string): Promise<void> {
  for (let inner = top; dirname(inner) !== inner; inner = dirname(inner)) {
    const folder = dirname(inner);
    const place = inBase({ prefix }, folder);
    await mkdir(place, { recursive: true });
    // Whoever may not list a folder may still go through it; then only what is named by an absolute path is found.
    const names = await readdir(folder).catch(() => []);
    const others = names.filter((name) => join(folder, name) !== inner);
    await Promise.all(others.map((name) => symlink(join(folder, name), join(place, name))));
  }
}

/** What the commit has at the paths that changed, by object. */
async function readBlobs({ top, paths }: Changes): Promise<ReadonlyMap<string, Buffer> | Diagnostic> {
  const objects = paths.flatMap(({ before }) =>
    before === undefined || before.mode === SUBMODULE ? [] : before.object,
  );
  const wanted = [...new Set(objects)];
  if (wanted.length === 0) return new Map();
  const sizes = await askGit(top, ["cat-file", "--batch-check"], linesOf(wanted));
  if (!isDone(sizes)) return gitFailed(sizes);
  const small = sizes.stdout
    .toString("utf8")
    .split("\n")
    .flatMap((line) => {
      const [object = "", type, bytes] = line.split(" ");
      return type === "blob" && Number(bytes) <= MAX_BLOB_BYTES ? [object] : [];
    });
  if (small.length === 0) return new Map();
  const read = await askGit(top, ["cat-file", "--batch"], linesOf(small));
  return isDone(read) ? splitBatch(read.stdout) : gitFailed(read);
}

function linesOf(names: readonly string[]): string {
  return names.map((name) => `${name}\n`).join("");
}

/** Records of `OBJECT blob BYTES` and a line break, the bytes, and a line break. */
function splitBatch(output: Buffer): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf("\n", at);
    const [object = "", , bytes] = output.toString("utf8", at, end).split(" ");
    const from = end + 1;
    found.set(object, output.subarray(from, from + Number(bytes)));
    at = from + Number(bytes) + 1;
  }
  return found;
}
