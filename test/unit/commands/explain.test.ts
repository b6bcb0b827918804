import { describe, expect, test } from "vitest";
import { explain, runExplain } from "../../../src/commands/explain/explain.ts";
import { listKeys } from "../../../src/commands/explain/explain-key.ts";
import { manualWords, valueText } from "../../../src/commands/explain/explain-manual.ts";
import { PARAMETERS, parametersOf } from "../../../src/core/trainer/parameters.ts";
import { PRESETS } from "../resolve/sample.ts";

function explained(word: string): string {
  const text = explain(word, PRESETS);
  if (text === undefined) throw new Error(`${word} is not explained`);
  return text;
}

async function answer(word?: string) {
  const out: string[] = [];
  const err: string[] = [];
  const exitCode = await runExplain(word, {
    out: (text: string) => out.push(text),
    err: (text: string) => err.push(text),
  } as never);
  return { exitCode, out: out.join("\n"), err: err.join("\n") };
}

/** Every sentence, name and figure below a node; what only orders or versions the files aside. */
function figuresOf(node: unknown, key = ""): readonly string[] {
  if (["version", "id", "by", "architecture"].includes(key)) return [];
  if (Array.isArray(node)) {
    const isRange = node.length === 2 && node.every((each) => typeof each === "number");
    return isRange && node[0] !== node[1]
      ? [valueText(node as unknown as readonly [number, number])]
      : node.flatMap((each) => figuresOf(each, key));
  }
  if (typeof node === "object" && node !== null) {
    return Object.entries(node).flatMap(([name, child]) => figuresOf(child, name));
  }
  return [typeof node === "number" ? valueText(node) : String(node)];
}

test("Without a word, explain lists what there is; an unknown word points there", async () => {
  const { out, exitCode } = await answer();
  expect(exitCode).toBe(0);
  for (const word of ["noise", "cache_latents, cache_text, train", "out-of-memory", "buying", "T1"])
    expect(out).toContain(word);
  expect((await answer("overfitting")).err).toContain("`wan22 explain` lists what there is.");
});

describe("every figure of the manual reaches a reader", () => {
  const words = [
    ...PARAMETERS.map(({ name }) => name),
    ...manualWords(PRESETS),
    ...listKeys().map(({ path }) => path.replaceAll("[]", "")),
  ];
  const all = words.map((word) => explained(word)).join("\n");

  test.each(Object.entries(PRESETS))("of %s", (name, preset) => {
    // Cards that the manual does not name get their tier by their memory.
    const { cards, ...rest } = { cards: [], ...preset } as { readonly cards: readonly { readonly by?: string }[] };
    const shown = [...figuresOf(rest), ...figuresOf(cards.filter(({ by }) => by === "manual"))];
    expect(shown.length, name).toBeGreaterThan(0);
    expect(shown.filter((figure) => !all.includes(figure))).toEqual([]);
  });
});

describe("a parameter", () => {
  test("whose range the trainer cuts is shown with the manual's own", () => {
    const text = explained("blocks_to_swap");
    expect(text).toContain("manual's range    0 to 40, of which the trainer takes 39 at most");
    expect(text).toContain("tier entry: 30 to 40");
    expect(text).toContain("≥1000 files, advice only: 20 to 40");
    expect(text).toContain("every ten blocks cost time: 10 to 15 %");
    expect(text).toContain("host memory for 30 to 40 blocks: 128 GB or more");
    expect(text).toContain("out-of-memory: 20 to 40");
  });

  test("says what the manual has where another value had to be taken", () => {
    expect(explained("mixed_precision")).toContain("by default: auto (in the manual: fp16)");
    expect(explained("train.attention")).toContain("Computing, always: sdpa (in the manual: sdpa: true)");
  });

  test("says what it saves", () => {
    expect(explained("fp8_scaled")).toContain("saves GPU memory: 5 to 10 %");
  });
});

describe("a word may be", () => {
  test("a section, whose parameters are listed", () => {
    const text = explained("cache_latents");
    for (const { name, doc } of parametersOf("cache-latents"))
      expect(text).toMatch(new RegExp(`  ${name} +${doc.slice(0, 9)}`));
  });

  test("a key, with the manual's default", () => {
    expect(explained("models.dit")).toContain("by default: ./model/diffusion_models/wan2.2_t2v_low_noise_14B_fp16");
    expect(explained("hardware")).toContain("high-end: High-end (RTX 4090, A6000)");
    expect(explained("noise")).toContain("cost GPU memory: 20 to 30 % more");
    // All that its Chinese line says.
    expect(explained("noise")).toContain("Where memory is short, the low-noise model alone will do.");
  });

  test("a key that has others, with what each of them says", () => {
    for (const key of ["policy", "state", "watch", "notify", "dataset.sources"]) {
      const own = listKeys().filter(({ path }) => path.replace("[]", "").startsWith(`${key}.`));
      expect(own.length).toBeGreaterThan(1);
      for (const { path, description } of own)
        expect(explained(key)).toContain(`  ${path.slice(path.lastIndexOf(".") + 1)}: ${description}`);
    }
    expect(explained("tasks")).not.toContain("Keys");
  });

  test("a tier", () => {
    const text = explained("professional");
    expect(text).toContain("GPU memory used: 45 to 50 GB");
    expect(text).toContain("dataset: 1000 files or more");
    expect(text).toContain("network_dim: 96 to 128");
  });

  test("a page of the manual, or a problem", () => {
    expect(explained("buying")).toContain(
      "RTX 4060 Ti 16GB or RTX 3090; 32 to 64 GB of DDR4; NVMe SSD of 0.5 TB or more",
    );
    expect(explained("hints")).toContain("Computing · 计算优化");
    expect(explained("out-of-memory")).toContain("saves GPU memory: 20 to 30 %");
  });

  test("a diagnostic's code, whose example is called what it is", () => {
    expect(explained("t5")).toContain("Example of what causes it:\n    train:\n      blocks_to_swap: 40");
  });
});

describe("an unknown word is answered with what may have been meant", () => {
  test.each([
    ["epochs", "Did you mean `max_train_epochs`?"],
    ["lr", "Did you mean `learning_rate`?"],
    ["video_dir", "Did you mean `dataset.sources.videos`?"],
    ["control_directory", "Wan2.2 A14B takes no control clips"],
    ["profesional", "Did you mean `professional`?"],
    ["network_dum", "Did you mean `network_dim`?"],
  ])("%s", async (word, hint) => {
    const { exitCode, out, err } = await answer(word);
    expect([exitCode, out]).toEqual([1, ""]);
    expect(err).toContain(hint);
  });
});
