import { cp } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeProject, makeQuickstart, repository } from "../rig/project.ts";
import { readmePlan, readmeProject } from "../rig/readme.ts";

describe("the README", () => {
  it("shows the plan of today", async () => {
    const project = await makeQuickstart();
    const { stdout } = await project.run(["plan", "pipelines/quickstart.yaml"], {
      environment: { npm_command: "exec", npm_config_local_prefix: project.folder },
    });
    const words = (text: string) =>
      text
        .replace(/(?<=MiB of )[\d.]+ \wiB/, "SOME")
        .replace(/\s+/g, " ")
        .trim();
    expect(words(`$ npx wan22 plan pipelines/quickstart.yaml\n${stdout}`)).toBe(words(readmePlan()));
  });

  it("shows a project that works when it is copied", async () => {
    const { project: shared, pipeline } = readmeProject();
    const project = await makeProject({ "wan22.yaml": shared, "pipelines/fox.yaml": pipeline });
    await cp(join(repository, "pipelines/quickstart/clips"), project.path("data/fox"), { recursive: true });
    const environment = { MODELS: "/nowhere" };

    const before = await project.run(["validate"], { environment });
    const codes = new Set(before.stderr.match(/(?<=^error\[)\w+/gm));
    // The weights are all that is missing; a trainer costs a plan nothing.
    expect([...codes]).toEqual(["M2"]);

    await project.write("wan22.yaml", shared.replace("backend: musubi", "backend: rehearsal"));
    const applied = await project.run(["apply", "--auto-approve"], { environment });
    expect(applied.exitCode, applied.stderr).toBe(0);
    const files = await project.list("output/fox");
    expect(files).toEqual(expect.arrayContaining(["fox-t2v-high.safetensors", "fox-t2v-low.safetensors"]));
  });
});
