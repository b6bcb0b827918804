import { existsSync } from "node:fs";
import { chmod, cp, mkdir, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { copyFollowing, FILE, type Following, makeFollowingFolder } from "../rig/following.ts";
import { runGitIn } from "../rig/git-project.ts";
import { answerCommand, startCommand } from "../rig/project.ts";

/** `wan22 watch --apply`: a machine that makes what the commits of a branch ask for, through a real history of them. */

let template: string;

beforeAll(async () => {
  template = await makeFollowingFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
});
afterAll(() => rm(template, { recursive: true, force: true }));

const second = (yaml: string) =>
  yaml.replace("name: quickstart", "name: second").replace("output/quickstart", "output/second");

/** Hours of another day, for what is to be looked at and not begun. */
const CLOSED = [
  "--allow",
  `${["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][(new Date().getDay() + 3) % 7]} 00:00-01:00`,
];

/** What harmful commits add. */
const ADDED = [
  "forged/state/quickstart.json",
  "pipelines/second.yaml",
  "pipelines/wan22.yaml",
  "pipelines/quickstart/clips/evil.mp4",
];

const git = ({ ann }: Following, ...args: readonly string[]) => runGitIn(ann.folder, ...args);

/** A moment of a run: comes back when its trainer has said something more. */
async function once({ gpu }: Following): Promise<void> {
  await gpu.run(["status", "--format", "json"]);
}

describe("a history", () => {
  it("is followed through merges, reverts and a force-push, and each thing is done once", async () => {
    const at = await copyFollowing(template);
    expect(await at.look()).toEqual(["plan of quickstart", "quickstart begun", "exit 0"]);
    expect(await at.look()).toEqual(["news quickstart changed", "quickstart finished", "exit 0"]);

    // Two branches at once: each has its pipeline, and both are merged before anybody looks.
    await git(at, "switch", "--quiet", "--create", "dim");
    await at.ann.write(FILE, (await at.ann.read(FILE)).replace("network_dim: 16", "network_dim: 8"));
    await git(at, "commit", "--quiet", "--all", "-m", "Less");
    await git(at, "switch", "--quiet", "--create", "second", "main");
    await at.ann.write("pipelines/second.yaml", second(await at.ann.read(FILE)));
    await git(at, "add", "--all");
    await git(at, "commit", "--quiet", "-m", "Second");
    await git(at, "switch", "--quiet", "main");
    for (const branch of ["dim", "second"])
      await git(at, "merge", "--quiet", "--no-ff", "-m", `Merge ${branch}`, branch);
    await git(at, "push", "--quiet", "origin", "main");
    expect(await at.look()).toEqual([
      "origin/main forward, 4: Merge second",
      "news quickstart changed second new",
      "quickstart begun",
      "second queued",
      "exit 0",
    ]);
    expect(await at.look()).toEqual(["news quickstart changed", "quickstart finished", "second begun", "exit 0"]);
    // Nothing that counts.
    await at.edit("name: quickstart\n", "# A comment.\nname: quickstart\n");
    expect(await at.look()).toEqual([
      "origin/main forward, 1: Edit",
      "news second changed",
      "second finished",
      "exit 0",
    ]);

    await git(at, "revert", "--no-edit", "-m", "1", "HEAD~2");
    await git(at, "push", "--quiet", "origin", "main");
    const reverted = await at.look();
    expect(reverted.slice(1)).toEqual(["news quickstart changed", "quickstart begun", "exit 0"]);

    // Another history in its place; nobody's branch is moved by following it.
    await git(at, "reset", "--quiet", "--hard", "HEAD~4");
    await at.ann.write(FILE, (await at.ann.read(FILE)).replace("network_dim: 16", "network_dim: 12"));
    await at.push("Otherwise", "--force");
    const rewritten = await at.look();
    expect(rewritten[0]).toMatch(/^origin\/main rewritten, \d+: Otherwise$/);
    expect(rewritten.slice(1)).toEqual(["news quickstart changed second removed", "quickstart begun", "exit 0"]);
    expect(await runGitIn(at.gpu.folder, "log", "-1", "--format=%s", "main")).toBe("A pipeline");
    expect(await runGitIn(at.gpu.folder, "log", "-1", "--format=%s")).toBe("Otherwise");
    expect(await runGitIn(at.gpu.folder, "status", "--porcelain")).toBe("");
  });

  it("is not retried where it failed, until what failed changes", async () => {
    const at = await copyFollowing(template);
    await at.edit("backend: rehearsal", "backend: rehearsal\n  python: quickstart/none");
    const failed = await at.look();
    expect(failed.slice(1)).toEqual(["plan of quickstart", "quickstart begun", "quickstart failed", "exit 6"]);
    expect(await at.look()).toEqual(["exit 6"]);
    expect(await at.look("--retry")).toEqual(["quickstart begun", "quickstart failed", "exit 6"]);
    // Another commit that does not touch it.
    await at.ann.write("README.md", "Hello\n");
    await at.push("Readme");
    expect(await at.look()).toEqual(["origin/main forward, 1: Readme", "exit 6"]);
    await at.edit("\n  python: quickstart/none", "");
    expect((await at.look()).slice(1)).toEqual(["news -M10", "quickstart begun", "exit 0"]);
    expect(await at.look()).toEqual(["news quickstart changed", "quickstart finished", "exit 0"]);
  });
});

describe("commits that mean harm, or none that anybody can read", () => {
  it("have nothing run, and the watch goes on with the next good one", async () => {
    const at = await copyFollowing(template);
    await at.look();
    await at.look();
    const good = await at.ann.read(FILE);
    const ran = join(at.folder, "ran");
    const outside = join(at.folder, "outside");
    await mkdir(outside);
    const evil = join(outside, "python");
    await at.ann.write("../outside/python", `#!/bin/sh\ntouch '${ran}'\nexec python3 "$@"\n`);
    await chmod(evil, 0o755);
    await at.ann.write("../outside/secret.yaml", second(good));
    const runs = async () => (await at.gpu.list(".wan22/runs")).length;
    const before = await runs();
    const base = await git(at, "rev-parse", "HEAD");

    const bombs = `a: &a [${"x,".repeat(50)}]\n${[..."bcdefgh"].map((name, index) => `${name}: &${name} [${`*${"abcdefgh"[index]},`.repeat(50)}]`).join("\n")}\n`;
    const harmful: readonly (readonly [string, () => Promise<void>, RegExp])[] = [
      ["no YAML", () => at.ann.write(FILE, "name: [\u0000"), /^news .*\+S/m],
      ["a bomb", () => at.ann.write(FILE, `${good}${bombs}`), /^news .*\+S/m],
      ["a merge's marks", () => at.ann.write(FILE, `<<<<<<< HEAD\n${good}=======\n`), /^news .*\+S/m],
      [
        "paths out of the roots",
        () => at.ann.write(FILE, good.replace("../output/quickstart", `${outside}/out`)),
        /\+Y6/,
      ],
      [
        "a Python out of them",
        () => at.ann.write(FILE, good.replace("backend: rehearsal", `backend: rehearsal\n  python: ${evil}`)),
        /\+Y\d/,
      ],
      [
        "a clip that is a link out of them",
        async () => {
          await symlink(evil, at.ann.path("pipelines/quickstart/clips/evil.mp4"));
        },
        /news/,
      ],
      [
        "a pipeline that is a link",
        () => symlink(join(outside, "secret.yaml"), at.ann.path("pipelines/second.yaml")),
        /^W11: /m,
      ],
      [
        "rules that let it through",
        async () => {
          await at.ann.write("wan22.yaml", "version: 1\n");
          await at.ann.write(FILE, good.replace("../output/quickstart", `${outside}/out`));
        },
        /^W8: /m,
      ],
      [
        "a hook",
        () =>
          at.ann.write(
            FILE,
            `${good.replace("max_train_epochs: 1", "max_train_epochs: 2")}notify:\n  - command: [${evil}]\n`,
          ),
        /^W8: /m,
      ],
      [
        "a state folder with a record in it",
        async () => {
          await at.ann.write("wan22.yaml", `${await at.ann.read("wan22.yaml")}state_dir: forged\n`);
          await at.ann.write("forged/state/quickstart.json", "{}");
        },
        /^W8: /m,
      ],
      ["a project of its own", () => at.ann.write("pipelines/wan22.yaml", "version: 1\n"), /news .*\+Y/],
    ];
    for (const [what, write, told] of harmful) {
      await git(at, "checkout", "--quiet", base, "--", ".");
      await git(at, "rm", "--quiet", "--ignore-unmatch", ...ADDED);
      await write();
      await at.push(what);
      const lines = await at.look();
      const said = `${what}: ${lines.join(", ")}`;
      expect(lines[0], said).toMatch(/^origin\/main forward, 1: /);
      expect(lines.slice(1).join("\n"), said).toMatch(told);
      expect(
        lines.filter((line) => line.endsWith(" begun")),
        said,
      ).toEqual([]);
      expect(lines.at(-1), said).not.toBe("exit 0");
    }
    expect(existsSync(ran)).toBe(false);
    expect(await runs()).toBe(before);
    expect(existsSync(join(outside, "out"))).toBe(false);
    await git(at, "checkout", "--quiet", base, "--", ".");
    await git(at, "rm", "--quiet", "--ignore-unmatch", ...ADDED);
    await at.edit("max_train_epochs: 1", "max_train_epochs: 2");
    expect((await at.look()).filter((line) => line.startsWith("quickstart "))).toEqual(["quickstart begun"]);
  });

  it("are carried out as they are, without what Git ignores here or was told to overlook", async () => {
    const at = await copyFollowing(template);
    await at.gpu.write("output/base.yaml", "train: { seed: 7 }\n");
    await at.edit("name: quickstart\n", "name: quickstart\nextends: ../output/base.yaml\n");
    const ignored = await at.look();
    expect(ignored[1]).toMatch(/^W11: pipelines\/quickstart\.yaml is read from output\/base\.yaml, /);
    expect(ignored.slice(2).join()).not.toContain("begun");
    await git(at, "revert", "--no-edit", "HEAD");
    await git(at, "push", "--quiet", "origin", "HEAD:main");
    expect((await at.look(...CLOSED)).slice(-2)).toEqual(["no more W11", "exit 0"]);

    for (const flag of ["skip-worktree", "assume-unchanged"]) {
      await runGitIn(at.gpu.folder, "update-index", `--${flag}`, FILE);
      const yaml = await at.gpu.read(FILE);
      await at.gpu.write(FILE, yaml.replace("network_dim: 16", "network_dim: 4"));
      const overlooked = await at.look();
      expect(overlooked[0]).toMatch(/^W11: pipelines\/quickstart\.yaml is read from pipelines\/quickstart\.yaml, /);
      expect(overlooked.join()).not.toContain("begun");
      await at.gpu.write(FILE, yaml);
      await runGitIn(at.gpu.folder, "update-index", `--no-${flag}`, FILE);
      await at.look(...CLOSED);
    }
    // With the line ends that this machine writes it is still the commit's.
    await runGitIn(at.gpu.folder, "config", "core.autocrlf", "true");
    await rm(at.gpu.path(FILE));
    await runGitIn(at.gpu.folder, "checkout", "--", FILE);
    expect(await at.gpu.read(FILE)).toContain("\r\n");
    expect((await at.look()).at(-2)).toBe("quickstart begun");
  });

  it("that bring records along, or put a link in their place, are not checked out", async () => {
    const at = await copyFollowing(template);
    const record = "what lies here";
    await at.gpu.write(".wan22/state/quickstart.json", record);
    await at.look(...CLOSED);
    await at.ann.write(".wan22/state/quickstart.json", "{}");
    await git(at, "add", "--force", ".wan22");
    await at.push("A record");
    const refused = await at.look(...CLOSED);
    expect(refused).toEqual([expect.stringMatching(/^W7: .*\.wan22\/state\/quickstart\.json/), "exit 1"]);
    expect(await at.gpu.read(".wan22/state/quickstart.json")).toBe(record);
    await git(at, "rm", "--quiet", "-r", "--cached", ".wan22");
    await rm(at.ann.path(".wan22"), { recursive: true });
    await symlink("/tmp", at.ann.path(".wan22"));
    await git(at, "add", "--force", ".wan22");
    await at.push("A link");
    expect((await at.look(...CLOSED))[0]).toMatch(/^W7: /);
    // What is ignored here is written over by no commit either.
    await at.gpu.write("output/mine.txt", "mine");
    await git(at, "rm", "--quiet", ".wan22");
    await at.ann.write("output/mine.txt", "theirs");
    await git(at, "add", "--force", "output");
    await at.push("Output");
    expect((await at.look(...CLOSED))[0]).toMatch(/^W7: .*output\/mine\.txt/);
    expect(await at.gpu.read("output/mine.txt")).toBe("mine");
    await git(at, "rm", "--quiet", "-r", "--cached", "output");
    await at.push("Clean");
    expect(await at.look(...CLOSED)).toEqual(["origin/main forward, 4: Clean", "no more W7", "exit 0"]);
  });
});

describe("what is in the way", () => {
  it("is said once, and that it is over: local changes, commits of this machine alone, the network, the branch", async () => {
    const at = await copyFollowing(template);
    await at.look(...CLOSED);
    const remote = join(at.folder, "remote.git");
    await rename(remote, `${remote}.away`);
    expect(await at.look(...CLOSED)).toEqual([
      expect.stringMatching(/^W4: origin could not be asked for main/),
      "exit 1",
    ]);
    expect(await at.look(...CLOSED)).toEqual(["exit 1"]);
    await rename(`${remote}.away`, remote);
    expect(await at.look(...CLOSED)).toEqual(["no more W4", "exit 0"]);

    const yaml = await at.gpu.read(FILE);
    await at.gpu.write(FILE, `${yaml}# mine\n`);
    await at.edit("network_dim: 16", "network_dim: 8");
    expect(await at.look(...CLOSED)).toEqual([
      expect.stringMatching(/^W6: pipelines\/quickstart\.yaml: not as/),
      "exit 1",
    ]);
    expect(await at.look(...CLOSED)).toEqual(["exit 1"]);
    expect(await at.gpu.read(FILE)).toBe(`${yaml}# mine\n`);
    // Committed on no branch: kept as well.
    await runGitIn(at.gpu.folder, "checkout", "--quiet", "--detach");
    await runGitIn(at.gpu.folder, "commit", "--quiet", "--all", "-m", "Mine");
    expect(await at.look(...CLOSED)).toEqual([
      expect.stringMatching(/^W7: .*no branch and no tag has/),
      "no more W6",
      "exit 1",
    ]);
    await runGitIn(at.gpu.folder, "branch", "mine");
    const moved = await at.look(...CLOSED);
    expect(moved).toEqual([
      expect.stringMatching(/^origin\/main (?:forward|rewritten), 1: Edit$/),
      "news quickstart changed",
      "no more W7",
      "exit 0",
    ]);
    // A pipeline that merely lies here.
    await at.gpu.write("pipelines/local.yaml", second(yaml));
    expect((await at.look(...CLOSED)).filter((line) => line.startsWith("W"))).toEqual([
      expect.stringMatching(/^W6: pipelines\/local\.yaml/),
      expect.stringMatching(/^W11: pipelines\/local\.yaml/),
    ]);
    await rm(at.gpu.path("pipelines/local.yaml"));
    await runGitIn(remote, "branch", "-m", "main", "other");
    expect((await at.look(...CLOSED))[0]).toMatch(/^W5: origin has no branch main/);
  });

  it("is an apply that has not come to train: one of somebody's is waited for, and one of the watch's withdrawn", async () => {
    const at = await copyFollowing(template);
    await at.look(...CLOSED);
    const lock = ".wan22/state/quickstart.lock";
    const never = at.gpu.path("never");
    const open = answerCommand(at.gpu, ["apply", FILE], "no", { when: never });
    while (!existsSync(at.gpu.path(lock))) await once(at);
    await at.edit("network_dim: 16", "network_dim: 8");
    const waits = await at.look(...CLOSED);
    expect(waits.filter((line) => /^W|^origin/.test(line))).toEqual([
      expect.stringMatching(/^W7: \w+ waits: an apply of quickstart is open/),
    ]);
    // Also where the watch is begun in another project, and the file is named.
    await at.gpu.write("output/wan22.yaml", "version: 1\n");
    const words = ["watch", "--apply", "--git", "origin/main", "--once", ...CLOSED, `../${FILE}`];
    const elsewhere = await at.gpu.run(words, { folder: at.gpu.path("output") });
    expect(elsewhere.stderr.replace(/\s+/g, " ")).not.toMatch(/No more: W7/);
    expect(elsewhere.exitCode).toBe(1);
    expect(await runGitIn(at.gpu.folder, "log", "-1", "--format=%s")).toBe("A pipeline");
    await rm(at.gpu.path("output/wan22.yaml"));
    const { pid, boot_id, start_time } = JSON.parse(await at.gpu.read(lock));
    const record = JSON.parse(await at.gpu.read(".git/wan22/watch.json"));
    const attempt = { key: "before", begun: 1, progress: 0, process: { pid, boot_id, start_time } };
    await at.gpu.write(".git/wan22/watch.json", JSON.stringify({ ...record, attempts: { quickstart: attempt } }));
    expect((await at.look(...CLOSED)).filter((line) => /^W|^origin/.test(line))).toEqual([
      expect.stringMatching(/^W7: \w+ waits: quickstart, .* is withdrawn/),
    ]);
    await at.gpu.write("never", "");
    await open;
    expect((await at.look())[0]).toBe("origin/main forward, 1: Edit");
    expect((await at.gpu.list("output/quickstart")).length).toBeGreaterThan(0);
  });

  it("is a branch that was never heard of: what merely is checked out here is not applied", async () => {
    const at = await copyFollowing(template);
    await rename(join(at.folder, "remote.git"), join(at.folder, "away.git"));
    expect(await at.look()).toEqual([
      expect.stringMatching(/^W4: .*Nothing was ever fetched/),
      "plan of quickstart",
      "exit 1",
    ]);
    await rename(join(at.folder, "away.git"), join(at.folder, "remote.git"));
    expect(await at.look()).toEqual(["quickstart begun", "no more W4", "exit 0"]);
  });

  it("waits for its hours, those of the command before those of wan22.yaml", async () => {
    const at = await copyFollowing(template);
    const now = new Date();
    const hour = (offset: number) => `${String((now.getUTCHours() + offset + 24) % 24).padStart(2, "0")}:00`;
    const rules = await at.ann.read("wan22.yaml");
    await at.ann.write("wan22.yaml", `${rules}watch: { allow: "${hour(2)}-${hour(4)}", timezone: UTC }\n`);
    await at.push("Hours");
    expect((await at.look("--accept-rules")).slice(1)).toEqual(["plan of quickstart", "quickstart closed", "exit 0"]);
    expect(await at.look()).toEqual(["exit 0"]);
    // Of two projects each has its own.
    await mkdir(at.ann.path("one"));
    await git(at, "mv", "wan22.yaml", "pipelines", "one");
    await cp(at.ann.path("one"), at.ann.path("two"), { recursive: true });
    await at.ann.write("two/pipelines/quickstart.yaml", second(await at.ann.read(`one/${FILE}`)));
    await at.ann.write("two/wan22.yaml", rules);
    await at.push("Two projects");
    const files = [`one/${FILE}`, `two/${FILE}`];
    const both = await at.look(...files.toReversed(), "--accept-rules");
    expect(both.slice(-2)).toEqual(["second begun", "exit 0"]);
    expect(both).not.toContain("quickstart begun");
    expect(await at.look(...files, "--allow", "00:00-24:00")).toContain("quickstart begun");
  });

  it("is a commit's own rules until they are accepted, also by another branch", async () => {
    const at = await copyFollowing(template);
    await at.look(...CLOSED);
    const rules = await at.ann.read("wan22.yaml");
    await at.ann.write("wan22.yaml", rules.replace("output_roots: [output]", "output_roots: [output, pipelines]"));
    await at.push("Rules");
    expect((await at.look()).at(-2)).toMatch(/^W8: /);
    await runGitIn(join(at.folder, "remote.git"), "branch", "fox", "main");
    const words = ["watch", "--apply", "--git", "origin/fox", "--once", "--format", "json"];
    const { exitCode, stdout } = await at.gpu.run(words);
    expect([exitCode, stdout]).toEqual([1, expect.stringMatching(/"W8"/)]);
    expect(stdout).not.toMatch(/"begun"/);
  });

  it("is nothing that was not asked for: branches, other watches", async () => {
    const at = await copyFollowing(template);
    const asked = async (...args: readonly string[]) => {
      const { exitCode, stderr } = await at.gpu.run(["watch", ...args]);
      return `${exitCode} ${/W\d+|error: .*/.exec(stderr)?.[0]}`;
    };
    expect(await asked("--apply")).toMatch(/^1 error: --apply needs/);
    expect(await asked("--once")).toMatch(/^1 error: .* belong to --apply/);
    for (const pause of ["0", "1ms", "50d"])
      expect(await asked("--apply", "--git", "origin/main", "--interval", pause)).toMatch(/^1 error: .*--interval/);
    expect(await asked("--apply", "--git", "main")).toBe("1 W3");
    expect(await asked("--apply", "--git", "origin/-x y")).toBe("1 W3");
    expect(await asked("--apply", "--git", "origin/main", "--only", "train")).toMatch(/^1 error: /);
  });

  it("is no branch that was followed before, under whose name another lies now", async () => {
    const at = await copyFollowing(template);
    const remote = (...args: readonly string[]) => runGitIn(join(at.folder, "remote.git"), ...args);
    const follow = (branch: string) =>
      at.gpu.run(["watch", "--apply", "--git", `origin/${branch}`, "--once", ...CLOSED]);
    await remote("branch", "fox", "main");
    expect((await follow("fox")).exitCode).toBe(0);
    await remote("branch", "--move", "fox", "fox/two");
    expect(await follow("fox/two")).toMatchObject({ exitCode: 0, stderr: expect.not.stringMatching(/W\d/) });
  });

  it("is one that could not be remembered: where is said as from the checkout", async () => {
    const at = await copyFollowing(template);
    await at.gpu.write(".git/wan22", "");
    const { exitCode, stderr } = await at.gpu.run(["watch", "--apply", "--git", "origin/main", "--once"]);
    expect(exitCode).toBe(1);
    expect(stderr.replace(/\s+/g, " ")).toMatch(/error\[A18\].* \.git\/wan22 is a file/);
  });
});

describe("a watch", () => {
  it("that is killed leaves the training alone, and another one goes on", async () => {
    const at = await copyFollowing(template);
    await at.edit("max_train_epochs: 1", "max_train_epochs: 3000");
    at.endAfterTest();
    const start = () => {
      const words = ["watch", "--apply", "--git", "origin/main", "--interval", "0.2s", "--format", "json"];
      const watch = startCommand(at.gpu.folder, words);
      onTestFinished(() => void watch.kill("SIGKILL"));
      return { watch, lines: watch[Symbol.asyncIterator]() };
    };
    const until = async ({ lines }: ReturnType<typeof start>, test: RegExp): Promise<string> => {
      for (;;) {
        const { done, value } = await lines.next();
        if (done === true || test.test(String(value))) return String(value);
      }
    };
    const first = start();
    await until(first, /"begun"/);
    await until(first, /"at-work"/);
    // A second one is refused.
    expect(await at.look()).toEqual(["exit 4"]);
    const killed = first.watch.catch(() => undefined);
    first.watch.kill("SIGKILL");
    await killed;
    // The look that was under way ends by itself.
    while (existsSync(at.gpu.path(".git/wan22/watch.round.lock"))) await once(at);

    const again = start();
    // What trains is another request: it is told, and waited for.
    await at.edit(/max_train_epochs: 3000\n {2}network_dim: 16/, "max_train_epochs: 1\n  network_dim: 8");
    expect(await until(again, /"broken"/)).toMatch(/"P\d+"/);
    expect((await at.gpu.run(["stop", FILE])).exitCode).toBe(85);
    await until(again, /"begun"/);
    await until(again, /"finished"/);
    again.watch.kill("SIGTERM");
    await until(again, /never/);
    const { exitCode, stderr } = await again.watch;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/watch has ended/) });
    const left = (await at.gpu.list(".git/wan22")).filter((name) => name.endsWith(".lock"));
    expect(left).toEqual([]);
  });

  it("goes on with what was killed with its trainer, as after a loss of power, and follows a trainer that lost its runner", async () => {
    const at = await copyFollowing(template);
    await at.edit("max_train_epochs: 1", "max_train_epochs: 3000\n  save_every_n_steps: 24");
    at.endAfterTest();
    const words = ["watch", "--apply", "--git", "origin/main", "--once", "--format", "json"];
    const begin = async (): Promise<number> => {
      const { stdout } = await at.gpu.run(words);
      const begun = stdout.split("\n").find((line) => line.includes('"begun"'));
      return JSON.parse(begun ?? "{}").pid;
    };
    const trainer = async () => {
      const { stages } = JSON.parse(await at.gpu.read(".wan22/state/quickstart.json"));
      return stages.train?.process?.pid;
    };
    const runner = await begin();
    while ((await at.gpu.list("output/quickstart")).every((name) => !name.includes("state"))) await once(at);
    const first = await trainer();
    process.kill(runner, "SIGKILL");
    const second = await begin();
    expect(second).not.toBe(runner);
    expect(await trainer()).toBe(first);
    process.kill(second, "SIGKILL");
    process.kill(first, "SIGKILL");
    const third = await begin();
    expect(third).not.toBe(second);
    while ([first, undefined].includes(await trainer())) await once(at);
    await at.gpu.run(["stop", FILE]);
    const { history } = JSON.parse(await at.gpu.read(".wan22/state/quickstart.json"));
    expect(history.at(-1)).toMatchObject({ stage: "train", action: "resume", outcome: "stopped" });
  });

  it("begins nothing beside what still trains, also where a commit has renamed that or spoiled its file", async () => {
    const at = await copyFollowing(template);
    await at.edit("max_train_epochs: 1", "max_train_epochs: 3000\n  save_every_n_steps: 24");
    onTestFinished(async () => void (await at.gpu.run(["stop", "quickstart", "--now"])));
    const words = ["watch", "--apply", "--git", "origin/main", "--once"];
    expect((await at.gpu.run(words)).exitCode).toBe(0);
    while ((await at.gpu.list("output/quickstart")).every((name) => !name.includes("state"))) await once(at);
    await at.edit("name: quickstart", "name: fox");
    expect((await at.look()).at(-2)).toBe("fox queued");
    const long = await at.ann.read(FILE);
    await at.ann.write("pipelines/second.yaml", second(long.replace("name: fox", "name: quickstart")));
    await at.ann.write(FILE, "name: [");
    await at.push("Spoiled");
    expect((await at.look()).at(-2)).toBe("second queued");
    await at.gpu.run(["stop", "quickstart", "--now"]);
    await at.ann.write(FILE, long.replace("3000", "1"));
    await rm(at.ann.path("pipelines/second.yaml"));
    await at.push("Sound");
    expect((await at.look()).at(-2)).toBe("fox begun");
  });

  it("leaves alone what somebody has stopped, until it changes", async () => {
    const at = await copyFollowing(template);
    await at.edit("max_train_epochs: 1", "max_train_epochs: 3000");
    at.endAfterTest();
    const words = ["watch", "--apply", "--git", "origin/main", "--once"];
    expect((await at.gpu.run(words)).exitCode).toBe(0);
    expect((await at.gpu.run(["stop", FILE])).exitCode).toBe(85);
    expect((await at.look()).slice(-2)).toEqual(["quickstart stopped", "exit 0"]);
    expect((await at.look()).slice(-1)).toEqual(["exit 0"]);
    await at.edit("max_train_epochs: 3000", "max_train_epochs: 1");
    expect((await at.look()).slice(-2)).toEqual(["quickstart begun", "exit 0"]);
  });
});
