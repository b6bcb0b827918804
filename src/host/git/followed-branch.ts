import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { WATCH_CODES } from "../watch-codes.ts";
import { BRING_NOTHING_ELSE, type Git, isDone, runGit, whyNot } from "./git.ts";
import { changedPaths } from "./git-changes.ts";
import { findRepository } from "./repository.ts";
import { pathsInTheWay, undoCheckOut } from "./undo-checkout.ts";

/** A branch of a remote that this checkout follows: its tip is fetched, and checked out where nothing is lost by that. */

export interface FollowedBranch {
  /** The top of the checkout, absolute. */
  readonly top: string;
  /** What Git keeps of this checkout, absolute. No commit reaches into it. */
  readonly gitDir: string;
  readonly git: Git;
  readonly remote: string;
  readonly branch: string;
}

export interface FollowOptions {
  /** In the checkout, absolute. */
  readonly folder: string;
  readonly environment: Git["environment"];
  /** `origin/main` */
  readonly named: string;
}

export async function openFollowed({
  folder,
  environment,
  named,
}: FollowOptions): Promise<FollowedBranch | Diagnostic> {
  const kind = WATCH_CODES.noBranch;
  const refuse = (why: string) => diagnose(kind, `${why}. ${kind.mend}`);
  const top = findRepository(folder);
  if (top === undefined) return refuse(`${folder} lies in no Git repository`);
  const bare: Git = { folder: top, environment };
  const [dir, listed, ssh] = await Promise.all([
    runGit(bare, ["rev-parse", "--absolute-git-dir"]),
    runGit(bare, ["remote"]),
    runGit(bare, ["config", "--get", "core.sshCommand"]),
  ]);
  if (!isDone(dir) || !isDone(listed))
    return refuse(`The repository can't be used: ${whyNot(isDone(dir) ? listed : dir)}`);
  const remotes = listed.stdout.split("\n").filter((name) => name !== "");
  const [remote] = remotes.filter((name) => named.startsWith(`${name}/`)).sort((a, b) => b.length - a.length);
  if (remote === undefined) {
    const has = remotes.length === 0 ? "none" : remotes.join(", ");
    return refuse(`\`${named}\` names no branch of a remote of this repository, which has ${has}`);
  }
  const branch = named.slice(remote.length + 1);
  const isName = await runGit(bare, ["check-ref-format", `refs/heads/${branch}`]);
  if (!isDone(isName)) return refuse(`\`${branch}\` is no name of a branch`);
  const sshCommand = isDone(ssh) ? ssh.stdout.trim() : undefined;
  return { top, gitDir: dir.stdout.replace(/\n$/, ""), git: { ...bare, sshCommand }, remote, branch };
}

/**
 * Where the tip is kept that was fetched last, in reach of no other command. All are in one folder: where `fox` was there would be no
 * room for `fox/two`.
 */
function refOf({ remote, branch }: FollowedBranch): string {
  return `refs/wan22/watch/${`${remote}/${branch}`.replaceAll("%", "%25").replaceAll("/", "%2F")}`;
}

const FETCH_MS = 120_000;

/** The tip that counts, and what kept the remote from being asked for it: then it is the one that was fetched last, if any was. */
export interface FetchedTip {
  readonly tip: string | undefined;
  readonly problem?: Diagnostic;
}

