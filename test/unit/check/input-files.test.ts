import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { namedInputFiles } from "../../../src/core/check/input-files.ts";
import type { Facts } from "../../../src/core/facts.ts";
import { observeFolders } from "../../../src/host/folders.ts";
import { observeInputFiles } from "../../../src/host/input-files.ts";
import { safetensors } from "../host/samples.ts";
import { PRESETS } from "../resolve/sample.ts";
import { parseSound, pipelineWith } from "../spec/sample.ts";
import { codes, findings } from "./judge.ts";

const train = (...lines: readonly string[]) => `train:\n${lines.map((line) => `  ${line}`).join("\n")}`;

test("the files that parameters name are known from the spec, each once", () => {
  const lines = [
    "network_weights: lora/a.safetensors",
    "base_weights: [lora/a.safetensors, lora/b.safetensors]",
    "sample_prompts: prompts.txt",
  ];
  expect(namedInputFiles(parseSound(pipelineWith(train(...lines))), PRESETS)).toEqual([
    "pipelines/lora/a.safetensors",
    "pipelines/lora/b.safetensors",
    "pipelines/prompts.txt",
  ]);
  expect(namedInputFiles(parseSound(pipelineWith(train("sample_prompts: [a fox]"))), PRESETS)).toEqual([]);
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

  test("reads texts, and what says that it is safetensors", async () => {
    await writeFile(join(root, "named.pt"), safetensors({ a: { dtype: "U8", shape: [1], bytes: 1 } }));
    const paths = ["prompts.txt", "latin.txt", "weights.pt", "named.pt", "none.txt", "none.safetensors"];
    expect(await observeInputFiles(paths, { root })).toEqual({
      "prompts.txt": { text: "狐狸\r\n" },
      "latin.txt": { problem: { kind: "unreadable", text: "it is not UTF-8 text" } },
      "weights.pt": {},
      "named.pt": { tensors: { a: { dtype: "U8", shape: [1] } } },
      "none.txt": { problem: { kind: "missing", text: "there is no such file" } },
      "none.safetensors": { problem: { kind: "missing", text: "there is no such file" } },
    });
  });
});

