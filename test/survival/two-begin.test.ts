import { rm } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type Applying, startApply } from "../rig/applying.ts";
import { makeGatedGit } from "../rig/gated-git.ts";
import { runGitIn } from "../rig/git-project.ts";
import { copyTeam, makeTeamFolder } from "../rig/team.ts";

/** Two machines that begin the same pipeline and can't know of each other when they plan it. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];
const flat = (text: string) => text.replace(/\s+/g, " ");
const startedIn = ({ events }: Applying) =>
  events.flatMap((event) => (event.type === "stage-started" ? [event.stage] : []));

let untrained: string;
beforeAll(async () => {
  untrained = await makeTeamFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));
});
afterAll(() => rm(untrained, { recursive: true, force: true }));

it("the branch takes one of those that begin at the same moment, and the other starts nothing", async () => {
  const { team, ann } = await copyTeam(untrained);
  const bob = await team.clone("bob");
  const [annsGit, bobsGit] = [await makeGatedGit(`${team.folder}/git-a`), await makeGatedGit(`${team.folder}/git-b`)];
  const first = startApply(ann, FILE, { environment: annsGit.environment });
  const second = startApply(bob, FILE, { environment: bobsGit.environment });
  await Promise.all([annsGit.arrived(), bobsGit.arrived()]);
  await annsGit.open();
  await first.until(({ type }) => type === "stage-started");
  await bobsGit.open();
  expect(await second.ended).toBe(4);
  const said = flat((await second.process).stderr);
  expect(said).toContain('"code": "G10"');
  expect(said).toMatch(/is carried out by run \S+ on \S+/);
  expect(startedIn(second)).toEqual([]);
  expect(await first.ended).toBe(0);
  expect(startedIn(first)).toHaveLength(3);
  // Who was second has nothing to tell that would contradict the first.
  const { changes, diagnostics } = await bob.plan(FILE);
  expect([changes, diagnostics.map(({ code }) => code)]).toEqual([false, ["P12"]]);
  expect(await bob.list("output")).toEqual([]);
});

it("a runner that is killed between saying that it begins and beginning is in nobody's way here", async () => {
  const { team, ann } = await copyTeam(untrained);
  const git = await makeGatedGit(`${team.folder}/git-a`);
  const killed = startApply(ann, FILE, { environment: git.environment });
  await git.arrived();
  killed.process.kill("SIGKILL");
  await killed.ended;
  await git.open();
  // What it had begun to push arrives all the same.
  await expect.poll(() => team.record().catch(() => undefined), { timeout: 60_000 }).toBeDefined();
  expect((await team.record()).stages["cache-latents"]?.status).toBe("running");
  expect(await ann.run(APPLY)).toMatchObject({ exitCode: 0 });
  expect((await team.record()).stages.train?.status).toBe("finished");
});

it("who could not ask the branch trains, and says at its end that another one has too", async () => {
  const { team, ann } = await copyTeam(untrained);
  const bob = await team.clone("bob");
  const git = await makeGatedGit(`${team.folder}/git-b`);
  await git.open();
  await git.cut();
  expect((await ann.run(APPLY)).exitCode).toBe(0);
  const record = await team.record();
  const offline = startApply(bob, FILE, { environment: git.environment });
  await offline.until((event) => event.type === "stage-started" && event.stage === "train");
  await git.mend();
  expect(await offline.ended).toBe(4);
  expect(flat((await offline.process).stderr)).toContain('"code": "G11"');
  expect(await bob.list("output")).toContain("quickstart/quickstart.safetensors");
  expect(await team.record()).toEqual(record);
  // No later push does it either: that one of them holds is for a person to say.
  const pushed = await bob.run(["state", "push"]);
  expect([pushed.exitCode, pushed.stderr]).toEqual([1, expect.stringContaining("error[G4]")]);
  expect(flat(pushed.stderr)).toContain("`wan22 state push --force quickstart`");
});

it("a remote that takes connections and says nothing is asked once before a run, and waited for once after it", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { ann } = await copyTeam(untrained);
  const { port } = server.address() as AddressInfo;
  await runGitIn(ann.folder, "remote", "set-url", "origin", `http://127.0.0.1:${port}/fox.git`);
  const { exitCode, stdout, stderr } = await ann.run(APPLY);
  expect(exitCode).toBe(0);
  expect(stdout + stderr).toContain("[G7]");
  expect(sockets).toHaveLength(2);
});
