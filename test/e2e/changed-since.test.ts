import { cp, rm } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { pipelineListSchema } from "../../src/core/pipeline-list.ts";
import { type Plan, planSchema } from "../../src/core/plan/plan.ts";
import { type GitProject, makeGitQuickstart } from "../rig/git-project.ts";

/** `--changed-since`: what a change comes to, against the side that it is to be merged into and against the record. */

const QUICKSTART = "pipelines/quickstart.yaml";

it("a commit that isn't there, histories that share none, and a folder without Git are told how to mend it", async () => {
  const project = await makeGitQuickstart();
  const { exitCode, stderr: unknown } = await project.run(["plan", "--changed-since", "origin/main"]);
  expect(exitCode).toBe(1);
  expect(unknown).toContain("error[V2]");
  expect(unknown.replace(/\s+/g, " ")).toMatch(/`origin\/main` names no commit.*fetch-depth: 0/);
  expect((await project.run(["list", "--changed-since=--output=x"])).stderr).toContain("error[V2]");
  await project.git("switch", "--quiet", "--orphan", "alone");
  await project.git("commit", "--quiet", "--allow-empty", "--message", "alone");
  await project.git("switch", "--quiet", "main");
  await project.commit("another");
  await project.git("branch", "far", "HEAD^");
  const shallow = project.path("output/shallow");
  await project.git("clone", "--quiet", "--no-local", "--depth", "1", `file://${project.folder}`, shallow);
  await project.git("-C", shallow, "fetch", "--quiet", "--depth", "1", "origin", "far:far");
  const { stderr } = await project.run(["list", "--changed-since", "far"], { folder: shallow });
  expect(stderr).toContain("error[V3]");
  expect(stderr.replace(/\s+/g, " ")).toContain("only the end of the history");

  await rm(project.path(".git"), { recursive: true });
  expect((await project.run(["list", "--changed-since", "main"])).stderr).toContain("error[V1]");
});

it("a list is one line of JSON for a workflow's matrix, or a table", async () => {
  const project = await makeGitQuickstart((yaml) => `${yaml}matrix:\n  network_dim: [4, 8]\n`);
  await project.write("pipelines/broken.yaml", "name: broken\n");
  const { stdout, exitCode } = await project.run(["list", "--json"]);
  expect(exitCode).toBe(0);
  expect(stdout.split("\n")).toHaveLength(1);
  const entry = { file: QUICKSTART, project: ".", valid: true, task: "t2v-A14B", hardware: "entry", gpus: [] };
  expect(pipelineListSchema.parse(JSON.parse(stdout)).include).toMatchObject([
    { name: "broken", address: "pipelines/broken.yaml", valid: false },
    { ...entry, name: "quickstart-dim-4", address: `${QUICKSTART}#quickstart-dim-4` },
    { ...entry, name: "quickstart-dim-8", address: `${QUICKSTART}#quickstart-dim-8` },
  ]);
  const table = await project.run(["list", QUICKSTART], { environment: { COLUMNS: "200" } });
  expect(table.stdout.replace(/ +/g, " ").split("\n")[0]).toContain("quickstart-dim-4 t2v-A14B");
  expect(table.stderr).toBe("");
  expect((await project.run(["list", "--json", "--changed-since", "HEAD", QUICKSTART])).stdout).toBe('{"include":[]}');
  // What is not set on this machine is no fault of the file.
  const yaml = await project.read(QUICKSTART);
  await project.write(QUICKSTART, yaml.replace(/dir: .*/, `dir: \${NO_SUCH_FOLDER}/quickstart`));
  const all = await project.run(["list"]);
  expect(all.stdout.match(/not valid/g)).toHaveLength(1);
  expect(all.stderr).toBe("What is not valid, and why: wan22 validate");
});

it("a project further in is named from the repository's top, in lists, annotations and the comment's mark", async () => {
  const project = await makeGitQuickstart();
  await project.write("train/wan22.yaml", "version: 1\n");
  await project.write("train/pipelines/broken.yaml", "name: broken\ntsak: t2v-A14B\n");
  const inside = { folder: project.path("train") };
  const { stdout } = await project.run(["list", "--json", "--changed-since", "main"], inside);
  expect(pipelineListSchema.parse(JSON.parse(stdout)).include).toMatchObject([
    { name: "broken", address: "pipelines/broken.yaml", project: "train", valid: false },
  ]);
  const told = await project.run(["plan", "--format", "github", "--markdown", "plan.md"], inside);
  expect(told.stdout).toMatch(/^::error file=train\/pipelines\/broken\.yaml,line=2,/m);
  expect((await project.read("train/plan.md")).split("\n").at(-2)).toBe("<!-- wan22 plan: train -->");
});

