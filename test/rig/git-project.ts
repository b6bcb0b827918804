import { rm } from "node:fs/promises";
import { execa } from "execa";
import { makeProject, makeQuickstart, type Project } from "./project.ts";

/** A project with a real Git history. */

export interface GitProject extends Project {
  /** Runs Git in it; throws where that fails. What it prints. */
  readonly git: (...args: readonly string[]) => Promise<string>;
  /** Commits everything that is not ignored. */
  readonly commit: (message: string) => Promise<void>;
}

/** The quickstart, committed on `main`. */
export async function makeGitQuickstart(edit?: (yaml: string) => string): Promise<GitProject> {
  return begin(await makeQuickstart(edit));
}

export async function makeGitProject(files: Readonly<Record<string, string>>): Promise<GitProject> {
  return begin(await makeProject(files));
}

const SETTINGS = ["user.name=Ann", "user.email=ann@example.org", "commit.gpgSign=false"].flatMap((one) => ["-c", one]);

/** Runs Git in a folder as somebody who has a name; throws where that fails. What it prints. */
export async function runGitIn(folder: string, ...args: readonly string[]): Promise<string> {
  return (await execa("git", [...SETTINGS, ...args], { cwd: folder })).stdout;
}

async function begin(project: Project): Promise<GitProject> {
  const git = (...args: readonly string[]) => runGitIn(project.folder, ...args);
  const commit = async (message: string) => {
    await git("add", "--all");
    await git("commit", "--quiet", "--allow-empty", "--message", message);
  };
  await rm(project.path(".git"), { recursive: true });
  await git("init", "--quiet", "--initial-branch", "main");
  await project.write(".gitignore", ".wan22/\noutput/\n");
  await commit("base");
  return { ...project, git, commit };
}
