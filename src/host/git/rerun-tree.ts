import { lstat, mkdir, mkdtemp, readdir, realpath, rm, rmdir, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Diagnostic } from "../../core/diagnostic.ts";
import { inBase, linkNeighbours } from "./base-tree.ts";
import { isDone } from "./git.ts";
import { gitFailed } from "./git-changes.ts";
import { askGit } from "./repository.ts";

/**
 * A commit in a working tree of its own, in a temporary folder. What Git does not keep (clips, models, a trainer) is there
 * through links to the original, at the same places. Nothing of the original tree is touched.
 */
export interface RerunTree {
  /** Above everything in it, absolute: a path without it is the path of the same thing in the original. */
  readonly prefix: string;
  readonly remove: () => Promise<void>;
}

export interface RerunTreeOptions {
  /** The repository's top, absolute. */
  readonly top: string;
  readonly commit: string;
  /** Files and folders of the original, absolute, that are not to be there: what runs write. */
  readonly without: readonly string[];
}

/** Throws system errors. */
export async function layRerunTree({ top, commit, without }: RerunTreeOptions): Promise<RerunTree | Diagnostic> {
  const prefix = await realpath(await mkdtemp(join(tmpdir(), "wan22-rerun-")));
  const place = inBase({ prefix }, top);
  const remove = async () => {
    await askGit(top, ["worktree", "remove", "--force", place]);
    await rm(prefix, { recursive: true, force: true });
    await askGit(top, ["worktree", "prune"]);
  };
  try {
    await linkNeighbours(top, prefix);
    const added = await askGit(top, ["worktree", "add", "--detach", "--force", place, commit]);
    const submodules = isDone(added) ? await listSubmodules(top, commit) : added;
    if ("kind" in submodules) {
      await remove();
      return gitFailed(submodules);
    }
    const others = await askGit(top, ["ls-files", "-z", "--others", "--directory", "--no-empty-directory"]);
    const untracked = isDone(others) ? namesIn(others.stdout) : [];
    for (const name of submodules) await rmdir(join(place, name)).catch(() => undefined);
    for (const name of [...submodules, ...untracked.filter((name) => !isSource(name))]) {
      await linkInto({ from: join(top, name), to: join(place, name) }, without);
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { prefix, remove };
}

/** What a plan is read from comes of the commit alone. */
function isSource(name: string): boolean {
  return /\.ya?ml$|\.lock\.json$/.test(name);
}

interface Link {
  readonly from: string;
  readonly to: string;
}

/** A folder with something in it that is not to be there is made, and what else is in it linked. */
async function linkInto({ from, to }: Link, without: readonly string[]): Promise<void> {
  if (without.includes(from)) return;
  if (without.some((path) => path.startsWith(`${from}/`)) && (await lstat(from)).isDirectory()) {
    for (const name of await readdir(from)) {
      await linkInto({ from: join(from, name), to: join(to, name) }, without);
    }
    return;
  }
  await mkdir(dirname(to), { recursive: true });
  // The commit may have had there what is untracked now.
  if ((await lstat(to).catch(() => undefined)) === undefined) await symlink(from, to);
}

async function listSubmodules(top: string, commit: string) {
  const answer = await askGit(top, ["ls-tree", "-r", "-z", "--full-tree", commit]);
  if (!isDone(answer)) return answer;
  return namesIn(answer.stdout).flatMap((line) => {
    const [entry = "", name = ""] = line.split("\t");
    return entry.startsWith("160000 ") ? [name] : [];
  });
}

/** Without the slash of a folder. */
function namesIn(output: Buffer): readonly string[] {
  return output
    .toString("utf8")
    .split("\0")
    .filter((name) => name !== "")
    .map((name) => name.replace(/\/$/, ""));
}
