import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type GitBytes, runGitForBytes } from "./git.ts";

/** Hundreds of thousands of files may have to be looked at, on a disk that is slow. */
const TIMEOUT_MS = 300_000;

/**
 * Asks Git about a repository, in its top folder, where its `.git` is found before anything that a change may have put there.
 * `input`: what it reads.
 */
export function askGit(top: string, args: readonly string[], input = ""): Promise<GitBytes> {
  return runGitForBytes({ folder: top, environment: process.env }, args, { input, timeoutMs: TIMEOUT_MS });
}

/** The top folder of the repository around a folder; undefined where there is none. */
export function findRepository(folder: string): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (existsSync(join(at, ".git"))) return at;
    if (dirname(at) === at) return undefined;
  }
}
