import { lstatSync } from "node:fs";
import { readFile, readlink, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Git, isDone, runGit, runGitForBytes } from "./git.ts";
import { changedPaths } from "./git-changes.ts";

/**
 * A checkout that came to no end, on a full disk or with the machine, leaves some files of the commit that it was going to, and HEAD
 * where it was. Git calls that somebody's changes, and so would every later look.
 */

export interface HalfCheckOut {
  /** The top of the checkout, absolute. */
  readonly top: string;
  readonly git: Git;
  /** Where HEAD is still. */
  readonly head: string;
  readonly tip: string;
  /** Paths from the top that were there before the commit came: somebody's. */
  readonly except: readonly string[];
}

/** Puts everything back as HEAD has it, where all that differs is of the other commit: whole, cut short, or gone. Else nothing. */
export async function undoCheckOut({ top, git, head, tip, except }: HalfCheckOut): Promise<void> {
  const moves = await movesBetween(git, head, tip);
  const changed = await changedPaths(top, head);
  if (moves === undefined || "kind" in changed) return;
  const differing = changed.flatMap(({ path, kind, before }) =>
    kind === "tracked" && before !== undefined ? [path] : [],
  );
  for (const path of differing) {
    const move = moves.get(path);
    if (move === undefined || (isHere(join(top, path)) && !(await isOf(git, top, path, move.after)))) return;
  }
  for (const [path, { before, after }] of moves) {
    if (!NONE.test(before) || except.includes(path) || !isHere(join(top, path))) continue;
    if (await isOf(git, top, path, after)) await rm(join(top, path), { force: true });
  }
  // Git's own notes of what lies here first: a file that they call written would not be written any more.
  const ours = [...moves.keys()].filter((path) => !except.includes(path));
  await onPaths(git, ["reset", "--quiet", head], ours);
  await onPaths(git, ["checkout", "--quiet", head], differing);
}

async function onPaths(git: Git, words: readonly string[], paths: readonly string[]): Promise<void> {
  if (paths.length === 0) return;
  const input = paths.map((path) => `:(top,literal)${path}\0`).join("");
  await runGit(git, [...words, "--pathspec-from-file=-", "--pathspec-file-nul"], { input });
}

/** Paths from the top that a commit adds and that something has already. */
export async function pathsInTheWay(
  { top, git }: Pick<HalfCheckOut, "top" | "git">,
  head: string,
  tip: string,
): Promise<readonly string[]> {
  const moves = (await movesBetween(git, head, tip)) ?? new Map<string, Move>();
  return [...moves].flatMap(([path, { before }]) => (NONE.test(before) && isHere(join(top, path)) ? [path] : []));
}

interface Move {
  /** Objects. */
  readonly before: string;
  readonly after: string;
}

/** The object of what a commit has not. */
const NONE = /^0+$/;

async function movesBetween(git: Git, head: string, tip: string): Promise<ReadonlyMap<string, Move> | undefined> {
  const listed = await runGit(git, ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", head, tip]);
  if (!isDone(listed)) return undefined;
  const parts = listed.stdout.split("\0");
  const moves = new Map<string, Move>();
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const [, , before = "", after = ""] = (parts[at] ?? "").split(" ");
    moves.set(parts[at + 1] ?? "", { before, after });
  }
  return moves;
}

/** Also of a link that leads nowhere. */
function isHere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** Whether what lies at a path is an object of Git's, or its beginning. */
async function isOf(git: Git, top: string, path: string, object: string): Promise<boolean> {
  const file = join(top, path);
  const stats = lstatSync(file, { throwIfNoEntry: false });
  if (stats === undefined || (!stats.isFile() && !stats.isSymbolicLink())) return false;
  if (stats.isFile()) {
    // By whatever turns it into what Git keeps: line ends, large files elsewhere.
    const hashed = await runGit(git, ["hash-object", "--", path]);
    if (isDone(hashed) && hashed.stdout.trim() === object) return true;
  }
  const blob = await runGitForBytes(git, ["cat-file", "blob", object]);
  if (!isDone(blob) || stats.size > blob.stdout.length) return false;
  const found = stats.isFile() ? await readFile(file) : Buffer.from(await readlink(file));
  return blob.stdout.subarray(0, found.length).equals(found);
}
