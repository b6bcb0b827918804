import { watch } from "node:fs";
import { mkdir, readdir, rm, symlink, utimes } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { runListSchema } from "../../src/core/state/run-list.ts";
import { startApply, stepFrom } from "../rig/applying.ts";
import { applyDetached } from "../rig/at-work.ts";
import {
  checkpointHashes,
  holdTrainers,
  isAlive,
  longQuickstart,
  readState,
  undisturbed,
} from "../rig/long-quickstart.ts";
import { answerCommand, makeProject, makeQuickstart, type Project } from "../rig/project.ts";

/** `wan22 runs` and `wan22 prune`: what there is, and that only what nothing needs is removed. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];
const PRUNE = ["prune", "--auto-approve"];
const said = (text: string) => text.replace(/\s+/g, " ");

/** Trained three times over: two archive folders, three runs. */
async function trainedThrice(): Promise<Project> {
  const project = await makeQuickstart();
  for (const more of [[], ["--replace", "train"], ["--replace", "train"]]) {
    expect((await project.run([...APPLY, ...more])).exitCode).toBe(0);
  }
  return project;
}

const foldersIn = (project: Project, name: string) => readdir(project.path(name)).then((names) => names.sort());
const runsOf = (project: Project) => foldersIn(project, ".wan22/runs");
const archivesOf = (project: Project) => foldersIn(project, "output/quickstart/archive");

/** The state, and that of the runs alone: as somebody finds it who has lost the record and its backup. */
async function rebuiltState(project: Project) {
  const state = await readState(project);
  await rm(project.path(".wan22/state"), { recursive: true });
  // A note: damaged or lost, it is put together again by the next one that looks, and written by the next that works.
  expect(said((await project.run([...APPLY, "--replace", "cache-text"])).stdout)).toContain("cache-text");
  return { state, rebuilt: await readState(project) };
}

describe("wan22 runs", () => {
  it("lists runs and archive folders with what they take, for people and as data", async () => {
    const project = await trainedThrice();
    const { exitCode, stdout } = await project.run(["runs", "--format", "json"]);
    expect(exitCode).toBe(0);
    const [pipeline] = runListSchema.parse(JSON.parse(stdout)).pipelines;
    const runs = await runsOf(project);
    expect(pipeline?.runs.map(({ run, outcome, history }) => [run, outcome, history])).toEqual(
      runs.map((run) => [run, "finished", "living"]),
    );
    expect(pipeline?.runs[0]?.stages.map(({ id }) => id)).toEqual(["cache-latents", "cache-text", "train"]);
    expect(pipeline?.runs.every(({ bytes, started, ended }) => bytes > 0 && (started ?? "") < (ended ?? ""))).toBe(
      true,
    );
    expect(pipeline?.archives.map(({ run }) => run)).toEqual(runs.slice(1));
    expect(pipeline?.archives[0]?.files).toContain("quickstart.safetensors");
    const human = said((await project.run(["runs"])).stdout);
    expect(human).toContain("3 runs, ");
    expect(human).toContain("2 archive folders, ");
    expect(human).toContain(`moved there by ${runs[1]}: quickstart-state, quickstart.safetensors and 5 more`);
    const details = said((await project.run(["runs", "--details"])).stdout);
    for (const file of pipeline?.archives[0]?.files ?? []) expect(details).toContain(file);
  });

  it("tells a run that was stopped, and one that goes on", async () => {
    const project = await longQuickstart();
    const applying = startApply(project, FILE);
    await applying.until(stepFrom(2));
    const during = runListSchema.parse(JSON.parse((await project.run(["runs", "--format", "json"])).stdout));
    expect(during.pipelines[0]?.runs.map(({ outcome }) => outcome)).toEqual(["running"]);
    applying.process.kill("SIGTERM");
    await applying.ended;
    const after = runListSchema.parse(JSON.parse((await project.run(["runs", "--format", "json"])).stdout));
    expect(after.pipelines[0]?.runs.map(({ outcome }) => outcome)).toEqual(["stopped"]);
  });
});

