import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { endAfterTest, hasSteps, processesWith, untilStage } from "../rig/at-work.ts";
import { type GitProject, makeGitQuickstart } from "../rig/git-project.ts";
import { checkpointHashes, FILE, holdTrainers, longer, readState, undisturbed } from "../rig/long-quickstart.ts";
import { openProject, type Project } from "../rig/project.ts";
import { runStep, type StepResult, startStep, TRACKING_ID } from "../rig/workflow-step.ts";

/** The jobs on a self-hosted machine, one after the other in one folder, as their steps are run. */

interface Machine {
  /** The repository on GitHub. */
  readonly remote: GitProject;
  /** The checkout on the machine. */
  readonly project: Project;
  /** What all steps of a job at a commit are given. */
  readonly job: (commit?: string) => Promise<Readonly<Record<string, string>>>;
}

async function makeMachine(edit?: (yaml: string) => string): Promise<Machine> {
  const remote = await makeGitQuickstart(edit);
  const top = await mkdtemp(join(tmpdir(), "wan22-machine-"));
  onTestFinished(() => rm(top, { recursive: true, force: true }));
  const project = openProject(join(top, "my project"));
  endAfterTest(project);
  const job = async (commit?: string) => {
    const out = await mkdtemp(join(top, "job-"));
    return {
      FOLDER: project.folder,
      PROJECT: ".",
      COMMIT: commit ?? (await remote.git("rev-parse", "HEAD")),
      URL: remote.folder,
      TOKEN: "ghs_ofThisJobAlone",
      ADDRESS: FILE,
      OUT: out,
      PLAN: join(out, "wan22.plan"),
    };
  };
  return { remote, project, job };
}

async function runSteps(
  variables: Readonly<Record<string, string>>,
  ...scripts: readonly string[]
): Promise<StepResult> {
  const results: StepResult[] = [];
  for (const script of scripts) {
    const result = await runStep(script, variables);
    expect(result.exitCode, result.log).toBe(0);
    results.push(result);
  }
  const last = results.at(-1);
  if (last === undefined) throw new Error("There is no step.");
  return last;
}

/** What the runner does when a job is over: it kills whatever carries its variable. */
async function hunt(): Promise<void> {
  for (const pid of await processesWith(`RUNNER_TRACKING_ID=${TRACKING_ID}`)) process.kill(pid, "SIGKILL");
}

const ALL = ["checkout-project", "plan-pipeline", "apply-plan"];

/** A job that is cancelled while it trains. */
async function cancelJob({ project, job }: Machine): Promise<Readonly<Record<string, string>>> {
  const variables = await job();
  await runSteps(variables, "checkout-project", "plan-pipeline");
  const step = await startStep("apply-plan", variables);
  await untilStage(project, "train", hasSteps(20));
  step.interrupt();
  const { exitCode, log, outputs } = await step.ended;
  expect(log).toContain("Detached: training goes on");
  expect(log).toMatch(/^::notice::Training was stopped, or goes on without this job/m);
  expect({ exitCode, outputs }).toEqual({ exitCode: 0, outputs: { outcome: "resumable" } });
  await hunt();
  return variables;
}

async function expectUndisturbed({ project }: Machine): Promise<void> {
  expect((await readState(project)).stages.train).toMatchObject({ status: "finished", segment: 1 });
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
}

describe("a job that is cancelled leaves training to go on", () => {
  it("and the next push's attaches to it, plans what is left, and applies that", async () => {
    const machine = await makeMachine(longer);
    await cancelJob(machine);
    await machine.remote.write("README", "Nothing that the pipeline names");
    await machine.remote.commit("another");
    const { outputs, log } = await runSteps(await machine.job(), ...ALL);
    expect(outputs, log).toEqual({ outcome: "finished" });
    await expectUndisturbed(machine);
  });

  it("and the same job, run again with the plan that was approved, attaches to it", async () => {
    const machine = await makeMachine(longer);
    const variables = await cancelJob(machine);
    expect(await runSteps(variables, "checkout-project", "apply-plan")).toMatchObject({
      outputs: { outcome: "finished" },
    });
    await expectUndisturbed(machine);
  });

  it("and may be cancelled as well while it only follows it", async () => {
    const machine = await makeMachine(longer);
    await cancelJob(machine);
    const release = await holdTrainers(machine.project, "train");
    const step = await startStep("plan-pipeline", await machine.job());
    await step.until("follows the trainer");
    step.interrupt();
    expect(await step.ended).toMatchObject({ exitCode: 1, log: expect.stringContaining("training goes on") });
    await hunt();
    release();
    await runSteps(await machine.job(), "plan-pipeline", "apply-plan");
    await expectUndisturbed(machine);
  });
});

it("a job that hands training to the background frees its runner, and the next one follows it to the end", async () => {
  const machine = await makeMachine(longer);
  const variables = { ...(await machine.job()), BACKGROUND: "true" };
  expect(await runSteps(variables, ...ALL)).toMatchObject({ outputs: { outcome: "resumable" } });
  await hunt();
  expect(await runSteps({ ...variables, BACKGROUND: "false" }, "apply-plan")).toMatchObject({
    outputs: { outcome: "finished" },
  });
  await expectUndisturbed(machine);
});

