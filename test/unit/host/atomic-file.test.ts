import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeWholeFile } from "../../../src/host/atomic-file.ts";

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
