import { copyFile, rm, truncate } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { applyEventSchema } from "../../src/core/apply-event.ts";
import type { PipelinePlan } from "../../src/core/plan/plan.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";

const FILE = "pipelines/quickstart.yaml";

async function applied(project: Project): Promise<string> {
  const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout;
}

async function planned(project: Project): Promise<PipelinePlan> {
  const [pipeline] = (await project.plan(FILE)).pipelines;
  if (pipeline === undefined) throw new Error("no plan");
  return pipeline;
}

/** `cache-latents none, cache-text update, train replace`. */
function actions({ stages }: PipelinePlan): string {
  return stages.map(({ id, action }) => `${id} ${action}`).join(", ");
}

async function edit(project: Project, from: string | RegExp, to: string): Promise<void> {
  const text = await project.read(FILE);
  expect(text).toMatch(from);
  await project.write(FILE, text.replace(from, to));
}

describe("after a finished run", () => {
  it("a cosmetic edit changes nothing", async () => {
    const project = await makeQuickstart();
    await applied(project);
    await edit(project, "version: 1", "# a comment\n\nversion: 1");
    expect(actions(await planned(project))).toBe("cache-latents none, cache-text none, train none");
  });

  it("another learning rate starts training over, names the line, and archives what exists", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const old = await project.read("output/quickstart/quickstart.safetensors");
    await edit(project, "  network_dim: 16", "  network_dim: 16\n  learning_rate: 3e-4");
    const plan = await planned(project);
    expect(actions(plan)).toBe("cache-latents none, cache-text none, train replace");
    expect(plan.stages[2]?.reasons[0]).toMatchObject({
      cause: "parameter-changed",
      parameter: "learning_rate",
      from: 0.0001,
      to: 0.0003,
    });
    expect(plan.stages[2]?.reasons[0]?.text).toContain(`${FILE}:`);
    await applied(project);
    const archived = (await project.list("output/quickstart/archive")).filter((name) =>
      name.endsWith("/quickstart.safetensors"),
    );
    expect(archived).toHaveLength(1);
    expect(await project.read(`output/quickstart/archive/${archived[0]}`)).toBe(old);
    expect(await project.read("output/quickstart/quickstart.safetensors")).not.toBe(old);
    expect(actions(await planned(project))).toBe("cache-latents none, cache-text none, train none");
  });

  it("one edited caption re-encodes that caption alone, and trains anew", async () => {
    const project = await makeQuickstart();
    await applied(project);
    await project.write("pipelines/quickstart/clips/03-mandelbrot.txt", "A slow zoom into the edge of a fractal set\n");
    const plan = await planned(project);
    expect(actions(plan)).toBe("cache-latents none, cache-text update, train replace");
    expect(plan.stages[1]?.pending).toHaveLength(1);
    expect(plan.stages[1]?.pending?.[0]).toContain("03-mandelbrot_wan_te.safetensors");
    const before = await project.list(".wan22/cache/quickstart");
    await applied(project);
    expect(await project.list(".wan22/cache/quickstart")).toEqual(before);
    expect(actions(await planned(project))).toBe("cache-latents none, cache-text none, train none");
  });

  it("a clip put in the place of another of the same name is seen", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const clips = "pipelines/quickstart/clips";
    await copyFile(project.path(`${clips}/01-test-pattern.mp4`), project.path(`${clips}/02-gradient.mp4`));
    const plan = await planned(project);
    expect(actions(plan)).toBe("cache-latents update, cache-text none, train replace");
    expect(plan.stages[0]?.pending).toHaveLength(3);
  });

  it("a clip taken away takes its caches along", async () => {
    const project = await makeQuickstart();
    await applied(project);
    await rm(project.path("pipelines/quickstart/clips/08-automaton.mp4"));
    await rm(project.path("pipelines/quickstart/clips/08-automaton.txt"));
    const said = await applied(project);
    expect(said).toContain("removed 3 cache files that nothing in the dataset makes any more: 08-automaton_");
    expect(said).toContain("removed 1 cache file that nothing in the dataset makes any more: 08-automaton_wan_te");
    expect(said).not.toContain("to be made again");
    expect((await project.list(".wan22/cache")).filter((name) => name.includes("08-automaton"))).toEqual([]);
  });

  it("more epochs extend what there is under a constant schedule", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const fourth = await project.read("output/quickstart/quickstart.safetensors");
    await edit(project, "max_train_epochs: 4", "max_train_epochs: 6");
    const plan = await planned(project);
    expect(actions(plan)).toBe("cache-latents none, cache-text none, train extend");
    await applied(project);
    expect(await project.read("output/quickstart/quickstart-000004.safetensors")).toBe(fourth);
    const files = (await project.list("output/quickstart")).filter((name) => !name.includes("/"));
    expect(files).toEqual([
      "quickstart-000001.safetensors",
      "quickstart-000002.safetensors",
      "quickstart-000003.safetensors",
      "quickstart-000004.safetensors",
      "quickstart-000005.safetensors",
      "quickstart.safetensors",
    ]);
  });

  it("the checkpoints that are counted at the end are those that are there", async () => {
    const project = await makeQuickstart();
    await applied(project);
    await rm(project.path("output/quickstart/quickstart-000002.safetensors"));
    await edit(project, "max_train_epochs: 4", "max_train_epochs: 6");
    const { stdout } = await project.run(["apply", FILE, "--auto-approve", "--format", "json"]);
    const end = applyEventSchema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
    const files = (await project.list("output/quickstart")).filter((name) => !name.includes("/"));
    expect(files).toHaveLength(5);
    expect(end).toMatchObject({ type: "run-ended", checkpoints: expect.any(Array) });
    expect(end.type === "run-ended" ? [...end.checkpoints].sort() : []).toEqual(
      files.map((name) => `output/quickstart/${name}`),
    );
  });

  it("fewer epochs change nothing but are pointed out", async () => {
    const project = await makeQuickstart();
    await applied(project);
    await edit(project, "max_train_epochs: 4", "max_train_epochs: 2");
    const plan = await project.plan(FILE);
    expect(plan.pipelines.map(actions)).toEqual(["cache-latents none, cache-text none, train none"]);
    expect(
      plan.diagnostics
        .filter(({ severity }) => severity === "warning")
        .map(({ message }) => message)
        .join(),
    ).toMatch(/epochs/);
  });

  it("a trainer that cannot run here is told before anything is archived", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const outputs = await project.list("output");
    await edit(project, "  network_dim: 16", "  network_dim: 8");
    await edit(project, "  backend: rehearsal", "  backend: rehearsal\n  python: ../no/python");
    const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).toBe(6);
    expect(stderr).toContain("Nothing was started, since `trainer.python` (no/python)");
    expect((await planned(project)).stages[2]).toMatchObject({ action: "replace" });
    expect(await project.list("output")).toEqual(outputs);
  });

  it("a torn cache file is made again", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const [name] = await project.list(".wan22/cache");
    await truncate(project.path(`.wan22/cache/${name}`), 40);
    const plan = await planned(project);
    expect(plan.stages[0]).toMatchObject({ action: "update" });
    expect(plan.stages[0]?.pending).toHaveLength(1);
    await applied(project);
    expect(actions(await planned(project))).toBe("cache-latents none, cache-text none, train none");
  });

  it("a stage can be started over on request", async () => {
    const project = await makeQuickstart();
    await applied(project);
    const { exitCode } = await project.run(["apply", FILE, "--auto-approve", "--replace", "train"]);
    expect(exitCode).toBe(0);
    const archived = await project.list("output/quickstart/archive");
    expect(archived.filter((name) => name.endsWith("/quickstart.safetensors"))).toHaveLength(1);
  });
});

describe("weights that are not numbers any more", () => {
  const tooFast = (yaml: string) => yaml.replace("network_dim: 16", "network_dim: 16\n  learning_rate: 1e30");

  it("fail the stage, with the manual's remedies as lines for the file, and leave none of them behind", async () => {
    const project = await makeQuickstart(tooFast);
    const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).toBe(6);
    expect(stderr).toContain("error[A28]");
    expect(stderr).toMatch(/In this pipeline, one after the other:\s+# 1\. Lower the learning rate/);
    expect(stderr).toContain("learning_rate: 0.0001");
    expect(await project.list("output")).toEqual([]);
    expect(actions(await planned(project))).toBe("cache-latents none, cache-text none, train create");
  });

  it("are trained on where that is wished", async () => {
    const project = await makeQuickstart((yaml) =>
      tooFast(yaml).replace("backend: rehearsal", "backend: rehearsal\n  on_nan: warn"),
    );
    const { exitCode, stdout } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain("the weights are ruined");
  });
});
