import { lstat, mkdir, rm, symlink } from "node:fs/promises";
import { hostname } from "node:os";
import { execa } from "execa";
import { expect, it } from "vitest";
import { observeMachine } from "../../src/host/machine.ts";
import { stepFrom } from "../rig/applying.ts";
import { type Fault, faultEnvironment, readCalls } from "../rig/faults.ts";
import { FILE, longQuickstart, readState, startApply } from "../rig/long-quickstart.ts";
import { answerCommand, makeQuickstart, startCommand } from "../rig/project.ts";

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
    new RegExp(
      `error\\[A10\\].* on ${hostname()} has an apply of quickstart open since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d \\(.*--lock-timeout`,
    ),
  );

  expect(flat(refused.stderr)).toContain(
    "(`--lock-timeout 10m` does), follow it with `wan22 attach quickstart`, or end it with `wan22 stop quickstart`.",
  );
  const waited = await project.run([...APPLY, "--lock-timeout", "1s"]);
  expect(waited.exitCode).toBe(4);
  expect(flat(waited.stderr)).toContain(
    "It was waited for 1 s. Wait longer, follow it with `wan22 attach quickstart`,",
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

it("locks are taken in one order whatever that of the words, so that no two wait for each other's", async () => {
  const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
  const names = ["ant", "bee", "cow"];
  for (const name of names) {
    const yaml = (await project.read(FILE)).replace("name: quickstart", `name: ${name}`);
    await project.write(`pipelines/${name}.yaml`, yaml.replace("output/quick", `output/${name}-`));
  }
  await project.write(".wan22/state/bee.lock", JSON.stringify(ELSEWHERE));
  const words = ["cow", "bee", "ant"].map((name) => `pipelines/${name}.yaml`);
  const applying = startCommand(project.folder, ["apply", "--auto-approve", "--lock-timeout", "10m", ...words]);
  await new Promise<void>((waits) => {
    applying.stderr.on("data", (text) => String(text).includes("Waiting, since ada on gpu-7") && waits());
  });
  const held = (await project.list(".wan22/state")).filter((name) => name.endsWith(".lock"));
  expect(held).toEqual(["ant.lock", "bee.lock"]);
  await rm(project.path(".wan22/state/bee.lock"));
  expect((await applying).exitCode).toBe(0);
});

it("Ctrl-C while the last locks are given back leaves none of them", async () => {
  const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
  const other = (await project.read(FILE))
    .replace("name: quickstart", "name: other")
    .replace("output/quick", "output/");
  await project.write("pipelines/other.yaml", other);
  expect((await project.run(APPLY)).exitCode).toBe(0);
  // Nothing is left to do of the one, so that its lock is given back last: by its second call, the first of which is for requests.
  const fault: Fault = { site: "unlink lock", occurrence: 4, how: "interrupt" };
  const log = project.path("faults.ndjson");
  const both = await project.run(["apply", "--auto-approve", "pipelines/other.yaml", FILE], {
    environment: faultEnvironment(log, fault),
  });
  expect((await readCalls(log)).filter(({ isAsked }) => isAsked)).toHaveLength(1);
  expect(both.exitCode).toBe(0);
  expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
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
  const environment = { TZ: "Asia/Kolkata" };
  const { exitCode, stderr } = await project.run(APPLY, { environment });
  expect(exitCode).toBe(4);
  for (const command of ["plan", "state list"]) {
    const { stdout } = await project.run(command.split(" "), { environment });
    expect(flat(stdout)).toContain("since 2026-07-01 05:30 (process 4711)");
  }
  expect(flat(stderr)).toContain("ada on gpu-7 has an apply of quickstart open since 2026-07-01 05:30 (process 4711)");
  expect(flat(stderr)).toContain("If gpu-7 is gone for good, `wan22 state unlock quickstart` removes its lock.");
  expect(JSON.parse(await project.read(LOCK))).toEqual(ELSEWHERE);
  expect(await project.list(".wan22/runs")).toEqual([]);
});

it("a lock is had where a server made it, or put it in a dead one's place, and its answer was lost, as NFS does it", async () => {
  const project = await makeQuickstart();
  const applyWith = (fault: Pick<Fault, "site" | "how">) =>
    project.run(APPLY, { environment: faultEnvironment(project.path("calls"), { ...fault, occurrence: 1 }) });
  expect((await applyWith({ site: "link lock", how: "answer lost" })).exitCode).toBe(0);
  expect(await project.list(".wan22/state")).toEqual(["quickstart.json", "quickstart.json.backup"]);

  await project.write(FILE, (await project.read(FILE)).replace("max_train_epochs: 4", "max_train_epochs: 5"));
  await project.write(LOCK, JSON.stringify({ ...ELSEWHERE, host: hostname(), boot_id: observeMachine().bootId }));
  const { exitCode, stderr } = await applyWith({ site: "rename lock", how: "answer lost" });
  expect([exitCode, stderr]).toEqual([0, expect.stringContaining("is gone; its lock was taken over.")]);
  expect((await readCalls(project.path("calls"))).filter(({ isAsked }) => isAsked)).toHaveLength(2);
});

it("a file system without hard links is refused with that reason", async () => {
  const project = await makeQuickstart();
  const environment = faultEnvironment(project.path("calls"), { site: "link lock", occurrence: 1, how: "EPERM" });
  const { exitCode, stderr } = await project.run(APPLY, { environment });
  expect(exitCode).toBe(1);
  expect(flat(stderr)).toMatch(/error\[A50\].*The file system of \.wan22( \(\w+\))? has no hard links.*`state_dir`/);
  expect(await project.list(".wan22/state")).toEqual([]);
});

it("`state unlock` removes the lock of a machine that is gone, by name or file, whatever else is broken", async () => {
  const project = await makeQuickstart();
  const unlock = async (word: string, ...args: readonly string[]) => project.run(["state", "unlock", word, ...args]);
  await project.write("wan22.yaml", "models: [}");
  for (const word of ["quickstart", FILE, LOCK]) {
    await project.write(LOCK, JSON.stringify(ELSEWHERE));
    const asked = await unlock(word);
    expect([asked.exitCode, asked.stderr]).toEqual([1, expect.stringContaining("--force")]);
    expect(await project.list(".wan22")).toEqual(["state/quickstart.lock"]);

    const { exitCode, stdout } = await unlock(word, "--force");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/quickstart.lock: ada on gpu-7 has it since \d{4}-\d\d-\d\d \d\d:\d\d \(process 4711\)\./);
    expect(await project.list(".wan22")).toEqual([]);
  }
  await project.write(FILE, "name: [");
  await project.write(LOCK, "\u0000 torn");
  expect((await unlock("quickstart", "--force")).stdout).toContain("it can't be read");
  expect(await unlock(LOCK)).toMatchObject({ exitCode: 0, stdout: `Nothing is locked: there is no ${LOCK}.` });
  expect(await unlock("quickstart")).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("--state-dir") });
});

