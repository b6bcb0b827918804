import { describe, expect, test } from "vitest";
import { findCards, parseCardName } from "../../../src/core/resolve/cards.ts";
import { PRESETS, resolveWith } from "./sample.ts";

function gpu(name: string, vramGiB: number, index = 0) {
  return { index, name, vramGiB };
}

describe("a card's name is taken apart in whatever way it is written", () => {
  test.each([
    ["RTX 4090", "4090", undefined],
    ["4090", "4090", undefined],
    ["rtx4090", "4090", undefined],
    ["NVIDIA GeForce RTX 4090", "4090", undefined],
    ["GeForce RTX 4090 24GB", "4090", 24],
    ["RTX 4060Ti 16GB", "4060 ti", 16],
    ["rtx-4060-ti (16 GB)", "4060 ti", 16],
    ["NVIDIA GeForce RTX 4070 Ti SUPER", "4070 ti super", undefined],
    ["RTX 4070TiSuper", "4070 ti super", undefined],
    ["3080Ti", "3080 ti", undefined],
    ["NVIDIA A100-SXM4-80GB", "a100", 80],
    ["NVIDIA A100-PCIE-40GB", "a100", 40],
    ["A100 80G", "a100", 80],
    ["NVIDIA A10G", "a10g", undefined],
    ["NVIDIA H100 80GB HBM3", "h100", 80],
    ["NVIDIA H100 NVL", "h100", undefined],
    ["NVIDIA RTX A6000", "a6000", undefined],
    ["A6000 48GB", "a6000", 48],
    ["NVIDIA RTX 6000 Ada Generation", "6000 ada", undefined],
    ["Quadro RTX 6000", "6000", undefined],
    ["NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "pro 6000", undefined],
    ["NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", "pro 6000", undefined],
    ["Tesla V100-SXM2-32GB", "v100", 32],
    ["NVIDIA GeForce RTX 4090 Laptop GPU", "4090 laptop", undefined],
    ["", "", undefined],
  ])("%s", (written, key, vramGiB) => {
    expect(parseCardName(written)).toEqual({ key, ...(vramGiB === undefined ? {} : { vramGiB }) });
  });

  test("no two entries of the preset are the same card", () => {
    const seen = PRESETS.tiers.cards.map((card) => `${parseCardName(card.name).key} ${card.vram_gib}`);
    expect(seen).toEqual([...new Set(seen)]);
  });

  test("variants are told apart by their memory, which cards report a little low", () => {
    const named = parseCardName("NVIDIA A100-SXM4-40GB");
    expect(findCards(PRESETS.tiers, named, 39.4).map((card) => card.tier)).toEqual(["high-end"]);
    expect(findCards(PRESETS.tiers, parseCardName("A100"), 79.3).map((card) => card.tier)).toEqual(["professional"]);
  });
});

describe("the tier follows from the card", () => {
  test.each([
    // By the manual's own names; of two places the one with a detailed configuration.
    ["A100 80GB", "professional"],
    ["H100", "professional"],
    ["RTX 4090", "high-end"],
    ["RTX 4090 24GB", "high-end"],
    ["A6000", "high-end"],
    ["A6000 48GB", "high-end"],
    ["RTX 3090", "mid"],
    ["RTX 3090 24GB", "mid"],
    ["RTX 4080", "mid"],
    ["RTX 4080 16GB", "mid"],
    ["RTX 4060Ti 16GB", "entry"],
    ["RTX 3080Ti", "entry"],
    ["RTX 4070Ti", "entry"],
    // Newer ones by name.
    ["RTX 5090", "high-end"],
    ["RTX PRO 6000", "professional"],
    ["L40S", "high-end"],
    ["A100 40GB", "high-end"],
    ["RTX 4090 D", "high-end"],
    ["RTX 4090D 24GB", "high-end"],
    ["NVIDIA GeForce RTX 5090 D", "high-end"],
    ["L20", "high-end"],
    ["H200", "professional"],
    ["B200", "professional"],
    ["RTX 6000 Ada", "high-end"],
    // Others by their memory.
    ["RTX 3090 Ti", "mid"],
    ["L4", "mid"],
    ["RTX 3060", "entry"],
    ["V100 32GB", "high-end"],
    ["Instinct MI300X 192GB", "professional"],
  ])("%s: %s", (card, tier) => {
    expect(resolveWith(`hardware: ${card}`).resolved.tier).toBe(tier);
  });

  test.each([
    [64, "professional"],
    [63.6, "professional"],
    [63.4, "high-end"],
    [28, "high-end"],
    [27, "mid"],
    [20, "mid"],
    [19, "entry"],
    [16, "entry"],
    [4, "entry"],
  ])("%d GB of memory: %s", (vram, tier) => {
    expect(resolveWith(`hardware: {vram_gb: ${vram}}`).resolved.tier).toBe(tier);
  });

  test.each(["professional", "high-end", "mid", "entry"])("the name of the tier %s", (tier) => {
    const { resolved } = resolveWith(`hardware: ${tier}`);
    expect(resolved.tier).toBe(tier);
    expect(resolved.tierSource).toEqual({
      layer: "pipeline",
      text: "pipelines/fox.yaml:9",
      file: "pipelines/fox.yaml",
      line: 9,
    });
  });

  test("a name whose memory is another card's goes by the memory", () => {
    expect(resolveWith("hardware: {gpu: RTX 4090, vram_gb: 16}").resolved.tier).toBe("entry");
    expect(resolveWith("hardware: {gpu: RTX 4090 Laptop GPU, vram_gb: 16}").resolved.tier).toBe("entry");
  });

  test("says how it was found", () => {
    const textOf = (hardware: string) => resolveWith(`hardware: ${hardware}`).resolved.tierSource.text;
    expect(textOf("RTX 4090")).toBe("pipelines/fox.yaml:9 (the manual names the RTX 4090)");
    expect(textOf("RTX 5090")).toBe("pipelines/fox.yaml:9 (the RTX 5090 by name)");
    expect(textOf("RTX 3090 Ti")).toBe("pipelines/fox.yaml:9 (24 GB of memory)");
  });
});

describe("auto asks the machine", () => {
  test("takes its card", () => {
    const { resolved, codes } = resolveWith("hardware: auto", {
      gpus: [gpu("NVIDIA GeForce RTX 4090", 23.99)],
      ramGiB: 128,
    });
    expect(resolved.tier).toBe("high-end");
    expect(resolved.tierSource).toEqual({
      layer: "derived",
      text: "auto: NVIDIA GeForce RTX 4090, 24 GB (the manual names the RTX 4090)",
    });
    expect(resolved.hardware).toEqual({ card: "NVIDIA GeForce RTX 4090", vramGiB: 23.99, ramGiB: 128 });
    expect(codes).not.toContain("R7");
  });

  test("takes the smallest of the cards that the pipeline runs on", () => {
    const gpus = [gpu("NVIDIA A100-SXM4-80GB", 79.3), gpu("NVIDIA GeForce RTX 3090", 24, 1)];
    expect(resolveWith("hardware: auto", { gpus }).resolved.tier).toBe("professional");
    expect(resolveWith("hardware: auto\ngpus: [0, 1]", { gpus }).resolved.tier).toBe("mid");
    expect(resolveWith("hardware: auto\ngpus: [1]", { gpus }).resolved.tier).toBe("mid");
  });

  test("or may get, of those that are shared out; one that is left out is refused", () => {
    const gpus = [
      gpu("NVIDIA A100-SXM4-80GB", 79.3),
      gpu("NVIDIA GeForce RTX 3090", 24, 1),
      gpu("NVIDIA GeForce RTX 3060", 12, 2),
    ];
    expect(resolveWith("hardware: auto", { gpus, gpuPool: [0] }).resolved.tier).toBe("professional");
    expect(resolveWith("hardware: auto", { gpus, gpuPool: [0, 1] }).resolved.tier).toBe("mid");
    const named = resolveWith("hardware: auto\ngpus: [0]", { gpus, gpuPool: [0, 1] });
    expect(named.resolved.tier).toBe("professional");
    expect(named.codes).not.toContain("R27");
    const { diagnostics } = resolveWith("hardware: auto\ngpus: [0, 2]", { gpus, gpuPool: [0, 1] });
    expect(diagnostics.find(({ code }) => code === "R27")).toMatchObject({
      path: "gpus",
      detail: expect.stringContaining("names device 2, and `--gpus 0,1` leaves it out"),
    });
  });

  test("leaves a device over where the halves can't share an odd number, and says which", () => {
    const noted = (text: string) =>
      resolveWith(text).diagnostics.flatMap(({ code, detail }) => (code === "R26" ? [detail] : []));
    expect(noted("noise: separate\ngpus: [0, 1, 2]")[0]).toMatch(/^Nothing is trained on device 2\./);
    expect(noted("noise: separate\ngpus: [0, 1]")).toEqual([]);
    expect(noted("noise: separate\ngpus: [2]")).toEqual([]);
    expect(noted("noise: dual\ngpus: [0, 1, 2]")).toEqual([]);
  });

  test("without a card assumes the tier that needs least, and says how to do better", () => {
    const { resolved, diagnostics } = resolveWith("trainer:\n  backend: musubi\n  path: musubi");
    expect(resolved.tier).toBe("entry");
    const found = diagnostics.find((each) => each.code === "R7");
    expect(found?.severity).toBe("warning");
    expect(found?.detail).toContain("hardware: RTX 4090");
    expect(found?.detail).toContain("and trains the low-noise model only");
    const both = resolveWith("noise: separate\ntrainer:\n  backend: musubi\n  path: musubi").diagnostics;
    expect(both.find((each) => each.code === "R7")?.detail).not.toContain("the low-noise model only");
  });

  test("in a rehearsal, where no card is needed, that is a note", () => {
    const { diagnostics } = resolveWith("trainer:\n  backend: rehearsal");
    expect(diagnostics.filter((each) => each.severity !== "note")).toEqual([]);
    expect(diagnostics.map((each) => each.code)).toContain("R7");
  });
});

describe("what does not suit is said", () => {
  const MUSUBI = "trainer:\n  backend: musubi\n  path: musubi";

  test.each([
    ["RTX 4900", "RTX 4090"],
    ["RTX 4009", "RTX 4090"],
    ["A6001", "A6000"],
    ["profesional", "the tier professional"],
    ["high end", "the tier high-end"],
  ])("an unknown name, %s, is an error that suggests %s", (name, suggestion) => {
    const { diagnostics } = resolveWith(`hardware: ${name}`);
    const found = diagnostics.find((each) => each.code === "R6");
    expect(found).toMatchObject({ severity: "error", file: "pipelines/fox.yaml", range: { line: 9 } });
    expect(found?.detail).toContain(suggestion);
  });

  test.each([
    ["RTX 3060", ["R8"]],
    ["RTX 4080", ["R9"]],
    ["RTX 4090", []],
    ["A100 80GB", []],
    ["RTX 4060 Ti", []],
  ])("memory of the %s: %j", (card, expected) => {
    const { codes } = resolveWith(`hardware: ${card}\n${MUSUBI}`);
    expect(codes.filter((code) => code === "R8" || code === "R9")).toEqual(expected);
  });

  test.each([
    ["entry", 500, true],
    ["entry", 101, true],
    ["entry", 100, false],
    ["entry", 8, false],
    ["mid", 201, true],
    ["high-end", 1000, false],
    ["high-end", 1001, true],
    ["professional", 2000, false],
  ])("%s with %i files: warned is %s", (tier, files, warned) => {
    const { diagnostics } = resolveWith(`hardware: ${tier}\n${MUSUBI}`, { files });
    const found = diagnostics.filter((each) => each.code === "R11");
    expect(found.map((each) => each.severity)).toEqual(warned ? ["warning"] : []);
    // A rehearsal of a pipeline for that tier is told the same.
    const rehearsed = resolveWith(`hardware: ${tier}`, { files }).diagnostics.filter((each) => each.code === "R11");
    expect(rehearsed).toEqual(found);
  });

  test.each([
    ["RTX 2080 Ti", true, true],
    ["RTX 2080 Ti 22GB", true, true],
    ["V100 32GB", true, true],
    ["T4", true, true],
    ["RTX 3090", false, true],
    ["A6000", false, true],
    ["RTX 4090", false, false],
    ["H100", false, false],
    // Without fp8 there is nothing to say about it.
    ["A100 80GB", false, false],
  ])("%s: bf16 warned %s, fp8 noted %s", (card, bf16, fp8) => {
    const { codes } = resolveWith(`hardware: ${card}\n${MUSUBI}`);
    expect([codes.includes("R16"), codes.includes("R17")]).toEqual([bf16, fp8]);
  });

  test("an A100 without its memory is the larger one, with a note", () => {
    const { resolved, diagnostics } = resolveWith("hardware: A100");
    expect(resolved.tier).toBe("professional");
    expect(diagnostics.find((each) => each.code === "R22")?.detail).toContain("hardware: A100 40GB");
  });

  test("too little host memory for the blocks swapped", () => {
    const lines = `hardware: {gpu: RTX 4060 Ti, ram_gb: 64}\n${MUSUBI}`;
    expect(resolveWith(lines).diagnostics.find((each) => each.code === "R23")?.detail).toContain("128 GB");
    expect(resolveWith(lines.replace("64", "128")).codes).not.toContain("R23");
  });
});

describe("the manual's figures for a case, the one that promises less", () => {
  test.each([
    ["RTX 4090", "t2v-A14B", [32, 40], 64],
    ["A6000", "t2v-A14B", [32, 40], 64],
    ["L40S", "t2v-A14B", [32, 40], 64],
    ["RTX 3090", "i2v-A14B", [26, 32], 64],
    ["entry", "t2v-A14B", [16, 20], 128],
    ["professional", "i2v-A14B", [50, 54], 128],
  ])("%s, %s", (hardware, task, vram, ram) => {
    const { resolved } = resolveWith(`task: ${task}\nhardware: ${hardware}`);
    expect(resolved.manual?.vramGiB).toEqual(vram);
    expect(resolved.manual?.ramGiB).toBe(ram);
  });

  test("every ten swapped blocks cost 10 to 15 % of time", () => {
    expect(resolveWith("hardware: high-end\nstrategy: conservative").resolved.manual?.slowdownPercent).toEqual([
      20, 30,
    ]);
    expect(resolveWith("hardware: professional").resolved.manual?.slowdownPercent).toEqual([0, 0]);
  });
});
