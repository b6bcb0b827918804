/** Dataset TOML as rendered, read by Python's `toml` and checked by the trainer's own schema. */
import { expect, test } from "vitest";
import { datasetToml } from "../../src/core/render/dataset-toml.ts";
import { render } from "../../src/core/render/render.ts";
import { tomlFloat, tomlString } from "../../src/core/render/toml-literal.ts";
import type { ResolvedSource } from "../../src/core/resolve/resolved.ts";
import { askOracle, describeWithMusubi } from "../rig/musubi.ts";
import { type Random, randomFrom } from "../rig/random.ts";
import { resolveCase } from "../unit/check/judge.ts";
import { TEMPLATES } from "../unit/render/sample.ts";

const TEXTS = Number(process.env.WAN22_RANDOM_TEXTS ?? 4000);
const SEED = Number(process.env.WAN22_SEED ?? 22);

/** What TOML readers stumble over, apart and together. */
const PIECES = [
  ...[
    '"',
    '""',
    '"""',
    "'",
    "''",
    "'''",
    "\\",
    "\\\\",
    "\\u",
    "\\U",
    "\\x",
    "\\n",
    '\\"',
    "#",
    "=",
    " = ",
    ",",
    ".",
    ":",
  ],
  ...[
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\b",
    "\f",
    "\u0000",
    "\u0001",
    "\u001f",
    "\u007f",
  ],
  ...[
    "\u0085",
    "\u00a0",
    "\u2028",
    "\ufeff",
    "é",
    "é",
    "狐狸",
    "🦊",
    "🏳️‍🌈",
    "a",
    "data",
    "1979-05-27",
    "0.5",
    "true",
    "nan",
  ],
] as const;

function randomText(random: Random): string {
  return Array.from({ length: random.integer(0, 7) }, () => random.pick(PIECES)).join("");
}

describeWithMusubi("Python's TOML reader", (musubi) => {
  test(`reads ${TEXTS} random texts as they were meant`, async () => {
    const random = randomFrom(SEED);
    const texts = Array.from({ length: TEXTS }, () => randomText(random));
    const written = texts.flatMap((text) => {
      const literal = tomlString(text);
      return literal === undefined ? [] : [{ text, literal }];
    });
    // Only what no kind of string can carry is left out: an escape beside a backslash, and an apostrophe.
    expect(written.length).toBeGreaterThan(texts.length * 0.85);
    const answers = await askOracle<"toml">(
      musubi,
      written.map(({ literal }) => ({
        kind: "toml",
        text: `[general]\ncaption_extension = ${literal}\n\n[[datasets]]\nvideo_directory = ${literal}\nbatch_size = 1\n`,
      })),
    );
    const wrong = written.flatMap((each, index) => {
      const expected = {
        general: { caption_extension: each.text },
        datasets: [{ video_directory: each.text, batch_size: 1 }],
      };
      const answer = answers[index];
      return JSON.stringify(answer?.value) === JSON.stringify(expected) ? [] : [{ ...each, answer }];
    });
    expect(wrong).toEqual([]);
  });

  test("reads floats as the same floats", async () => {
    const random = randomFrom(SEED);
    const rates = Array.from({ length: 500 }, () =>
      random.pick([30, 24, 29.97, 24000 / 1001, 1e-3, 1000, random.integer(1, 1e6) / 997]),
    );
    const answers = await askOracle<"toml">(
      musubi,
      rates.map((rate) => ({
        kind: "toml",
        text: `[[datasets]]\nvideo_directory = "x"\nsource_fps = ${tomlFloat(rate)}\n`,
      })),
    );
    expect(answers.map(({ value }) => value)).toEqual(
      rates.map((rate) => ({ datasets: [{ video_directory: "x", source_fps: rate }] })),
    );
  });

  test("and the trainer's schema take the rendered TOML of random sources", async () => {
    const random = randomFrom(SEED);
    const { resolved } = resolveCase({ pipeline: ["noise: low"] });
    const cases = Array.from({ length: 300 }, () => {
      const sources = Array.from({ length: random.integer(1, 4) }, (_, index) => randomSource(random, index));
      return { ...resolved, dataset: { ...resolved.dataset, sources } };
    });
    const rendered = cases.map((each) => {
      const { value, diagnostics } = render({ resolved: each, templates: TEMPLATES });
      if (value === undefined) throw new Error(diagnostics.map(({ message }) => message).join("\n"));
      return value.stages[0]?.files["dataset.toml"] ?? "";
    });
    const answers = await askOracle<"toml">(
      musubi,
      rendered.map((text) => ({ kind: "toml", text })),
    );
    for (const [index, each] of cases.entries()) {
      const meant = datasetToml(each);
      const plain = (table: Readonly<Record<string, { readonly value: unknown }>>) =>
        Object.fromEntries(Object.entries(table).map(([key, { value }]) => [key, value]));
      expect(answers[index]).toEqual({ value: { general: plain(meant.general), datasets: meant.datasets.map(plain) } });
    }
  });
});

function randomSource(random: Random, index: number): ResolvedSource {
  const place = { file: "fox.yaml" };
  const path = random.pick(["data/fox", "data/狐狸 🦊", "a 'b' \"c\"", "C:/clips #1", "/x=[y]/{z}", "data\\new"]);
  const sourceFps = random.pick([undefined, 30, 29.97, 60]);
  return {
    kind: random.pick(["videos", "images", "video_jsonl", "image_jsonl"]),
    input: { written: path, path, place, unset: [] },
    cacheDir: `.wan22/cache/fox/${index}-${path}`,
    resolution: [random.integer(1, 100) * 16, random.integer(1, 100) * 16],
    enableBucket: random.chance(0.5),
    bucketNoUpscale: random.chance(0.5),
    batchSize: random.integer(1, 4),
    numRepeats: random.integer(1, 4),
    captionExtension: random.pick([".txt", ".caption"]),
    targetFrames: random.some([1, 5, 25, 45, 81], 1, 4),
    frameExtraction: random.pick(["head", "chunk", "slide", "uniform", "full"]),
    frameStride: random.integer(1, 9),
    frameSample: random.integer(1, 9),
    maxFrames: random.integer(1, 129),
    ...(sourceFps === undefined ? {} : { sourceFps }),
    place,
  };
}
