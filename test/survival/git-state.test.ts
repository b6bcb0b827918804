import { rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Diagnostic } from "../../src/core/diagnostic.ts";
import { type Applying, startApply, stepFrom } from "../rig/applying.ts";
import { runGitIn } from "../rig/git-project.ts";
import { openProject, type Project } from "../rig/project.ts";
import { commitAll, copyTeam, makeTeamFolder, type Team } from "../rig/team.ts";

/** `state: { backend: git }`: what is trained is known wherever the repository is, and no push is in anybody's way. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];
const flat = (text: string) => text.replace(/\s+/g, " ");
const codesOf = (diagnostics: readonly Pick<Diagnostic, "code">[]) => diagnostics.map(({ code }) => code);
const actionsOf = async (project: Project) =>
  (await project.plan(FILE)).pipelines.flatMap(({ stages }) => stages.map(({ action }) => action));

/** Ann's clone, in which the pipeline was applied, with its remote: each test gets a copy. */
let trained: string;
beforeAll(async () => {
  trained = await makeTeamFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));
  expect((await openProject(`${trained}/ann`).run(APPLY)).exitCode).toBe(0);
});
afterAll(() => rm(trained, { recursive: true, force: true }));

describe("what is trained", () => {
  it("is known in a fresh clone, and the repository of whoever trains is left alone", async () => {
    const { team, ann } = await copyTeam(trained);
    expect(await runGitIn(ann.folder, "status", "--porcelain")).toBe("");
    expect(await runGitIn(ann.folder, "branch", "--list")).not.toContain("wan22-state");
    expect(await team.git("ls-tree", "--name-only", "wan22-state")).toBe("README.md\nstate");
    const log = await team.git("log", "--format=%an %s", "wan22-state");
    expect(log).toMatch(/^wan22 quickstart: train finished at step 48 of 48 on /);
    expect(log).toMatch(/wan22 quickstart: train running at step 0 of 48 on /);

    const bob = await team.clone("bob");
    const { changes, diagnostics } = await bob.plan(FILE);
    expect(changes).toBe(false);
    expect(codesOf(diagnostics)).toEqual(["P12"]);
    expect(diagnostics[0]?.detail).toContain("and read from the branch wan22-state of origin");
    expect(await bob.list(".wan22/state")).toEqual([]);
    const status = await bob.run(["status", FILE, "--format", "json"]);
    expect(JSON.parse(status.stdout).pipelines[0]).toMatchObject({
      here: false,
      stages: [{ status: "finished" }, { status: "finished" }, { id: "train", status: "finished", done: 48 }],
    });
  });

  it("is known through a branch, its plan, a merge, the apply, and a history of main that is rewritten", async () => {
    const { team, ann } = await copyTeam(trained);
    const bob = await team.clone("bob");
    await runGitIn(bob.folder, "checkout", "--quiet", "-b", "more-epochs");
    await bob.write(FILE, (await bob.read(FILE)).replace("max_train_epochs: 2", "max_train_epochs: 3"));
    await commitAll(bob, "Train longer");
    expect(await actionsOf(bob)).toEqual(["none", "none", "extend"]);
    await runGitIn(bob.folder, "push", "--quiet", "origin", "more-epochs:main");
    await runGitIn(ann.folder, "pull", "--quiet", "origin", "main");
    expect((await ann.run(APPLY)).exitCode).toBe(0);
    expect((await team.record()).stages.train).toMatchObject({ status: "finished", done_steps: 72 });
    // Somebody squashes main: the branch of the records is another history.
    await runGitIn(bob.folder, "checkout", "--quiet", "--orphan", "squashed");
    await commitAll(bob, "All in one");
    await runGitIn(bob.folder, "push", "--quiet", "--force", "origin", "squashed:main");
    expect(await actionsOf(bob)).toEqual(["none", "none", "none"]);
    // A branch that began before is planned against what is trained now.
    await bob.write(FILE, (await bob.read(FILE)).replace("max_train_epochs: 3", "max_train_epochs: 2"));
    expect(await actionsOf(bob)).toEqual(["none", "none", "none"]);
  });

  it("makes a saved plan of a pull request one that is carried out where the files are", async () => {
    const { team, ann } = await copyTeam(trained);
    const bob = await team.clone("bob");
    const longer = (await bob.read(FILE)).replace("max_train_epochs: 2", "max_train_epochs: 3");
    for (const project of [ann, bob]) await project.write(FILE, longer);
    expect((await bob.run(["plan", FILE, "--replace", "train", "--out", "../older.plan"])).exitCode).toBe(0);
    expect((await bob.run(["plan", FILE, "--out", "../fox.plan"])).exitCode).toBe(0);
    expect(await ann.run(["apply", "../fox.plan", "--auto-approve"])).toMatchObject({ exitCode: 0 });
    // It is carried out, wherever somebody asks; what was planned on the same record is stale by now.
    expect(await bob.run(["apply", "../fox.plan", "--auto-approve"])).toMatchObject({ exitCode: 0 });
    expect((await bob.run(["apply", "../older.plan", "--auto-approve"])).exitCode).toBe(3);
  });

  it("is not taken for being here: what a plan goes on from must lie on this machine's disk", async () => {
    const { team, ann } = await copyTeam(trained);
    const bob = await team.clone("bob");
    await bob.write(FILE, (await bob.read(FILE)).replace("max_train_epochs: 2", "max_train_epochs: 3"));
    const refused = await bob.run(APPLY);
    expect(refused.exitCode).toBe(1);
    const said = flat(refused.stderr);
    expect(said).toContain("error[G6]");
    expect(said).toContain("1 training state (output/quickstart/quickstart-state)");
    expect(await bob.list(".wan22/runs")).toEqual([]);
    const command = /`wan22 (apply [^`]+)`/.exec(said)?.[1]?.split(" ") ?? [];
    expect(await bob.run([...command, "--auto-approve"])).toMatchObject({ exitCode: 0 });
    // The history goes on: Ann's checkout knows that it is not the last one any more.
    const [run, ...before] = (await team.record()).history.map((entry) => entry.run).reverse();
    expect(before).not.toHaveLength(0);
    expect((await ann.plan(FILE)).diagnostics[0]?.detail).toContain("read from the branch");
    const pushed = await ann.run(["state", "push"]);
    expect([pushed.exitCode, pushed.stdout]).toEqual([0, expect.stringContaining("the branch goes on from it")]);
    // And what Bob's runs make of it is what he recorded.
    const state = JSON.parse(await bob.read(".wan22/state/quickstart.json"));
    await rm(bob.path(".wan22/state"), { recursive: true });
    expect((await bob.run(["state", "restore", "quickstart", "--from", "runs", "--auto-approve"])).exitCode).toBe(0);
    expect(JSON.parse(await bob.read(".wan22/state/quickstart.json"))).toEqual({
      ...state,
      serial: expect.any(Number),
    });
    expect(state.run).toBe(run);
  });
});

it("loses nothing of what many push at the same moment", async () => {
  const { team, ann } = await copyTeam(trained);
  const names = Array.from({ length: 4 }, (_, index) => `fox-${index}`);
  const record = await ann.read(".wan22/state/quickstart.json");
  const clones = await Promise.all(names.map((name) => team.clone(name)));
  for (const [index, clone] of clones.entries()) {
    const name = names[index] ?? "";
    await clone.write(`pipelines/${name}.yaml`, (await clone.read(FILE)).replace(/^name: .*$/m, `name: ${name}`));
    await clone.write(
      `.wan22/state/${name}.json`,
      record.replaceAll('"quickstart"', `"${name}"`).replace(FILE, `pipelines/${name}.yaml`),
    );
  }
  const before = Number(await team.git("rev-list", "--count", "wan22-state"));
  const pushed = await Promise.all(clones.map((clone, index) => clone.run(["state", "push", names[index] ?? ""])));
  expect(pushed.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(names.map(() => [0, ""]));
  for (const name of names) expect((await team.record(name)).pipeline).toBe(name);
  expect((await team.record()).pipeline).toBe("quickstart");
  expect(Number(await team.git("rev-list", "--count", "--no-merges", "wan22-state"))).toBe(before + names.length);
});

describe("a machine that is at work", () => {
  const begin = async (project: Project): Promise<Applying> => {
    const applying = startApply(project, FILE);
    onTestFinished(async () => {
      await project.run(["stop", "--now", FILE]);
      await applying.ended;
    });
    await applying.until(stepFrom(60));
    return applying;
  };
  const isPushed = async (team: Team, status: string) =>
    expect
      .poll(async () => (await team.record().catch(() => undefined))?.stages.train?.status, { timeout: 60_000 })
      .toBe(status);

  it("is seen from another one, which begins nothing; killed and stopped, it is seen too", async () => {
    const { team, ann } = await copyTeam(trained);
    const endless = "max_train_epochs: 3000\n  save_every_n_epochs: 5";
    await ann.write(FILE, (await ann.read(FILE)).replace("max_train_epochs: 2", endless));
    const applying = await begin(ann);
    await isPushed(team, "running");
    const bob = await team.clone("bob");
    await bob.write(FILE, await ann.read(FILE));
    expect(codesOf((await bob.plan(FILE)).diagnostics)).toContain("G5");
    const refused = await bob.run(APPLY);
    expect(refused.exitCode).toBe(4);
    expect(flat(refused.stderr)).toMatch(
      /error\[G5\].*train of quickstart is at work on .* `wan22 state unlock quickstart`/,
    );
    // The runner dies; its trainer goes on, and whoever stops it says so.
    applying.process.kill("SIGKILL");
    await applying.ended;
    expect((await bob.run(APPLY)).exitCode).toBe(4);
    expect((await ann.run(["stop", FILE])).exitCode).toBe(85);
    expect((await team.record()).stages.train?.status).toBe("stopped");
    const away = await bob.run(APPLY);
    expect(away.exitCode).toBe(1);
    expect(away.stderr).toContain("error[G6]");
  });

  it("that is gone for good is said to be so, once", async () => {
    const { team } = await copyTeam(trained);
    await team.edit("quickstart", (state) => ({
      ...state,
      host: "gpu-7",
      run: "20990101T000000Z-quickstart-0000",
      stages: { ...state.stages, train: { ...state.stages.train, status: "running", done_steps: 24 } },
    }));
    const bob = await team.clone("bob");
    const refused = await bob.run(APPLY);
    expect([refused.exitCode, flat(refused.stderr)]).toEqual([4, expect.stringContaining("is at work on gpu-7")]);
    const stopped = await bob.run(["stop", FILE]);
    expect([stopped.exitCode, flat(stopped.stderr)]).toEqual([
      4,
      expect.stringMatching(/error\[A41\].*quickstart is at work on gpu-7/),
    ]);
    const seen = [(await bob.run(["status", FILE])).stdout, (await bob.run(["state", "list"])).stdout].map(flat);
    expect(seen).toEqual([expect.not.stringContaining("no process yet"), expect.stringMatching(/wan22-state.* gpu-7/)]);
    const restored = await bob.run(["state", "restore", "quickstart", "--from", "branch", "--auto-approve"]);
    expect([restored.exitCode, restored.stderr]).toEqual([1, expect.stringContaining("error[G5]")]);
    expect((await bob.run(["state", "unlock", "quickstart"])).exitCode).toBe(1);
    expect((await bob.run(["state", "unlock", "quickstart", "--force"])).exitCode).toBe(0);
    expect((await team.record()).stages.train?.status).toBe("lost");
    expect(codesOf((await bob.plan(FILE)).diagnostics)).not.toContain("G5");
    const again = await bob.run(["state", "unlock", "quickstart", "--force"]);
    expect([again.exitCode, flat(again.stdout)]).toEqual([0, expect.stringContaining("is at work nowhere")]);
  });
});

describe("a remote", () => {
  it("that asks who is there holds nothing up: the run goes on, and its record is pushed by the next apply", async () => {
    const server = createServer((_, response) => {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const { team, ann } = await copyTeam(trained);
    await runGitIn(ann.folder, "remote", "set-url", "origin", `http://ann:s3cret@127.0.0.1:${port}/fox.git`);
    await ann.write(FILE, (await ann.read(FILE)).replace("max_train_epochs: 2", "max_train_epochs: 3"));
    const planned = await ann.plan(FILE);
    expect(planned.diagnostics[0]).toMatchObject({ code: "G1", severity: "warning" });
    expect(planned.diagnostics[0]?.detail).toMatch(/What was fetched last counts, of \d{4}-\d\d-\d\d \d\d:\d\d/);
    const applied = await ann.run(APPLY);
    expect(applied.exitCode).toBe(0);
    expect(applied.stdout + applied.stderr).toContain("[G7]");
    expect(JSON.stringify(planned) + applied.stdout + applied.stderr).not.toContain("s3cret");
    expect((await team.record()).stages.train?.done_steps).toBe(48);
    await runGitIn(ann.folder, "remote", "set-url", "origin", "../remote.git");
    expect(await ann.run(APPLY)).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await team.record()).stages.train?.done_steps).toBe(72);
  });

  it("that is not there, and a branch that holds something else, are said; nothing is written to them", async () => {
    const { team, ann } = await copyTeam(trained);
    const main = await team.git("rev-parse", "main");
    await ann.write("wan22.yaml", "version: 1\nstate: { backend: git, branch: main }\n");
    expect(codesOf((await ann.plan(FILE)).diagnostics)).toEqual(["G3"]);
    expect((await ann.run(["state", "push"])).exitCode).toBe(1);
    expect(await team.git("rev-parse", "main")).toBe(main);
    await ann.write("wan22.yaml", "version: 1\nstate: { backend: git, remote: upstream }\n");
    expect(codesOf((await ann.plan(FILE)).diagnostics)).toEqual(["G2"]);
    await ann.write("wan22.yaml", "version: 1\nstate: { backend: git, remote: --upload-pack=x }\n");
    expect((await ann.run(["plan", FILE])).exitCode).toBe(1);
  });
});

