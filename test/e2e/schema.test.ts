import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeProject, repository } from "../rig/project.ts";

it("every schema that is committed is named in the help, and printed as it is", async () => {
  const project = await makeProject();
  const files = await readdir(join(repository, "schemas"));
  const names = files.map((file) => file.replace(".schema.json", ""));
  expect(names).toContain("apply-events");
  const help = (await project.run(["schema", "--help"])).stdout;

  for (const name of names) {
    expect(help).toMatch(new RegExp(`^ {2}${name} +\\S`, "m"));
    const { stdout } = await project.run(["schema", name]);
    expect(`${stdout}\n`).toBe(await readFile(join(repository, `schemas/${name}.schema.json`), "utf8"));
  }
});
