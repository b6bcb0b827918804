import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStatCache } from "../../../src/host/stat-cache.ts";

let folder: string;
let index: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-stat-cache-"));
  index = join(folder, "index/a.json");
  file = join(folder, "a.mp4");
  await writeFile(file, "content");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A cache at a time when every file here is old enough. */
const open = () => openStatCache(index, { now: () => Date.now() + 60_000 });

async function rememberAndSave(value: unknown, path = file): Promise<void> {
  const cache = open();
  const { stats } = await cache.lookup("length", path);
  await cache.remember("length", path, stats, value);
  await cache.save();
}

const recall = async (path = file) => (await open().lookup("length", path)).value;

test("what is remembered is there in the next run, as long as the file is the same", async () => {
  await rememberAndSave({ frames: 49 });
  expect(await recall()).toEqual({ frames: 49 });
  await writeFile(file, "CONTENT");
  expect(await recall()).toBeUndefined();
});

test("each kind of value is its own, and a changed file forgets them all", async () => {
  await rememberAndSave(49);
  const cache = open();
  const { stats } = await cache.lookup("other", file);
  await cache.remember("other", file, stats, "x");
  await cache.save();
  expect((await open().lookup("length", file)).value).toBe(49);
  expect((await open().lookup("other", file)).value).toBe("x");
});

test("with a memory nothing is written, and a thing is known by either of its paths", async () => {
  const [memory, now] = [new Map(), () => Date.now() + 60_000];
  const cache = openStatCache(index, { now, memory });
  const { stats } = await cache.lookup("length", file);
  await cache.remember("length", file, stats, 49);
  await cache.save();
  expect(await recall()).toBeUndefined();
  const place = join(folder, "tree");
  await mkdir(join(place, folder), { recursive: true });
  await symlink(file, join(place, file));
  const other = openStatCache(index, { now, memory, prefix: place });
  expect((await other.lookup("length", join(place, file))).value).toBe(49);
});

test("a file that changes while it is read is not remembered", async () => {
  const cache = open();
  const { stats } = await cache.lookup("length", file);
  await writeFile(file, "changed meanwhile");
  await cache.remember("length", file, stats, 49);
  expect((await cache.lookup("length", file)).value).toBeUndefined();
});

test("a file that was changed just now is not remembered: its next change could bear the same time", async () => {
  const now = Number((await stat(file)).ctimeMs);
  const young = openStatCache(index, { now: () => now + 5 });
  const { stats } = await young.lookup("length", file);
  await young.remember("length", file, stats, 49);
  await young.save();
  expect(await recall()).toBeUndefined();
});

test("a missing file is the caller's to handle", async () => {
  await expect(open().lookup("length", join(folder, "none"))).rejects.toMatchObject({ code: "ENOENT" });
});

test("nothing is written when nothing changed", async () => {
  await rememberAndSave(49);
  const before = await stat(index);
  const cache = open();
  await cache.lookup("length", file);
  await cache.save();
  expect((await stat(index)).ino).toBe(before.ino);
});

test("files that are gone are dropped when the index is next written, and those of other runs kept", async () => {
  const gone = join(folder, "gone.mp4");
  const other = join(folder, "other.mp4");
  await writeFile(gone, "1");
  await writeFile(other, "2");
  await rememberAndSave(1, gone);
  await rememberAndSave(2, other);
  await rm(gone);
  await rememberAndSave(3);
  expect(await readFile(index, "utf8")).not.toContain("gone.mp4");
  expect(await recall(other)).toBe(2);
});

describe("an index that can't be used", () => {
  test.each([
    ["empty", ""],
    ["foreign", '{"entries": {}}'],
    ["of another version", "wan22-index-0 0\n{}"],
  ])("is ignored and written anew: %s", async (_, text) => {
    await mkdir(join(folder, "index"));
    await writeFile(index, text);
    expect(await recall()).toBeUndefined();
    await rememberAndSave(49);
    expect(await recall()).toBe(49);
  });

  test("is ignored wherever it is torn or a letter of it is another", async () => {
    await rememberAndSave(49);
    const whole = await readFile(index, "utf8");
    for (let at = 0; at < whole.length; at += 3) {
      await writeFile(index, whole.slice(0, at));
      expect(await recall()).toBeUndefined();
      await writeFile(index, `${whole.slice(0, at)}#${whole.slice(at + 1)}`);
      expect(await recall()).toBeUndefined();
    }
  });

  test("because its folder is read-only, or is a file, costs the memory and nothing else", async () => {
    await writeFile(join(folder, "index"), "");
    await expect(rememberAndSave(49)).resolves.toBeUndefined();
    await rm(join(folder, "index"));
    await chmod(folder, 0o500);
    try {
      await expect(rememberAndSave(49)).resolves.toBeUndefined();
    } finally {
      await chmod(folder, 0o700);
    }
  });
});
