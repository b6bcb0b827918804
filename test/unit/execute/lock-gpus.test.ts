import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { adoptGpus, lockGpus } from "../../../src/execute/locks/lock-gpus.ts";
import type { StageLocksResult } from "../../../src/execute/locks/stage-locks.ts";
import { devicesInUse, devicesToShow } from "../../../src/execute/stage/devices.ts";
import { gpuLockFile, gpuLocksFolder } from "../../../src/host/locks/gpu-locks.ts";
import type { LockWork } from "../../../src/host/locks/lock-owner.ts";
import { observeMachine } from "../../../src/host/machine.ts";
import { identifyProcess } from "../../../src/host/process.ts";

const FOX: LockWork = { project: "/p/one", pipeline: "fox", stage: "train", run: "20260701T000000Z-fox-0001" };
const DOG: LockWork = { project: "/p/two", pipeline: "dog", stage: "train", run: "20260701T000000Z-dog-0002" };

async function makeUser() {
  const folder = await mkdtemp(join(tmpdir(), "wan22-gpus-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const environment = { XDG_STATE_HOME: folder };
  const said: string[] = [];
  const take = (work: LockWork, devices: readonly string[], patience = {}) =>
    lockGpus(devices, {
      work,
      environment,
      patience: { timeoutMs: 0, onWaiting: (text) => said.push(text), ...patience },
    });
  return { environment, take, said, file: (device: string) => gpuLockFile(device, environment) };
}

function had(result: StageLocksResult) {
  if (result.kind !== "acquired") throw new Error(`the GPUs were not had: ${JSON.stringify(result)}`);
  return result;
}

/** What a runner left that was killed. */
async function leaveLock(file: string, work: LockWork): Promise<void> {
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  const owner = { version: 1, who: "ada", host: hostname(), pid, start_time: "1", since: "2026-07-01T00:00:00Z", work };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ ...owner, boot_id: observeMachine().bootId }));
}

/** A process that stands for a trainer: all that is known of it is what the runner put into its environment. */
async function startTrainer({ run, stage }: LockWork) {
  const trainer = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"], {
    env: { ...process.env, WAN22_STAGE: `${run}/${stage}` },
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  onTestFinished(() => void trainer.kill("SIGKILL"));
  await once(trainer.stdout, "data");
  const end = async () => {
    trainer.kill("SIGKILL");
    await once(trainer, "exit");
  };
  return { pid: trainer.pid ?? 0, end };
}

test("A GPU has one user, who is told to the next by stage, pipeline, project and time", async () => {
  const { take, file } = await makeUser();
  const fox = had(await take(FOX, ["0", "1"]));
  expect(await take(DOG, ["1", "2"])).toMatchObject({
    kind: "locked",
    diagnostic: {
      code: "A51",
      detail: expect.stringMatching(
        /^train of fox in \/p\/one has GPU 1 since \d{4}-\S+ \(\S+ on \S+, process \d+\)\. Wait .*--lock-timeout/,
      ),
    },
  });
  // All or none: what was had of it is given back.
  expect(await readdir(dirname(file("2")))).toEqual(["0.lock", "1.lock"]);
  had(await take(DOG, ["2"]));
  await fox.release();
  had(await take(DOG, ["0", "1"]));
});

test("It is waited for with one word about it, until it is free, the time is over, or a signal comes", async () => {
  const { take, said } = await makeUser();
  const fox = had(await take(FOX, ["0"]));
  const waiting = take(DOG, ["0"], {
    timeoutMs: 60_000,
    onWaiting: (text: string) => {
      said.push(text);
      void fox.release();
    },
  });
  const dog = had(await waiting);
  expect(said).toEqual([expect.stringMatching(/^Waiting, since train of fox in \/p\/one has GPU 0 since .*\.$/)]);
  expect((await take(FOX, ["0"], { timeoutMs: 1 })).kind).toBe("locked");
  const stop = new AbortController();
  const cancelled = take(FOX, ["0"], { timeoutMs: 60_000, onWaiting: () => stop.abort(), signals: [stop.signal] });
  expect((await cancelled).kind).toBe("cancelled");
  await dog.release();
});

test("A trainer whose runner was killed keeps its GPU as long as it lives, though nobody wrote it down", async () => {
  const { take, file, environment } = await makeUser();
  const trainer = await startTrainer(FOX);
  await leaveLock(file("0"), FOX);
  expect((await take(DOG, ["0"])).kind).toBe("locked");

  // The runner that goes on with it has the GPU then, and names the trainer to others.
  const adopted = await adoptGpus({ work: FOX, environment });
  await adopted.nameProcess(await identifyProcess(trainer.pid));
  const lock = JSON.parse(await readFile(file("0"), "utf8"));
  expect(lock).toMatchObject({ pid: process.pid, work: { run: FOX.run, process: { pid: trainer.pid } } });
  expect(await take(DOG, ["0"])).toMatchObject({
    diagnostic: { detail: expect.stringContaining(`process ${trainer.pid})`) },
  });
  expect(await readdir(gpuLocksFolder(environment))).toEqual(["0.lock"]);

  await leaveLock(file("0"), lock.work);
  await trainer.end();
  expect(had(await take(DOG, ["0"])).notes).toEqual([
    "GPU 0 was train of fox in /p/one's since 2026-07-01T00:00:00Z, which is gone; its lock was taken over.",
  ]);
});

test("Where the locks can't be written no stage starts, and the way out is named", async () => {
  const { environment, take } = await makeUser();
  await writeFile(join(environment.XDG_STATE_HOME, "wan22"), "in the way");
  expect(await take(FOX, ["0"])).toMatchObject({
    kind: "failed",
    diagnostic: { code: "A52", detail: expect.stringContaining("XDG_STATE_HOME") },
  });
  expect(await take(FOX, [])).toMatchObject({ kind: "acquired" });
});

test("A stage sees and takes the GPUs that are named, else what its environment says, else the first that is found", () => {
  const gpus = [3, 1].map((index) => ({ index, name: "RTX 4090", vramGiB: 24 }));
  const input = { stage: {}, backend: "musubi", gpus, environment: {} } as const;
  expect([devicesToShow(input), devicesInUse(input)]).toEqual([["3"], ["3"]]);
  const named = { ...input, stage: { gpus: [2, 0] }, environment: { CUDA_VISIBLE_DEVICES: "7" } };
  expect([devicesToShow(named), devicesInUse(named)]).toEqual([
    ["2", "0"],
    ["0", "2"],
  ]);
  for (const [visible, used] of [
    ["5,6", ["5"]],
    ["GPU-8a3f", ["GPU-8a3f"]],
    ["", []],
    ["-1", []],
  ] as const) {
    const said = { ...input, environment: { CUDA_VISIBLE_DEVICES: visible } };
    expect([devicesToShow(said), devicesInUse(said)]).toEqual([undefined, used]);
  }
  expect(devicesInUse({ ...named, backend: "rehearsal" })).toEqual([]);
  expect(devicesInUse({ ...input, gpus: [] })).toEqual([]);
});
