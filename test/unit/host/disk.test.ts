import { symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { observeDisk } from "../../../src/host/disk.ts";
import { openStatCache } from "../../../src/host/stat-cache.ts";
import { folderWith, safetensors, writeInto } from "./samples.ts";

const CACHE = safetensors(
  { latents_1x8x8_float32: { dtype: "F32", shape: [1, 8, 8], bytes: 256 } },
  { metadata: { width: "64", height: "64" } },
);

const MANIFEST = {
  version: 1,
  pipeline: "fox",
  stage: "train",
  fingerprint: "abc",
  segment: 1,
  done_epochs: 2,
  done_steps: 32,
  done_batches: 0,
  total_epochs: 4,
  total_steps: 64,
  files: { "model.safetensors": 3, "sub/optimizer.bin": 5 },
};

async function observe(root: string, cacheDirs: readonly string[] = []) {
  return observeDisk({ root, cacheDirs, outputDirs: ["output"], stateDir: ".wan22" });
}

/** The one training state of a project with these files in it. */
async function stateOf(files: Readonly<Record<string, string>>) {
  const root = await folderWith();
  for (const [name, text] of Object.entries(files)) await writeInto(root, `output/fox-000002-state/${name}`, text);
  return (await observe(root)).states[0];
}

describe("observeDisk", () => {
  it("finds nothing, and free space, where nothing was made yet", async () => {
    const disk = await observe(await folderWith(), ["cache/a"]);
    expect(disk).toEqual({
      caches: { "cache/a": [] },
      store: {},
      outputFolders: ["output"],
      outputs: {},
      states: [],
      fileSystems: [
        {
          mount: expect.any(String),
          freeBytes: expect.any(Number),
          totalBytes: expect.any(Number),
          folders: ["output", "cache/a", ".wan22"],
        },
      ],
    });
  });

  it("reads the header of every cache file, sorted by name", async () => {
    const root = await folderWith({
      "cache/b_wan.safetensors": CACHE,
      "cache/a_wan.safetensors": CACHE,
      "cache/notes.txt": "",
    });
    const whole = {
      bytes: CACHE.length,
      whole: true,
      metadata: { width: "64", height: "64" },
      tensors: ["latents_1x8x8_float32"],
    };
    expect((await observe(root, ["cache"])).caches).toEqual({
      cache: [
        { name: "a_wan.safetensors", ...whole },
        { name: "b_wan.safetensors", ...whole },
      ],
    });
  });

  it("calls a cache file whole only when every byte is there and none besides (T27)", async () => {
    const root = await folderWith({
      "cache/cut_wan.safetensors": CACHE.subarray(0, -1),
      "cache/empty_wan.safetensors": "",
      "cache/folder_wan.safetensors/inside": "",
      "cache/long_wan.safetensors": Buffer.concat([CACHE, Buffer.alloc(1)]),
      "cache/text_wan.safetensors": "no cache at all",
      "cache/whole_wan.safetensors": CACHE,
    });
    await symlink("nowhere", join(root, "cache/link_wan.safetensors"));
    const files = (await observe(root, ["cache"])).caches.cache ?? [];
    expect(files.map(({ name, whole }) => [name, whole])).toEqual([
      ["cut_wan.safetensors", false],
      ["empty_wan.safetensors", false],
      ["folder_wan.safetensors", false],
      ["link_wan.safetensors", false],
      ["long_wan.safetensors", false],
      ["text_wan.safetensors", false],
      ["whole_wan.safetensors", true],
    ]);
  });

  it("sees with a stat cache what it sees without, also after an edit that puts the time back", async () => {
    const root = await folderWith({ "cache/a_wan.safetensors": CACHE });
    const file = join(root, "cache/a_wan.safetensors");
    const request = { root, cacheDirs: ["cache"], outputDirs: ["output"], stateDir: ".wan22" };
    const statCache = openStatCache(join(root, "index.json"), { now: () => Date.now() + 60_000 });
    const time = new Date(1_700_000_000_000);
    await utimes(file, time, time);
    expect((await observeDisk({ ...request, statCache })).caches.cache?.[0]?.whole).toBe(true);
    expect(await statCache.lookup("cache-header-1", file)).toHaveProperty("value");
    const torn = Buffer.from(CACHE);
    torn.fill(0x20, 8, 20);
    await writeFile(file, torn);
    await utimes(file, time, time);
    expect((await observeDisk({ ...request, statCache })).caches.cache?.[0]?.whole).toBe(false);
  });

  it("lists files of the output folders with their bytes, those of tensors of a whole one; folders are no checkpoints", async () => {
    const root = await folderWith({
      "output/fox.safetensors": CACHE,
      "output/torn.safetensors": CACHE.subarray(0, CACHE.length - 1),
      "output/sample/a.mp4": "",
      "output/b.txt": "",
      "moved here/fox.safetensors": "12345",
    });
    const disk = await observeDisk({ root, cacheDirs: [], outputDirs: ["output", "moved here"], stateDir: ".wan22" });
    expect(disk.outputs).toEqual({
      "output/b.txt": { bytes: 0 },
      "output/fox.safetensors": { bytes: CACHE.length, tensorBytes: 256 },
      "output/torn.safetensors": { bytes: CACHE.length - 1 },
      "moved here/fox.safetensors": { bytes: 5 },
    });
    expect(disk.states).toEqual([]);
  });
});

describe("a training state", () => {
  const files = { "model.safetensors": "abc", "sub/optimizer.bin": "12345" };

  it("is complete when wan22.json names files that are all there with their sizes", async () => {
    expect(await stateOf({ ...files, "wan22.json": JSON.stringify(MANIFEST) })).toEqual({
      dir: "output/fox-000002-state",
      complete: true,
      fingerprint: "abc",
      stage: "train",
      doneEpochs: 2,
      doneSteps: 32,
      doneBatches: 0,
      totalEpochs: 4,
    });
  });

  it.each([
    ["has no wan22.json, as one that the trainer made alone", files],
    ["has a torn wan22.json", { ...files, "wan22.json": JSON.stringify(MANIFEST).slice(0, -9) }],
    ["has one of a newer version", { ...files, "wan22.json": JSON.stringify({ ...MANIFEST, version: 2 }) }],
    ["has one that isn't an object", { ...files, "wan22.json": "null" }],
    ["lacks a file", { "model.safetensors": "abc", "wan22.json": JSON.stringify(MANIFEST) }],
    ["has a file of another size", { ...files, "model.safetensors": "ab", "wan22.json": JSON.stringify(MANIFEST) }],
    ["names no file at all", { ...files, "wan22.json": JSON.stringify({ ...MANIFEST, files: {} }) }],
    [
      "names a file outside itself",
      {
        ...files,
        "wan22.json": JSON.stringify({ ...MANIFEST, files: { "../fox-000002-state/model.safetensors": 3 } }),
      },
    ],
  ])("is incomplete when it %s", async (_, found) => {
    expect(await stateOf(found)).toMatchObject({ dir: "output/fox-000002-state", complete: false });
  });
});
