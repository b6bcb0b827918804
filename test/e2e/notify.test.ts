// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { mkdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { notificationSchema } from "../../src/core/notification.ts";
import { SECRET, startServer, withHooks } from "../rig/hook-server.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** `notify:` tells programs and servers of a run, and no hook harms one. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];

/** A port that nobody listens on. */
async function closedPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return String(port);
}

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

describe("a variable of a hook that is not set", () => {
  it("is found before a run, with its line, by whatever looks at the file; nothing of what is set is said", async () => {
    const project = await makeQuickstart(
      withHooks("  - url: ${NOT_SET}\n  - url: https://127.0.0.1/${TOKEN}/${EMPTY}"),
    );
    const line = (await project.read(FILE)).split("\n").indexOf("  - url: ${NOT_SET}") + 1;
    const environment = { TOKEN: SECRET, EMPTY: "" };
    for (const command of ["validate", "plan", "doctor"]) {
      const { exitCode, stdout, stderr } = await project.run([command, FILE], { environment });
      const said = (stdout + stderr).replace(/\s+/g, " ");
      expect([exitCode, said.match(/warning\[P81\]/g)]).toEqual([0, ["warning[P81]", "warning[P81]"]]);
      expect(said).toContain(`--> ${FILE}:${line}:`);
      expect(said).toContain("environment variable NOT_SET, which is not set: nobody would be told");
      expect(said).toContain("environment variable EMPTY, which is empty");
      expect(said).not.toContain(SECRET);
    }
    const { exitCode, stdout } = await project.run(["validate", FILE, "--format", "json"], { environment });
    const [first] = JSON.parse(stdout).diagnostics;
    expect([exitCode, first]).toMatchObject([0, { code: "P81", severity: "warning", file: FILE, range: { line } }]);
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
      "it answered 403. See that the URL is right, and that its server takes JSON by POST.",
      "the environment variable NOT_SET is not set. Set it where `wan22 apply` runs.",
      "it ended with 3. Try it by hand in the project's root, with JSON on its standard input.",
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
