import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readGitCommit } from "../../../src/host/git/git-commit.ts";
import { folderWith, writeInto } from "./samples.ts";

function git(folder: string, ...args: readonly string[]): string {
  const identity = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"];
  return execFileSync("git", ["-C", folder, ...identity, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}

/** A repository of one commit. */
async function repository(): Promise<string> {
  const folder = await folderWith({ "a.txt": "a", "b.txt": "b" });
  git(folder, "init", "-q");
  git(folder, "add", ".");
  git(folder, "commit", "-q", "-m", "one");
  return folder;
}

describe("readGitCommit", () => {
  it("agrees with Git on a branch, with packed refs, on a detached HEAD, and in a worktree", async () => {
    const folder = await repository();
    const commit = git(folder, "rev-parse", "HEAD");
    expect(await readGitCommit(folder)).toBe(commit);
    git(folder, "pack-refs", "--all");
    expect(await readGitCommit(folder)).toBe(commit);
    git(folder, "checkout", "-q", "-b", "topic/deep");
    git(folder, "commit", "-q", "--allow-empty", "-m", "two");
    const worktree = join(await folderWith(), "worktree");
    git(folder, "worktree", "add", "-q", worktree, "main");
    expect(await readGitCommit(worktree)).toBe(commit);
    expect(await readGitCommit(folder)).toBe(git(folder, "rev-parse", "HEAD"));
    git(folder, "checkout", "-q", "--detach", commit);
    expect(await readGitCommit(folder)).toBe(commit);
  });

  it("follows a submodule's pointer", async () => {
    const folder = await folderWith({ "modules/sub/HEAD": "ref: refs/heads/main\n" });
    await writeInto(folder, "modules/sub/refs/heads/main", `${"a".repeat(40)}\n`);
    await writeInto(folder, "sub/.git", "gitdir: ../modules/sub\n");
    expect(await readGitCommit(join(folder, "sub"))).toBe("a".repeat(40));
  });

  it.each([
    ["there is no repository", {}],
    ["there is no commit yet", { ".git/HEAD": "ref: refs/heads/main\n" }],
    ["HEAD is torn", { ".git/HEAD": "re" }],
    ["HEAD leads out of the repository", { ".git/HEAD": "ref: refs/../../secret\n", secret: "a".repeat(40) }],
    ["HEAD leads to itself", { ".git/HEAD": "ref: refs/heads/a\n", ".git/refs/heads/a": "ref: refs/heads/a\n" }],
  ])("knows no commit where %s", async (_, files: Record<string, string>) => {
    expect(await readGitCommit(await folderWith(files))).toBeUndefined();
  });
});