describe("wan22 prune", () => {
  it("takes what runners in the background said that are gone, with the runs; never that of one that lives", async () => {
    const project = await makeQuickstart();
    await applyDetached(project);
    const [own = ""] = await foldersIn(project, ".wan22/background");
    expect((await project.run(["attach"])).exitCode).toBe(0);
    const runner = Number(/\.(\d+)\.log$/.exec(own)?.[1]);
    // It ends a moment after its run.
    while (isAlive(runner)) await new Promise((next) => setImmediate(next));
    const living = `20260101T000000Z-quickstart-aaaa.${process.pid}.log`;
    const unknown = "20260101T000000Z-quickstart-bbbb.log";
    const others = `20260101T000000Z-fox-cccc.${runner}.log`;
    for (const name of [living, unknown, others]) await project.write(`.wan22/background/${name}`, "says something");
    for (const other of ["--caches", "--archives"]) await project.run([...PRUNE, other]);
    expect(await foldersIn(project, ".wan22/background")).toEqual([own, living, unknown, others].sort());

    const { exitCode, stdout } = await project.run([...PRUNE, "--runs"]);
    expect(exitCode).toBe(0);
    expect(said(stdout)).toContain(`${own} `);
    expect(said(stdout)).toContain("Prune: 1 background log, ");
    expect(said(stdout)).toContain(`process ${process.pid} still writes it`);
    expect(await foldersIn(project, ".wan22/background")).toEqual([living, unknown, others].sort());
  });

  it("shows what would go, and removes it only for a yes", async () => {
    const project = await trainedThrice();
    const before = await project.list(".");
    for (const answer of ["y", "no", ""]) {
      const { exitCode, stdout } = await answerCommand(project, ["prune"], answer);
      expect(exitCode).toBe(1);
      expect(said(stdout)).toContain("Prune: 2 archive folders, 2 runs, ");
    }
    const unattended = await project.run(["prune"]);
    expect([unattended.exitCode, unattended.stderr]).toEqual([1, expect.stringContaining("nobody to ask")]);
    expect(await project.list(".")).toEqual(before);
    const runs = await runsOf(project);
    expect((await answerCommand(project, ["prune"], "yes")).exitCode).toBe(0);
    expect([await runsOf(project), await archivesOf(project)]).toEqual([runs.slice(2), []]);
    const { stdout } = await project.run(["plan"]);
    expect(stdout).toContain("No changes.");
    expect((await project.run(PRUNE)).stdout).toContain("Nothing is to be removed.");
  });

  it("leaves a record that is rebuilt as it was, its history too, with state and backup lost", async () => {
    const project = await trainedThrice();
    expect((await project.run(PRUNE)).exitCode).toBe(0);
    const { state, rebuilt } = await rebuiltState(project);
    expect(rebuilt.lineage).toBe(state.lineage);
    expect(rebuilt.checkpoints).toEqual(state.checkpoints);
    expect(rebuilt.training_states).toEqual(state.training_states);
    expect(rebuilt.history.slice(0, state.history.length)).toEqual(state.history);
    expect(rebuilt.stages.train).toEqual(state.stages.train);
  });

  it("takes only the kinds asked for, and leaves the newest", async () => {
    const project = await trainedThrice();
    const [runs, archives] = [await runsOf(project), await archivesOf(project)];
    await project.run([...PRUNE, "--archives", "--keep", "1"]);
    expect([await runsOf(project), await archivesOf(project)]).toEqual([runs, archives.slice(1)]);
    await project.run([...PRUNE, "--runs", "--keep", "2"]);
    expect([await runsOf(project), await archivesOf(project)]).toEqual([runs.slice(1), archives.slice(1)]);
  });

  it("never takes what a resume needs: a stopped training goes on from its step to the same weights", async () => {
    const project = await longQuickstart();
    for (const step of [30, 200]) {
      const applying = startApply(project, FILE);
      await applying.until(stepFrom(step));
      applying.process.kill("SIGTERM");
      expect(await applying.ended).toBe(85);
    }
    expect((await project.run(PRUNE)).exitCode).toBe(0);
    await rm(project.path(".wan22/state"), { recursive: true });
    const { stdout } = await project.run(["plan"]);
    expect(said(stdout)).toMatch(/train resume/);
    expect((await project.run(APPLY)).exitCode).toBe(0);
    expect(await checkpointHashes(project)).toEqual(await undisturbed());
  });

  it("leaves a pipeline alone whose trainer lives, with its runner or without", async () => {
    const project = await longQuickstart();
    const applying = startApply(project, FILE);
    await applying.until(stepFrom(2));
    const attended = await project.run(PRUNE);
    expect([attended.exitCode, said(attended.stderr)]).toEqual([
      4,
      expect.stringMatching(/A72.* train of quickstart runs/),
    ]);
    applying.process.kill("SIGKILL");
    await applying.ended;
    const goOn = await holdTrainers(project, "train");
    const lock = await project.read(".wan22/state/quickstart.lock");
    const orphaned = await project.run(PRUNE);
    expect([orphaned.exitCode, said(orphaned.stderr)]).toEqual([4, expect.stringContaining("A72")]);
    expect(await project.read(".wan22/state/quickstart.lock")).toBe(lock);
    const attached = startApply(project, FILE);
    await attached.until(({ type }) => type === "stage-started");
    attached.process.kill("SIGTERM");
    goOn();
    expect(await attached.ended).toBe(85);
  });

  it("follows no link: what it leads to is somebody else's", async () => {
    const project = await trainedThrice();
    const elsewhere = await makeProject({ "precious/photo.jpg": "dear", "precious/a.safetensors": "dear" });
    const precious = elsewhere.path("precious");
    const [first = ""] = await archivesOf(project);
    await rm(project.path(`output/quickstart/archive/${first}`), { recursive: true });
    await symlink(precious, project.path(`output/quickstart/archive/${first}`));
    await symlink(precious, project.path("output/quickstart/archive/20200101T000000Z-quickstart-aaaa"));
    await symlink(precious, project.path(".wan22/runs/20200101T000000Z-quickstart-bbbb"));
    await symlink(precious, project.path(".wan22/cache/quickstart/clips-00000000"));
    await mkdir(project.path(".wan22/cache/quickstart/other-00000000"));
    await symlink(`${precious}/a.safetensors`, project.path(".wan22/cache/quickstart/other-00000000/a.safetensors"));
    expect((await project.run(PRUNE)).exitCode).toBe(0);
    expect(await elsewhere.list("precious")).toEqual(["a.safetensors", "photo.jpg"]);
    await rm(project.path("output/quickstart/archive"), { recursive: true });
    await elsewhere.write("precious/20200101T000000Z-quickstart-aaaa/x.safetensors", "dear");
    await symlink(precious, project.path("output/quickstart/archive"));
    expect((await project.run(PRUNE)).exitCode).toBe(0);
    expect(await elsewhere.list("precious")).toHaveLength(3);
  });

  it("leaves an archived file that a pipeline names", async () => {
    const project = await trainedThrice();
    const [first = "", second = ""] = await archivesOf(project);
    const weights = `../output/quickstart/archive/${first}/quickstart.safetensors`;
    const yaml = (await project.read(FILE)).replace(/^name: .*/m, "name: other");
    await project.write("pipelines/other.yaml", yaml.replace("train:", `train:\n  network_weights: ${weights}`));
    const { exitCode, stdout } = await project.run([...PRUNE.slice(0, 1), FILE, "--auto-approve", "--archives"]);
    expect([exitCode, said(stdout)]).toEqual([0, expect.stringContaining("a pipeline names a file in it")]);
    expect(await archivesOf(project)).toEqual([first]);
    expect(second).not.toBe("");
  });
});

