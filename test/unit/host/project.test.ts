import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readProject } from "../../../src/host/project.ts";

let folder: string;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "wan22-project-")));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function write(name: string, content: string | Uint8Array = "version: 1\n"): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), content);
}

/** Reads a file that must be wrong, and says what is. */
async function fault(name: string): Promise<{ code: string; detail: string }> {
  const result = await readProject(name, folder);
  if ("root" in result) throw new Error(`${name} was read`);
  return { code: result.code, detail: result.detail };
}

test("The root is the nearest folder upward with wan22.yaml", async () => {
  await write("wan22.yaml", "hardware: entry\n");
  await write("a/b/fox.yaml", "name: fox\n");
  expect(await readProject("a/b/fox.yaml", folder)).toEqual({
    root: folder,
    pipeline: { file: "a/b/fox.yaml", text: "name: fox\n" },
    bases: new Map(),
    project: { file: "wan22.yaml", text: "hardware: entry\n" },
  });
});

test("The root is the nearest folder upward with .git, be it a folder or a file", async () => {
  await mkdir(join(folder, ".git"));
  await write("a/fox.yaml");
  expect(await readProject("a/fox.yaml", folder)).toMatchObject({ root: folder, pipeline: { file: "a/fox.yaml" } });
  await write("a/.git", "gitdir: elsewhere\n");
  expect(await readProject("a/fox.yaml", folder)).toMatchObject({
    root: join(folder, "a"),
    pipeline: { file: "fox.yaml" },
  });
});

test("Project files further up are told, the nearest first, and count for nothing", async () => {
  await write("wan22.yaml", "policy: {}\n");
  await write("a/b/wan22.yaml", "version: 1\n");
  await write("a/b/c/wan22.yaml");
  await write("a/b/c/fox.yaml");
  expect(await readProject("a/b/c/fox.yaml", folder)).toMatchObject({
    root: join(folder, "a/b/c"),
    above: [
      { file: "../wan22.yaml", text: "version: 1\n" },
      { file: "../../../wan22.yaml", text: "policy: {}\n" },
    ],
  });
});

test("Without either the root is the pipeline's own folder", async () => {
  await write("a/fox.yaml");
  expect(await readProject(join(folder, "a/fox.yaml"))).toMatchObject({ root: join(folder, "a") });
});

test("Without either the folder around `pipelines` is the root, as it would be with `git init` there", async () => {
  await write("a/pipelines/fox.yaml");
  expect(await readProject("pipelines/fox.yaml", join(folder, "a"))).toMatchObject({
    root: join(folder, "a"),
    pipeline: { file: "pipelines/fox.yaml" },
  });
});

test("A byte order mark is taken off", async () => {
  await write("fox.yaml", "\uFEFFname: fox\n");
  expect(await readProject("fox.yaml", folder)).toMatchObject({ pipeline: { text: "name: fox\n" } });
});

test("A missing file suggests the one that was meant", async () => {
  await write("pipelines/quickstart.yaml");
  expect(await fault("pipelines/quikstart.yaml")).toEqual({
    code: "S37",
    detail: "There is no pipelines/quikstart.yaml. Did you mean pipelines/quickstart.yaml?",
  });
  expect((await fault("pipelines/quickstart")).detail).toContain("Did you mean pipelines/quickstart.yaml?");
  expect((await fault("pipelines/zebra.yaml")).detail).toContain("That folder holds quickstart.yaml.");
});

test("A folder that holds nothing but the project file is not said to hold no YAML file", async () => {
  await write("wan22.yaml");
  expect((await fault("fox.yaml")).detail).toContain("nor any pipeline beside wan22.yaml");
});

test("A missing folder is said, not the file in it", async () => {
  expect((await fault("nowhere/fox.yaml")).detail).toContain("There is no folder nowhere");
});

test("A folder lists the pipelines in it", async () => {
  await write("pipelines/fox.yaml");
  expect(await fault("pipelines")).toEqual({
    code: "S38",
    detail: "pipelines is a folder. Name a pipeline file. In it: pipelines/fox.yaml.",
  });
});

