import { rm } from "node:fs/promises";
import { expect, it } from "vitest";
import { makeQuickstart } from "../rig/project.ts";

/** A record that was written on another machine, whose disk can't be looked at from here. */

const FILE = "pipelines/quickstart.yaml";
const STATE = ".wan22/state/quickstart.json";

it("can be left behind by the command that its note gives: everything is made anew here", async () => {
  const project = await makeQuickstart();
  expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  const made = [...(await project.list("output")), ...(await project.list(".wan22/cache"))];
  const state = await project.read(STATE);
  await project.write(STATE, state.replace(/"host": "[^"]*"/, '"host": "gpu-7"'));
  for (const folder of ["output", ".wan22/cache"]) await rm(project.path(folder), { recursive: true });

  const { diagnostics, changes } = await project.plan(FILE);
  expect(changes).toBe(false);
  const note = diagnostics.find(({ code }) => code === "P12");
  expect(note?.detail).toContain("was written on gpu-7");
  const command = /`wan22 (apply [^`]+)`/.exec(note?.detail ?? "")?.[1]?.split(" ") ?? [];
  expect(await project.run([...command, "--auto-approve"])).toMatchObject({ exitCode: 0, stderr: "" });

  expect([...(await project.list("output")), ...(await project.list(".wan22/cache"))]).toEqual(made);
  expect((await project.plan(FILE)).diagnostics.map(({ code }) => code)).not.toContain("P12");
});
