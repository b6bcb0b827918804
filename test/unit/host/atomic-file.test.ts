import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeLeftBehind, writeWholeFile } from "../../../src/host/atomic-file.ts";
import { testWithSmallDisk } from "../../rig/small-disk.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-atomic-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a file is written with the folders it needs, and nothing is left beside it", async () => {
  const file = join(folder, "a/b/state.json");
  await writeWholeFile(file, "狐狸");
  expect(await readFile(file, "utf8")).toBe("狐狸");
  expect(await readdir(join(folder, "a/b"))).toEqual(["state.json"]);
});

test("the one before is kept as a backup where that is asked for", async () => {
  const file = join(folder, "state.json");
  for (const text of ["1", "2", "3"]) await writeWholeFile(file, text, { previous: "keep" });
  expect(await readFile(file, "utf8")).toBe("3");
  expect(await readFile(`${file}.backup`, "utf8")).toBe("2");
  expect((await readdir(folder)).sort()).toEqual(["state.json", "state.json.backup"]);
});

test("a write that fails leaves what was there, and no rubbish", async () => {
  const file = join(folder, "state.json");
  await mkdir(file);
  await expect(writeWholeFile(file, "text")).rejects.toMatchObject({ code: "EISDIR" });
  expect(await readdir(folder)).toEqual(["state.json"]);
});

test("many writers at once leave one of their texts, whole", async () => {
  const file = join(folder, "state.json");
  const texts = Array.from({ length: 30 }, (_, index) => String(index).repeat(100_000));
  await writeFile(file, "before");
  await Promise.all(texts.map((text) => writeWholeFile(file, text, { previous: "keep" })));
  expect(texts).toContain(await readFile(file, "utf8"));
});

testWithSmallDisk("on a disk that becomes full the file is still the one before", async (mountSmallDisk) => {
  const { folder: disk } = await mountSmallDisk({ kibibytes: 24 });
  const file = join(disk, "state.json");
  const sound = "1".repeat(4_000);
  await writeWholeFile(file, sound);
  // Room for a part of it: the system takes that part without an error.
  await expect(writeWholeFile(file, "2".repeat(40_000), { previous: "keep" })).rejects.toMatchObject({
    code: "ENOSPC",
  });
  expect(await readFile(file, "utf8")).toBe(sound);
  expect(await readdir(disk)).toEqual(["state.json"]);
});

test("what a killed writer left is removed, and nothing of a living one or of another file", async () => {
  const { pid: dead } = spawnSync(process.execPath, ["-e", ""]);
  const living = [
    `fox.json.00c0ffee.${process.pid}.tmp`,
    `dog.json.00c0ffee.${dead}.tmp`,
    "fox.json",
    "fox.json.backup",
  ];
  const left = [`fox.json.00c0ffee.${dead}.tmp`, `fox.json.backup.00c0ffee.${dead}.tmp`];
  for (const name of [...living, ...left]) await writeFile(join(folder, name), "");
  await removeLeftBehind(join(folder, "fox.json"));
  expect((await readdir(folder)).sort()).toEqual(living.sort());
  await removeLeftBehind(join(folder, "nowhere", "fox.json"));
});
