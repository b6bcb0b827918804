import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { onTestFinished } from "vitest";
import { repository } from "./project.ts";

/** A step of a workflow: one of the scripts in `.github/scripts/`, with the variables that its workflow gives it. */

export interface StepResult {
  readonly exitCode: number | undefined;
  /** What it printed, annotations among it. */
  readonly log: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** What it put into the job's summary. */
  readonly summary: string;
}

export interface Step {
  /** What the runner does first when the job is cancelled. */
  readonly interrupt: () => void;
  /** Resolves when it has printed this. */
  readonly until: (text: string) => Promise<void>;
  readonly ended: Promise<StepResult>;
}

/** By this variable the runner finds what a job has left. */
export const TRACKING_ID = "github_00000000-0000-4000-8000-00000000f10e";

/** `script`: the name of its file, without `.sh`. */
export async function startStep(script: string, variables: Readonly<Record<string, string>>): Promise<Step> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-step-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const [output, summary] = [join(folder, "output"), join(folder, "summary")];
  await writeFile(output, "");
  await writeFile(summary, "");
  await symlink(join(repository, "test/rig/github.mjs"), join(folder, "gh"));
  // As the runner starts it, with `exec` as the workflow's line.
  const step = execa("bash", ["-eo", "pipefail", "-c", `exec bash ${repository}/.github/scripts/${script}.sh`], {
    reject: false,
    stdin: "ignore",
    all: true,
    env: {
      PATH: `${folder}${delimiter}${process.env.PATH}`,
      NO_COLOR: "1",
      CI: "true",
      GITHUB_ACTIONS: "true",
      RUNNER_TRACKING_ID: TRACKING_ID,
      npm_command: "",
      GITHUB_OUTPUT: output,
      GITHUB_STEP_SUMMARY: summary,
      WAN22: join(repository, "dist/wan22.js"),
      ...variables,
    },
  });
  return { interrupt: () => step.kill("SIGINT"), until, ended: end() };

  function until(text: string): Promise<void> {
    let said = "";
    return new Promise((resolve) => {
      step.all?.on("data", (part) => {
        said += part;
        if (said.includes(text)) resolve();
      });
    });
  }

  async function end(): Promise<StepResult> {
    const { exitCode, all } = await step;
    const lines = (await readFile(output, "utf8")).split("\n").filter((line) => line !== "");
    return {
      exitCode,
      log: String(all),
      outputs: Object.fromEntries(
        lines.map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]),
      ),
      summary: await readFile(summary, "utf8"),
    };
  }
}

export async function runStep(script: string, variables: Readonly<Record<string, string>>): Promise<StepResult> {
  return (await startStep(script, variables)).ended;
}
