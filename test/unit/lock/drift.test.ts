import { expect, test } from "vitest";
import type { Facts } from "../../../src/core/facts.ts";
import { driftText, findDrift } from "../../../src/core/lock/drift.ts";
import type { Lock } from "../../../src/core/lock/lock.ts";
import { clip, FACTS, HERE, lockFrom, PIPELINE, row, sha256, specOf } from "./sample.ts";

const LOCKED = lockFrom();
const texts = (now: Lock, locked = LOCKED) => findDrift(locked, now).map(driftText);
const afterwards = (facts: Partial<Facts>) => texts(lockFrom({ ...FACTS, ...facts }));
const [fox, rows] = FACTS.sources;

test("Nothing differs from itself, whoever wrote it and whatever of the machine is another", () => {
  expect(texts(LOCKED)).toEqual([]);
  expect(texts(lockFrom(FACTS, { tool: "9.9.9" }))).toEqual([]);
  expect(afterwards({ ramGiB: 32, gpus: [{ index: 1, name: "NVIDIA GeForce RTX 3090", vramGiB: 24 }] })).toEqual([]);
});

test("Clips are told one by one: new ones, changed ones, and those that are gone", () => {
  const [, b, c, last] = fox?.media ?? [];
  if (b === undefined || c === undefined || last === undefined) throw new Error("There are four clips.");
  const media = [
    { ...b, sha256: sha256("other bytes") },
    { ...c, frames: 31, caption: { ...c.caption, text: "Another" } },
    last,
    clip("e.mp4"),
  ];
  expect(afterwards({ sources: [{ media }, rows ?? { media: [] }] })).toEqual([
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
    ...["- ${DATA}/fox/a.mp4", "~ ${DATA}/fox/b.mp4: content", "~ ${DATA}/fox/c.mp4: content and caption"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
    "+ ${DATA}/fox/e.mp4",
  ]);
});

test("Rows are told by the files that they name; one that only moved is the same", () => {
  const media = [row("/elsewhere/b.mp4", 1, { caption: { text: "Row 2" } }), ...(rows?.media.slice(0, 1) ?? [])];
  expect(afterwards({ sources: [fox ?? { media: [] }, { media }] })).toEqual(["- rows.jsonl: clips/a.mp4 (2)"]);
});

test("A source that was taken out or put in is told by its clips, wherever it stands", () => {
  const reordered = specOf(
    HERE,
    PIPELINE.replace(/( {4}- videos[^-]+)( {4}- video_jsonl[^-]+\[1\]\n)/, (_, first, second) => second + first),
  );
  expect(reordered.dataset.sources.map(({ kind }) => kind)).toEqual(["video_jsonl", "videos"]);
  const facts = { ...FACTS, sources: [...FACTS.sources].reverse() };
  expect(texts(lockFrom(facts, { spec: reordered }))).toEqual([]);
  const without = { ...LOCKED, sources: LOCKED.sources.slice(0, 1) };
  expect(texts(without)).toHaveLength(3);
  expect(texts(LOCKED, without).every((text) => text.startsWith("+ rows.jsonl: "))).toBe(true);
});

test("Models, LoRA files, trainer and tier are told by what they are", () => {
  const { dit, dit_high_noise: high } = FACTS.models;
  if (dit === undefined || high === undefined) throw new Error("There are two models.");
  const trainer = { ...FACTS.trainer, version: "0.3.4" };
  expect(afterwards({ models: { dit: { ...dit, blocksSha256: sha256("another") } }, trainer })).toEqual([
    "~ models.dit: content",
    "- models.dit_high_noise",
    "~ trainer: version 0.3.2 → 0.3.4",
  ]);
  const moved = specOf(HERE, PIPELINE.replace("../../weights/", "../../models/"));
  expect(texts(lockFrom(FACTS, { spec: moved }))).toEqual([
    "~ models.dit_high_noise: path ../weights/high.safetensors → ../models/high.safetensors",
  ]);
  const hardware = { tier: "entry", gpus: [] } as const;
  expect(texts({ ...LOCKED, files: {}, hardware: { ...hardware, gpus: [] } })).toEqual([
    "- $" + "{MODELS}/style.safetensors",
    "- ../loras/start.safetensors",
    "~ hardware: tier high-end (NVIDIA GeForce RTX 4090, 24 GB) → tier entry (no card)",
  ]);
});

test("A trainer that is not here differs in nothing: a plan needs none", () => {
  const { trainer: _, ...without } = LOCKED;
  expect(texts(without)).toEqual([]);
});

test("What comes from a disk begins no line of its own", () => {
  const media = [clip("x\n+ y.mp4"), ...(fox?.media ?? [])];
  for (const text of afterwards({ sources: [{ media }, rows ?? { media: [] }] })) expect(text).not.toContain("\n");
});
