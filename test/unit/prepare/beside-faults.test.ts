/** Everything that is wrong is said at once: a slip of the pen hides no rule of the trainer, and makes none up. */
import { cp, mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { prepare } from "../../../src/prepare/prepare.ts";
import { repository } from "../../rig/project.ts";

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "wan22-beside-")));
  await cp(join(repository, "pipelines/quickstart/clips"), join(folder, "clips"), { recursive: true });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Codes of all errors of a pipeline with these lines, in the order of the lines. */
async function errorsOf(lines: string, source = "target_frames: [1]"): Promise<readonly string[]> {
  const text = `version: 1
name: fox
task: t2v-A14B
dataset:
  resolution: 256x144
  sources:
    - videos: clips
      ${source}
${lines}
trainer:
  backend: rehearsal
`;
  await writeFile(join(folder, "fox.yaml"), text);
  const { plan } = await prepare(["fox.yaml"], { folder, environment: {}, history: "read", lock: "plan" });
  expect(plan.pipelines).toMatchObject([{ valid: false, stages: [] }]);
  const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
  return errors.sort((a, b) => (a.range?.line ?? 0) - (b.range?.line ?? 0)).map(({ code }) => code);
}

describe("beside a misspelt key", () => {
  test("rules about several keys are kept, and rules about the dataset", async () => {
    const train = "train:\n  learning_rat: 1e-4\n  fp8_scaled: true\n  fp8_base: false\n  lr_warmup_steps: 5";
    expect(await errorsOf(train, "target_frames: [24]")).toEqual(["T17", "S13", "T3", "T18"]);
  });

  test("and a value of the wrong kind, and one that a rule of the file refuses", async () => {
    const rest = "train:\n  network_dim: many\n  lr_warmup_steps: 5\noutput:\n  name: a/b\n";
    expect(await errorsOf(rest)).toEqual(["S20", "T18", "S28"]);
  });
});

test("A source whose folder was named by a key that does not exist is not looked for elsewhere", async () => {
  const text = (await readFile(join(repository, "pipelines/quickstart.yaml"), "utf8")).replace("videos:", "video_dir:");
  await writeFile(join(folder, "fox.yaml"), text);
  const { plan } = await prepare(["fox.yaml"], { folder, environment: {}, history: "read", lock: "plan" });
  expect(plan.diagnostics.map(({ code }) => code)).toEqual(["S15"]);
});

describe("what may follow from the fault alone is not said", () => {
  test.each([
    ["the key that was meant is another's condition", "train:\n  fp8_bas: true\n  fp8_scaled: true", ["S13"]],
    ["its value was meant", 'train:\n  fp8_base: "true"\n  fp8_scaled: true', ["S20"]],
    ["it decides everything", "nosie: dual\ntrain:\n  fp8_scaled: true\n  fp8_base: false", ["S13"]],
  ])("where %s", async (_, lines, codes) => {
    expect(await errorsOf(`hardware: professional\n${lines}`)).toEqual(codes);
  });

  test("of a source, whose captions may lie under another name", async () => {
    await rm(join(folder, "clips/01-test-pattern.txt"));
    expect(await errorsOf("", "caption_exten: .caption\n      target_frames: [24]")).toEqual(["S13", "T17"]);
    expect(await errorsOf("train:\n  learning_rat: 1e-4")).toEqual(["T10", "S13"]);
  });
});
