import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { type Plan, planSchema } from "../../src/core/plan/plan.ts";

/** A project in a temporary folder, and the built command run in it as a user would. */

export const repository = fileURLToPath(new URL("../..", import.meta.url));
const command = join(repository, "dist", "wan22.js");

/** The built command, as words of a command line. */
export const builtCommand: readonly string[] = [process.execPath, command];

export interface CommandResult {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Project {
  readonly folder: string;
  readonly path: (name: string) => string;
  readonly write: (name: string, content: string | Uint8Array) => Promise<void>;
  readonly read: (name: string) => Promise<string>;
  /** Every file below a folder, relative to it, sorted. Empty where there is none. */
  readonly list: (name: string) => Promise<readonly string[]>;
  readonly run: (args: readonly string[], options?: RunOptions) => Promise<CommandResult>;
  readonly plan: (...files: readonly string[]) => Promise<Plan>;
}

export interface RunOptions {
  readonly environment?: Readonly<Record<string, string>>;
  readonly folder?: string;
}

/** An empty project with a `.git` that makes it a root; gone when the test is over. */
export async function makeProject(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-test-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, ".git"));
  const project = openProject(folder);
  for (const [name, text] of Object.entries(files)) await project.write(name, text);
  return project;
}

/** A project that holds the quickstart as it is committed. */
export async function makeQuickstart(edit: (yaml: string) => string = (yaml) => yaml): Promise<Project> {
  const project = await makeProject();
  await addQuickstart(project, edit);
  return project;
}

export async function addQuickstart(project: Project, edit: (yaml: string) => string): Promise<void> {
  await cp(join(repository, "pipelines"), project.path("pipelines"), { recursive: true });
  const file = "pipelines/quickstart.yaml";
  await project.write(file, edit(await project.read(file)));
}

/** A project that lies in a folder already. */
export function openProject(folder: string): Project {
  const path = (name: string) => join(folder, name);
  const run = async (args: readonly string[], options: RunOptions = {}): Promise<CommandResult> => {
    const { exitCode, stdout, stderr } = await startCommand(options.folder ?? folder, args, options.environment);
    return { exitCode, stdout, stderr };
  };
  return {
    folder,
    path,
    run,
    write: async (name, content) => {
      await mkdir(dirname(path(name)), { recursive: true });
      await writeFile(path(name), content);
    },
    read: (name) => readFile(path(name), "utf8"),
    list: (name) => listFiles(path(name)),
    plan: async (...files) => {
      const { stdout } = await run(["plan", "--format", "json", ...files]);
      return planSchema.parse(JSON.parse(stdout));
    },
  };
}

/** Starts the command without waiting for it; awaiting the result never throws for an exit code. */
export function startCommand(
  folder: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
) {
  return execa(process.execPath, [command, ...args], {
    cwd: folder,
    reject: false,
    stdin: "ignore",
    // One that is asked to stop may take its time.
    forceKillAfterDelay: false,
    env: { NO_COLOR: "1", CI: "", GITHUB_ACTIONS: "", npm_command: "", ...environment },
  });
}

/** Runs the built command in a terminal, and answers the question that it asks; with `when`, as soon as there is such a file. */
export async function answerCommand(
  project: Project,
  args: readonly string[],
  answer: string,
  { when }: { readonly when?: string } = {},
): Promise<CommandResult> {
  const script = join(repository, "test/rig/terminal.py");
  const { exitCode, stdout, stderr } = await execa("python3", [script, answer, process.execPath, command, ...args], {
    cwd: project.folder,
    reject: false,
    env: {
      NO_COLOR: "1",
      CI: "",
      GITHUB_ACTIONS: "",
      npm_command: "",
      TERM: "dumb",
      ...(when === undefined ? {} : { ANSWER_WHEN: when }),
    },
  });
  return { exitCode, stdout, stderr };
}

/** Runs the built command in a terminal that draws. */
export async function runInTerminal(project: Project, args: readonly string[]): Promise<CommandResult> {
  const script = join(repository, "test/rig/terminal.py");
  const { exitCode, stdout, stderr } = await execa("python3", [script, "", process.execPath, command, ...args], {
    cwd: project.folder,
    reject: false,
    env: { NO_COLOR: "1", CI: "", GITHUB_ACTIONS: "", npm_command: "", TERM: "xterm" },
    stripFinalNewline: false,
  });
  return { exitCode, stdout, stderr };
}

async function listFiles(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { recursive: true }).catch(() => []);
  // What is at work there makes files of a moment.
  const files = await Promise.all(
    found.map(async (name) => ((await stat(join(folder, name)).catch(() => undefined))?.isFile() ? [name] : [])),
  );
  return files.flat().sort();
}
