// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { describe, expect, test } from "vitest";
import type { Facts, FileProblem, MediaFacts, ModelFacts } from "../../../src/core/facts.ts";
import { fillFacts, fillWeights, isTaken } from "../../../src/core/lock/facts-from-lock.ts";
import type { Lock } from "../../../src/core/lock/lock.ts";
import { lockText } from "../../../src/core/lock/lock-text.ts";
import { readLock } from "../../../src/core/lock/read-lock.ts";
import { lockTensors, unlockTensors } from "../../../src/core/lock/tensors.ts";
import { FACTS, HERE, lockFrom, PIPELINE, ROOT, row, specOf, WEIGHTS } from "./sample.ts";

const read = (text: string) => readLock(text, { file: "pipelines/fox.lock.json", pipeline: "fox" });

function reread(lock: Lock): Lock {
  const { value, diagnostics } = read(lockText(lock));
  expect(diagnostics).toEqual([]);
  if (value === undefined) throw new Error("It can't be read again.");
  return value;
}

const MISSING: FileProblem = { kind: "missing", text: "there is no such file" };
const gone = (file: string): ModelFacts => ({
  file,
  bytes: 0,
  format: "safetensors",
  blocksSha256: "",
  problem: MISSING,
});

/** What a machine sees that has nothing of it. */
const NOTHING: Facts = {
  sources: [
    { media: [], problem: MISSING },
    { media: [], problem: MISSING },
  ],
  models: { dit: gone("low"), dit_high_noise: gone("high") },
  gpus: [],
  ramGiB: 7,
  trainer: { problem: "there is no such folder", missingModules: [] },
  inputFiles: Object.fromEntries(Object.keys(FACTS.inputFiles ?? {}).map((path) => [path, { problem: MISSING }])),
  folders: {},
  miniature: false,
};

const sorted = (tensors: object = {}) =>
  Object.fromEntries(Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1)));

describe("a lock", () => {
  test("is the same text for the same facts, whatever order they came in, and reads as it was written", () => {
    const lock = lockFrom();
    const shuffled: Facts = {
      ...FACTS,
      models: Object.fromEntries(
        Object.entries(FACTS.models)
          .reverse()
          .map(([role, model]) => [
            role,
            { ...model, tensors: Object.fromEntries(Object.entries(model.tensors ?? {}).reverse()) },
          ]),
      ),
      inputFiles: Object.fromEntries(Object.entries(FACTS.inputFiles ?? {}).reverse()),
    };
    expect(lockText(lockFrom(shuffled))).toBe(lockText(lock));
    expect(reread(lock)).toEqual(lock);
    expect(lockText(reread(lock)).length).toBe(lockText(lock).length);
  });

  test("holds paths as the files write them, and none of the machine's own", () => {
    const { models, files, sources } = lockFrom();
    expect(models.dit?.path).toBe("${MODELS}/low.safetensors");
    expect(models.dit_high_noise?.path).toBe("../weights/high.safetensors");
    expect(Object.keys(files)).toEqual(["${MODELS}/style.safetensors", "../loras/start.safetensors"]);
    expect(sources.map(({ path }) => path)).toEqual(["${DATA}/fox", "rows.jsonl"]);
    expect(lockText(lockFrom())).not.toMatch(/\/mnt|somebody/);
  });

  test("of rows moves none where one is put in", () => {
    const rows = (media: readonly MediaFacts[]) =>
      lockFrom({ ...FACTS, sources: [{ media: [] }, { media }] }).sources[1]?.items ?? [];
    const before = rows([row("a.mp4", 1), row("b.mp4", 2)]);
    const [a, between, b] = rows([row("a.mp4", 1), row("new.mp4", 2), row("b.mp4", 3, { caption: { text: "Row 2" } })]);
    expect(between?.name).toBe("new.mp4");
    expect([a, b]).toEqual(before);
  });

  test("gives back what a plan asks for, where nothing is", () => {
    const filling = { spec: specOf(), root: ROOT, lock: reread(lockFrom()) };

    const { facts, taken, unfit } = fillFacts(NOTHING, filling);

    expect(facts.sources[0]).toEqual(FACTS.sources[0]);
    expect(facts.sources[1]).toEqual(FACTS.sources[1]);
    for (const role of ["dit", "dit_high_noise"] as const) {
      expect(facts.models[role]).toEqual({ ...FACTS.models[role], tensors: sorted(FACTS.models[role]?.tensors) });
    }
    expect(facts).toMatchObject({ gpus: FACTS.gpus, ramGiB: 64, inputFiles: FACTS.inputFiles });
    const { python: _, pythonVersion: __, arguments: installed, ...trainer } = FACTS.trainer;
    expect(facts.trainer).toMatchObject(trainer);
    expect(facts.trainer.problem).toBeUndefined();
    expect(facts.trainer.arguments?.["cache-text"]).toBeUndefined();
    const names = (surface: Facts["trainer"]["arguments"]) =>
      [...(surface?.train ?? [])].map(([name, { choices }]) => [name, choices]).sort();
    expect(names(facts.trainer.arguments)).toEqual(names(installed));
    expect(
      Object.values(fillWeights(Object.fromEntries(Object.keys(WEIGHTS).map((path) => [path, gone(path)])), filling)),
    ).toEqual(Object.values(WEIGHTS).map((one) => ({ ...one, tensors: sorted(one.tensors) })));
    expect(taken).toEqual([
      "dataset.sources.0.videos",
      "dataset.sources.1.video_jsonl",
      "models.dit",
      "models.dit_high_noise",
      "train.network_weights",
      "train.base_weights.0",
      "trainer",
      "hardware",
    ]);
    expect(unfit).toEqual([]);
  });

  test("leaves an unset variable of what it holds as it is written", () => {
    const spec = specOf({});
    const { dit: _, ...others } = NOTHING.models;

    const { facts, taken } = fillFacts({ ...NOTHING, models: others }, { spec, root: ROOT, lock: lockFrom() });

    expect(facts.models.dit).toMatchObject({ file: "${MODELS}/low.safetensors", bytes: 1 });
    expect(facts.sources[0]?.media[0]?.file).toBe("${DATA}/fox/a.mp4");
    expect(taken).toContain("models.dit");
    expect(isTaken("trainer.path", taken)).toBe(true);
    expect(isTaken("models.vae", taken)).toBe(false);
    expect(isTaken("output.dir", taken)).toBe(false);
  });

  test("stands in for what is missing, and for nothing else", () => {
    const filling = { spec: specOf(), root: ROOT, lock: lockFrom() };
    expect(fillFacts(FACTS, filling)).toEqual({ facts: FACTS, taken: [], unfit: [] });
    const rows = [row("clips/a.mp4", 7, { problem: MISSING, bytes: 0 }), row("new.mp4", 8, { problem: MISSING })];
    const broken = { ...gone("low"), problem: { kind: "unreadable", text: "it is cut short" } } as const;
    const some: Facts = {
      ...FACTS,
      sources: [{ media: [] }, { media: rows }],
      models: { ...FACTS.models, dit: broken },
    };

    const { facts, taken } = fillFacts(some, filling);

    expect(facts.sources[0]?.media).toHaveLength(4);
    // The row that is here counts, with its own caption and line.
    const [a, fresh] = facts.sources[1]?.media ?? [];
    expect(a).toMatchObject({ frames: 30, line: 7, caption: { text: "Row 7" } });
    expect(a?.problem).toBeUndefined();
    expect(fresh?.problem).toEqual(MISSING);
    expect(facts.models.dit).toBe(broken);
    expect(taken).toEqual(["dataset.sources.0.videos", "dataset.sources.1.video_jsonl"]);
  });

  test("says which keys of a pipeline that was changed it holds nothing for", () => {
    const changed = PIPELINE.replace("low.safetensors", "lower.safetensors").replace("/fox", "/foxes");
    const { unfit, taken } = fillFacts(NOTHING, { spec: specOf(HERE, changed), root: ROOT, lock: lockFrom() });
    expect(unfit).toEqual(["dataset.sources.0.videos", "models.dit"]);
    expect(taken).not.toContain("models.dit");
    // Another extension means other captions.
    const captions = specOf(HERE, PIPELINE.replace(".caption\n", ".txt\n"));
    expect(fillFacts(NOTHING, { spec: captions, root: ROOT, lock: lockFrom() }).unfit).toEqual([
      "dataset.sources.0.videos",
    ]);
  });
});