export async function fetchTip(followed: FollowedBranch, cancel: AbortSignal): Promise<FetchedTip> {
  const { git, remote, branch } = followed;
  const ref = refOf(followed);
  const fetched = await runGit(git, ["fetch", ...BRING_NOTHING_ELSE, remote, `+refs/heads/${branch}:${ref}`], {
    timeoutMs: FETCH_MS,
    cancel,
  });
  const complaint = fetched.kind === "answered" ? fetched.complaint : "";
  const tip = await commitOf(git, ref);
  if (isDone(fetched)) return { tip };
  if (!/couldn't find remote ref/.test(complaint)) return { tip, problem: unreachable(followed, tip, whyNot(fetched)) };
  const kind = WATCH_CODES.branchGone;
  return { tip, problem: diagnose(kind, `${remote} has no branch ${branch} any more. ${kind.why} ${kind.mend}`) };
}

function unreachable({ remote, branch }: FollowedBranch, tip: string | undefined, why: string): Diagnostic {
  const kind = WATCH_CODES.unreachable;
  const counts = tip === undefined ? "Nothing was ever fetched of it here, so nothing begins." : kind.why;
  return diagnose(kind, `${remote} could not be asked for ${branch}: ${why}. ${counts} ${kind.mend}`);
}

async function commitOf(git: Git, ref: string): Promise<string | undefined> {
  const found = await runGit(git, ["rev-parse", "--quiet", "--verify", `${ref}^{commit}`]);
  return isDone(found) ? found.stdout.trim() : undefined;
}

export function headOf({ git }: FollowedBranch): Promise<string | undefined> {
  return commitOf(git, "HEAD");
}

/** How a commit comes after another one. */
export interface Move {
  readonly how: "first" | "forward" | "rewritten";
  /** Commits of the new one that the other has not. */
  readonly commits: number;
  /** The first line of the new one's message. */
  readonly subject: string;
}

export async function describeMove({ git }: FollowedBranch, from: string | undefined, to: string): Promise<Move> {
  const range = from === undefined ? [to] : [to, `^${from}`];
  const [counted, shown, ancestor] = await Promise.all([
    runGit(git, ["rev-list", "--count", ...range]),
    runGit(git, ["show", "-s", "--format=%s", to]),
    from === undefined ? undefined : runGit(git, ["merge-base", "--is-ancestor", from, to]),
  ]);
  return {
    how: ancestor === undefined ? "first" : isDone(ancestor) ? "forward" : "rewritten",
    commits: isDone(counted) ? Number(counted.stdout) : 0,
    subject: isDone(shown) ? (shown.stdout.split("\n")[0] ?? "") : "",
  };
}

/** What a plan is read from, also where Git does not know it: no commit has it, and it would be carried out with one. */
const IS_SOURCE = /\.ya?ml$|\.lock\.json$/;
/** Names that are said; the rest is counted. */
const MAX_NAMED = 5;

/** Why the tree is not what its commit says; undefined where it is. */
export async function whyUnclean({ top, gitDir }: FollowedBranch, head: string): Promise<Diagnostic | undefined> {
  const kind = WATCH_CODES.treeChanged;
  const unfinished = ["MERGE_HEAD", "rebase-merge", "rebase-apply", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG"];
  const found = unfinished.find((name) => existsSync(join(gitDir, name)));
  if (found !== undefined) return diagnose(kind, `Something is unfinished in this checkout (${found}). ${kind.mend}`);
  const changed = await changedPaths(top, head);
  if ("kind" in changed)
    return diagnose(kind, `Git can't tell what differs from ${head.slice(0, 7)}: ${whyNot(changed)}.`);
  const named = changed.flatMap(({ path, kind }) => (kind === "tracked" || IS_SOURCE.test(path) ? [path] : []));
  if (named.length === 0) return undefined;
  const more = named.length > MAX_NAMED ? ` and ${named.length - MAX_NAMED} more` : "";
  return diagnose(
    kind,
    `${named.slice(0, MAX_NAMED).join(", ")}${more}: not as ${head.slice(0, 7)} has it. ${kind.mend}`,
  );
}

export interface CheckOut {
  readonly tip: string;
  readonly head: string | undefined;
  /** Commits that were checked out here last: they are the remote's, also where it has rewritten its branch. */
  readonly followed: readonly string[];
  /** Folders of records, absolute: no commit puts anything there. */
  readonly stateDirs: readonly string[];
}

/** Checks a commit out, on no branch: none of anybody's is moved by that. Or says why it would be wrong to. */
export async function checkOut(
  { top, git }: FollowedBranch,
  { tip, head, followed, stateDirs }: CheckOut,
): Promise<Diagnostic | undefined> {
  const kind = WATCH_CODES.notCheckedOut;
  const refuse = (why: string) => diagnose(kind, `${tip.slice(0, 7)} was not checked out: ${why}. ${kind.mend}`);
  if (head !== undefined && !followed.includes(head) && (await isLoose(git, head))) {
    return refuse(`HEAD is at ${head.slice(0, 7)}, which no branch and no tag has, and which would be lost`);
  }
  const records = stateDirs.map((dir) => relative(top, dir)).filter((dir) => !dir.startsWith(".."));
  const planted = await runGit(git, ["ls-tree", "-r", "--name-only", "--full-tree", tip, "--", ...records]);
  if (!isDone(planted)) return refuse(whyNot(planted));
  const [name] = planted.stdout.split("\n");
  if (records.length > 0 && name !== undefined && name !== "") {
    return refuse(`it holds ${name}, and what lies there is recorded by wan22 alone`);
  }
  const except = head === undefined ? [] : await pathsInTheWay({ top, git }, head, tip);
  const done = await runGit(git, ["checkout", "--quiet", "--detach", "--no-overwrite-ignore", tip], {
    timeoutMs: CHECKOUT_MS,
  });
  if (isDone(done)) return undefined;
  if (head !== undefined) await undoCheckOut({ top, git, head, tip, except });
  return refuse(whyNot(done));
}

/** Whether no branch, tag or remote's branch comes from a commit: HEAD alone has it. */
async function isLoose(git: Git, commit: string): Promise<boolean> {
  const held = await runGit(git, ["for-each-ref", "--count=1", `--contains=${commit}`]);
  return !isDone(held) || held.stdout.trim() === "";
}

/** With LFS the clips themselves are fetched. */
const CHECKOUT_MS = 3_600_000;

export interface CommittedFile {
  readonly kind: "file" | "link";
  readonly object: string;
}

/** What of these a commit has, from the top: files that are what they seem, and links. */
export async function filesOf(
  { git }: FollowedBranch,
  commit: string,
  paths: readonly string[],
): Promise<ReadonlyMap<string, CommittedFile>> {
  const listed = await runGit(git, ["ls-tree", "-r", "-z", "--full-tree", commit, "--", ...paths]);
  const lines = isDone(listed) ? listed.stdout.split("\0") : [];
  return new Map(
    lines.flatMap((line): [string, CommittedFile][] => {
      const [entry = "", name] = line.split("\t");
      if (name === undefined) return [];
      return [[name, { kind: entry.startsWith("100") ? "file" : "link", object: entry.split(" ")[2] ?? "" }]];
    }),
  );
}

/**
 * Files that are here and not as a commit has them, also where Git was told to overlook that, or to ignore them; those that can't be
 * compared too. From the top; what does not lie there is no affair of a commit's.
 */
export async function differingFiles(
  followed: FollowedBranch,
  commit: string,
  paths: readonly string[],
): Promise<readonly string[]> {
  const { top, git } = followed;
  const here = [...new Set(paths)].filter((path) => !path.startsWith("../") && existsSync(join(top, path)));
  if (here.length === 0) return [];
  const held = await filesOf(followed, commit, here);
  // As they would be committed, with whatever line ends they have here.
  const hashed = await runGit(git, ["hash-object", "--", ...here]);
  const objects = isDone(hashed) ? hashed.stdout.split("\n") : [];
  return here.filter((path, index) => {
    const file = held.get(path);
    return file?.kind !== "file" || file.object !== objects[index];
  });
}