it("a job whose training is stopped on the machine ends well, and the next one goes on where that was", async () => {
  const machine = await makeMachine(longer);
  const { project, job } = machine;
  const variables = await job();
  await runSteps(variables, "checkout-project", "plan-pipeline");
  const step = await startStep("apply-plan", variables);
  await untilStage(project, "train", hasSteps(20));
  expect((await project.run(["stop"])).exitCode).toBe(85);
  expect(await step.ended).toMatchObject({ exitCode: 0, outputs: { outcome: "resumable" } });
  expect(await runSteps(await job(), ...ALL)).toMatchObject({ outputs: { outcome: "finished" } });
  expect(await checkpointHashes(project)).toEqual(await undisturbed());
});

describe("a job ends badly, and says why", () => {
  it("where a stage fails", async () => {
    const { job } = await makeMachine((yaml) => yaml.replace("backend: rehearsal", "$&\n  python: ../no/python"));
    const variables = await job();
    await runSteps(variables, "checkout-project", "plan-pipeline");
    const { exitCode, log, outputs } = await runStep("apply-plan", variables);
    expect({ exitCode, outputs }).toEqual({ exitCode: 6, outputs: { outcome: "failed" } });
    expect(log).toMatch(/^::error::A stage failed/m);
  });

  it("where its plan is stale, with nothing done", async () => {
    const { remote, project, job } = await makeMachine();
    const variables = await job();
    await runSteps(variables, "checkout-project", "plan-pipeline");
    await remote.write(FILE, (await remote.read(FILE)).replace("dim: 16", "dim: 8"));
    await remote.commit("dim");
    await runSteps(await job(), "checkout-project");
    const stale = await runStep("apply-plan", variables);
    expect(stale).toMatchObject({ exitCode: 3, outputs: { outcome: "failed" } });
    expect(stale.log).toMatch(/^::error::The saved plan is stale/m);
    expect(await project.list("output")).toEqual([]);
    // A job whose folder another one has taken to the next commit plans nothing for its own.
    const overtaken = await runStep("plan-pipeline", variables);
    expect(overtaken).toMatchObject({
      exitCode: 1,
      log: expect.stringContaining("brought the folder to another commit"),
    });
  });

  it("where the pipeline can't be planned", async () => {
    const { job } = await makeMachine((yaml) => yaml.replace("network_dim", "network_dmi"));
    const variables = await job();
    await runSteps(variables, "checkout-project");
    const { exitCode, log, summary } = await runStep("plan-pipeline", variables);
    expect(exitCode).toBe(1);
    expect(log).toMatch(/^::error file=pipelines\/quickstart\.yaml,line=17/m);
    expect(summary).toContain("network_dmi");
  });

  it("where the policy isn't kept", async () => {
    const { remote, job } = await makeMachine();
    const variables = await job();
    await runSteps(variables, "checkout-project", "plan-pipeline");
    await remote.write("wan22.yaml", "version: 1\npolicy: { tasks: [i2v-A14B] }\n");
    await remote.commit("policy");
    await runSteps(await job(), "checkout-project");
    const { exitCode, log } = await runStep("apply-plan", variables);
    expect(exitCode).toBe(5);
    expect(log).toMatch(/^::error::The policy in wan22\.yaml is not kept/m);
  });
});

describe("the folder on the machine", () => {
  it("keeps what Git ignores and what was changed by hand, and no token", async () => {
    const { remote, project, job } = await makeMachine();
    await runSteps(await job(), "checkout-project");
    await project.write("output/quickstart/weights.safetensors", "the work of days");
    await remote.write("note", "theirs");
    await remote.commit("note");
    await project.write("note", "by hand");
    const refused = await runStep("checkout-project", await job());
    expect(refused).toMatchObject({ exitCode: 1, log: expect.stringMatching(/^::error::.*changed by hand/m) });
    expect(await project.read("note")).toBe("by hand");
    await rm(project.path("note"));
    await runSteps(await job(), "checkout-project");
    expect(await project.read("note")).toBe("theirs");
    expect(await project.read("output/quickstart/weights.safetensors")).toBe("the work of days");
    expect(await project.read(".git/config")).not.toMatch(/ghs_|basic|extraheader/i);
    expect(refused.log).toContain(`::add-mask::${Buffer.from("x-access-token:ghs_ofThisJobAlone").toString("base64")}`);
  });

  it("is brought to its commit by jobs that come at the same moment", async () => {
    const { project, job } = await makeMachine();
    const variables = await job();
    const all = await Promise.all(Array.from({ length: 4 }, () => runStep("checkout-project", variables)));
    expect(all.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
    expect(existsSync(project.path(FILE))).toBe(true);
  });

  it("is an absolute path", async () => {
    const { job } = await makeMachine();
    const { exitCode, log } = await runStep("checkout-project", { ...(await job()), FOLDER: "here" });
    expect(exitCode).toBe(1);
    expect(log).toContain("::error::folder has to be an absolute path");
  });
});

it("what there is to see of a run is kept, and its checkpoints are not", async () => {
  const { job } = await makeMachine();
  const variables = await job();
  await runSteps(variables, ...ALL);
  const out = join(variables.OUT ?? "", "run");
  const { summary } = await runSteps({ ...variables, OUT: out }, "collect-run");
  expect(summary).toMatch(/^ {4} {2}train +finished {2}step 96\/96$/m);
  const kept = await readdir(out);
  expect(kept).toEqual(expect.arrayContaining(["plan.json", "journal.ndjson", "train.log", "train.events.ndjson"]));
  expect(kept.filter((name) => name.endsWith(".safetensors"))).toEqual([]);
  // Before there is any run, too.
  const { job: early } = await makeMachine();
  const before = await early();
  await runSteps(before, "checkout-project", "collect-run");
  expect(await readdir(before.OUT ?? "")).toEqual([]);
});
