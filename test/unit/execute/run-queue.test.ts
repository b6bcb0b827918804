import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type QueuedPipeline, type QueueOutcome, runQueue, type Turn } from "../../../src/execute/queue/run-queue.ts";
import { gpuLockFile } from "../../../src/host/locks/gpu-locks.ts";
import { identifyProcess } from "../../../src/host/process.ts";
import { isThere } from "../../../src/host/read-file.ts";
import {
  findDamagedQueues,
  makeQueueFile,
  readQueues,
  requestOrder,
  writeQueue,
} from "../../../src/host/records/queue-store.ts";

/** The sharing out itself, with pipelines that are as long at work as a test lets them. */

async function makeUser() {
  const folder = await mkdtemp(join(tmpdir(), "wan22-queue-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return { folder, environment: { XDG_STATE_HOME: folder } };
}

/** Somebody else's training on a GPU: a process that lives, with its lock. */
async function occupy(device: string, environment: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const other = spawn(process.execPath, ["-e", "console.log(1); setInterval(() => {}, 1000)"], { stdio: "pipe" });
  onTestFinished(() => void other.kill("SIGKILL"));
  await once(other.stdout, "data");
  const file = gpuLockFile(device, environment);
  const owner = { version: 1, who: "ada", host: hostname(), since: "2026-07-01T00:00:00Z" };
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ ...owner, ...(await identifyProcess(other.pid ?? 0)) }));
  return other;
}

interface Options {
  readonly pool?: readonly number[];
  readonly lockTimeoutMs?: number;
  readonly stop?: AbortSignal;
  readonly detach?: AbortSignal;
  readonly onNote?: (text: string) => void;
  readonly work?: (name: string, turn: Turn) => Promise<QueueOutcome>;
}

/** Runs a queue; what each got, in the order they began. */
async function carryOut(
  { folder, environment }: Awaited<ReturnType<typeof makeUser>>,
  names: readonly (string | (Partial<QueuedPipeline> & { readonly name: string }))[],
  { pool, lockTimeoutMs = 0, stop, detach, onNote = () => undefined, work = async () => "finished" }: Options,
) {
  const turns: [string, Turn][] = [];
  const never = new AbortController().signal;
  const pipelines = names.map((one): QueuedPipeline => {
    const { name, ...rest } = typeof one === "string" ? { name: one } : one;
    const place = { root: folder, stateDir: join(folder, "state"), pipeline: name, host: hostname() };
    return { place, file: `${name}.yaml`, wants: undefined, usesGpu: true, livesOn: undefined, ...rest };
  });
  await runQueue({
    pipelines,
    pool,
    folder,
    environment,
    lockTimeoutMs,
    signals: { stop: stop ?? never, stopNow: never, detach },
    onNote,
    begin: (pipeline, turn) => {
      turns.push([pipeline.place.pipeline, turn]);
      return work(pipeline.place.pipeline, turn);
    },
    onDropped: async () => undefined,
  });
  return turns;
}

test("A card that somebody else has is left alone as long as there is another, and is taken when it is free", async () => {
  const user = await makeUser();
  const other = await occupy("0", user.environment);
  const turns = await carryOut(user, ["fox", "dog"], {
    pool: [0, 1],
    work: async (name) => {
      if (name !== "fox") return "finished";
      other.kill("SIGKILL");
      await once(other, "exit");
      // dog begins on the other card meanwhile.
      await expect.poll(async () => (await readQueues(user.environment))[0]?.queue.entries[1]?.status).toBe("ended");
      return "finished";
    },
  });
  expect(turns).toMatchObject([
    ["fox", { gpus: [1] }],
    ["dog", { gpus: [0] }],
  ]);
});

test("Where all are somebody else's they are waited for as long as was said, and then it is left to the lock to refuse", async () => {
  const user = await makeUser();
  const other = await occupy("0", user.environment);
  expect(await carryOut(user, ["fox"], { pool: [0] })).toMatchObject([["fox", { gpus: [0], lockTimeoutMs: 0 }]]);
  const waiting = carryOut(user, ["fox"], { pool: [0], lockTimeoutMs: 60_000 });
  other.kill("SIGKILL");
  expect(await waiting).toMatchObject([["fox", { gpus: [0], lockTimeoutMs: 60_000 }]]);
});

test("What uses no GPU waits for nobody's", async () => {
  const user = await makeUser();
  await occupy("0", user.environment);
  const turns = await carryOut(user, [{ name: "fox", usesGpu: false }], { pool: [0], lockTimeoutMs: 60_000 });
  expect(turns).toMatchObject([["fox", { gpus: [0] }]]);
});

test("What runs already is followed at once, on its own card, and the others share the rest", async () => {
  const user = await makeUser();
  const begun: string[] = [];
  const turns = await carryOut(user, ["fox", { name: "dog", livesOn: [0] }, { name: "owl", livesOn: [7] }], {
    pool: [0, 1, 2],
    work: async (name) => {
      begun.push(name);
      await expect.poll(() => begun.length).toBe(3);
      return "finished";
    },
  });
  expect(turns).toMatchObject([
    ["dog", { gpus: [0] }],
    ["owl", { gpus: [1] }],
    ["fox", { gpus: [2] }],
  ]);
});

