/** A bare repository, somebody who pushes to it, and a machine that follows its branch with `wan22 watch --apply`. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, onTestFinished } from "vitest";
import { type WatchEvent, watchEventSchema } from "../../src/core/plan/watch/watch-event.ts";
import { runGitIn } from "./git-project.ts";
import { addQuickstart, openProject, type Project, startCommand } from "./project.ts";
import { commitAll } from "./team.ts";

export const FILE = "pipelines/quickstart.yaml";
const POLICY = "version: 1\npolicy:\n  input_roots: [pipelines]\n  output_roots: [output]\n";

export interface Following {
  readonly folder: string;
  /** Where commits are made. */
  readonly ann: Project;
  /** Where they are applied. */
  readonly gpu: Project;
  /** Commits all that was changed, and pushes it; options of the push. */
  readonly push: (message: string, ...options: readonly string[]) => Promise<void>;
  /** Changes the pipeline's file, and pushes it. */
  readonly edit: (from: string | RegExp, to: string) => Promise<void>;
  /** To be called where something is begun that no test sees to its end: it ends with the test. */
  readonly endAfterTest: () => void;
  /** One look, as lines. */
  readonly look: (...args: readonly string[]) => Promise<readonly string[]>;
}

/** A folder with a remote, and a clone for either side. The caller removes it. */
export async function makeFollowingFolder(edit: (yaml: string) => string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-following-"));
  await runGitIn(folder, "init", "--quiet", "--bare", "--initial-branch=main", "remote.git");
  await runGitIn(folder, "clone", "--quiet", "remote.git", "ann");
  const ann = openProject(join(folder, "ann"));
  await addQuickstart(ann, edit);
  await ann.write("wan22.yaml", POLICY);
  await ann.write(".gitignore", ".wan22/\noutput/\n");
  await commitAll(ann, "A pipeline");
  await runGitIn(ann.folder, "push", "--quiet", "origin", "HEAD:main");
  await runGitIn(folder, "clone", "--quiet", "remote.git", "gpu");
  for (const name of ["ann", "gpu"]) await runGitIn(join(folder, name), "remote", "set-url", "origin", "../remote.git");
  return folder;
}

/** A copy of such a folder, gone when the test is over. */
export async function copyFollowing(from: string): Promise<Following> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-following-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  await cp(from, folder, { recursive: true, preserveTimestamps: true });
  const [ann, gpu] = [openProject(join(folder, "ann")), openProject(join(folder, "gpu"))];
  const push = async (message: string, ...options: readonly string[]) => {
    await commitAll(ann, message);
    await runGitIn(ann.folder, "push", "--quiet", ...options, "origin", "HEAD:main");
  };
  return {
    folder,
    ann,
    gpu,
    push,
    edit: async (find, to) => {
      const yaml = await ann.read(FILE);
      expect(yaml).toMatch(find);
      await ann.write(FILE, yaml.replace(find, to));
      await push("Edit");
    },
    endAfterTest: () => onTestFinished(async () => void (await gpu.run(["stop", "--now"]))),
    look: async (...args) => {
      const words = ["watch", "--apply", "--git", "origin/main", "--once", "--format", "json", ...args];
      const { exitCode, stdout, stderr } = await startCommand(gpu.folder, words);
      expect(stderr).not.toMatch(/This is a bug/);
      const lines = stdout.split("\n").filter((line) => line !== "");
      const events = lines.map((line) => watchEventSchema.parse(JSON.parse(line)));
      // What was begun has ended before the next look.
      for (const event of events) await endOf(event);
      return [...events.map(tellEvent), `exit ${exitCode}`];
    },
  };
}

async function endOf(event: WatchEvent): Promise<void> {
  if (event.type !== "pipeline" || event.pid === undefined) return;
  await awaitEnd(event.pid);
}

/** Comes back when a process that is none of this one's has ended. */
async function awaitEnd(pid: number): Promise<void> {
  await execa("tail", ["--pid", String(pid), "--sleep-interval", "0.1", "--follow", "/dev/null"]);
}

/** An event in a line, without what is different every time. */
function tellEvent(event: WatchEvent): string {
  switch (event.type) {
    case "plan":
      return `plan of ${event.plan.pipelines.map(({ name }) => name).join(", ")}`;
    case "news":
      return [
        "news",
        ...event.pipelines.map(({ name, change }) => `${name} ${change}`),
        ...event.appeared.map(({ code }) => `+${code}`),
        ...event.gone.map(({ code }) => `-${code}`),
      ].join(" ");
    case "commit":
      return `${event.branch} ${event.how}, ${event.commits}: ${event.subject}`;
    case "pipeline":
      return `${event.name} ${event.standing}`;
    case "problem":
      return `${event.diagnostic.code}: ${event.diagnostic.detail}`;
    case "solved":
      return `no more ${event.code}`;
  }
}