it("what is no file under a lock's name is told as that by all commands, waited on by none, and can be removed", async () => {
  const project = await makeQuickstart();
  const lock = project.path(LOCK);
  await mkdir(project.path(".wan22/state"), { recursive: true });
  const makings = [() => symlink("nowhere", lock), () => mkdir(lock), () => execa("mkfifo", [lock])];
  for (const make of makings) {
    await make();
    const refused = await project.run(APPLY);
    expect([refused.exitCode, flat(refused.stderr)]).toEqual([
      4,
      expect.stringContaining("If no other apply is at work, `wan22 state unlock quickstart` removes it."),
    ]);
    expect((await project.run(["status"])).exitCode).toBe(0);
    expect(await project.run(["state", "unlock", "quickstart", "--force"])).toMatchObject({ exitCode: 0 });
    await expect(lstat(lock)).rejects.toThrow("ENOENT");
  }
  await project.write(`${LOCK}/mine`, "of use");
  const kept = await project.run(["state", "unlock", "quickstart", "--force"]);
  expect([kept.exitCode, flat(kept.stderr)]).toEqual([
    1,
    expect.stringMatching(/error\[A113\].*is a folder with something in it/),
  ]);
  expect(await project.read(`${LOCK}/mine`)).toBe("of use");
});

it("`state unlock` asks first, and takes only a whole yes for one", async () => {
  const project = await makeQuickstart();
  await project.write(LOCK, JSON.stringify(ELSEWHERE));
  const unlock = ["state", "unlock", "quickstart"];
  expect(await answerCommand(project, unlock, "y")).toMatchObject({ exitCode: 1 });
  expect(await project.list(".wan22/state")).toEqual(["quickstart.lock"]);
  expect(await answerCommand(project, unlock, "yes")).toMatchObject({ exitCode: 0 });
  expect(await project.list(".wan22/state")).toEqual([]);
});

it("`state unlock` leaves a living owner its lock unless it is forced", async () => {
  const project = await longQuickstart();
  const applying = startApply(project);
  await applying.until(stepFrom(20));
  const refused = await project.run(["state", "unlock", "quickstart"]);
  expect(refused.exitCode).toBe(4);
  expect(flat(refused.stderr)).toMatch(/error\[A53\].* on \S+ has it since \S+ \S+ \(process \d+\)\. Wait/);
  expect((await project.run(APPLY)).exitCode).toBe(4);
  expect((await project.run(["state", "unlock", "quickstart", "--force"])).exitCode).toBe(0);
  expect(await project.list(".wan22/state")).not.toContain("quickstart.lock");
  applying.process.kill("SIGINT");
  expect(await applying.ended).toBe(85);
});
