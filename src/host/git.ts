/** What Git says about the project: for the record only, so its absence is no fault. */
export interface GitFacts {
  readonly commit: string;
  /** Changed and untracked files, relative to the repository's root. */
  readonly dirtyFiles: readonly string[];
}

const TIMEOUT_MS = 10_000;

/** Commit and dirty files of the work tree around `folder`. Undefined without Git, without a repository, or without a commit. */
export async function observeGit(folder: string): Promise<GitFacts | undefined> {
  // Loaded only here: a plan doesn't ask Git.
  const { execa } = await import("execa");
  const git = (...args: readonly string[]) =>
    execa("git", ["-C", folder, ...args], {
      reject: false,
      timeout: TIMEOUT_MS,
      stdin: "ignore",
      // A prompt or an optional lock in somebody's repository is not ours to cause.
      env: { GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0", LC_ALL: "C" },
      stripFinalNewline: false,
    });
  const [head, status] = await Promise.all([
    git("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    git("status", "--porcelain=v1", "-z", "--untracked-files=normal"),
  ]);
  if (head.failed || status.failed) return undefined;
  return { commit: head.stdout.trim(), dirtyFiles: parsePorcelain(status.stdout) };
}

/** Reads `git status --porcelain=v1 -z`: `XY path`, and for a rename or copy the old path as a field of its own after it. */
function parsePorcelain(text: string): readonly string[] {
  const fields = text.split("\0");
  const files: string[] = [];
  for (let index = 0; index < fields.length; index += 1) {
    const field = fields[index] ?? "";
    if (field.length < 4) continue;
    files.push(field.slice(3));
    if (/[RC]/.test(field.slice(0, 2))) index += 1;
  }
  return files.sort();
}
