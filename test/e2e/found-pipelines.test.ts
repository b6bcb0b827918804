import { readdir, rename, rm, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { runListSchema } from "../../src/core/state/run-list.ts";
import { statusSchema } from "../../src/core/status.ts";
import { applyDetached, hasSteps, runnerOf, untilStage } from "../rig/at-work.ts";
import { endlessQuickstart, FILE } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** Which pipelines commands find that are given none, or a name: one finder for all of them. */

const flat = (text: string) => text.replace(/\s+/g, " ");

/** What `status` lists: name, file, how its lock stands, and which stages it knows of. */
async function listed(project: Project, ...words: readonly string[]) {
  const { stdout } = await project.run(["status", ...words, "--format", "json"]);
  const { pipelines } = statusSchema.parse(JSON.parse(stdout));
  return pipelines.map(({ name, file, lock, stages }) => [name, file, lock.kind, stages.map(({ status }) => status)]);
}

/** The quickstart under another name, as it is after an apply. */
async function addApplied(project: Project, name: string, file = `pipelines/${name}.yaml`): Promise<void> {
  const yaml = (await project.read(FILE)).replaceAll(/(name: |output\/)quickstart/g, `$1${name}`);
  await project.write(file, yaml);
  const { exitCode, stderr } = await project.run(["apply", file, "--auto-approve"]);
  expect(exitCode, stderr).toBe(0);
}

const DONE = ["finished", "finished", "finished"];

it("lists pipelines by file, record, lock or runs, whatever else is left of them", async () => {
  const project = await makeQuickstart();
  for (const name of ["recorded", "ran", "named"]) await addApplied(project, name);
  await project.write("other/elsewhere.yaml", "");
  await rename(project.path("pipelines/quickstart"), project.path("other/quickstart"));
  await addApplied(project, "elsewhere", "other/elsewhere.yaml");
  for (const name of ["recorded", "ran", "named"]) await rm(project.path(`pipelines/${name}.yaml`));
  for (const left of ["ran.json", "ran.json.backup"]) await rm(project.path(`.wan22/state/${left}`));
  await project.write(".wan22/state/locked.lock", "no owner that can be read");
  // Where a broken file says that its record lies, and where the project's file says it.
  await rename(project.path(".wan22/state/named.json"), project.path("named.json"));
  const record = await project.read("named.json");
  await project.write("own/state/broken.json", record.replace('"pipeline": "named"', '"pipeline": "broken"'));
  await project.write("pipelines/broken.yaml", "name: broken\nstate_dir: ../own\ndataset: [}");
  await project.write("shared/state/named.json", record);
  await project.write("wan22.yaml", "version: 1\nstate_dir: shared\n");
  for (const run of await readdir(project.path(".wan22/runs"))) {
    if (run.includes("-named-")) await rm(project.path(`.wan22/runs/${run}`), { recursive: true });
  }

  expect(await listed(project)).toEqual([
    ["broken", "pipelines/broken.yaml", "free", DONE],
    ["quickstart", FILE, "free", []],
    ["named", undefined, "free", DONE],
    ["elsewhere", undefined, "free", DONE],
    ["locked", undefined, "unreadable", []],
    ["ran", undefined, "free", DONE],
    ["recorded", undefined, "free", DONE],
  ]);
  await rm(project.path("wan22.yaml"));
  expect((await listed(project)).map(([name, file]) => [name, file])).toEqual([
    ["broken", "pipelines/broken.yaml"],
    ["quickstart", FILE],
    ["elsewhere", "other/elsewhere.yaml"],
    ["locked", undefined],
    ["ran", undefined],
    ["recorded", undefined],
  ]);
  expect(await listed(project, "ran", "locked")).toEqual([
    ["ran", undefined, "free", DONE],
    ["locked", undefined, "unreadable", []],
  ]);
  expect((await project.run(["logs", "ran", "train"])).stdout).toContain("rehearsal");
  const attach = await project.run(["attach", "ran"]);
  expect([attach.exitCode, attach.stderr]).toEqual([0, expect.stringContaining("The last run has finished")]);
  const unlisted = await project.run(["state", "list"]);
  for (const name of ["broken", "elsewhere", "locked", "ran", "recorded"]) expect(unlisted.stdout).toContain(name);
});

it("lists and prunes the runs of a pipeline of which nothing else is left", async () => {
  const project = await makeQuickstart();
  await addApplied(project, "gone");
  const again = await project.run(["apply", "pipelines/gone.yaml", "--replace", "train", "--auto-approve"]);
  expect(again.exitCode, again.stderr).toBe(0);
  const runs = (await readdir(project.path(".wan22/runs"))).sort();
  await rm(project.path("pipelines/gone.yaml"));
  await rm(project.path(".wan22/state"), { recursive: true });

  const { stdout } = await project.run(["runs", "--format", "json"]);
  const { pipelines } = runListSchema.parse(JSON.parse(stdout));
  expect(pipelines.map(({ name, file }) => [name, file])).toEqual([
    ["quickstart", FILE],
    ["gone", undefined],
  ]);
  expect(pipelines[1]?.runs.map(({ run, history }) => [run, history])).toEqual(runs.map((run) => [run, "living"]));
  expect(pipelines[1]?.archives.map(({ run }) => run)).toEqual(runs.slice(1));
  expect((await project.run(["runs", "gone"])).stdout).toContain("gone (its file is gone)\n");

  const pruned = await project.run(["prune", "gone", "--runs", "--auto-approve"]);
  expect(pruned.exitCode, pruned.stderr).toBe(0);
  expect(await readdir(project.path(".wan22/runs"))).toEqual(runs.slice(1));
  expect(await listed(project, "gone")).toEqual([["gone", undefined, "free", DONE]]);
});

it("stops what runs though its file and its record are gone", async () => {
  const project = await endlessQuickstart();
  await applyDetached(project);
  await untilStage(project, "train", hasSteps(20));
  const runner = await runnerOf(project);
  await rm(project.path("pipelines/quickstart.yaml"));
  for (const left of await readdir(project.path(".wan22/state"))) {
    if (left.includes(".json")) await rm(project.path(`.wan22/state/${left}`));
  }
  expect(await listed(project)).toEqual([["quickstart", undefined, "held", ["finished", "finished", "running"]]]);
  expect(flat((await project.run(["status"])).stdout)).toContain(`(process ${runner} for `);
  const { exitCode, stderr } = await project.run(["stop"]);
  expect([exitCode, stderr]).toEqual([85, expect.stringContaining("Stopped. Resume with: wan22 apply FILE")]);
});

it("says of a saved plan that is damaged what is wrong with it, and of files that can't be read too", async () => {
  const project = await makeQuickstart();
  await project.run(["plan", "--out", "fox.plan"]);
  expect((await listed(project, "fox.plan")).map(([name]) => name)).toEqual(["quickstart"]);
  await project.write("fox.plan", (await project.read("fox.plan")).slice(0, 1000));
  const damaged = await project.run(["status", "fox.plan"]);
  expect([damaged.exitCode, damaged.stderr]).toEqual([1, expect.stringContaining("error[P65]")]);
  await writeFile(project.path("pipelines/latin.yaml"), Buffer.from([0xe9]));
  for (const command of ["status", "runs", "prune"]) {
    const { exitCode, stdout, stderr } = await project.run([command]);
    expect(exitCode).toBe(1);
    expect(flat(stderr)).toContain("latin.yaml is not UTF-8");
    expect(stdout).toContain("quickstart");
  }
});
