import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { copyFollowing, FILE, makeFollowingFolder } from "../rig/following.ts";
import { runGitIn } from "../rig/git-project.ts";
import { testWithSmallDisk } from "../rig/small-disk.ts";

/** A checkout of `wan22 watch --apply` that comes to no end: what it has written so far is nobody's change. */

let template: string;

beforeAll(async () => {
  template = await makeFollowingFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
});
afterAll(() => rm(template, { recursive: true, force: true }));

testWithSmallDisk(
  "on a full disk leaves the checkout as it was, and goes on with the next commit",
  async (mountDisk) => {
    const at = await copyFollowing(template);
    await rm(at.gpu.folder, { recursive: true });
    await mkdir(at.gpu.folder);
    await mountDisk({ kibibytes: 12_000, at: at.gpu.folder });
    await runGitIn(at.folder, "clone", "--quiet", "remote.git", "gpu");
    expect(await at.look()).toContain("quickstart begun");

    await at.ann.write("aa.txt", "a\n".repeat(100_000));
    for (const name of ["1", "2", "3", "4"]) await at.ann.write(`zz/${name}.txt`, `${name}\n`.repeat(2_000_000));
    await at.edit("network_dim: 16", "network_dim: 8");
    const full = await at.look();
    expect(full[0]).toMatch(/^W7: .*write file/);
    expect(full.join()).not.toContain("begun");
    expect(await runGitIn(at.gpu.folder, "status", "--porcelain")).toBe("");

    await rm(at.ann.path("zz"), { recursive: true });
    await at.push("Smaller");
    const better = await at.look();
    expect(better[0]).toMatch(/forward, 2: Smaller$/);
    expect(better).toContain("quickstart begun");
  },
);

it("to whose end HEAD could not be moved is undone", async () => {
  const at = await copyFollowing(template);
  await at.look();
  await at.ann.write("notes.txt", "theirs\n");
  await at.edit("network_dim: 16", "network_dim: 8");
  await at.gpu.write(".git/HEAD.lock", "");
  expect((await at.look())[0]).toMatch(/^W7: .*HEAD\.lock/);
  expect(await runGitIn(at.gpu.folder, "status", "--porcelain")).toBe("");
  await rm(at.gpu.path(".git/HEAD.lock"));
  expect(await at.look()).toContain("quickstart begun");
  expect(await runGitIn(at.gpu.folder, "status", "--porcelain")).toBe("");
});

it("with its machine is undone by the next look, and nothing of anybody's with it", async () => {
  const at = await copyFollowing(template);
  await at.look();
  const read = await at.gpu.read(FILE);
  const head = await runGitIn(at.gpu.folder, "rev-parse", "HEAD");
  await at.ann.write("aa.txt", "whole\n");
  await at.ann.write("notes.txt", "theirs\n");
  await at.ann.write("zz.txt", "cut short\n");
  await at.edit("network_dim: 16", "network_dim: 8");
  const tip = await runGitIn(at.ann.folder, "rev-parse", "HEAD");
  const cut = async () => {
    const record = JSON.parse(await at.gpu.read(".git/wan22/watch.json"));
    await at.gpu.write(".git/wan22/watch.json", JSON.stringify({ ...record, commit: tip, left: head, moving: true }));
    await at.gpu.write("aa.txt", "whole\n");
    await at.gpu.write(FILE, (await at.ann.read(FILE)).slice(0, 300));
    await at.gpu.write("zz.txt", "cut ");
  };
  // Somebody has changed something else since: all stays as it is.
  await cut();
  await at.gpu.write("wan22.yaml", `${await at.gpu.read("wan22.yaml")}# mine\n`);
  expect((await at.look())[0]).toMatch(/^W6: /);
  expect(await at.gpu.read("zz.txt")).toBe("cut ");
  await runGitIn(at.gpu.folder, "checkout", "--", ".");
  for (const name of ["aa.txt", "zz.txt"]) await rm(at.gpu.path(name));

  // Git, killed too, left its lock: it is undone once that is gone.
  await cut();
  await at.gpu.write(".git/index.lock", "");
  expect((await at.look())[0]).not.toMatch(/^origin/);
  await rm(at.gpu.path(".git/index.lock"));
  await at.gpu.write("notes.txt", "mine\n");
  expect((await at.look())[0]).toMatch(/^W7: .*notes\.txt/);
  expect(await at.gpu.read(FILE)).toBe(read);
  expect([existsSync(at.gpu.path("aa.txt")), existsSync(at.gpu.path("zz.txt"))]).toEqual([false, false]);
  expect(await at.gpu.read("notes.txt")).toBe("mine\n");
  await rm(at.gpu.path("notes.txt"));
  expect(await at.look()).toContain("quickstart begun");
  expect(await at.gpu.read("zz.txt")).toBe("cut short\n");
});
