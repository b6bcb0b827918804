import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { prepare } from "../../../src/prepare/prepare.ts";

/** What a pipeline is called whose file, `p2.yaml`, is wrong. */
async function nameOf(text: string): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-invalid-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "p2.yaml"), text);
  const { plan } = await prepare(["p2.yaml"], { folder, environment: {}, history: "read", lock: "plan" });
  expect(plan.pipelines[0]?.valid).toBe(false);
  return plan.pipelines[0]?.name;
}

test("An invalid pipeline has the name in its file", async () => {
  expect(await nameOf("version: 1\nname: x2\ntask: t2v-A14B\ntraim: {}\n")).toBe("x2");
});

test("It is called by its file where no name could be read", async () => {
  expect(await nameOf("version: 1\nname: [x2]\n")).toBe("p2");
});
