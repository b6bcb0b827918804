import { describe, expect, test } from "vitest";
import { t5Fault, vaeFault } from "../../../src/core/check/models.ts";
import type { Facts, ModelFacts } from "../../../src/core/facts.ts";
import { type Case, codes, ditFacts, findings, SOUND_MODELS, vaeFacts } from "./judge.ts";

const models = (given: Partial<Facts["models"]>): Partial<Facts> => ({ models: { ...SOUND_MODELS, ...given } });
const rehearsal = "trainer:\n  backend: rehearsal";

function only(given: Case) {
  const [finding, ...more] = findings(given);
  expect(more).toEqual([]);
  return finding;
}

describe("models that are needed", () => {
  test("are named with the noise that needs them", () => {
    const finding = only({ pipeline: ["models:\n  dit: models/low.safetensors"] });
    expect(finding?.code).toBe("M1");
    expect(finding?.detail).toContain("`models.dit_high_noise` (the high-noise model)");
    expect(finding?.detail).toContain("`models.vae`");
    expect(finding?.detail).toContain("`noise: dual` needs them");
  });

  test("depend on the noise", () => {
    const low = "models:\n  dit: models/low.safetensors\n  vae: models/vae.safetensors\n  t5: models/t5.pth";
    expect(codes({ pipeline: ["noise: low", low] })).toEqual([]);
    expect(only({ pipeline: ["noise: high", low] })?.detail).toContain("`models.dit_high_noise`");
  });

  test("are not needed for a rehearsal", () => {
    expect(codes({ pipeline: ["models: {}", rehearsal] })).toEqual([]);
  });
});

test.each(["I8", "F64"])("M20: %s weights cannot be trained", (dtype) => {
  const facts = models({ dit: ditFacts("models/low.safetensors", dtype) });
  const found = findings({ facts, pipeline: ["noise: low"] });
  expect(found).toMatchObject([{ code: "M20", severity: "error", path: "models.dit" }]);
  expect(found[0]?.detail).toContain(`holds ${dtype} weights`);
});

describe("model files", () => {
  const missing = (file: string): ModelFacts => ({
    file,
    bytes: 0,
    format: "safetensors",
    blocksSha256: "",
    problem: { kind: "missing", text: "there is no such file" },
  });

  test("that are missing are errors for the real trainer and nothing for a rehearsal", () => {
    const facts = models({ dit: missing("models/low.safetensors") });
    expect(only({ facts })).toMatchObject({ code: "M2", severity: "error", path: "models.dit" });
    expect(codes({ facts, pipeline: [rehearsal] })).toEqual([]);
  });

  test("that are cut short are named with what is wrong", () => {
    const problem = {
      kind: "unreadable",
      text: "it ends 12 bytes too early, as after a download that broke off",
    } as const;
    const facts = models({ dit: { ...ditFacts("models/low.safetensors"), problem } });
    expect(only({ facts })).toMatchObject({ code: "M3", severity: "error" });
    expect(only({ facts })?.detail).toContain("12 bytes too early");
    expect(only({ facts, pipeline: [rehearsal] })).toMatchObject({ code: "M3", severity: "warning" });
  });

  test("of another format cannot be the DiT, and can be the text encoder", () => {
    const facts = models({ dit: { file: "models/low.gguf", bytes: 1, format: "other", blocksSha256: "x" } });
    expect(only({ facts })).toMatchObject({ code: "M3" });
  });

  test("that no header was read of are not judged", () => {
    expect(codes({ facts: { models: {} } })).toEqual([]);
  });
});

describe("low and high noise", () => {
  const both = (dit: string, high: string) => [
    `models:\n  dit: ${dit}\n  dit_high_noise: ${high}\n  vae: models/vae.safetensors\n  t5: models/t5.pth`,
  ];

  test("from one path are pointed out", () => {
    const finding = only({ pipeline: both("models/low.safetensors", "models/low.safetensors") });
    expect(finding).toMatchObject({ code: "M4", severity: "warning", path: "models.dit_high_noise" });
  });

  test("of the same content under two names are pointed out", () => {
    const facts = models({
      dit: ditFacts("models/low.safetensors", "F16", "t2v-A14B", "same"),
      dit_high_noise: ditFacts("models/high.safetensors", "F16", "t2v-A14B", "same"),
    });
    expect(only({ facts })?.detail).toContain("have the same content");
  });

  test("swapped by their names are pointed out, both of them", () => {
    const pipeline = both("m/wan2.2_t2v_high_noise_14B.safetensors", "m/wan2.2_t2v_low_noise_14B.safetensors");
    expect(codes({ pipeline, facts: { models: {} } })).toEqual(["M5", "M5"]);
  });

  test("in one run are converted to the precision of the first", () => {
    const facts = models({ dit_high_noise: ditFacts("models/high.safetensors", "BF16") });
    expect(only({ facts })).toMatchObject({ code: "M9", severity: "warning" });
    expect(codes({ facts, pipeline: ["noise: separate"] })).toEqual([]);
  });
});

