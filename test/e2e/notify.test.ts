// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { mkdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Notification, notificationSchema } from "../../src/core/notification.ts";
import { startApply, stepFrom } from "../rig/applying.ts";
import { longQuickstart } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** `notify:` tells programs and servers of a run, and no hook harms one. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];
const SECRET = "t0ps3cret-token";

interface Server {
  readonly url: string;
  readonly got: readonly Notification[];
  readonly requests: () => number;
}

/** A real server; `answer` may leave a request without one. */
async function startServer(
  answer: (request: IncomingMessage, response: ServerResponse, count: number) => void = (_, response) => response.end(),
): Promise<Server> {
  const got: Notification[] = [];
  let requests = 0;
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const part of request) text += String(part);
    requests += 1;
    got.push(notificationSchema.parse(JSON.parse(text)));
    answer(request, response, requests);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hooks/${SECRET}`, got, requests: () => requests };
}

/** A port that nobody listens on. */
async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return String(port);
}

const withHooks = (hooks: string) => (yaml: string) => `${yaml}\nnotify:\n${hooks}\n`;

/** Every text that the project holds, and all that a command said. */
async function everythingWritten(project: Project): Promise<string> {
  const files = (await project.list(".")).filter((name) => !/\.(?:safetensors|mp4)$/.test(name));
  return (await Promise.all(files.map((name) => readFile(project.path(name), "latin1")))).join("\n");
}

describe("a hook", () => {
  it("gets the run as JSON: a server as the body of a POST, a program on its standard input", async () => {
    const server = await startServer();
    const save = "process.stdin.pipe(require('fs').createWriteStream('told.json'))";
    const project = await makeQuickstart(
      withHooks(`  - url: \${HOOK_URL}\n    on: [started, finished]\n  - command: [node, -e, "${save}"]`),
    );
    const commit = "0123456789abcdef0123456789abcdef01234567";
    await mkdir(project.path(".git"), { recursive: true });
    await project.write(".git/HEAD", `${commit}\n`);
    const { exitCode, stdout, stderr } = await project.run(APPLY, { environment: { HOOK_URL: server.url } });
    expect([exitCode, stderr]).toEqual([0, ""]);
    const [run = ""] = (await project.list(".wan22/runs")).map((name) => name.split("/")[0]);
    expect(server.got.map(({ event }) => event)).toEqual(["started", "finished"]);
    expect(server.got[0]).toMatchObject({ pipeline: "quickstart", run, commit, checkpoints: [] });
    expect(server.got[1]).toMatchObject({
      version: 1,
      file: FILE,
      run,
      outcome: "finished",
      stage: "train",
      step: 96,
      total: 96,
      checkpoints: expect.arrayContaining(["output/quickstart/quickstart.safetensors"]),
    });
    expect(notificationSchema.parse(JSON.parse(await project.read("told.json")))).toMatchObject({ event: "finished" });
    expect(stdout.replace(/\s+/g, " ")).toContain(
      "tells url ${HOOK_URL} (started, finished) and command node (stopped, failed, finished)",
    );
    // Nothing is told of a plan without changes.
    expect((await project.run(APPLY, { environment: { HOOK_URL: server.url } })).exitCode).toBe(0);
    expect(server.requests()).toBe(2);
    expect(stdout + stderr + (await everythingWritten(project))).not.toContain(SECRET);
  });

  it("is told why a run failed, also one that was refused before it began", async () => {
    const server = await startServer();
    const project = await makeQuickstart(withHooks("  - url: ${HOOK_URL}"));
    await project.write(".wan22/cache", "in the way");
    const { exitCode } = await project.run(APPLY, { environment: { HOOK_URL: server.url } });
    expect(exitCode).toBe(6);
    expect(server.got).toEqual([
      expect.objectContaining({
        event: "failed",
        outcome: "failed",
        message: expect.stringContaining(".wan22/cache is a file"),
      }),
    ]);
  });

  it("is no part of what is trained, nor of what names a plan", async () => {
    const project = await makeQuickstart();
    const before = (await project.plan(FILE)).pipelines[0];
    await project.write(FILE, withHooks("  - command: [mail, me@example.org]")(await project.read(FILE)));
    const after = (await project.plan(FILE)).pipelines[0];
    expect(after?.notify).toEqual([{ target: "command mail", on: ["stopped", "failed", "finished"] }]);
    expect([after?.digest, after?.stages]).toEqual([before?.digest, before?.stages]);
  });

  it("of the project holds for its pipelines, and an empty list turns it off", async () => {
    const project = await makeQuickstart();
    await project.write("wan22.yaml", "notify:\n  - url: https://me:pa55@chat.example/hooks/abc\n    on: [failed]\n");
    const [shared] = (await project.plan(FILE)).pipelines;
    expect(shared?.notify).toEqual([{ target: "url https://chat.example/…", on: ["failed"] }]);
    await project.write(FILE, `${await project.read(FILE)}\nnotify: []\n`);
    expect((await project.plan(FILE)).pipelines[0]?.notify).toBeUndefined();
  });

  it("that names no target, two, an unknown event or no URL is an error in the file", async () => {
    const project = await makeQuickstart(
      withHooks("  - on: [failed]\n  - { url: 'https://a.example', command: [a] }\n  - { url: ftp://a, on: [done] }"),
    );
    const { exitCode, stdout, stderr } = await project.run(["validate", FILE]);
    const codes = (stdout + stderr).match(/(?<=error\[)\w+/g);
    expect([exitCode, codes]).toEqual([1, ["S70", "S70", "S23", "S22"]]);
  });
});

describe("a hook that does not work costs a run nothing but a note", () => {
  it("whether it fails, is not there, crashes, reads nothing, or its variable is not set", async () => {
    const refusing = await startServer((_, response) => response.writeHead(403).end("no, because of reasons"));
    const project = await makeQuickstart(
      withHooks(
        [
          "  - url: ${HOOK_URL}",
          "  - url: ${NOT_SET}",
          "  - url: http://127.0.0.1:${CLOSED}/${TOKEN}",
          "  - command: [no-such-program-anywhere]",
          "  - command: [node, -e, \"process.kill(process.pid, 'SIGSEGV')\"]",
          '  - command: [node, -e, "process.exit(3)", --, --token, not-shown]',
          '  - command: ["true"]',
        ].join("\n"),
      ),
    );
    const environment = { HOOK_URL: refusing.url, TOKEN: SECRET, CLOSED: await closedPort() };
    const { exitCode, stdout, stderr } = await project.run(APPLY, { environment });
    expect(exitCode).toBe(0);
    const said = stderr.replace(/\s+/g, " ");
    expect(said.match(/A71/g)).toHaveLength(6);
    for (const why of [
      "it answered 403",
      "the environment variable NOT_SET is not set",
      "it could not be reached (",
      "there is no such program",
      "it was ended by SIGSEGV",
      "it ended with 3",
    ]) {
      expect(said).toContain(why);
    }
    expect(stdout + stderr).not.toContain("not-shown");
    expect(stdout + stderr + (await everythingWritten(project))).not.toContain(SECRET);
    // Asking again would not help.
    expect(refusing.requests()).toBe(1);
  });

  it("and a server that is busy is asked again", async () => {
    const busy = await startServer((_, response, count) => response.writeHead(count < 3 ? 503 : 204).end());
    const project = await makeQuickstart(withHooks("  - url: ${HOOK_URL}"));
    const { exitCode, stderr } = await project.run(APPLY, { environment: { HOOK_URL: busy.url } });
    expect([exitCode, stderr, busy.requests()]).toEqual([0, "", 3]);
  });

  it("and one that hangs is given a few seconds at the end, and ended with all that it started", async () => {
    const hanging = await startServer(() => undefined);
    const project = await makeQuickstart(
      withHooks("  - url: ${HOOK_URL}\n  - command: [sh, -c, 'sleep 1000 & echo $! > child.pid; wait']"),
    );
    const { exitCode, stderr } = await project.run(APPLY, { environment: { HOOK_URL: hanging.url } });
    expect(exitCode).toBe(0);
    const said = stderr.replace(/\s+/g, " ");
    expect(said).toContain("it did not answer in time");
    expect(said).toContain("it did not end in time");
    const child = Number(await project.read("child.pid"));
    const isZombieOrGone = await readFile(`/proc/${child}/stat`, "utf8").then(
      (stat) => /\) Z /.test(stat),
      () => true,
    );
    expect(isZombieOrGone).toBe(true);
  });
});

describe("whoever sees the end of a run tells of it", () => {
  const hooks = withHooks("  - url: ${HOOK_URL}\n    on: [started, stopped, failed, finished]");

  /** A run whose runner and trainer were killed, with a server that is told of it. */
  async function killedWhileTraining() {
    const server = await startServer();
    const project = await longQuickstart();
    await project.write(FILE, hooks(await project.read(FILE)));
    const environment = { HOOK_URL: server.url };
    const first = startApply(project, FILE, { environment });
    await first.until(stepFrom(2));
    const started = first.events.findLast((event) => event.type === "stage-started");
    first.process.kill("SIGKILL");
    await first.ended;
    process.kill(-(started?.type === "stage-started" ? (started.pid ?? 0) : 0), "SIGKILL");
    return { server, project, environment };
  }

  it("also a second runner that took up the first one's trainer, once for each event", async () => {
    const server = await startServer();
    const project = await longQuickstart();
    await project.write(FILE, hooks(await project.read(FILE)));
    const environment = { HOOK_URL: server.url };
    const first = startApply(project, FILE, { environment });
    await first.until(stepFrom(2));
    first.process.kill("SIGKILL");
    await first.ended;
    const second = startApply(project, FILE, { environment });
    await second.until(stepFrom(3));
    second.process.kill("SIGTERM");
    expect(await second.ended).toBe(85);
    expect(server.got.map(({ event, outcome }) => [event, outcome])).toEqual([
      ["started", undefined],
      ["stopped", "stopped"],
    ]);
    expect(new Set(server.got.map(({ run }) => run)).size).toBe(1);
  });

  it("and whatever command puts in order what nobody watched, once", async () => {
    const { server, project, environment } = await killedWhileTraining();
    await project.run(["prune", FILE, "--auto-approve"], { environment });
    await project.run(["attach", FILE], { environment });
    expect(server.got.map(({ event }) => event)).toEqual(["started", "failed"]);
  });

  it("and of a trainer that was killed while nobody watched, the next apply", async () => {
    const { server, project, environment } = await killedWhileTraining();
    expect(await startApply(project, FILE, { environment }).ended).toBe(0);
    expect(server.got.map(({ event }) => event).sort()).toEqual(["failed", "finished", "started", "started"]);
    expect(server.got.find(({ event }) => event === "failed")).toMatchObject({
      stage: "train",
      message: "Its process is gone and left no word about its end.",
    });
  });
});
