import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it, onTestFinished } from "vitest";
import { type Git, runGit, whyNot } from "../../../src/host/git/git.ts";

/** Git itself, in an empty folder; an alias is a program that it starts. */

let git: Git;
beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "wan22-git-"));
  git = { folder, environment: process.env };
  return () => rm(folder, { recursive: true, force: true });
});

it("asks nobody, runs no hook, and is in no repository that the environment names", async () => {
  const environment = { ...process.env, GIT_DIR: "/elsewhere", GIT_INDEX_FILE: "/index", SSH_ASKPASS: "/bin/ask" };
  const result = await runGit({ ...git, environment, sshCommand: "ssh -i key" }, ["-c", "alias.tell=!env", "tell"]);
  if (result.kind !== "answered") throw new Error(whyNot(result));
  const said = new Set(result.stdout.split("\n"));
  expect(said).toContain("GIT_TERMINAL_PROMPT=0");
  expect(said).toContain("GIT_SSH_COMMAND=ssh -i key -oBatchMode=yes -oConnectTimeout=10");
  expect(result.stdout).not.toMatch(/^(?:GIT_DIR=\/elsewhere|GIT_INDEX_FILE|SSH_ASKPASS)/m);
  const hooks = await runGit(git, ["config", "--get", "core.hooksPath"]);
  expect(hooks).toMatchObject({ exitCode: 0, stdout: "/dev/null\n" });
});

it("is ended with all that it started when its time is over, or nobody waits for it any more", async () => {
  const hang = ["-c", "alias.hang=!sleep 600", "hang"];
  expect(await runGit(git, hang, { timeoutMs: 100 })).toEqual({ kind: "timeout" });
  const leave = new AbortController();
  const hanging = runGit(git, hang, { cancel: leave.signal });
  leave.abort();
  expect(await hanging).toEqual({ kind: "cancelled" });
});

it("says what it complains of, without the secrets of an address", async () => {
  const say = (...lines: readonly string[]) =>
    runGit(git, ["-c", `alias.say=!printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")} >&2; false`, "say"]);
  const refused = await say(
    "remote: hello",
    "fatal: unable to access https://ann:s3cret@example.org/fox.git?token=s3cret/: 403.",
  );
  expect(whyNot(refused)).toBe("Git says “unable to access https://***@example.org/fox.git?*** 403”");
  const ssh = await say(
    "Permission denied (publickey).",
    "fatal: Could not read from remote repository.",
    "",
    "Please look.",
  );
  expect(whyNot(ssh)).toBe("Git says “Permission denied (publickey)”");
});

it("is missing where there is none", async () => {
  const path = process.env.PATH;
  onTestFinished(() => {
    process.env.PATH = path;
  });
  process.env.PATH = "/nowhere";
  expect(whyNot(await runGit(git, ["version"]))).toBe("Git is not installed");
});