describe("the branch", () => {
  it("that was deleted comes back with the next apply, with all that was seen on it", async () => {
    const { team, ann } = await copyTeam(trained);
    await team.git("branch", "-D", "wan22-state");
    const { diagnostics, changes } = await ann.plan(FILE);
    expect([codesOf(diagnostics), changes]).toEqual([["G8"], false]);
    expect((await ann.run(APPLY)).exitCode).toBe(0);
    expect((await team.record()).stages.train?.done_steps).toBe(48);
    expect(Number(await team.git("rev-list", "--count", "wan22-state"))).toBeGreaterThan(1);
  });

  it("that was put back or merged by hand counts as far as it can be read", async () => {
    const { team, ann } = await copyTeam(trained);
    await team.git("update-ref", "refs/heads/wan22-state", "wan22-state~2");
    const { diagnostics, changes } = await ann.plan(FILE);
    expect([codesOf(diagnostics), changes]).toEqual([["G8"], false]);
    await ann.run(APPLY);
    expect((await team.record()).stages.train?.status).toBe("finished");
    await team.edit("quickstart", () => ({ mine: "<<<<<<<" }));
    const bob = await team.clone("bob");
    expect(codesOf((await bob.plan(FILE)).diagnostics)).toEqual(["G9"]);
    expect((await ann.run(["state", "push", "--force", "--auto-approve"])).exitCode).toBe(0);
    expect(await actionsOf(bob)).toEqual(["none", "none", "none"]);
  });

  it("that tells another history than this checkout is put in its place by nobody unasked", async () => {
    const { team, ann } = await copyTeam(trained);
    const bob = await team.clone("bob");
    const foreign = {
      ...JSON.parse(await ann.read(".wan22/state/quickstart.json")),
      lineage: "another",
      host: "gpu-7",
    };
    await bob.write(".wan22/state/quickstart.json", JSON.stringify(foreign));
    const { diagnostics, pipelines } = await bob.plan(FILE);
    expect(pipelines[0]?.valid).toBe(false);
    expect(diagnostics[0]).toMatchObject({ code: "G4", severity: "error", path: "state" });
    expect((await bob.run(APPLY)).exitCode).toBe(1);
    expect((await bob.run(["state", "push"])).exitCode).toBe(1);
    expect((await team.record()).lineage).not.toBe("another");
    expect((await bob.run(["state", "push", "--force", "quickstart", "--auto-approve"])).exitCode).toBe(0);
    expect((await team.record()).lineage).toBe("another");
    expect((await ann.run(["plan", FILE])).exitCode).toBe(1);
    const restored = await ann.run(["state", "restore", "quickstart", "--from", "branch", "--auto-approve"]);
    expect([restored.exitCode, flat(restored.stdout)]).toEqual([
      0,
      expect.stringContaining("The one before is kept as"),
    ]);
    expect((await ann.plan(FILE)).diagnostics.map(({ code }) => code)).toEqual(["P12"]);
  });
});
