import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type State, stateSchema } from "../../src/core/state/state.ts";
import { runGitIn } from "./git-project.ts";
import { addQuickstart, openProject, type Project } from "./project.ts";

/** A bare repository and clones of it, each a project whose record is kept on a branch: what a team has. */

export interface Team {
  /** The folder that all of it lies in. */
  readonly folder: string;
  /** In the bare repository. */
  readonly git: (...args: readonly string[]) => Promise<string>;
  /** One more clone, of a name of its own. */
  readonly clone: (name: string) => Promise<Project>;
  /** The record of a pipeline as the branch has it. */
  readonly record: (pipeline?: string) => Promise<State>;
  /** Puts a file on the branch as somebody does who edits it by hand. */
  readonly edit: (pipeline: string, edit: (state: State) => object) => Promise<void>;
}

const PROJECT = "version: 1\nstate: { backend: git }\n";

/** A folder with a bare repository that holds the quickstart; `edit` changes its pipeline. The caller removes it. */
export async function makeTeamFolder(edit: (yaml: string) => string = (yaml) => yaml): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-team-"));
  await runGitIn(folder, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git");
  await runGitIn(folder, "clone", "--quiet", "remote.git", "ann");
  const ann = openProject(join(folder, "ann"));
  await addQuickstart(ann, edit);
  await ann.write("wan22.yaml", PROJECT);
  await ann.write(".gitignore", ".wan22/\noutput/\n");
  await commitAll(ann, "A pipeline");
  await runGitIn(ann.folder, "push", "--quiet", "origin", "HEAD:main");
  // Copies of the folder must find each other, and not the one that they were copied from.
  await runGitIn(ann.folder, "remote", "set-url", "origin", "../remote.git");
  return folder;
}

export async function commitAll(project: Project, message: string): Promise<void> {
  await runGitIn(project.folder, "add", "--all");
  await runGitIn(project.folder, "commit", "--quiet", "-m", message);
}

/** A copy of such a folder, gone when the test is over. */
export async function copyTeam(from: string): Promise<{ readonly team: Team; readonly ann: Project }> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-team-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await cp(from, folder, { recursive: true, preserveTimestamps: true });
  return { team: openTeam(folder), ann: openProject(join(folder, "ann")) };
}

export function openTeam(folder: string): Team {
  const git = (...args: readonly string[]) => runGitIn(join(folder, "remote.git"), ...args);
  const record = async (pipeline = "quickstart") =>
    stateSchema.parse(JSON.parse(await git("show", `wan22-state:state/${pipeline}.json`)));
  return {
    folder,
    git,
    record,
    clone: async (name) => {
      await runGitIn(folder, "clone", "--quiet", "remote.git", name);
      await runGitIn(join(folder, name), "remote", "set-url", "origin", "../remote.git");
      return openProject(join(folder, name));
    },
    edit: async (pipeline, edit) => {
      const copy = await mkdtemp(join(folder, "edit-"));
      await runGitIn(folder, "clone", "--quiet", "-b", "wan22-state", "remote.git", copy);
      await writeFile(join(copy, `state/${pipeline}.json`), JSON.stringify(edit(await record(pipeline)), null, 2));
      await runGitIn(copy, "commit", "--quiet", "--all", "-m", "By hand");
      await runGitIn(copy, "push", "--quiet");
    },
  };
}