test("one file for two different models is an error", () => {
  const pipeline = [
    "noise: low",
    "models:\n  dit: models/low.safetensors\n  vae: models/one.safetensors\n  t5: models/one.safetensors",
  ];
  expect(codes({ pipeline, facts: { models: {} } })).toEqual(["M8"]);
});

describe("the VAE", () => {
  test("of Wan2.1 has 16 channels; the 5B model's has 48", () => {
    expect(vaeFault(vaeFacts(16).tensors ?? {})).toBeUndefined();
    expect(only({ facts: models({ vae: vaeFacts(48) }) })).toMatchObject({ code: "M6", path: "models.vae" });
    expect(vaeFault(vaeFacts(48).tensors ?? {})).toContain("48 latent channels");
  });

  test("in diffusers' packaging is recognised", () => {
    const tensors = { "encoder.conv_in.weight": { dtype: "F32", shape: [96, 3, 3, 3, 3] } };
    expect(vaeFault(tensors)).toContain("diffusers");
  });

  test("may be a stand-in where miniatures are allowed", () => {
    const problem = { kind: "unreadable", text: "it is too short" } as const;
    const vae: ModelFacts = {
      file: "models/vae.safetensors",
      bytes: 3,
      format: "safetensors",
      blocksSha256: "v",
      problem,
    };
    expect(codes({ facts: models({ vae }) })).toEqual(["M3"]);
    expect(codes({ facts: { ...models({ vae }), miniature: true } })).toEqual([]);
  });
});

describe("the text encoder", () => {
  const names = ["token_embedding.weight", "norm.weight"];
  for (let block = 0; block < 24; block++) {
    for (const part of ["norm1", "norm2", "attn.q", "attn.k", "attn.v", "attn.o", "ffn.gate.0", "ffn.fc1", "ffn.fc2"]) {
      names.push(`blocks.${block}.${part}.weight`);
    }
    names.push(`blocks.${block}.pos_embedding.embedding.weight`);
  }
  const tensors = Object.fromEntries(names.map((name) => [name, { dtype: "BF16", shape: [4096] }]));

  test("is UMT5-XXL by the names of the original, with or without `encoder.`", () => {
    const prefixed = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`encoder.${name}`, tensor]));
    expect(t5Fault(tensors)).toBeUndefined();
    expect(t5Fault(prefixed)).toBeUndefined();
  });

  test("in another packaging is refused", () => {
    expect(t5Fault({ "shared.weight": { dtype: "F16", shape: [256384, 4096] } })).toContain("Hugging Face");
    expect(t5Fault({ ...tensors, scaled_fp8: { dtype: "F8_E4M3", shape: [2] } })).toContain("scaled_fp8");
    const { "norm.weight": _, ...less } = tensors;
    expect(t5Fault(less)).toBe("norm.weight is missing");
  });
});

describe("the trainer", () => {
  test("that cannot run here does not spoil the plan", () => {
    const facts = { trainer: { missingModules: [], problem: "`trainer.path` (x) is no Musubi Tuner checkout" } };
    expect(only({ facts })).toMatchObject({ code: "M10", severity: "warning" });
    expect(only({ facts })?.detail).toContain("correct `trainer.path`");
    const python = { trainer: { missingModules: [], problem: "no Python was found on this machine" } };
    expect(only({ facts: python, pipeline: [rehearsal] })?.detail).not.toContain("trainer.path");
  });

  test("of another version is a note", () => {
    expect(only({ facts: { trainer: { missingModules: [], version: "0.3.2" } } })).toMatchObject({
      code: "M11",
      severity: "note",
    });
    expect(codes({ facts: { trainer: { missingModules: [], version: "0.3.4" } } })).toEqual([]);
  });
});