test.skipIf(process.getuid?.() === 0)("A file without permission says so", async () => {
  await write("fox.yaml");
  await chmod(join(folder, "fox.yaml"), 0);
  expect(await fault("fox.yaml")).toMatchObject({ code: "S39", detail: expect.stringContaining("permission") });
});

test("A link that leads in a circle says so", async () => {
  await symlink("fox.yaml", join(folder, "fox.yaml"));
  expect(await fault("fox.yaml")).toMatchObject({ code: "S39", detail: expect.stringContaining("circle") });
});

test("A file that is not UTF-8 names the byte and its line", async () => {
  await write("latin.yaml", Buffer.from([..."name: fox\ntask: caf".split("").map((c) => c.charCodeAt(0)), 0xe9, 0x0a]));
  expect(await fault("latin.yaml")).toEqual({
    code: "S40",
    detail: "latin.yaml is not UTF-8: line 2 holds the byte 0xE9. Save it as UTF-8 in your editor.",
  });
  await write("utf16.yaml", Buffer.from("\uFEFFname: fox\n", "utf16le"));
  expect((await fault("utf16.yaml")).detail).toContain("utf16.yaml is UTF-16.");
});

test("A file of several megabytes is not read", async () => {
  await write("big.yaml", Buffer.alloc(3_000_000, "x"));
  expect(await fault("big.yaml")).toMatchObject({ code: "S8" });
});

test("The project file is no pipeline", async () => {
  await write("wan22.yaml");
  expect(await fault("wan22.yaml")).toMatchObject({ code: "S41" });
});

test("A project file that cannot be read is the finding", async () => {
  await mkdir(join(folder, "wan22.yaml"));
  await write("fox.yaml");
  expect(await fault("fox.yaml")).toMatchObject({
    code: "S38",
    detail: expect.stringContaining("wan22.yaml is a folder"),
  });
});

test("What a pipeline extends is read with it, and what that extends", async () => {
  await mkdir(join(folder, ".git"));
  await write("pipelines/fox.yaml", "extends: [mid.yaml]\nname: fox\n");
  await write("pipelines/mid.yaml", "extends: ../bases/base.yaml\n");
  await write("bases/base.yaml", "extends: ../pipelines/fox.yaml\n");
  const read = await readProject("pipelines/fox.yaml", folder);
  expect("bases" in read && [...read.bases.keys()]).toEqual(["pipelines/mid.yaml", "bases/base.yaml"]);
});

test.each([
  ["../outside.yaml", "S81"],
  ["/etc/passwd", "S81"],
  ["link.yaml", "S81"],
  ["folder/base.yaml", "S81"],
  ["none.yaml", "S37"],
  ["data", "S38"],
  ["huge.yaml", "S8"],
  ["wan22.yaml", "S41"],
])("A base that is none, or lies outside the project, is not read: %s", async (name, code) => {
  await mkdir(join(folder, "project/.git"), { recursive: true });
  await mkdir(join(folder, "project/data"));
  await write("outside.yaml");
  await write("base.yaml");
  await write("project/huge.yaml", "#".repeat(2_000_000));
  await symlink(join(folder, "outside.yaml"), join(folder, "project/link.yaml"));
  await symlink(folder, join(folder, "project/folder"));
  await write("project/fox.yaml", `extends: ${name}\n`);
  const read = await readProject("project/fox.yaml", folder);
  const [base] = "bases" in read ? read.bases.values() : [];
  expect(base).toMatchObject({ code });
});

test("However many files extend each other, only so many are read", async () => {
  await mkdir(join(folder, ".git"));
  for (let at = 0; at < 100; at += 1) await write(`${at}.yaml`, `extends: ${at + 1}.yaml\n`);
  const read = await readProject("0.yaml", folder);
  expect("bases" in read && read.bases.size).toBe(32);
});
