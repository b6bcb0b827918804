import { chmod, symlink } from "node:fs/promises";
import { expect, it } from "vitest";
import { makeQuickstart, type Project } from "../rig/project.ts";

/** A Musubi checkout and a virtual environment, as far as both can be seen without starting them. */
async function withTrainer(project: Project, modules: readonly string[]): Promise<void> {
  await project.write("musubi/src/musubi_tuner/wan_train_network.py", "");
  await project.write("musubi/pyproject.toml", '[project]\nname = "musubi-tuner"\nversion = "0.3.4"\n');
  await project.write("musubi/.venv/pyvenv.cfg", "version = 3.11.7\ninclude-system-site-packages = false\n");
  await project.write("musubi/.venv/python", "#!/bin/sh\nexit 1\n");
  await chmod(project.path("musubi/.venv/python"), 0o755);
  await project.write("musubi/.venv/bin/.keep", "");
  await symlink("../python", project.path("musubi/.venv/bin/python"));
  for (const module of ["torch", ...modules]) {
    await project.write(`musubi/.venv/lib/python3.11/site-packages/${module}/__init__.py`, "");
  }
}

const onMusubi = (yaml: string) => yaml.replace("backend: rehearsal", "backend: musubi\n  path: ../musubi");

async function codes(project: Project): Promise<readonly string[]> {
  const { diagnostics } = await project.plan("pipelines/quickstart.yaml");
  return diagnostics.map(({ code, message }) => `${code} ${message}`);
}

it("an optimizer that only a preset names is looked for before a model is loaded", async () => {
  const project = await makeQuickstart(onMusubi);
  await withTrainer(project, []);
  expect(await codes(project)).toContainEqual(expect.stringMatching(/^T22 .*adamw8bit.*bitsandbytes/));
});

it("and found where it is installed", async () => {
  const project = await makeQuickstart(onMusubi);
  await withTrainer(project, ["bitsandbytes"]);
  expect(await codes(project)).not.toContainEqual(expect.stringMatching(/^T22 /));
});
