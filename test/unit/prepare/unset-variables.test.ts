// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepare } from "../../../src/prepare/prepare.ts";
import { repository } from "../../rig/project.ts";

const PIPELINE = `version: 1
name: fox
task: t2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  sources:
    - videos: clips
      target_frames: [1]
    - videos: \${MORE}/clips
      target_frames: [5]
trainer:
  backend: rehearsal
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-unset-"));
  await cp(join(repository, "pipelines/quickstart/clips"), join(folder, "clips"), { recursive: true });
  await writeFile(join(folder, "fox.yaml"), PIPELINE);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("A pipeline with a variable that is not set is not valid: it would be trained without what it names", async () => {
  const { plan, pipelines } = await prepare(["fox.yaml"], { folder, environment: {}, history: "read", lock: "plan" });
  expect(plan.pipelines).toMatchObject([{ valid: false, stages: [] }]);
  expect(pipelines).toEqual([]);
  expect(plan.diagnostics.map(({ code }) => code)).toContain("S31");
});

test("With the variable set it is", async () => {
  const { plan } = await prepare(["fox.yaml"], {
    folder,
    environment: { MORE: folder },
    history: "read",
    lock: "plan",
  });
  expect(plan.pipelines).toMatchObject([{ valid: true }]);
});
