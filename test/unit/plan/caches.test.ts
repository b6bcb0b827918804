import { describe, expect, test } from "vitest";
import type { CacheFileFacts, DiskFacts } from "../../../src/core/facts.ts";
import { baseName } from "../../../src/core/paths.ts";
import { storedName } from "../../../src/core/plan/caches/caches.ts";
import { itemsMade, itemsTaken } from "../../../src/core/plan/caches/store.ts";
import type { State } from "../../../src/core/state/state.ts";
import {
  applied,
  CLIPS,
  diskAfter,
  modelFacts,
  observedCaches,
  PIPELINE,
  planWorld,
  reasonsOf,
  runPlan,
} from "./world.ts";

/** Four clips, two crops each: eight latent caches and four text caches. */
const FOLDER = ".wan22/cache/fox/fox-e0fcd146";

function withCaches(disk: DiskFacts, change: (file: CacheFileFacts) => CacheFileFacts | undefined): DiskFacts {
  return { ...disk, caches: { [FOLDER]: (disk.caches[FOLDER] ?? []).flatMap((file) => change(file) ?? []) } };
}

function pendingNames(files: readonly string[] | undefined): readonly string[] {
  return (files ?? []).map(baseName);
}

describe("a caching stage", () => {
  test("that nothing is known of makes every file that the plan names", () => {
    const { stage } = planWorld({});
    expect(stage("cache-latents")).toMatchObject({ action: "create" });
    expect(stage("cache-latents").pending).toEqual(stage("cache-latents").cache_files);
    expect(stage("cache-text").cache_files).toEqual(
      ["a", "b", "c", "d"].map((stem) => `${FOLDER}/${stem}_wan_te.safetensors`),
    );
    expect(reasonsOf(stage("cache-text"))).toEqual(["4 cache files to make"]);
  });

  test("that is done has nothing to do", () => {
    const { stage } = planWorld(applied());
    expect(stage("cache-latents")).toMatchObject({ action: "none", pending: [] });
    expect(reasonsOf(stage("cache-latents"))).toEqual(["all 8 cache files are there"]);
  });

  test("makes the text of a changed caption anew, and no latent", () => {
    const clips = CLIPS.map((clip) => (clip.stem === "b" ? { ...clip, caption: "Another fox" } : clip));
    const { stage } = planWorld({ ...applied(), clips });
    expect(stage("cache-latents").action).toBe("none");
    expect(stage("cache-text").action).toBe("update");
    expect(pendingNames(stage("cache-text").pending)).toEqual(["b_wan_te.safetensors"]);
    expect(reasonsOf(stage("cache-text"))).toEqual([
      "1 of 4 cache files to make: 1 stale",
      "caption of 1 clip changed: b",
    ]);
  });

  test("makes the latents of a replaced clip anew, and no text", () => {
    const clips = CLIPS.map((clip) => (clip.stem === "b" ? { ...clip, content: "other" } : clip));
    const { stage } = planWorld({ ...applied(), clips });
    expect(stage("cache-text").action).toBe("none");
    expect(pendingNames(stage("cache-latents").pending)).toEqual([
      "b_00000-001_0224x0160_wan.safetensors",
      "b_00000-025_0224x0160_wan.safetensors",
    ]);
    expect(reasonsOf(stage("cache-latents"))[1]).toBe("1 clip replaced: b");
  });

  test("makes only the files of an added clip", () => {
    const { stage } = planWorld({ ...applied(), clips: [...CLIPS, { stem: "e" }] });
    expect(pendingNames(stage("cache-text").pending)).toEqual(["e_wan_te.safetensors"]);
    expect(reasonsOf(stage("cache-text"))).toEqual(["1 of 5 cache files to make: 1 missing", "1 clip added: e"]);
  });

  test("names the files of a removed clip, which training would take in", () => {
    const { stage, plan } = planWorld({ ...applied(), clips: CLIPS.slice(1) });
    expect(stage("cache-text")).toMatchObject({
      action: "update",
      pending: [],
      leftover: [`${FOLDER}/a_wan_te.safetensors`],
    });
    expect(reasonsOf(stage("cache-text"))).toEqual(["1 file no longer in the dataset: a_wan_te.safetensors"]);
    expect(stage("cache-latents").leftover).toHaveLength(2);
    expect(plan.stages.find(({ id }) => id === "train")?.action).toBe("replace");
  });

  test("keeps the crops that a changed frame selection leaves as they are", () => {
    const { stage } = planWorld({ ...applied(), yaml: PIPELINE.replace("[1, 25]", "[1, 17]") });
    expect(pendingNames(stage("cache-latents").pending)).toEqual(
      ["a", "b", "c", "d"].map((stem) => `${stem}_00000-017_0224x0160_wan.safetensors`),
    );
    expect(stage("cache-latents").leftover).toHaveLength(4);
    expect(reasonsOf(stage("cache-latents"))).toContain("dataset.target_frames [1, 25] → [1, 17] (fox.yaml:10)");
  });

  test("makes all latents anew for another VAE or another precision, and all texts for another T5", () => {
    const models = { vae: modelFacts("vae"), t5: modelFacts("t5") };
    const before = { models, ...applied({ models }) };
    const vae = planWorld({ ...before, models: { ...models, vae: modelFacts("other") } });
    expect(vae.stage("cache-latents").pending).toHaveLength(8);
    expect(vae.stage("cache-text").action).toBe("none");
    expect(reasonsOf(vae.stage("cache-latents"))).toContain("models.vae is another file than this was made with");
    const t5 = planWorld({ ...before, models: { ...models, t5: modelFacts("other") } });
    expect([t5.stage("cache-latents").action, t5.stage("cache-text").pending?.length]).toEqual(["none", 4]);
    const precise = planWorld({ ...before, yaml: `${PIPELINE}cache_latents:\n  vae_dtype: float32\n` });
    expect(reasonsOf(precise.stage("cache-latents"))).toContain(
      "cache-latents.vae_dtype bfloat16 → float32 (fox.yaml:20)",
    );
    expect(precise.stage("cache-latents").pending).toHaveLength(8);
  });

  test("makes files that are missing or cut short", () => {
    const { state, disk } = applied();
    const damaged = withCaches(disk, (file) => {
      if (file.name.startsWith("a_00000-001")) return undefined;
      return file.name.startsWith("c_00000-025") ? { ...file, whole: false } : file;
    });
    const { stage } = planWorld({ state, disk: damaged });
    expect(pendingNames(stage("cache-latents").pending)).toEqual([
      "a_00000-001_0224x0160_wan.safetensors",
      "c_00000-025_0224x0160_wan.safetensors",
    ]);
    expect(stage("cache-latents").reasons[0]).toEqual({
      cause: "stale",
      text: "2 of 8 cache files to make: 1 missing, 1 cut short",
    });
    expect(stage("train").action).toBe("none");
  });

  test("takes whole files without a record for what their headers say", () => {
    const { disk } = applied();
    const found = planWorld({ disk });
    expect(found.stage("cache-latents").action).toBe("none");
    const other = planWorld({ disk, clips: CLIPS.map((clip) => ({ ...clip, caption: "Another fox" })) });
    expect(other.stage("cache-text").pending).toHaveLength(4);
    const musubi = planWorld({ disk, yaml: PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi") });
    expect(musubi.stage("cache-latents").pending).toHaveLength(8);
  });

  test("believes Musubi's own headers: size, frames, latent's shape, first frame of I2V, caption", () => {
    const yaml = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
    const name = "a_00000-025_0224x0160_wan.safetensors";
    const made: CacheFileFacts = {
      name,
      bytes: 1,
      whole: true,
      metadata: { width: "224", height: "160", frame_count: "25", architecture: "wan" },
      tensors: ["latents_7x20x28_bfloat16"],
    };
    const isFresh = (file: CacheFileFacts, text = yaml) =>
      !pendingNames(
        planWorld({
          yaml: text,
          disk: { caches: { [FOLDER]: [file] }, outputFolders: [], outputs: {}, states: [] },
        }).stage("cache-latents").pending,
      ).includes(name);
    expect(isFresh(made)).toBe(true);
    expect(isFresh({ ...made, metadata: { ...made.metadata, width: "640" } })).toBe(false);
    expect(isFresh({ ...made, metadata: { ...made.metadata, frame_count: "33" } })).toBe(false);
    expect(isFresh({ ...made, tensors: ["latents_7x18x32_bfloat16"] })).toBe(false);
    expect(isFresh({ ...made, metadata: { ...made.metadata, wan22_rehearsal: "true" } })).toBe(false);
    const i2v = yaml.replace("t2v-A14B", "i2v-A14B");
    expect(isFresh(made, i2v)).toBe(false);
    expect(isFresh({ ...made, tensors: [...made.tensors, "latents_image_7x20x28_bfloat16"] }, i2v)).toBe(true);
  });

  test("takes nothing for granted that an interrupted run of something else may have left", () => {
    const first = planWorld({});
    const other = planWorld({ clips: CLIPS.map((clip) => ({ ...clip, content: `${clip.stem} 2` })) });
    const state = runPlan(first);
    const disk = diskAfter(state, first);
    // The ledger is lost, the record of the run is not.
    const { "cache-latents": latents, ...stages } = state.stages;
    if (latents === undefined) throw new Error("the run cached latents");
    const { caches: _lost, ...record } = latents;
    const without: State = { ...state, stages: { ...stages, "cache-latents": record } };
    expect(planWorld({ state: without, disk }).stage("cache-latents").action).toBe("none");
    const unproven = planWorld({ state: without, disk, clips: CLIPS.map((clip) => ({ ...clip, content: "x" })) });
    expect(unproven.stage("cache-latents").pending).toHaveLength(8);
    expect(reasonsOf(unproven.stage("cache-latents"))[0]).toBe("8 of 8 cache files to make: 8 of unknown origin");
    expect(other.stage("cache-latents").fingerprint).not.toBe(first.stage("cache-latents").fingerprint);
  });

  test("asked to start over makes everything anew", () => {
    const { stage } = planWorld({ ...applied(), replace: ["cache-text"] });
    expect(stage("cache-text")).toMatchObject({ action: "update", reasons: [{ cause: "requested" }] });
    expect(stage("cache-text").pending).toHaveLength(4);
    expect(stage("cache-latents").action).toBe("none");
  });

  test("captions a clip that is too short for any item too, as the trainer does", () => {
    const { stage } = planWorld({
      clips: [...CLIPS, { stem: "short", frames: 3 }],
      yaml: PIPELINE.replace("[1, 25]", "[25]"),
    });
    expect(stage("cache-text").cache_files).toContain(`${FOLDER}/short_wan_te.safetensors`);
    expect(stage("cache-latents").cache_files?.some((file) => file.includes("short"))).toBe(false);
  });
});

describe("a caching stage whose items lie in the store", () => {
  /** What another pipeline of the same dataset has put there, as far as `is` lets it. */
  function storeWith(is: (name: string) => boolean, change: (file: CacheFileFacts) => CacheFileFacts = (file) => file) {
    const other = planWorld({});
    const caches = observedCaches(
      (["cache-latents", "cache-text"] as const).flatMap((id) => other.stage(id).cache_files ?? []),
      other,
    );
    const store: Record<string, CacheFileFacts> = {};
    for (const id of ["cache-latents", "cache-text"] as const) {
      for (const [file, digest] of Object.entries(other.stage(id).cache_digests ?? {})) {
        const found = caches[FOLDER]?.find(({ name }) => name === baseName(file));
        if (found === undefined || !is(found.name)) continue;
        const name = storedName(id, digest);
        store[`.wan22/cache/store/${name}`] = change({ ...found, name });
      }
    }
    return { caches: {}, store, outputFolders: [], outputs: {}, states: [] };
  }
  const renamed = PIPELINE.replace("name: fox", "name: owl");

  test("encodes nothing where all are there, whatever the pipeline is called", () => {
    const { stage } = planWorld({ yaml: renamed, disk: storeWith(() => true) });
    const latents = stage("cache-latents");
    expect(latents).toMatchObject({ action: "create", store: ".wan22/cache/store", writes: [] });
    expect(latents.pending).toHaveLength(8);
    expect(latents.stored).toEqual(latents.pending);
    expect(reasonsOf(latents)).toEqual(["8 cache files to make", "all 8 are taken from the store: nothing is encoded"]);
  });

  test("encodes what is not there", () => {
    const { stage } = planWorld({ yaml: renamed, disk: storeWith((name) => name.startsWith("a")) });
    expect(pendingNames(stage("cache-latents").stored)).toEqual([
      "a_00000-001_0224x0160_wan.safetensors",
      "a_00000-025_0224x0160_wan.safetensors",
    ]);
    expect(reasonsOf(stage("cache-latents"))[1]).toBe("2 of 8 files are taken from the store, 6 are encoded");
    expect(reasonsOf(stage("cache-text"))[1]).toBe("1 of 4 files is taken from the store, 3 are encoded");
  });

  test("needs room for what is encoded; for all, and in the store too, where that lies on another disk", () => {
    const [folder, store] = [FOLDER.replace("/fox/", "/owl/"), ".wan22/cache/store"];
    const disk = storeWith((name) => name.startsWith("a"));
    const mount = (path: string, folders: readonly string[]) => ({
      mount: path,
      freeBytes: 1e12,
      totalBytes: 1e12,
      folders,
    });
    const writes = (fileSystems: NonNullable<DiskFacts["fileSystems"]>) => {
      const { stage } = planWorld({ yaml: renamed, disk: { ...disk, fileSystems } });
      return stage("cache-latents").writes?.map((bytes) => [bytes.folder, bytes.high]);
    };
    const all = planWorld({ yaml: renamed }).stage("cache-latents").writes?.[0]?.high ?? 0;
    const encoded = writes([mount("/", [folder, store])])?.[0]?.[1];
    expect(writes([mount("/", [folder, store])])).toEqual([[folder, encoded]]);
    expect(Number(encoded)).toBeLessThan(all);
    expect(writes([mount("/", [folder]), mount("/mnt", [store])])).toEqual([
      [folder, all],
      [store, encoded],
    ]);
  });

  test("takes nothing that is cut short there, or that says of itself that it is something else", () => {
    const torn = storeWith(
      () => true,
      (file) => ({ ...file, whole: false }),
    );
    expect(planWorld({ disk: torn }).stage("cache-latents").stored).toBeUndefined();
    const other = storeWith(
      () => true,
      (file) => ({ ...file, metadata: { ...file.metadata, caption1: "Another fox" } }),
    );
    expect(planWorld({ disk: other }).stage("cache-text").stored).toBeUndefined();
  });

  test("takes nothing that was made of another task, of another model, or by the other trainer", () => {
    const models = { vae: modelFacts("vae"), t5: modelFacts("t5") };
    const disk = storeWith(() => true);
    const musubi = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
    for (const world of [{ yaml: PIPELINE.replace("t2v", "i2v") }, { models }, { models, yaml: musubi }]) {
      expect(planWorld({ ...world, disk }).stage("cache-latents").stored, JSON.stringify(world)).toBeUndefined();
    }
  });

  test("shares nothing where nobody knows which model encodes it", () => {
    const musubi = PIPELINE.replace("backend: rehearsal", "backend: musubi\n  path: musubi");
    const { stage } = planWorld({ yaml: musubi, models: { vae: modelFacts("vae") } });
    expect([stage("cache-latents").store, stage("cache-text").store]).toEqual([".wan22/cache/store", undefined]);
  });

  test("encodes all that is asked for anew", () => {
    const { state, disk } = applied();
    const both = { ...disk, store: storeWith(() => true).store };
    const { stage } = planWorld({ state, disk: both, replace: ["cache-latents"] });
    expect(stage("cache-latents").pending).toHaveLength(8);
    expect(stage("cache-latents").stored).toBeUndefined();
  });

  test("leaves to a pipeline before it what that one encodes", () => {
    const first = planWorld({});
    const promised = new Map(itemsMade(first.plan).map((item) => [item, "fox"]));
    const { stage, plan } = planWorld({ yaml: renamed, promised });
    expect(stage("cache-text").stored).toHaveLength(4);
    expect(itemsMade(plan)).toEqual([]);
    expect(itemsTaken(plan)).toEqual(itemsMade(first.plan));
    expect(reasonsOf(stage("cache-text"))[1]).toBe(
      "all 4 are taken from the store, which fox fills before: nothing is encoded",
    );
    // A record does not speak of the store of another machine.
    const elsewhere = planWorld({ ...applied(), host: "laptop", clips: [...CLIPS, { stem: "e" }] });
    expect(elsewhere.stage("cache-text").stored).toBeUndefined();
  });
});
