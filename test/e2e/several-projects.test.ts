import { cp } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeProject, type Project, repository } from "../rig/project.ts";

/** Two projects in one folder, each with a pipeline of the same name in the same place. */
async function twoProjects(edit: (yaml: string) => string = (yaml) => yaml): Promise<Project> {
  const both = await makeProject();
  for (const name of ["fox", "dog"]) {
    await both.write(`${name}/wan22.yaml`, "version: 1\n");
    await cp(join(repository, "pipelines"), both.path(`${name}/pipelines`), { recursive: true });
  }
  const file = "dog/pipelines/quickstart.yaml";
  await both.write(file, edit(await both.read(file)));
  return both;
}

const FILES = ["fox/pipelines/quickstart.yaml", "dog/pipelines/quickstart.yaml"] as const;

it("pipelines of two projects may have one name and one output: each has its own", async () => {
  const both = await twoProjects();
  const { pipelines, diagnostics } = await both.plan(...FILES);
  expect(pipelines.map(({ file, valid }) => [file, valid])).toEqual(FILES.map((file) => [file, true]));
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const fromFox = await both.run(["plan", "pipelines/quickstart.yaml", "../dog/pipelines/quickstart.yaml"], {
    folder: both.path("fox"),
  });
  expect(fromFox.stdout.replace(/\s+/g, " ")).toContain(
    "Apply it with: wan22 apply pipelines/quickstart.yaml ../dog/pipelines/quickstart.yaml",
  );
  const { exitCode } = await both.run(["apply", "--auto-approve", ...FILES]);
  expect(exitCode).toBe(0);
  for (const name of ["fox", "dog"]) expect(await both.list(`${name}/output/quickstart`)).not.toEqual([]);
});

it("and what is wrong in one is shown by a name that only it has", async () => {
  const both = await twoProjects((yaml) => yaml.replace("network_dim", "network_dimm"));
  const { pipelines, diagnostics } = await both.plan(...FILES);
  expect(pipelines.map(({ valid }) => valid)).toEqual([true, false]);
  expect(diagnostics.filter(({ severity }) => severity === "error").map(({ file }) => file)).toEqual([FILES[1]]);
  const { stdout } = await both.run(["plan", ...FILES]);
  expect(stdout).toContain(`--> ${FILES[1]}:17`);
  expect(stdout).toContain("network_dimm: 16");
});

it("but one folder may not be written by both", async () => {
  const both = await twoProjects((yaml) => yaml.replace(/dir: .*/, "dir: ../../fox/output/quickstart"));
  const { diagnostics } = await both.plan(...FILES);
  expect(diagnostics.filter(({ severity }) => severity === "error")).toMatchObject([
    { code: "P31", file: FILES[1], related: [{ file: FILES[0] }] },
  ]);
});