describe("caches", () => {
  const moved = (yaml: string) => yaml.replace("quickstart/clips", "quickstart/moved");

  /** Applied, then the clips moved: the caches of the old place belong to no source any more. */
  async function withOldCaches(): Promise<Project> {
    const project = await makeQuickstart();
    expect((await project.run(APPLY)).exitCode).toBe(0);
    await mkdir(project.path("pipelines/quickstart/moved"), { recursive: true });
    for (const name of await project.list("pipelines/quickstart/clips")) {
      const bytes = await import("node:fs/promises").then(({ readFile }) =>
        readFile(project.path(`pipelines/quickstart/clips/${name}`)),
      );
      await project.write(`pipelines/quickstart/moved/${name}`, bytes);
    }
    await project.write(FILE, moved(await project.read(FILE)));
    return project;
  }

  it("of a source that no pipeline names go, with what the record says of them; anything else in the folder stays", async () => {
    const project = await withOldCaches();
    const [folder = ""] = await foldersIn(project, ".wan22/cache/quickstart");
    await project.write(`.wan22/cache/quickstart/${folder}/notes.txt`, "mine");
    const { exitCode, stdout } = await project.run([...PRUNE, "--caches"]);
    expect([exitCode, said(stdout)]).toEqual([
      0,
      expect.stringContaining("32 files of a source that no pipeline names"),
    ]);
    expect(await project.list(".wan22/cache/quickstart")).toEqual([`${folder}/notes.txt`]);
    // The store's stay: the clips are the same where they lie now.
    expect(await project.list(".wan22/cache/store")).toHaveLength(32);
    expect((await readState(project)).stages["cache-latents"]?.caches).toEqual({});
    expect((await project.run(APPLY)).exitCode).toBe(0);
  });

  it("stay where another pipeline takes them from there, or one can't be read", async () => {
    const project = await withOldCaches();
    const [folder = ""] = await foldersIn(project, ".wan22/cache/quickstart");
    const caches = await project.list(".wan22/cache");
    const yaml = (await project.read(FILE)).replace(/^name: .*/m, "name: other");
    const source = /^( +- )videos: .*$/m;
    await project.write(
      "pipelines/other.yaml",
      yaml.replace(source, (line) => `${line}\n      cache_directory: ../.wan22/cache/quickstart/${folder}`),
    );
    expect((await project.run(["prune", FILE, "--auto-approve", "--caches"])).exitCode).toBe(0);
    expect(await project.list(".wan22/cache")).toEqual(caches);
    await project.write("pipelines/other.yaml", "name: [broken");
    const { stdout } = await project.run(["prune", FILE, "--auto-approve", "--caches"]);
    expect(said(stdout)).toContain("pipelines/other.yaml can't be read, and may use it");
    expect(await project.list(".wan22/cache")).toEqual(caches);
  });

  it("of a pipeline that is gone go with it", async () => {
    const project = await withOldCaches();
    await project.write("pipelines/other.yaml", (await project.read(FILE)).replace(/^name: .*/m, "name: other"));
    await rm(project.path(FILE));
    const locked = new Set<string>();
    const locks = watch(project.path(".wan22/state"));
    locks.on("change", (_, name) => locked.add(String(name).replace(/\.lock\b.*/, "")));
    expect((await project.run([...PRUNE, "--caches"])).exitCode).toBe(0);
    locks.close();
    expect(await project.list(".wan22/cache/quickstart")).toEqual([]);
    // The folder of the store is no pipeline's.
    expect(locked).toContain("quickstart");
    expect(locked).not.toContain("store");
  });
});

