import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namedInputFiles } from "../../../src/core/check/input-files.ts";
import { observeInputFiles } from "../../../src/host/input-files.ts";
import { parseSound, pipelineWith } from "../spec/sample.ts";
import { codes, findings } from "./judge.ts";

const train = (...lines: readonly string[]) => `train:\n${lines.map((line) => `  ${line}`).join("\n")}`;

test("the files that parameters name are known from the spec, each once", () => {
  const lines = [
    "network_weights: lora/a.safetensors",
    "base_weights: [lora/a.safetensors, lora/b.safetensors]",
    "sample_prompts: prompts.txt",
  ];
  expect(namedInputFiles(parseSound(pipelineWith(train(...lines))))).toEqual([
    "pipelines/lora/a.safetensors",
    "pipelines/lora/b.safetensors",
    "pipelines/prompts.txt",
  ]);
  expect(namedInputFiles(parseSound(pipelineWith(train("sample_prompts: [a fox]"))))).toEqual([]);
});

describe("a look at such files", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "wan22-inputs-"));
    await writeFile(join(root, "prompts.txt"), "狐狸\r\n");
    await writeFile(join(root, "latin.txt"), Buffer.from([0x66, 0xe4, 0x0a]));
    await writeFile(join(root, "weights.pt"), Buffer.from([0x80, 0xff]));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test("reads texts, and nothing else", async () => {
    const paths = ["prompts.txt", "latin.txt", "weights.pt", "none.txt", "none.safetensors"];
    expect(await observeInputFiles(paths, { root })).toEqual({
      "prompts.txt": { text: "狐狸\r\n" },
      "latin.txt": { problem: { kind: "unreadable", text: "it is not UTF-8 text" } },
      "weights.pt": {},
      "none.txt": { problem: { kind: "missing", text: "there is no such file" } },
      "none.safetensors": { problem: { kind: "missing", text: "there is no such file" } },
    });
  });
});

describe("LoRA files to start from", () => {
  const file = "pipelines/lora.safetensors";
  const tensors = { "lora_unet_blocks_0_ffn_0.lora_down.weight": { dtype: "F32", shape: [16, 5120] } };

  test("have to be there", () => {
    const facts = { inputFiles: { [file]: { problem: { kind: "missing", text: "there is no such file" } as const } } };
    expect(codes({ pipeline: [train("network_weights: lora.safetensors")], facts })).toEqual(["T32"]);
    expect(codes({ pipeline: [train("base_weights: [lora.safetensors]")], facts })).toEqual(["T32"]);
  });

  test("have to have the rank that is trained", () => {
    const facts = { inputFiles: { [file]: { tensors } } };
    const [finding] = findings({ pipeline: [train("network_weights: lora.safetensors", "network_dim: 32")], facts });
    expect(finding).toMatchObject({ code: "T33", detail: expect.stringContaining("`network_dim: 16`") });
    expect(codes({ pipeline: [train("network_weights: lora.safetensors", "network_dim: 16")], facts })).toEqual([]);
  });
});