describe("a plan of a change", () => {
  const planOf = async (project: GitProject, ...args: readonly string[]): Promise<Plan> => {
    const { stdout, stderr } = await project.run(["plan", "--format", "json", "--changed-since", "main", ...args]);
    expect(stderr).toBe("");
    return planSchema.parse(JSON.parse(stdout));
  };

  it("says what differs from the plan of the other side, and changes nothing on disk", async () => {
    const project = await makeGitQuickstart();
    await project.git("switch", "--quiet", "--create", "change");
    const yaml = await project.read(QUICKSTART);
    await project.write(QUICKSTART, yaml.replace("network_dim: 16", "network_dim: 32"));
    const clips = "pipelines/quickstart/clips";
    await project.write(`${clips}/04-life.txt`, "Cells that bloom, fade and die, seen from above");
    await cp(project.path(`${clips}/03-mandelbrot.mp4`), project.path(`${clips}/09-new.mp4`));
    await project.write(`${clips}/09-new.txt`, "A camera zoom into the Mandelbrot set, once more");
    await rm(project.path(`${clips}/02-gradient.mp4`));
    await project.commit("change");
    await project.write(
      "pipelines/new.yaml",
      yaml.replace("name: quickstart", "name: new").replace("output/q", "output/n"),
    );

    const { base, pipelines } = await planOf(project);
    expect(pipelines.map(({ name }) => name)).toEqual(["new", "quickstart"]);
    expect(base).toMatchObject({ ref: "main", commit: (await project.git("rev-parse", "main")).trim() });
    expect(base?.pipelines).toMatchObject([
      { name: "new", change: "new" },
      { name: "quickstart", change: "changed" },
    ]);
    const differences = base?.pipelines[1]?.differences ?? [];
    expect(differences).toEqual(
      expect.arrayContaining([
        { subject: "parameter", name: "network_dim", how: "changed", from: 16, to: 32, file: QUICKSTART, line: 17 },
        { subject: "item", name: "0/02-gradient", how: "removed" },
        { subject: "item", name: "0/04-life", how: "changed", part: "caption" },
        { subject: "item", name: "0/09-new", how: "added" },
      ]),
    );
    expect(await project.list(".wan22")).toEqual([]);

    const comment = "output/comment.md";
    const { stdout } = await project.run([
      "plan",
      "--changed-since",
      "main",
      "--format",
      "github",
      "--markdown",
      comment,
    ]);
    expect(stdout).toBe("");
    const markdown = await project.read(comment);
    expect(markdown.split("\n").at(-2)).toBe("<!-- wan22 plan: . -->");
    expect(markdown).toContain(`~  network_dim 16 → 32 (${QUICKSTART}:17)`);
    expect(markdown).toContain("+  clip 09-new");
    expect(markdown).toContain("-  clip 02-gradient");
    expect(markdown).toMatch(/^- new: .* · new$/m);
  });

  it("knows the record, through a branch that is merged, applied and reverted", async () => {
    const project = await makeGitQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
    const apply = async () => expect((await project.run(["apply", "--auto-approve"])).exitCode).toBe(0);
    const trainOf = ({ base }: Plan) => base?.pipelines[0]?.differences.find(({ subject }) => subject === "stage");
    const replaced = { subject: "stage", name: "train", how: "changed", from: "none", to: "replace" };
    await apply();
    await project.git("switch", "--quiet", "--create", "change");
    await project.git("mv", QUICKSTART, "pipelines/moved.yaml");
    await project.commit("move");
    const moved = await planOf(project);
    expect(moved.changes).toBe(false);
    expect(moved.base?.pipelines).toEqual([
      { name: "quickstart", file: "pipelines/moved.yaml", change: "same", differences: [] },
    ]);

    const yaml = await project.read("pipelines/moved.yaml");
    await project.write("pipelines/moved.yaml", yaml.replace("dim: 16", "dim: 8"));
    await project.commit("dim");
    expect(trainOf(await planOf(project))).toEqual(replaced);

    await project.git("switch", "--quiet", "main");
    await project.git("merge", "--quiet", "--no-ff", "--no-edit", "change");
    await apply();
    await project.git("switch", "--quiet", "--create", "revert");
    await project.git("revert", "--no-edit", "--mainline", "1", "HEAD");
    const reverted = await planOf(project);
    expect(trainOf(reverted)).toEqual(replaced);
    expect(reverted.pipelines).toMatchObject([{ file: QUICKSTART }]);
  });

  it("says what is removed, and that nothing is touched", async () => {
    const project = await makeGitQuickstart();
    await project.git("switch", "--quiet", "--create", "change");
    const nothing = await project.run(["plan", "--changed-since", "main"]);
    expect(nothing).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^No pipeline is touched by what changed since main/),
    });
    await project.git("rm", "--quiet", QUICKSTART);
    const { stdout } = await project.run(["plan", "--changed-since", "main", "--format", "markdown"]);
    expect(stdout).toBe("quickstart: removed; its record and checkpoints stay\n\n<!-- wan22 plan: . -->");
    const data = await planOf(project);
    expect(data).toMatchObject({ pipelines: [], base: { pipelines: [{ name: "quickstart", change: "removed" }] } });
  });

  it("is made also where the other side can't be planned, and says why there is nothing to compare with", async () => {
    const project = await makeGitQuickstart((yaml) => yaml.replace("network_dim:", "network_dmi:"));
    await project.git("switch", "--quiet", "--create", "mend");
    await project.write(QUICKSTART, (await project.read(QUICKSTART)).replace("network_dmi:", "network_dim:"));
    const { pipelines, base } = await planOf(project);
    expect(pipelines).toMatchObject([{ valid: true }]);
    expect(base?.pipelines).toMatchObject([
      { change: "unknown", problem: expect.stringMatching(/S\d+ .*quickstart\.yaml:17/) },
    ]);
  });
});