it("temporary files that killed processes left go, and nothing that looks like one and is not", async () => {
  const project = await trainedThrice();
  const old = new Date(Date.now() - 3_600_000);
  const left = [
    ".wan22/index/quickstart.json.0123abcd.4194305.tmp",
    ".wan22/work/quickstart/dataset.toml.4194305.tmp",
    "output/quickstart/quickstart-000001.safetensors.4194305.tmp",
  ];
  const mine = [
    "output/quickstart/somebody-elses.safetensors.4194305.tmp",
    "output/quickstart/quickstart.tmp",
    `output/quickstart/quickstart.safetensors.${process.pid}.tmp`,
  ];
  for (const name of [...left, ...mine]) {
    await project.write(name, "half");
    await utimes(project.path(name), old, old);
  }
  const state = "output/quickstart/quickstart-000001-state.4194305.tmp";
  await project.write(`${state}/train_state.json`, "{}");
  await utimes(project.path(state), old, old);
  const { stdout } = await project.run(PRUNE);
  expect(said(stdout)).toContain("4 temporary files");
  expect(await project.list(state)).toEqual([]);
  const there = await project.list(".");
  expect(there.filter((name) => left.includes(name))).toEqual([]);
  expect(there.filter((name) => mine.includes(name)).sort()).toEqual([...mine].sort());
});
