import { hostname } from "node:os";
import { expect, it } from "vitest";
import { stepFrom } from "../rig/applying.ts";
import { FILE, longQuickstart, readState, startApply } from "../rig/long-quickstart.ts";
import { makeQuickstart, startCommand } from "../rig/project.ts";

/** One apply at a time on a pipeline, and what becomes of the next. */

const LOCK = ".wan22/state/quickstart.lock";
const APPLY = ["apply", FILE, "--auto-approve"];

const flat = (text: string) => text.replace(/\s+/g, " ");

/** A lock as an apply on another machine has it. */
const ELSEWHERE = {
  ...{ version: 1, who: "ada", host: "gpu-7", pid: 4711, boot_id: "there", start_time: "1" },
  since: "2026-07-01T00:00:00Z",
};

it("a second apply is told who is at work, or waits with one word about it and goes on with what is left", async () => {
  const project = await longQuickstart();
  const first = startApply(project);
  await first.until(stepFrom(20));

  const refused = await project.run(APPLY);
  expect(refused.exitCode).toBe(4);
  expect(flat(refused.stderr)).toMatch(
    new RegExp(`error\\[A10\\].* on ${hostname()} has an apply of quickstart open since .*--lock-timeout`),
  );

  const second = startCommand(project.folder, [...APPLY, "--lock-timeout", "10m"]);
  let said = "";
  await new Promise<void>((hasSaid) => {
    second.stderr.on("data", (text) => {
      said += text;
      if (said.includes("Waiting")) hasSaid();
    });
  });
  first.process.kill("SIGINT");
  expect(await first.ended).toBe(85);
  const { exitCode, stderr } = await second;
  expect(exitCode).toBe(0);
  expect(stderr.match(/Waiting, since/g)).toHaveLength(1);
  expect((await readState(project)).history.map(({ outcome }) => outcome).slice(-2)).toEqual(["stopped", "finished"]);
});

it("what is no duration is refused before anything is done", async () => {
  const project = await makeQuickstart();
  const { exitCode, stderr } = await project.run([...APPLY, "--lock-timeout", "10"]);
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining("a duration such as 90s, 10m or 2h")]);
  expect(await project.list(".wan22")).toEqual([]);
});

it("two machines on one folder: the other's lock is told with its host, and left alone", async () => {
  const project = await makeQuickstart();
  await project.write(LOCK, JSON.stringify(ELSEWHERE));
  const { exitCode, stderr } = await project.run(APPLY);
  expect(exitCode).toBe(4);
  expect(flat(stderr)).toContain(
    "ada on gpu-7 has an apply of quickstart open since 2026-07-01T00:00:00Z (process 4711)",
  );
  expect(flat(stderr)).toContain("If gpu-7 is gone for good, `wan22 state unlock quickstart` removes its lock.");
  expect(JSON.parse(await project.read(LOCK))).toEqual(ELSEWHERE);
  expect(await project.list(".wan22/runs")).toEqual([]);
});