describe("LoRA files", () => {
  const file = "pipelines/lora.safetensors";
  const layer = "lora_unet_blocks_0_ffn_0";
  const of = (parts: Readonly<Record<string, readonly number[]>>, prefix = `${layer}.`) =>
    Object.fromEntries(Object.entries(parts).map(([part, shape]) => [prefix + part, { dtype: "F32", shape }]));
  const SOUND = { "lora_down.weight": [16, 5120], "lora_up.weight": [13_824, 16], alpha: [] };
  const { alpha: _, ...WITHOUT_ALPHA } = SOUND;
  const found = (lines: readonly string[], inputFiles: NonNullable<Facts["inputFiles"]>) =>
    findings({ pipeline: [train(...lines)], facts: { inputFiles } }).map(({ code, detail }) => `${code} ${detail}`);

  test.each(["network_weights: lora.safetensors", "base_weights: [lora.safetensors]"])(
    "have to be there: %s",
    (line) => {
      const facts = {
        inputFiles: { [file]: { problem: { kind: "missing", text: "there is no such file" } as const } },
      };
      expect(codes({ pipeline: ["noise: low", train(line)], facts })).toEqual(["T32"]);
    },
  );

  describe("to start from", () => {
    const started = (tensors: ReturnType<typeof of>, dim = 16, ...more: readonly string[]) =>
      found(["network_weights: lora.safetensors", `network_dim: ${dim}`, ...more], { [file]: { tensors } });

    test("have to have the rank that is trained", () => {
      expect(started(of(SOUND), 32)).toEqual([expect.stringMatching(/^T33 .*`network_dim: 16`/)]);
      expect(started(of(SOUND))).toEqual([]);
      expect(started(of(WITHOUT_ALPHA))).toEqual([]);
    });

    test("have one rank", () => {
      const other = of({ "lora_down.weight": [8, 5120] }, "lora_unet_blocks_1_ffn_0.");
      expect(started({ ...of(SOUND), ...other })).toEqual([expect.stringMatching(/^T33 .*the ranks 8, 16/)]);
    });

    test("have the width of the model, in the layers that are trained", () => {
      const wide = of({ ...SOUND, "lora_down.weight": [16, 1536] });
      expect(started(wide)).toEqual([expect.stringMatching(/^T44 .*is \[16, 1536\].*needs \[rank, 5120\]/)]);
      expect(started(wide, 16, "network_args: [\"exclude_patterns=['.*ffn.*']\"]")).toEqual([]);
    });

    test("have a name in common with the model's layers", () => {
      const foreign = of({ "lora_A.weight": [16, 5120] }, "diffusion_model.blocks.0.ffn.0.");
      expect(started(foreign)).toEqual([expect.stringMatching(/^T45 .*convert_lora\.py/)]);
    });

    test("are read by PyTorch under any other name, which safetensors are not for", () => {
      const lines = ["network_weights: lora.pt", "network_dim: 16"];
      expect(found(lines, { "pipelines/lora.pt": { tensors: of(SOUND) } })).toEqual([expect.stringMatching(/^T44 /)]);
      expect(found(lines, { "pipelines/lora.pt": {} })).toEqual([]);
    });
  });

  describe("to train on top of", () => {
    const merged = (tensors: ReturnType<typeof of>) =>
      found(["base_weights: [lora.safetensors]"], { [file]: { tensors } }).filter((each) => !each.startsWith("T48"));

    test("reach one half only where both are trained in one run", () => {
      const facts = { inputFiles: { [file]: { tensors: of(SOUND) } } };
      const base = train("base_weights: [lora.safetensors]");
      expect(findings({ pipeline: [base], facts })).toMatchObject([{ code: "T48", severity: "warning" }]);
      expect(codes({ pipeline: ["noise: separate", base], facts })).toEqual([]);
    });

    test("have any rank", () => {
      expect(merged(of(SOUND))).toEqual([]);
    });

    test.each([
      ["alpha", WITHOUT_ALPHA, "holds no lora_unet_blocks_0_ffn_0.alpha"],
      ["up", { alpha: [], "lora_down.weight": [16, 5120] }, "holds no lora_unet_blocks_0_ffn_0.lora_up.weight"],
      ["width", { ...SOUND, "lora_up.weight": [8960, 16] }, "is [8960, 16]"],
      ["rank", { ...SOUND, "lora_up.weight": [13_824, 8] }, "the ranks 8 and 16"],
    ])("need each layer whole: %s", (_part, parts, words) => {
      expect(merged(of(parts))).toEqual([expect.stringMatching(/^T44 /)]);
      expect(merged(of(parts))[0]).toContain(words);
    });

    test("have a name in common with the model's layers", () => {
      expect(merged(of(SOUND, "transformer.blocks.0.ffn.0."))).toEqual([expect.stringMatching(/^T45 /)]);
    });

    test("are safetensors, whatever they are called", () => {
      const lines = ["base_weights: [lora.pt]"];
      const judged = (facts: NonNullable<Facts["inputFiles"]>[string]) =>
        found(lines, { "pipelines/lora.pt": facts }).filter((each) => !each.startsWith("T48"));
      expect(judged({})).toEqual([expect.stringMatching(/^T44 .*as safetensors only/)]);
      expect(judged({ tensors: of(SOUND) })).toEqual([]);
    });
  });
});

describe("folders that are written into", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "wan22-folders-"));
    await writeFile(join(root, "file"), "");
    await mkdir(join(root, "folder"));
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test("are looked at where they are, and upward where they are not", async () => {
    const paths = ["folder", "folder/a/b", "a/b", "file", "file/a/b", join(root, "file/a")];
    expect(await observeFolders(paths, { root })).toEqual({
      file: { kind: "unreadable", text: "there is a file of this name" },
      "file/a/b": { kind: "unreadable", text: "file is a file" },
      [join(root, "file/a")]: { kind: "unreadable", text: `${join(root, "file")} is a file` },
    });
  });

  test("are an error where a file stands in the way", () => {
    const problem = { kind: "unreadable", text: "notes is a file" } as const;
    const pipeline = ["output:\n  dir: notes/fox", train("logging_dir: logs")];
    const folders = { "pipelines/notes/fox": problem, "pipelines/logs": problem };
    const found = findings({ pipeline, facts: { folders } });
    expect(found).toMatchObject([
      { code: "T46", path: "output.dir", file: "pipelines/fox.yaml" },
      { code: "T46", path: "train.logging_dir", file: "pipelines/fox.yaml" },
    ]);
    expect(found[0]?.detail).toContain("notes is a file");
  });
});
