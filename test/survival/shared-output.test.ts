import { rename } from "node:fs/promises";
import { hostname } from "node:os";
import { expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { observeMachine } from "../../src/host/machine.ts";
import { type Applying, startApply, stepFrom } from "../rig/applying.ts";
import { endAfterTest } from "../rig/at-work.ts";
import { isAlive } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** Two pipelines whose checkpoints would lie in one folder under one name. */

const ANT = "pipelines/quickstart.yaml";
const BEE = "pipelines/bee.yaml";
const LOCK = "output/shared/.lora.lock";
const flat = (text: string) => text.replace(/\s+/g, " ");

async function makeTwo({
  epochs,
  dir = "../output/shared",
  name = "lora",
}: {
  epochs: number;
  dir?: string;
  name?: string;
}) {
  const project = await makeQuickstart();
  const yaml = (await project.read(ANT)).replace("max_train_epochs: 4", `max_train_epochs: ${epochs}`);
  const writing = (folder: string, file: string) =>
    yaml.replace(/^output:\n(?: .*\n?)+/m, `output: { dir: ${folder}, name: ${file} }\n`);
  await project.write(ANT, writing("../output/shared", "lora"));
  await project.write(BEE, writing(dir, name).replace("name: quickstart", "name: bee"));
  endAfterTest(project);
  return project;
}

async function train(project: Project): Promise<Applying> {
  const applying = startApply(project, ANT);
  await applying.until(stepFrom(20));
  return applying;
}

it("the second is refused before anything is done for it, and waits where it is told to", async () => {
  const project = await makeTwo({ epochs: 3000 });
  const first = await train(project);
  const refused = await project.run(["apply", BEE, "--auto-approve"]);
  expect(refused.exitCode).toBe(4);
  expect(flat(refused.stderr)).toMatch(
    /error\[A112\].*train of quickstart in \S+ writes `output\/shared\/lora` since .* on \S+, process \d+\).*`--lock-timeout 2h`/,
  );
  expect(await project.list(".wan22/cache/bee")).toEqual([]);

  const second = startApply(project, BEE, { args: ["--lock-timeout", "10m"] });
  await second.until((event) => event.type === "note" && event.text.startsWith("Waiting, since train of quickstart"));
  first.process.kill("SIGINT");
  expect(await first.ended).toBe(85);
  await second.until(stepFrom(1));
  expect(second.events.some((event) => event.type === "note" && event.text.includes("turned up"))).toBe(true);
  second.process.kill("SIGINT");
  expect(await second.ended).toBe(85);
  expect(await project.list("output/shared")).not.toContain(".lora.lock");
});

it("a trainer that outlives its killed runner keeps it, and so does a name that comes of the other one's", async () => {
  const project = await makeTwo({ epochs: 3000, name: "lora-000002" });
  const first = await train(project);
  first.process.kill("SIGKILL");
  await first.ended;
  expect((await project.run(["apply", BEE, "--auto-approve"])).exitCode).toBe(4);
  expect(JSON.parse(await project.read(LOCK)).work).toMatchObject({ pipeline: "quickstart", stage: "train" });

  expect((await project.run(["stop", "quickstart"])).exitCode).toBe(85);
  expect(await project.list("output/shared")).not.toContain(".lora.lock");
});

it("what a trainer left that ended while nobody watched is gone with the next apply", async () => {
  const project = await makeTwo({ epochs: 10 });
  const first = await train(project);
  first.process.kill("SIGKILL");
  await first.ended;
  const { work } = JSON.parse(await project.read(LOCK));
  while (isAlive(work.process.pid)) await project.run(["--version"]);
  expect(await project.list("output/shared")).toContain(".lora.lock");
  expect((await project.run(["apply", ANT, "--auto-approve"])).exitCode).toBe(0);
  expect(await project.list("output/shared")).not.toContain(".lora.lock");
});

it("of another machine's lock among the checkpoints it is said how to remove it, and a dead one's is taken over", async () => {
  const project = await makeTwo({ epochs: 2 });
  const owner = {
    version: 1,
    who: "ada",
    host: "gpu-7",
    pid: 4711,
    boot_id: "there",
    start_time: "1",
    since: "2026-07-01T00:00:00Z",
  };
  await project.write(LOCK, JSON.stringify(owner));
  const refused = await project.run(["apply", BEE, "--auto-approve"]);
  expect(refused.exitCode).toBe(4);
  expect(flat(refused.stderr)).toContain(`\`wan22 state unlock ${LOCK}\` removes its lock.`);

  await project.write(LOCK, JSON.stringify({ ...owner, host: hostname(), boot_id: observeMachine().bootId }));
  expect((await project.run(["apply", BEE, "--auto-approve"])).exitCode).toBe(0);
  expect(await project.list("output/shared")).not.toContain(".lora.lock");
});

it("a runner whose state folder was moved away is not joined by another one", async () => {
  const project = await makeTwo({ epochs: 3000 });
  const first = await train(project);
  const isSaved = (event: ApplyEvent) => event.type === "trainer" && event.event.type === "checkpoint";
  await rename(project.path(".wan22"), project.path("away"));
  const saved = first.events.filter(isSaved).length;
  await first.until(() => first.events.filter(isSaved).length > saved);
  // By now the record is there again, as one that nobody has the lock of.
  const second = await project.run(["apply", ANT, "--auto-approve"]);
  expect([second.exitCode, flat(second.stderr)]).toEqual([4, expect.stringContaining("error[A112]")]);
  first.process.kill("SIGINT");
  expect(await first.ended).toBe(85);
});
