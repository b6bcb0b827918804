import { rm, symlink } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { chooseTouched } from "../../../src/prepare/choose-touched.ts";
import { pipelinesIn } from "../../../src/prepare/pipelines-folder.ts";
import { type GitProject, makeGitProject } from "../../rig/git-project.ts";

/** Which pipelines a change touches, through a real Git history. */

const pipeline = (name: string, more = "") => `version: 1
name: ${name}
task: t2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  sources:
    - videos: ../data/${name}
output:
  dir: ../output/${name}
${more}`;

const VIDEOS = "matrix:\n  dataset.sources.0.videos: [../data/fox, ../data/owl]\n";

const BASE = pipeline("base").replace("name: base\n", "");

function makeProject(): Promise<GitProject> {
  return makeGitProject({
    "wan22.yaml": "version: 1\n",
    "pipelines/base.yaml": BASE,
    "pipelines/fox.yaml": pipeline("fox"),
    "pipelines/owl.yaml": "extends: base.yaml\nname: owl\noutput: { dir: ../output/owl }\n",
    "pipelines/sweep.yaml": pipeline("sweep", "matrix:\n  dataset.resolution: [256x144, 320x192]\n"),
    "data/fox/01.txt": "A fox in the snow",
    "data/base/01.txt": "An owl in a tree",
    "prompts/fox.txt": "A fox",
    "README.md": "",
  });
}

async function touched(project: GitProject, ref: string, ...files: readonly string[]): Promise<readonly string[]> {
  const { folder } = project;
  const given = files.length > 0 ? files : await pipelinesIn(folder);
  const chosen = await chooseTouched(given, { ref, folder, environment: process.env });
  if ("severity" in chosen) throw new Error(chosen.message);
  return chosen.files.map((file) => file.replace(`${folder}/`, "").replace(/^pipelines\//, ""));
}

const [FOX, OWL, SWEEP] = ["fox.yaml", "owl.yaml", "sweep.yaml"];

describe("a pipeline is touched by", () => {
  it("its own file, what it extends, its captions, its lock and its project, committed or not", async () => {
    const project = await makeProject();
    expect(await touched(project, "main")).toEqual([]);
    await project.git("switch", "--quiet", "--create", "change");
    await project.write("README.md", "words");
    expect(await touched(project, "main")).toEqual([]);

    const changes: readonly (readonly [file: string, text: string, touches: readonly string[]])[] = [
      ["pipelines/fox.yaml", `${pipeline("fox")}# a word\n`, [FOX]],
      ["pipelines/base.yaml", `${BASE}# a word\n`, [OWL]],
      ["pipelines/sweep.yaml", `${await project.read("pipelines/sweep.yaml")}# a word\n`, [SWEEP]],
      ["data/fox/01.txt", "A fox in the rain", [FOX]],
      ["data/fox/02.txt", "A fox at night", [FOX]],
      ["pipelines/fox.lock.json", "{}", [FOX]],
      ["wan22.yaml", "version: 1\n# a word\n", [FOX, OWL, SWEEP]],
    ];
    for (const [file, text, touches] of changes) {
      await project.write(file, text);
      expect(await touched(project, "main"), `${file}, not committed`).toEqual(touches);
      await project.commit(file);
      expect(await touched(project, "main"), file).toEqual(touches);
      await project.git("reset", "--quiet", "--hard", "main");
    }
    await project.git("rm", "--quiet", "data/base/01.txt");
    expect(await touched(project, "main")).toEqual([OWL]);
    expect(await touched(project, "main", "pipelines/fox.yaml")).toEqual([]);
    // A cell is touched by what it alone names.
    const sweep = (await project.read("pipelines/sweep.yaml")).replace(/matrix:[\s\S]*/, VIDEOS);
    await project.write("pipelines/sweep.yaml", sweep);
    await project.commit("sweep");
    await project.write("data/owl/01.txt", "Another owl");
    expect(await touched(project, "HEAD")).toEqual(["sweep.yaml#sweep-videos-data-owl"]);
  });

  it("what a link in its folder, or on the way to it, leads to", async () => {
    const project = await makeProject();
    await project.write("shared/fox/03.txt", "A fox cub");
    await symlink("../../shared/fox/03.txt", project.path("data/fox/03.txt"));
    await symlink("../shared/fox", project.path("data/sweep"));
    await project.commit("links");
    await project.git("switch", "--quiet", "--create", "change");
    await project.write("shared/fox/03.txt", "Two fox cubs");
    expect(await touched(project, "main")).toEqual([FOX, SWEEP]);
    await project.git("reset", "--quiet", "--hard");
    await rm(project.path("data/sweep"));
    expect(await touched(project, "main")).toEqual([SWEEP]);
  });

  it("its side of the history alone: merges, reverts, force-pushes and a branch beside it count as in a pull request", async () => {
    const project = await makeProject();
    await project.git("switch", "--quiet", "--create", "one");
    await project.write("pipelines/fox.yaml", `${pipeline("fox")}# one\n`);
    await project.commit("one");
    await project.git("switch", "--quiet", "--create", "two", "main");
    await project.write("data/base/01.txt", "An owl in flight");
    await project.commit("two");

    // What has happened on main since counts for nothing.
    await project.git("switch", "--quiet", "main");
    await project.git("merge", "--quiet", "--no-ff", "--no-edit", "one");
    await project.git("switch", "--quiet", "two");
    expect(await touched(project, "main")).toEqual([OWL]);
    await project.git("merge", "--quiet", "--no-edit", "main");
    expect(await touched(project, "main")).toEqual([OWL]);

    // Taken back, nothing is left of a change.
    await project.write("data/base/01.txt", "An owl in a tree");
    await project.commit("take it back");
    expect(await touched(project, "main")).toEqual([]);

    // The branch is written anew from where it began.
    await project.git("reset", "--quiet", "--hard", "main");
    await project.write("pipelines/sweep.yaml", `${await project.read("pipelines/sweep.yaml")}# anew\n`);
    await project.git("commit", "--quiet", "--all", "--message", "anew");
    expect(await touched(project, "main")).toEqual([SWEEP]);
    await project.git("switch", "--quiet", "main");
    await project.git("merge", "--quiet", "--no-edit", "two");
    expect(await touched(project, "HEAD^")).toEqual([SWEEP]);
  });
});
