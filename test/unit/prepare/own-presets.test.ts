// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
/** What a project's own presets bring in is judged and said like what its pipelines bring in. */
import { cp, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { prepare } from "../../../src/prepare/prepare.ts";
import { repository } from "../../rig/project.ts";
import { PRESET_TEXTS } from "../resolve/sample.ts";

const PIPELINE = `version: 1
name: fox
task: t2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  sources:
    - videos: clips
      target_frames: [1]
trainer:
  backend: rehearsal
`;

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "wan22-presets-")));
  await cp(join(repository, "pipelines/quickstart/clips"), join(folder, "clips"), { recursive: true });
  await mkdir(join(folder, "own/presets"), { recursive: true });
  await writeFile(join(folder, "wan22.yaml"), "version: 1\ntemplates: own\n");
  await writeFile(join(folder, "fox.yaml"), PIPELINE);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Plans with a defaults.yaml that recommends these values first. */
async function planWith(values: Readonly<Record<string, string>>) {
  const added = Object.entries(values).map(
    ([name, value]) => `  ${name}:\n    value: ${value}\n    reason: { en: Ours., zh: 我们的。 }\n`,
  );
  const text = PRESET_TEXTS["defaults.yaml"]?.text ?? "";
  await writeFile(
    join(folder, "own/presets/defaults.yaml"),
    text.replace("\nparameters:\n", `\nparameters:\n${added.join("")}`),
  );
  return prepare(["fox.yaml"], { folder, environment: {}, history: "ignore", lock: "plan" });
}

async function errorsWith(values: Readonly<Record<string, string>>) {
  const { plan } = await planWith(values);
  return plan.diagnostics.filter(({ severity }) => severity === "error");
}

describe("a rule of the trainer that such a preset breaks", () => {
  const FILE = "own/presets/defaults.yaml";

  test.each([
    ["T18", { lr_warmup_steps: "10%" }, "constant_with_warmup"],
    ["T26", { sample_prompts: "pr/missing.txt", sample_every_n_epochs: "1" }, "there is no such file"],
    ["T32", { network_weights: "nope.safetensors" }, "there is no such file"],
    ["T32", { log_tracker_config: "nope.toml" }, "there is no such file"],
    ["R4", { sample_prompts: "${FOO}/x.txt" }, "work in pipelines and wan22.yaml only"],
  ])("%s %o is found in its line", async (code, values, words) => {
    expect(await errorsWith(values)).toMatchObject([
      { code, file: FILE, range: { line: 5 }, detail: expect.stringContaining(words) },
    ]);
  });
});

test("a share of all steps is one in a preset too", async () => {
  const { plan } = await planWith({ lr_warmup_steps: "10%", lr_scheduler: "constant_with_warmup" });
  expect(plan.pipelines[0]?.valid).toBe(true);
  expect(plan.pipelines[0]?.stages.find(({ id }) => id === "train")?.argv.join(" ")).toContain("--lr_warmup_steps 0.1");
});

test("a value says in which file and line of the project it stands", async () => {
  const { plan } = await planWith({ training_comment: "ours" });
  const { training_comment, seed } = plan.pipelines[0]?.parameters ?? {};
  expect(training_comment?.source).toEqual({
    layer: "defaults",
    text: "default (own/presets/defaults.yaml:5)",
    file: "own/presets/defaults.yaml",
    line: 5,
  });
  expect(seed?.source.text).toMatch(/^default \(own\/presets\/defaults\.yaml:\d+\)$/);
});
