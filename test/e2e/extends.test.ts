import { expect, it } from "vitest";
import { makeQuickstart } from "../rig/project.ts";

/** Pipelines over files that they extend, as the built command sees them. */

/** The quickstart cut in three: a base, one between, and the pipeline. */
async function makeChain({ between = "train:\n  network_dim: 8\n" } = {}) {
  const project = await makeQuickstart((yaml) => yaml.replace(/^name: .*\n/m, ""));
  await project.write("pipelines/base.yaml", await project.read("pipelines/quickstart.yaml"));
  await project.write("pipelines/mid.yaml", `extends: base.yaml\n${between}`);
  await project.write("pipelines/quickstart.yaml", "extends: mid.yaml\nname: quickstart\n");
  return project;
}

it("carries out what three files say together, and takes the bases for no pipelines", async () => {
  const project = await makeChain();
  const plan = await project.run(["plan"]);
  expect(plan.stdout).toMatch(/network_dim\s+8\s+pipelines\/mid\.yaml:3/);
  expect(plan.stdout).toMatch(/max_train_epochs\s+4\s+pipelines\/base\.yaml:\d+/);
  const { exitCode, stderr } = await project.run(["apply", "--auto-approve"]);
  expect(exitCode, stderr).toBe(0);
  expect(await project.list("output/quickstart")).toContain("quickstart.safetensors");
  expect((await project.run(["plan", "--detailed-exitcode"])).exitCode).toBe(0);
  expect((await project.run(["validate", "pipelines/base.yaml"])).stderr).toContain("lacks `name`");
});

it("an error in the file between points there", async () => {
  const project = await makeChain({ between: "train:\n  network_dmi: 8\n" });
  const { exitCode, stderr, stdout } = await project.run(["validate"]);
  expect(exitCode).toBe(1);
  expect(stderr + stdout).toMatch(/pipelines\/mid\.yaml:3:3/);
  expect(stderr + stdout).toContain("Did you mean `network_dim`?");
});

it("a saved plan is stale by the key of the base that moved", async () => {
  const project = await makeChain();
  expect((await project.run(["plan", "--out", "saved.plan"])).exitCode).toBe(0);
  await project.write("pipelines/mid.yaml", "# dims\nextends: base.yaml\ntrain:\n  network_dim: 8\n");
  expect((await project.run(["apply", "--auto-approve", "saved.plan"])).exitCode).toBe(0);
  const again = await project.run(["plan", "--out", "saved.plan"]);
  expect(again.exitCode).toBe(0);
  await project.write("pipelines/mid.yaml", "extends: base.yaml\ntrain:\n  network_dim: 4\n");
  const { exitCode, stderr } = await project.run(["apply", "--auto-approve", "saved.plan"]);
  expect(exitCode).toBe(3);
  expect(stderr).toContain("train.network_dim");
});
