import { expect, test } from "vitest";
import { makeQuickstart } from "../rig/project.ts";

/** A damaged state costs a warning: once, with the file kept and another in its place. */

const APPLY = ["apply", "--auto-approve", "pipelines/quickstart.yaml"];
const STATE = ".wan22/state/quickstart.json";

test("A damaged state is rebuilt where nothing is to do, and said once", async () => {
  const project = await makeQuickstart();
  expect((await project.run(APPLY)).exitCode).toBe(0);
  const sound = await project.read(STATE);
  const torn = sound.slice(0, 700);
  await project.write(STATE, torn);

  const second = await project.run(APPLY);
  expect(second.exitCode).toBe(0);
  expect(second.stderr).toContain("warning[A1]");
  expect(second.stdout).toContain("No changes");
  expect(JSON.parse(await project.read(STATE))).toEqual(JSON.parse(sound));
  const [kept] = (await project.list(".wan22/state")).filter((name) => name.includes(".damaged-"));
  expect(await project.read(`.wan22/state/${kept}`)).toBe(torn);

  const third = await project.run(APPLY);
  expect(third.stdout + third.stderr).not.toMatch(/A1|damaged/);
});

test("A journal with torn lines still gives all that its sound ones say, and they are told", async () => {
  const project = await makeQuickstart();
  expect((await project.run(APPLY)).exitCode).toBe(0);
  const sound = JSON.parse(await project.read(STATE));
  const [run = ""] = (await project.list(".wan22/runs")).filter((name) => name.endsWith("journal.ndjson"));
  const journal = await project.read(`.wan22/runs/${run}`);
  const [first = "", ...rest] = journal.split("\n");
  await project.write(
    `.wan22/runs/${run}`,
    [first, first.slice(0, 40), ...rest, '{"v":1,"t":1,"type":"sta'].join("\n"),
  );
  await project.write(STATE, "{ torn");

  const { exitCode, stdout, stderr } = await project.run(APPLY);
  expect(exitCode).toBe(0);
  expect(stderr.replace(/\s+/g, " ")).toContain(
    `Lines of journals that can't be read were passed over: .wan22/runs/${run} (2).`,
  );
  expect(stdout).toContain("No changes");
  const { serial: _counted, ...rebuilt } = JSON.parse(await project.read(STATE));
  expect({ ...rebuilt, serial: sound.serial }).toEqual(sound);
});

test("A damaged state of which nothing else is left is kept, and so is all that was trained", async () => {
  const project = await makeQuickstart();
  expect((await project.run(APPLY)).exitCode).toBe(0);
  const trained = await project.list("output");
  await project.write(STATE, "{ torn");
  await project.write(`${STATE}.backup`, "{ torn as well");
  for (const name of await project.list(".wan22/runs")) {
    if (name.endsWith("journal.ndjson")) await project.write(`.wan22/runs/${name}`, "");
  }

  const { exitCode, stdout, stderr } = await project.run(APPLY);
  expect(stdout + stderr).toContain("nothing was left to rebuild it from");
  expect(exitCode).toBe(0);
  const kept = (await project.list(".wan22/state")).filter((name) => name.includes(".damaged-"));
  expect(await Promise.all(kept.map((name) => project.read(`.wan22/state/${name}`)))).toContain("{ torn");
  const archived = (await project.list("output")).filter((name) => name.includes("archive/"));
  for (const name of trained.filter((each) => each.endsWith(".safetensors"))) {
    expect(archived.some((each) => each.endsWith(name.slice(name.lastIndexOf("/"))))).toBe(true);
  }
});

test("A sound state of another pipeline, or of a later version, is left as it is", async () => {
  const project = await makeQuickstart();
  expect((await project.run(APPLY)).exitCode).toBe(0);
  const sound = JSON.parse(await project.read(STATE));
  for (const [changed, code] of [
    [{ ...sound, pipeline: "dog" }, "P3"],
    [{ ...sound, version: 2 }, "P2"],
  ] as const) {
    await project.write(STATE, JSON.stringify(changed));
    const { exitCode, stdout } = await project.run(APPLY);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(`error[${code}]`);
    expect(await project.read(STATE)).toBe(JSON.stringify(changed));
  }
  expect((await project.list(".wan22/state")).filter((name) => name.includes("damaged"))).toEqual([]);
});
