import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { identifyThisProcess, isPidInUse, isProcessAlive, startDetached } from "../../../src/host/process.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-process-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const WAIT_FOR_EVER = "setInterval(() => {}, 1000)";

async function start(script: string, env: Readonly<Record<string, string>> = {}) {
  const logFile = join(folder, `${Math.random()}.log`);
  const result = await startDetached({ command: process.execPath, args: ["-e", script], cwd: folder, env, logFile });
  if (result.kind === "failed") throw new Error(result.message);
  return { ...result.process, logFile };
}

describe("a detached process", () => {
  test("writes both its streams into a file, and tells how it ended", async () => {
    const { ended, logFile } = await start("console.log('out'); console.error('err'); process.exit(85)");
    expect(await ended).toEqual({ exitCode: 85, signal: null });
    expect(await readFile(logFile, "utf8")).toBe("out\nerr\n");
  });

  test("sees the environment that it is given and no other", async () => {
    const { ended, logFile } = await start("console.log(JSON.stringify([process.env.ONE, process.env.HOME]))", {
      ONE: "1",
    });
    await ended;
    expect(await readFile(logFile, "utf8")).toBe('["1",null]\n');
  });

  test("is alive until it has ended, by its pid, its start and its boot", async () => {
    const { identity, ended } = await start(WAIT_FOR_EVER);
    expect(await isProcessAlive(identity)).toBe(true);
    expect(await isProcessAlive({ ...identity, start_time: "1" })).toBe(false);
    expect(await isProcessAlive({ ...identity, boot_id: "another boot" })).toBe(false);
    process.kill(identity.pid, "SIGKILL");
    expect(await ended).toEqual({ exitCode: null, signal: "SIGKILL" });
    expect(await isProcessAlive(identity)).toBe(false);
  });

  test("outlives the process that started it", async () => {
    const source = new URL("../../../src/host/process.ts", import.meta.url).pathname;
    // The starter is a real second process: bundled, since Node 20 reads no TypeScript.
    const { build } = await import("esbuild");
    const entry = `import { startDetached } from ${JSON.stringify(source)};
      const options = { command: process.execPath, args: ["-e", ${JSON.stringify(WAIT_FOR_EVER)}], cwd: ".", env: {}, logFile: "x.log" };
      const started = await startDetached(options);
      console.log(JSON.stringify(started.process.identity));`;
    const outfile = join(folder, "starter.mjs");
    await build({
      stdin: { contents: entry, resolveDir: folder, loader: "ts" },
      bundle: true,
      platform: "node",
      format: "esm",
      outfile,
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      logLevel: "silent",
    });
    const starter = spawn(process.execPath, [outfile], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    starter.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
    });
    // It ends by itself although what it started runs on.
    expect((await once(starter, "close"))[0]).toBe(0);
    const identity = JSON.parse(text);
    expect(await isProcessAlive(identity)).toBe(true);
    process.kill(identity.pid, "SIGKILL");
  });
});

test.runIf(process.platform === "linux")(
  "one that has ended is not in use, though its parent has not heard of it",
  async () => {
    const fork = "import os, time; child = os.fork() or os._exit(0); print(child, flush=True); time.sleep(60)";
    const parent = spawn("python3", ["-c", fork], { stdio: ["ignore", "pipe", "inherit"] });
    const [said] = await once(parent.stdout, "data");
    const child = Number(String(said));
    await expect.poll(() => isPidInUse(child)).toBe(false);
    expect(process.kill(child, 0)).toBe(true);
    parent.kill("SIGKILL");
  },
);

test("a program that is not there is said, not thrown", async () => {
  const logFile = join(folder, "none.log");
  const options = { args: [], cwd: folder, env: {}, logFile };
  expect(await startDetached({ ...options, command: "/no/such/python" })).toMatchObject({
    kind: "failed",
    code: "ENOENT",
  });
  expect(await startDetached({ ...options, command: logFile })).toMatchObject({ kind: "failed", code: "EACCES" });
});

test("this process is alive to itself", async () => {
  expect(await isProcessAlive(await identifyThisProcess())).toBe(true);
});
