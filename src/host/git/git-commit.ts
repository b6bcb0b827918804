import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";

/** Reads which commit a checkout stands at from its `.git`, without starting Git. */

const COMMIT = /^[0-9a-f]{40}(?:[0-9a-f]{24})?$/;
/** Symbolic refs may point at each other; Git itself gives up at this depth. */
const MAX_SYMBOLIC_REFS = 5;

/**
 * The commit of the checkout whose top folder is `folder`: HEAD itself, a loose or a packed ref, also of a worktree or
 * submodule. Undefined where there is no repository, no commit, or a storage this doesn't know (reftable).
 */
export async function readGitCommit(folder: string): Promise<string | undefined> {
  const gitDir = await findGitDir(folder);
  if (gitDir === undefined) return undefined;
  // A worktree keeps HEAD for itself and shares its refs with the main repository.
  const common = await readText(join(gitDir, "commondir"));
  const commonDir = common === undefined ? gitDir : resolve(gitDir, common);
  let name = "HEAD";
  for (let depth = 0; depth <= MAX_SYMBOLIC_REFS; depth += 1) {
    const text = (await readText(join(gitDir, name))) ?? (await readText(join(commonDir, name)));
    if (text === undefined) return readPackedRef(commonDir, name);
    if (COMMIT.test(text)) return text;
    const target = /^ref:\s*(\S+)$/.exec(text)?.[1];
    if (target === undefined || !isRefName(target)) return undefined;
    name = target;
  }
  return undefined;
}

/** What Git keeps of the checkout whose top folder is `folder`, also of a worktree or submodule; undefined where there is none. */
export async function findGitDir(folder: string): Promise<string | undefined> {
  const dotGit = join(folder, ".git");
  try {
    if ((await stat(dotGit)).isDirectory()) return dotGit;
  } catch {
    return undefined;
  }
  const pointed = /^gitdir:\s*(.+)$/.exec((await readText(dotGit)) ?? "")?.[1];
  return pointed === undefined ? undefined : resolve(folder, pointed);
}

/** A name from a file becomes part of a path only if it stays below `refs/`. */
function isRefName(name: string): boolean {
  return name.startsWith("refs/") && !name.split("/").includes("..");
}

async function readPackedRef(commonDir: string, name: string): Promise<string | undefined> {
  const packed = await readText(join(commonDir, "packed-refs"));
  for (const line of packed?.split("\n") ?? []) {
    const [commit, ref] = line.trim().split(" ");
    if (ref === name && commit !== undefined && COMMIT.test(commit)) return commit;
  }
  return undefined;
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch {
    return undefined;
  }
}
