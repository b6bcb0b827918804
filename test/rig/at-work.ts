import { readdir, readFile } from "node:fs/promises";
import { expect, onTestFinished } from "vitest";
import { type PipelineStatus, type StageStatus, statusSchema } from "../../src/core/status.ts";
import type { StageId } from "../../src/core/vocabulary.ts";
import { FILE } from "./long-quickstart.ts";
import type { Project } from "./project.ts";

/** Projects at work in the background, and looks at them. */

/** Starts `wan22 apply --detach`; whatever still runs of it when the test is over is ended. */
export async function applyDetached(project: Project, ...args: readonly string[]): Promise<void> {
  endAfterTest(project);
  const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve", "--detach", ...args]);
  expect(exitCode, stderr).toBe(85);
}

export function endAfterTest(project: Project): void {
  onTestFinished(async () => {
    await project.run(["stop", "--now"]);
  });
}

/** How the project's first pipeline stands, as `wan22 status` says it. */
export async function statusOf(project: Project): Promise<PipelineStatus> {
  const { stdout } = await project.run(["status", "--format", "json"]);
  const [first] = statusSchema.parse(JSON.parse(stdout)).pipelines;
  if (first === undefined) throw new Error("there is no pipeline");
  return first;
}

/** Asks until a stage stands as it is waited for. */
export async function untilStage(
  project: Project,
  id: StageId,
  test: (stage: StageStatus) => boolean,
): Promise<StageStatus> {
  for (;;) {
    const found = (await statusOf(project)).stages.find((stage) => stage.id === id);
    if (found !== undefined && test(found)) return found;
  }
}

export const hasSteps =
  (steps: number) =>
  ({ done = 0 }: StageStatus) =>
    done >= steps;

/** Processes that carry a variable, or one with a value, in their environment. */
export async function processesWith(text: string): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
      return environment.split("\0").some((variable) => variable.startsWith(text)) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

/** What is at work on the quickstart by its lock. */
export async function runnerOf(project: Project): Promise<number> {
  return Number(JSON.parse(await project.read(".wan22/state/quickstart.lock")).pid);
}
