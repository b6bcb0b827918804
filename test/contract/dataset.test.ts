/** Items, cache names, buckets and batches of random datasets, predicted from a scan and made by the trainer's own code. */
import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DatasetItems } from "../../src/core/trainer/dataset.ts";
import { computeItems } from "../../src/core/trainer/items.ts";
import { scanSources } from "../../src/host/media/scan.ts";
import { openStatCache } from "../../src/host/stat-cache.ts";
import { hasFfmpeg, makeMediaPool } from "../rig/clips.ts";
import { askOracle, describeWithMusubi, type OracleAnswer } from "../rig/musubi.ts";
import { randomFrom } from "../rig/random.ts";
import { makeRandomDataset, type RandomDataset } from "../rig/random-dataset.ts";

const CASES = Number(process.env.WAN22_RANDOM_DATASETS ?? 200);
const SEED = Number(process.env.WAN22_SEED ?? 22);

interface Case {
  readonly dataset: RandomDataset;
  readonly predicted: DatasetItems;
  readonly made: OracleAnswer<"items">;
}

/** What the plan predicts, in the words of the oracle. */
function describePrediction(items: DatasetItems) {
  return items.sources.map(({ items: ofSource, texts, buckets, batches }) => ({
    latents: ofSource
      .map(({ latentCache, kind, width, height, frames, bucket }) =>
        // An image is cached at its bucket's size under its own.
        kind === "video"
          ? { name: latentCache, width, height, frames }
          : { name: latentCache, width: bucket.width, height: bucket.height, frames },
      )
      .sort(byName),
    texts: texts.map(({ textCache, caption }) => ({ name: textCache, caption })).sort(byName),
    buckets: buckets.map(({ width, height, frames, batches: ofBucket }) => ({
      width,
      height,
      frames,
      batches: ofBucket,
      names: ofSource
        .filter(({ bucket }) => bucket.width === width && bucket.height === height && bucket.frames === frames)
        .map(({ latentCache }) => latentCache)
        .sort(),
    })),
    batches,
  }));
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}

/** The first of each name: files of one stem write one cache file after another, in no order that counts. */
function firstOfEach<T extends { readonly name: string }>(entries: readonly T[]): readonly T[] {
  return [...new Map(entries.toReversed().map((entry) => [entry.name, entry])).values()].sort(byName);
}

function describeMade({ datasets }: NonNullable<OracleAnswer<"items">["value"]>) {
  return datasets.map(({ latents, texts, buckets, batches }) => ({
    latents: firstOfEach(latents).map(({ name, width, height, frames }) => ({ name, width, height, frames })),
    texts: firstOfEach(texts),
    buckets: buckets.map(({ names, ...bucket }) => ({ ...bucket, names: [...names].sort() })),
    batches,
  }));
}

describeWithMusubi(`${CASES} random datasets`, (musubi) => {
  let root = "";
  const cases: Case[] = [];

  beforeAll(async () => {
    if (!hasFfmpeg()) throw new Error("ffmpeg is needed to make clips: sudo apt-get install ffmpeg");
    root = await realpath(await mkdtemp(join(tmpdir(), "wan22-datasets-")));
    const pool = await makeMediaPool(join(root, "pool"));
    const statCache = openStatCache(join(root, "index"));
    const random = randomFrom(SEED);
    const planned: Omit<Case, "made">[] = [];
    for (let index = 0; index < CASES; index++) {
      const dataset = await makeRandomDataset(random, pool, { root, folder: `case${index}` });
      const facts = await scanSources(dataset.specs, { root, settings: {}, statCache });
      planned.push({ dataset, predicted: computeItems(dataset.sources, facts) });
    }
    const requests = planned.map(({ dataset }) => ({ kind: "items" as const, dataset_config: dataset.toml }));
    const answers = await askOracle<"items">(musubi, requests, { cwd: root });
    for (const [index, entry] of planned.entries()) {
      cases.push({ ...entry, made: answers[index] ?? { error: "no answer" } });
    }
  });

  afterAll(() => rm(root, { recursive: true, force: true }));

  test("are accepted by the trainer, every one", () => {
    expect(cases).toHaveLength(CASES);
    expect(
      cases.flatMap(({ dataset, made }) => (made.error === undefined ? [] : [`${dataset.folder}: ${made.error}`])),
    ).toEqual([]);
  });

  test("have the items, cache names, captions, buckets and batches that were predicted", () => {
    const differing: string[] = [];
    for (const { dataset, predicted, made } of cases) {
      if (made.value === undefined) continue;
      const expected = describePrediction(predicted);
      const actual = describeMade(made.value);
      for (const [index, source] of dataset.sources.entries()) {
        if (JSON.stringify(sorted(expected[index])) === JSON.stringify(sorted(actual[index]))) continue;
        differing.push(`${dataset.folder}/${index} ${JSON.stringify(source)}`);
        // The first difference is shown in full.
        if (differing.length === 1) expect.soft(expected[index]).toEqual(actual[index]);
      }
      expect(predicted.batches).toBe(made.value.batches);
    }
    expect(differing).toEqual([]);
  });

  test("cover every way of extraction, kind of source and option", () => {
    const sources = cases.flatMap(({ dataset }) => dataset.sources);
    const values = (of: (source: (typeof sources)[number]) => unknown) => new Set(sources.map(of)).size;
    if (CASES < 100) return;
    expect(values(({ kind }) => kind)).toBe(4);
    expect(values(({ frameExtraction, sourceFps }) => `${frameExtraction} ${sourceFps !== undefined}`)).toBe(10);
    expect(values(({ enableBucket, bucketNoUpscale }) => `${enableBucket} ${bucketNoUpscale}`)).toBe(4);
    expect(cases.some(({ predicted }) => predicted.sources.some(({ dropped }) => dropped.length > 0))).toBe(true);
  });
});

/** With the keys of every object in one order, so that equal values have equal texts. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort()
      .map(([key, entry]) => [key, sorted(entry)]),
  );
}
