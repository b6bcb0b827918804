import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeStateDir } from "../../../src/host/records/state-dir.ts";
import { openStatCache } from "../../../src/host/stat-cache.ts";
import { folderWith, writeInto } from "./samples.ts";

test("a state folder that is made is kept out of Git, and one that is there is left as it is", async () => {
  const folder = await folderWith();
  const stateDir = join(folder, "kept/.wan22");
  await makeStateDir(stateDir);
  expect(await readFile(join(stateDir, ".gitignore"), "utf8")).toBe("*\n");
  execFileSync("git", ["init", "-q", folder]);
  await writeInto(stateDir, "state/fox.json", "{}");
  expect(execFileSync("git", ["-C", folder, "status", "--porcelain"], { encoding: "utf8" })).toBe("");

  await rm(join(stateDir, ".gitignore"));
  await makeStateDir(stateDir);
  expect(await readdir(stateDir)).toEqual(["state"]);
  await mkdir(join(folder, "mine"));
  await makeStateDir(join(folder, "mine"));
  expect(await readdir(join(folder, "mine"))).toEqual([]);
});

test("the first plan makes it too, to remember what it read", async () => {
  const folder = await folderWith({ clip: "bytes" });
  const stateDir = join(folder, ".wan22");
  const cache = openStatCache(join(stateDir, "index/fox.json"), { stateDir, now: () => Date.now() + 60_000 });
  await cache.save();
  expect(await readdir(folder)).toEqual(["clip"]);
  const { stats } = await cache.lookup("kind", join(folder, "clip"));
  await cache.remember("kind", join(folder, "clip"), stats, 1);
  await cache.save();
  expect((await readdir(stateDir)).sort()).toEqual([".gitignore", "index"]);
});
