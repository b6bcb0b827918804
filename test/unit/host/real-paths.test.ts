import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type AskedPath, observeRealPaths } from "../../../src/host/real-paths.ts";

/** A folder with links in it: name to target; a name that ends in a slash is a folder, any other without a target a file. */
async function follow(made: Readonly<Record<string, string>>, asked: readonly (string | AskedPath)[]) {
  const base = await realpath(await mkdtemp(join(tmpdir(), "wan22-real-")));
  onTestFinished(() => rm(base, { recursive: true, force: true }));
  const root = join(base, "project");
  await mkdir(root);
  for (const [name, target] of Object.entries(made)) {
    if (name.endsWith("/")) await mkdir(join(root, name), { recursive: true });
    else if (target === "") await writeFile(join(root, name), "");
    else await symlink(target, join(root, name));
  }
  const paths = asked.map((path) => (typeof path === "string" ? { path, links: "none" as const } : path));
  const found = await observeRealPaths(paths, { root });
  return JSON.parse(JSON.stringify(found).replaceAll(base, ""));
}

test("what is no link lies where it says, also where it is not there yet", async () => {
  const found = await follow({ "data/": "" }, [".", "data", "data/none/at/all", "/project-2"]);
  expect(found).toEqual({
    ".": { real: "/project" },
    data: { real: "/project/data" },
    "data/none/at/all": { real: "/project/data/none/at/all" },
    "/project-2": { real: "/project-2" },
  });
});

test("a link counts for what it leads to: above a folder that is not there, to nothing, through another", async () => {
  const made = { "real/deep/": "", out: "..", dangling: "../nowhere", first: "out", "real/up": "deep/../../.." };
  const asked = ["out/x/y", "dangling", "dangling/x", "first/x", "real/up/x"];
  expect(await follow(made, asked)).toEqual({
    "out/x/y": { real: "/x/y" },
    dangling: { real: "/nowhere" },
    "dangling/x": { real: "/nowhere/x" },
    "first/x": { real: "/x" },
    "real/up/x": { real: "/x" },
  });
});

test("a `..` after a link goes up from where the link leads", async () => {
  const made = { "far/away/": "", link: "far/away" };
  expect(await follow(made, ["link/../x"])).toEqual({ "link/../x": { real: "/project/far/x" } });
});

test("links in a circle lead nowhere", async () => {
  expect(await follow({ a: "b", b: "a" }, ["a/x"])).toEqual({ "a/x": {} });
});

test("links in a folder are told: its own, or those of its folders too, which no link is followed for", async () => {
  const made = { "out/": "", "out/deep/": "", "out/a": "/etc", "out/deep/b": "../../..", "out/c": "" };
  const found = await follow(made, [
    { path: "out", links: "own" },
    { path: "./out", links: "all" },
    { path: "out/c", links: "all" },
    { path: "none", links: "all" },
  ]);
  expect(found).toEqual({
    out: { real: "/project/out", links: [{ path: "out/a", real: "/etc" }] },
    "./out": {
      real: "/project/out",
      links: [
        { path: "./out/a", real: "/etc" },
        { path: "./out/deep/b", real: "" },
      ],
    },
    "out/c": { real: "/project/out/c" },
    none: { real: "/project/none" },
  });
});

test.skipIf(process.getuid?.() === 0)("what may not be looked at is unknown", async () => {
  const base = await realpath(await mkdtemp(join(tmpdir(), "wan22-real-")));
  onTestFinished(async () => {
    await chmod(join(base, "closed"), 0o700);
    await rm(base, { recursive: true, force: true });
  });
  await mkdir(join(base, "closed/inner"), { recursive: true });
  await chmod(join(base, "closed"), 0o000);
  const found = await observeRealPaths(
    [
      { path: "closed/inner", links: "none" },
      { path: "closed", links: "all" },
    ],
    { root: base },
  );
  expect(found["closed/inner"]).toEqual({});
  expect(found.closed?.links).toEqual([{ path: "closed" }]);
});
