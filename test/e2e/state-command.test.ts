import { expect, it } from "vitest";
import { type State, stateSchema } from "../../src/core/state/state.ts";
import { stepFrom } from "../rig/applying.ts";
import { FILE, longQuickstart, startApply } from "../rig/long-quickstart.ts";
import { answerCommand, makeQuickstart, type Project } from "../rig/project.ts";

/** `wan22 state list|show|history|restore`: what is recorded, and putting it right. */

const STATE = ".wan22/state/quickstart.json";
const APPLY = ["apply", FILE, "--auto-approve"];

async function applied(): Promise<{ readonly project: Project; readonly sound: State }> {
  const project = await makeQuickstart();
  expect((await project.run(APPLY)).exitCode).toBe(0);
  return { project, sound: await read(project) };
}

const read = async (project: Project) => stateSchema.parse(JSON.parse(await project.read(STATE)));
const flat = (text: string) => text.replace(/\s+/g, " ");
const said = async (project: Project, ...args: readonly string[]) =>
  flat((await project.run(["state", ...args])).stdout);
const withoutSerial = ({ serial: _grows, ...state }: State) => state;

it("lists every record with its serial, its host and what it says, whatever is wrong with files", async () => {
  const { project, sound } = await applied();
  await project.write("wan22.yaml", "models: [}");
  await project.write(".wan22/state/dog.json", JSON.stringify({ ...sound, pipeline: "dog", host: "gpu-7" }));
  await project.write(".wan22/state/newer.json", JSON.stringify({ ...sound, version: 2 }));
  await project.write(".wan22/state/torn.json", "{");
  await project.write("pipelines/elsewhere.yaml", "state_dir: ../elsewhere\n");
  await project.write("elsewhere/state/fox.json", JSON.stringify({ ...sound, pipeline: "fox\u001b[31m" }));
  const list = await said(project, "list");
  expect(list).toContain(`quickstart ${sound.serial} ${sound.host} cache-latents finished (24 cache files)`);
  expect(list).toContain("train finished at step 96 of 96; 4 checkpoints, 3 training states");
  expect(list).toContain("dog");
  expect(list).toContain("It speaks of the disk of gpu-7, not of this machine's.");
  expect(list).toContain("P2: .wan22/state/newer.json has version 2");
  expect(list).toContain("A1: .wan22/state/torn.json is not whole JSON");
  expect(list).toContain("P3: elsewhere/state/fox.json is the state of the pipeline fox\\x1b[31m");
  expect(list).not.toContain("\u001b");
});

it("shows one for people, and as its schema has it", async () => {
  const { project, sound } = await applied();
  expect(await said(project, "show", "quickstart")).toContain(`serial ${sound.serial} lineage ${sound.lineage}`);
  const short = await said(project, "show", "quickstart");
  expect(short).toMatch(
    /quickstart-000003.safetensors epoch 3, .*\/quickstart.safetensors epoch 4, .* 2 more: --details/,
  );
  expect(short).not.toContain("quickstart-000001.safetensors");
  const whole = await said(project, "show", "quickstart", "--details");
  for (const { file } of sound.checkpoints) expect(whole).toContain(file);
  expect(whole).not.toContain("more: --details");
  const { stdout } = await project.run(["state", "show", FILE, "--format", "json"]);
  expect(JSON.parse(stdout)).toEqual(sound);
});

it("tells of every run how it ended, when and at which step, also of one whose runner was killed", async () => {
  const project = await longQuickstart();
  const first = startApply(project);
  await first.until(stepFrom(30));
  first.process.kill("SIGINT");
  await first.ended;
  const second = startApply(project);
  await second.until(stepFrom(60));
  second.process.kill("SIGKILL");
  await second.ended;
  expect(await said(project, "history", "quickstart")).toMatch(
    /\S+-quickstart-\w{4} stopped cache-latents finished create, from \d{4}-\d\d-\d\d \d\d:\d\d, for .* train stopped create, step \d+, .* \S+-quickstart-\w{4} running train running resume, step \d+/,
  );
  expect((await project.run(["state", "restore", "quickstart", "--auto-approve"])).stderr).toContain("error[A54]");
  // Another machine sees the living trainer by its lock alone.
  expect(await project.list(".wan22/state")).toContain("quickstart.lock");
  const third = startApply(project);
  await third.until(stepFrom(60));
  third.process.kill("SIGINT");
  expect(await third.ended).toBe(85);
});

it("restores a record that was edited by hand from its runs, shows what changes, and keeps the edited one", async () => {
  const { project, sound } = await applied();
  const { train: _removed, ...stages } = sound.stages;
  const edited = JSON.stringify({ ...sound, stages, checkpoints: sound.checkpoints.slice(1) });
  await project.write(STATE, edited);
  expect((await project.plan(FILE)).changes).toBe(true);

  const restore = ["state", "restore", "quickstart"];
  const asked = await project.run(restore);
  expect([asked.exitCode, asked.stderr]).toEqual([1, expect.stringContaining("--auto-approve")]);
  expect(flat(asked.stdout)).toContain("+ stage train finished, step 96");
  expect(flat(asked.stdout)).toContain("+ checkpoint output/quickstart/quickstart-000001.safetensors epoch 1, step 24");
  expect((await answerCommand(project, restore, "y")).exitCode).toBe(1);
  expect(await project.read(STATE)).toBe(edited);

  expect((await answerCommand(project, restore, "yes")).exitCode).toBe(0);
  const restored = await read(project);
  expect(withoutSerial(restored)).toEqual(withoutSerial(sound));
  expect(restored.serial).toBeGreaterThan(sound.serial);
  const [kept = ""] = (await project.list(".wan22/state")).filter((name) => name.includes(".replaced-"));
  expect(await project.read(`.wan22/state/${kept}`)).toBe(edited);
  expect((await project.list(".wan22/state")).filter((name) => name.endsWith(".lock"))).toEqual([]);
  expect((await project.run(APPLY)).stdout).toContain("No changes.");
  expect((await project.run(restore)).stdout).toContain("Nothing to restore");
});

it("restores from the backup alone where that is wanted, and says so where there is nothing to restore from", async () => {
  const { project } = await applied();
  const backup: State = JSON.parse(await project.read(`${STATE}.backup`));
  const restore = (from: string) => project.run(["state", "restore", "quickstart", "--from", from, "--auto-approve"]);
  expect((await restore("backup")).exitCode).toBe(0);
  expect(withoutSerial(await read(project))).toEqual(withoutSerial(backup));
  expect(JSON.parse(await project.read(`${STATE}.backup`))).toEqual(backup);
  expect((await restore("runs")).exitCode).toBe(0);
  expect((await project.run(APPLY)).stdout).toContain("No changes.");

  for (const name of await project.list(".wan22/runs")) await project.write(`.wan22/runs/${name}`, "");
  const nothing = await restore("runs");
  expect([nothing.exitCode, flat(nothing.stderr)]).toEqual([
    1,
    expect.stringContaining("error[A55] There is nothing to restore the record from"),
  ]);
  const sound = await project.read(STATE);
  await project.write(STATE, sound.replace('"version": 1', '"version": 2'));
  expect((await restore("backup")).stderr).toContain("error[P2]");
  expect(await project.read(STATE)).toContain('"version": 2');
});
