import { mkdir, readdir, readFile, rm, stat, truncate } from "node:fs/promises";
import { expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { startApply } from "../rig/applying.ts";
import { faultEnvironment } from "../rig/faults.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";
import { testWithSmallDisk } from "../rig/small-disk.ts";

/** What several pipelines want of the same clips is encoded once, and shared through the cache store. */

const FOX = "pipelines/quickstart.yaml";
const OWL = "pipelines/owl.yaml";
const STORE = ".wan22/cache/store";
const CACHING = ["--only", "cache-latents", "--only", "cache-text"];
const said = (text: string) => text.replace(/\s+/g, " ");

/** Two pipelines that differ in name and learning rate. */
async function twoPipelines(): Promise<Project> {
  const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
  const owl = (await project.read(FOX))
    .replace("name: quickstart", "name: owl")
    .replace("output/quickstart", "output/owl");
  await project.write(OWL, owl.replace("network_dim: 16", "network_dim: 8"));
  return project;
}

const environmentOf = (project: Project) => ({ XDG_STATE_HOME: project.path("home") });
const cache = (project: Project, file: string, ...more: readonly string[]) =>
  project.run(["apply", file, "--auto-approve", ...CACHING, ...more], { environment: environmentOf(project) });
const encoded = (events: readonly ApplyEvent[]) =>
  events.flatMap((event) =>
    event.type === "stage-started" && event.stage !== "train" ? [`${event.pipeline} ${event.stage}`] : [],
  );

interface CacheFile {
  readonly inode: bigint;
  readonly names: bigint;
  readonly bytes: string;
  readonly mayWrite: boolean;
}

/** What a pipeline has in its folder, by name. */
async function cachesOf(project: Project, pipeline: string): Promise<Readonly<Record<string, CacheFile>>> {
  const files = (await project.list(`.wan22/cache/${pipeline}`)).filter((name) => name.endsWith(".safetensors"));
  const found = files.map(async (name) => {
    const path = project.path(`.wan22/cache/${pipeline}/${name}`);
    const { ino: inode, nlink: names, mode } = await stat(path, { bigint: true });
    const bytes = (await readFile(path)).toString("base64");
    return [name, { inode, names, bytes, mayWrite: (mode & 0o222n) !== 0n }] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

const withoutNames = (caches: Readonly<Record<string, CacheFile>>) =>
  Object.entries(caches).map(([name, { names: _, ...file }]) => [name, file]);

it("one pipeline encodes, another links what it finds, and neither touches the other's files", async () => {
  const project = await twoPipelines();
  const { events, ended } = startApply(project, FOX, { args: [OWL], environment: environmentOf(project) });
  expect(await ended).toBe(0);
  expect(encoded(events)).toEqual(["quickstart cache-latents", "quickstart cache-text"]);
  const fox = await cachesOf(project, "quickstart");
  expect(Object.keys(fox)).toHaveLength(32);
  expect(await cachesOf(project, "owl")).toEqual(fox);
  for (const { names, mayWrite } of Object.values(fox)) expect([names, mayWrite]).toEqual([3n, false]);
  expect((await project.list("output/owl")).filter((name) => name.endsWith("owl.safetensors"))).toHaveLength(1);

  await project.write("pipelines/quickstart/clips/02-gradient.txt", "another caption");
  const plan = said((await project.run(["plan", OWL])).stdout);
  expect(plan).toContain("cache-text update: 1 of 8 cache files to make: 1 stale");
  expect((await cache(project, OWL)).exitCode).toBe(0);
  expect(withoutNames(await cachesOf(project, "quickstart"))).toEqual(withoutNames(fox));
  const owl = await cachesOf(project, "owl");
  const changed = Object.keys(fox).filter((name) => owl[name]?.inode !== fox[name]?.inode);
  expect(changed).toEqual([expect.stringContaining("02-gradient_wan_te")]);
  expect(owl[changed[0] ?? ""]?.bytes).not.toBe(fox[changed[0] ?? ""]?.bytes);

  // What the one has made of the new caption the other takes.
  const again = said((await project.run(["plan", FOX])).stdout);
  expect(again).toContain("1 stale; it is taken from the store: nothing is encoded");
  const taken = await cache(project, FOX);
  expect(taken.stdout).toContain("1 cache file was taken from the store.");
  expect(withoutNames(await cachesOf(project, "quickstart"))).toEqual(withoutNames(owl));
});

it("pipelines that are applied at the same time encode once: on two cards, and from two processes", async () => {
  const project = await twoPipelines();
  const environment = environmentOf(project);
  const both = startApply(project, FOX, { args: [OWL, "--gpus", "0,1", ...CACHING], environment });
  expect(await both.ended).toBe(0);
  expect(encoded(both.events)).toEqual(["quickstart cache-latents", "quickstart cache-text"]);

  await rm(project.path(".wan22"), { recursive: true });
  const first = startApply(project, FOX, { args: CACHING, environment });
  const second = startApply(project, OWL, { args: CACHING, environment });
  expect(await Promise.all([first.ended, second.ended])).toEqual([0, 0]);
  const stages = [...encoded(first.events), ...encoded(second.events)].map((stage) => stage.split(" ")[1]);
  expect(stages.sort()).toEqual(["cache-latents", "cache-text"]);
  expect(await cachesOf(project, "owl")).toEqual(await cachesOf(project, "quickstart"));
  expect(await readdir(project.path(`${STORE}/locks`))).toEqual([]);
});

it("a file that is damaged in the store is encoded anew and replaced; all are where that is asked for", async () => {
  const project = await twoPipelines();
  expect((await cache(project, FOX)).exitCode).toBe(0);
  await rm(project.path(".wan22/cache/quickstart"), { recursive: true });
  const [damaged = ""] = (await readdir(project.path(STORE))).filter((name) => name.endsWith("_wan_te.safetensors"));
  await truncate(project.path(`${STORE}/${damaged}`), 100);
  const plan = said((await project.run(["plan", OWL])).stdout);
  expect(plan).toContain("7 of 8 files are taken from the store, 1 is encoded");
  expect((await cache(project, OWL)).exitCode).toBe(0);
  expect((await stat(project.path(`${STORE}/${damaged}`))).size).toBeGreaterThan(100);
  const owl = await cachesOf(project, "owl");

  const replaced = await cache(project, OWL, "--replace", "cache-text");
  expect(replaced.exitCode, replaced.stderr).toBe(0);
  expect(replaced.stdout).not.toContain("taken from the store");
  const now = await cachesOf(project, "owl");
  for (const [name, { inode, bytes, names }] of Object.entries(now)) {
    expect([name, inode === owl[name]?.inode, bytes === owl[name]?.bytes, names]).toEqual([
      name,
      !name.endsWith("_wan_te.safetensors"),
      true,
      2n,
    ]);
  }
});

testWithSmallDisk("on a disk of its own the store's files are copied", async (mountSmallDisk) => {
  const project = await twoPipelines();
  await mkdir(project.path(STORE), { recursive: true });
  await mountSmallDisk({ kibibytes: 4096, at: project.path(STORE) });
  expect((await cache(project, FOX)).exitCode).toBe(0);
  const taken = await cache(project, OWL);
  expect(taken.stdout).toContain("24 cache files were taken from the store.");
  const [fox, owl] = [await cachesOf(project, "quickstart"), await cachesOf(project, "owl")];
  expect(Object.keys(owl)).toHaveLength(32);
  for (const [name, { bytes, names }] of Object.entries(owl)) expect([names, bytes]).toEqual([1n, fox[name]?.bytes]);
  // Only records tell that somebody uses them.
  expect((await project.run(["prune", "--caches", "--auto-approve"])).stdout).toContain("Nothing is to be removed.");
});

it("what is killed while it puts or takes leaves nothing half, and the next apply has the same files", async () => {
  const undisturbed = await twoPipelines();
  expect((await cache(undisturbed, FOX)).exitCode).toBe(0);
  const wanted = Object.entries(await cachesOf(undisturbed, "quickstart")).map(([name, { bytes }]) => [name, bytes]);

  const project = await twoPipelines();
  const kill = { site: "link cache temporary", occurrence: 5, how: "kill after" };
  for (const file of [FOX, OWL]) {
    const environment = { ...environmentOf(project), ...faultEnvironment(project.path("calls"), kill) };
    const killed = await project.run(["apply", file, "--auto-approve", ...CACHING], { environment });
    expect(killed.exitCode).toBeUndefined();
    for (const name of await readdir(project.path(STORE))) {
      if (!name.endsWith(".safetensors")) continue;
      const whole = await readFile(project.path(`${STORE}/${name}`));
      expect(
        wanted.some(([, bytes]) => bytes === whole.toString("base64")),
        name,
      ).toBe(true);
    }
    const next = await cache(project, file);
    expect(next.exitCode, next.stderr).toBe(0);
  }
  for (const pipeline of ["quickstart", "owl"]) {
    const files = Object.entries(await cachesOf(project, pipeline)).map(([name, { bytes }]) => [name, bytes]);
    expect(files, pipeline).toEqual(wanted);
  }
  expect(await readdir(project.path(`${STORE}/locks`))).toEqual([]);

  // All is encoded, and the runner dies before it has written down the end of it.
  const unheard = await twoPipelines();
  const fault = { site: "write journal.ndjson", occurrence: 9, how: "kill before" };
  const environment = { ...environmentOf(unheard), ...faultEnvironment(unheard.path("calls"), fault) };
  expect((await unheard.run(["apply", FOX, "--auto-approve", ...CACHING], { environment })).exitCode).toBeUndefined();
  expect(await readdir(unheard.path(`${STORE}/locks`))).toHaveLength(1);
  // So does the next, once it has.
  const settling = faultEnvironment(unheard.path("calls"), { ...fault, occurrence: 1, how: "kill after" });
  const killed = await unheard.run(["apply", FOX, "--auto-approve", ...CACHING], {
    environment: { ...environmentOf(unheard), ...settling },
  });
  expect(killed.exitCode).toBeUndefined();
  const next = await cache(unheard, FOX);
  expect(said(next.stdout), next.stderr).toContain("Plan: 0 stages to run");
  expect(await readdir(unheard.path(`${STORE}/locks`))).toEqual([]);
});

it("prune takes what no pipeline has any more, and of what goes together with its last user", async () => {
  const project = await twoPipelines();
  expect((await cache(project, FOX)).exitCode).toBe(0);
  expect((await cache(project, OWL)).exitCode).toBe(0);
  const before = (await readdir(project.path(STORE))).length;
  await project.write("pipelines/quickstart/clips/02-gradient.txt", "another caption");
  expect((await cache(project, FOX)).exitCode).toBe(0);
  expect((await project.run(["prune", "--caches"])).stdout).not.toContain("store");
  expect((await cache(project, OWL)).exitCode).toBe(0);

  const pruned = await project.run(["prune", "--caches", "--auto-approve"]);
  expect(pruned.exitCode, pruned.stderr).toBe(0);
  expect(said(pruned.stdout)).toContain("1 file that no pipeline has in its folder any more");
  expect(await readdir(project.path(STORE))).toHaveLength(before);

  await rm(project.path(OWL));
  const one = await project.run(["prune", "--caches", "--auto-approve"]);
  expect(said(one.stdout)).not.toContain("take from the store");
  expect(await cachesOf(project, "owl")).toEqual({});
  await rm(project.path(FOX));
  await project.write("pipelines/other.yaml", OTHER);
  const rest = await project.run(["prune", "--caches", "--auto-approve"]);
  expect(said(rest.stdout)).toContain("24 files that no pipeline has in its folder any more");
  const left = (await readdir(project.path(STORE))).filter((name) => name.endsWith(".safetensors"));
  expect(left.map((name) => name.replace(/^[0-9a-f]{16}/, ""))).toEqual(Array(8).fill("_wan_te.safetensors"));
});

/** Of the same captions, and not of the same latents. */

const OTHER = `version: 1
name: other
task: i2v-A14B
hardware: entry
dataset:
  resolution: 256x144
  sources:
    - videos: quickstart/clips
`;