test("A stop begins nothing more, and an error that ends the queue comes when the others have ended", async () => {
  const user = await makeUser();
  const stop = new AbortController();
  const turns = await carryOut(user, ["fox", "dog"], {
    stop: stop.signal,
    work: async () => {
      stop.abort();
      return "stopped";
    },
  });
  expect(turns.map(([name]) => name)).toEqual(["fox"]);
  const ended: string[] = [];
  let dogBegins = () => {};
  const dogBegan = new Promise<void>((resolve) => {
    dogBegins = resolve;
  });
  const failing = carryOut(user, ["fox", "dog", "owl"], {
    pool: [0, 1],
    work: async (name) => {
      if (name === "fox") {
        await dogBegan;
        throw new Error("a bug");
      }
      dogBegins();
      // Long after the other one.
      await new Promise((resolve) => setImmediate(resolve));
      ended.push(name);
      return "finished";
    },
  });
  await expect(failing).rejects.toThrow("a bug");
  expect(ended).toEqual(["dog"]);
  expect(await readQueues(user.environment)).toEqual([]);
});

test("Items are encoded before anybody takes them from the store, whoever is first in the queue", async () => {
  const user = await makeUser();
  const items = ({ made = [], awaited = [] }: { made?: string[]; awaited?: string[] }) => ({
    made: new Set(made),
    awaited: new Set(awaited),
  });
  const begun: string[] = [];
  let isCached = false;
  const turns = await carryOut(
    user,
    [
      { name: "ant", usesGpu: false, items: items({ awaited: ["a"] }) },
      { name: "bee", usesGpu: false, items: items({ made: ["a", "b"] }) },
      { name: "cat", usesGpu: false, items: items({ made: ["c"] }) },
    ],
    {
      pool: [0, 1, 2],
      work: async (name, { onCached }) => {
        begun.push(name);
        if (name === "ant") expect(isCached).toBe(true);
        if (name !== "bee") return "finished";
        await expect.poll(() => begun).toContain("cat");
        expect(begun).not.toContain("ant");
        isCached = true;
        onCached();
        // It begins while the one that made them is still at work.
        await expect.poll(() => begun).toContain("ant");
        return "finished";
      },
    },
  );
  expect(turns.map(([name]) => name)).toEqual(["bee", "cat", "ant"]);
});

test("What ends while requests are taken up has ended, and gives its card to the next", async () => {
  const user = await makeUser();
  const turns = await carryOut(user, ["fox", "dog"], {
    pool: [0],
    work: async (name) => {
      const [stored] = await readQueues(user.environment);
      if (name !== "fox" || stored === undefined) return "finished";
      const place = { kind: "first" } as const;
      const keys = [{ name: "dog", project: user.folder }];
      const asked = await Promise.all(Array.from({ length: 40 }, () => requestOrder(stored.file, { keys, place })));
      await expect.poll(() => Promise.all(asked.map(isThere)), { interval: 1 }).toContain(false);
      return "finished";
    },
  });
  expect(turns.map(([name]) => name)).toEqual(["fox", "dog"]);
});

test("A damaged queue file is set aside with a note, and one of a newer version is left alone", async () => {
  const user = await makeUser();
  const folder = dirname(
    await makeQueueFile({ owner: { pid: 1, boot_id: "", start_time: "", who: "ada" }, since: 1 }, user.environment),
  );
  await writeFile(join(folder, "1796000000-4711.json"), '{"version": 1, "own');
  await writeFile(join(folder, "1796000001-4712.json"), "");
  await writeFile(join(folder, "1796000002-4713.json"), '{"version": 2}');
  expect(await findDamagedQueues(user.environment)).toEqual([
    { file: join(folder, "1796000000-4711.json"), why: "what it holds is no queue" },
    { file: join(folder, "1796000001-4712.json"), why: "it is empty" },
  ]);
  const notes: string[] = [];
  await carryOut(user, ["fox", "dog"], { onNote: (text) => notes.push(text) });
  expect(notes).toMatchObject([
    expect.stringMatching(/4711\.json can't be read: .* set aside as 1796000000-4711\.json\.damaged-/),
    expect.stringMatching(/4712\.json can't be read: it is empty/),
  ]);
  expect((await readdir(folder)).sort()).toMatchObject([
    expect.stringMatching(/^1796000000-4711\.json\.damaged-/),
    expect.stringMatching(/^1796000001-4712\.json\.damaged-/),
    "1796000002-4713.json",
  ]);
});

test("Who leaves while something waits leaves the list, and those who take it up clear it away", async () => {
  const user = await makeUser();
  const leaving = new AbortController();
  await carryOut(user, ["fox", "dog", "cat"], {
    pool: [0],
    detach: leaving.signal,
    work: async () => {
      leaving.abort();
      return "detached";
    },
  });
  const listed = async () =>
    (await readQueues(user.environment)).map(({ queue }) =>
      queue.entries.map(({ name, status }) => `${name} ${status}`),
    );
  expect(await listed()).toEqual([["fox running", "dog waiting", "cat waiting"]]);
  const [left] = await readQueues(user.environment);
  if (left === undefined) throw new Error("no queue was left");
  await writeQueue(left.file, { ...left.queue, owner: { ...left.queue.owner, start_time: "gone" } });
  await carryOut(user, ["dog"], {});
  expect(await listed()).toEqual([["fox running", "cat waiting"]]);
  await carryOut(user, ["cat", "fox"], {});
  expect(await listed()).toEqual([]);
});
