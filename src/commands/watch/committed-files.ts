import { relative, resolve } from "node:path";
import { type Diagnostic, diagnose } from "../../core/diagnostic.ts";
import { readAddress } from "../../core/spec/cell.ts";
import { differingFiles, type FollowedBranch, filesOf } from "../../host/git/followed-branch.ts";
import { PROJECT_FILE } from "../../host/project.ts";
import { WATCH_CODES } from "../../host/watch-codes.ts";
import { readPipelines } from "../../prepare/read.ts";
import { sourceTexts } from "../../prepare/source-texts.ts";
import { projectOf, yamlFilesOf } from "../pipeline-files.ts";
import type { Terminal } from "../terminal.ts";

export interface CommittedFiles {
  readonly chosen: readonly string[];
  readonly problems: readonly Diagnostic[];
}

/**
 * Of the pipelines that are here those that a commit holds itself, with all that they are read from. Where nothing begins anyhow, what
 * they are read from is not compared: that the checkout is not as its commit has it is said by then.
 */
export async function committedFiles(
  files: readonly string[],
  followed: FollowedBranch,
  { commit, blocked }: { readonly commit: string; readonly blocked: boolean },
  { folder, environment }: Terminal,
): Promise<CommittedFiles> {
  const kind = WATCH_CODES.notInCommit;
  const id = commit.slice(0, 7);
  const named = files.length > 0 ? files : await yamlFilesOf(folder);
  const pathOf = (path: string) => relative(followed.top, path).replaceAll("\\", "/");
  const fileOf = (file: string) => pathOf(resolve(folder, readAddress(file).file));
  const project = pathOf(resolve(projectOf(folder), PROJECT_FILE));
  const held = await filesOf(followed, commit, [project, ...named.map(fileOf)]);
  const isLinked = held.get(project)?.kind === "link";
  const strays = [...named.filter((file) => held.get(fileOf(file))?.kind !== "file"), ...(isLinked ? [project] : [])];
  const problems =
    strays.length === 0
      ? []
      : [diagnose(kind, `${strays.join(", ")}: ${id} has no such file of its own. ${kind.why} ${kind.mend}`)];
  const chosen: string[] = [];
  for (const file of isLinked ? [] : named.filter((one) => !strays.includes(one))) {
    const read = blocked ? [] : await readPipelines([file], { folder, environment });
    const texts = await Promise.all(
      read.map(async ({ root, spec }) =>
        spec === undefined ? [] : (await sourceTexts(spec, root)).map((text) => pathOf(resolve(root, text))),
      ),
    );
    const others = await differingFiles(followed, commit, texts.flat());
    if (others.length === 0) chosen.push(file);
    else {
      const what = `${file} is read from ${others.join(", ")}, and ${id} has no such file, or another.`;
      problems.push(diagnose(kind, `${what} ${kind.why} ${kind.mend}`));
    }
  }
  return { chosen, problems };
}