describe("tensors", () => {
  test("of a whole DiT are a few dozen lines", () => {
    const { dit } = FACTS.models;
    expect(Object.keys(dit?.tensors ?? {}).length).toBe(1095);
    expect(lockTensors(dit?.tensors ?? {}).length).toBeLessThan(50);
  });

  test.each([
    ["none", {}],
    ["without a number", { weight: { dtype: "F16", shape: [] } }],
    [
      "with stars and numbers of their own",
      { "a.*.0": { dtype: "F16", shape: [1] }, "*": { dtype: "F32", shape: [2] } },
    ],
    ["with gaps", Object.fromEntries([0, 1, 2, 5, 7, 8, 10].map((n) => [`b.${n}.w.0`, { dtype: "F16", shape: [2] }]))],
    [
      "with one that is unlike the others",
      { "b.0.w": { dtype: "F16", shape: [2] }, "b.1.w": { dtype: "F32", shape: [2] } },
    ],
    [
      "with names like numbers",
      { "0": { dtype: "F16", shape: [3] }, "007": { dtype: "F16", shape: [3] }, "1.": { dtype: "F16", shape: [3] } },
    ],
    ["with a name that every object has", JSON.parse('{"__proto__": {"dtype": "F16", "shape": [1]}}')],
  ])("%s are the same again", (_, tensors) => {
    expect(Object.entries(unlockTensors(lockTensors(tensors)) ?? {}).sort()).toEqual(Object.entries(tensors).sort());
  });

  test("that no model has are refused before they are counted out", () => {
    expect(unlockTensors([["b.*", "F16", [1], "0-9007199254740991"]])).toBeUndefined();
    const lock = lockFrom();
    const edited = lockText(lock).replace(/"0-39"/, '"0-99999999"');
    expect(read(edited).diagnostics).toMatchObject([
      { code: "L2", detail: expect.stringContaining("too many tensors") },
    ]);
  });
});
