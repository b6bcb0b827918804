import { mkdir, rename, rm, unlink, writeFile } from "node:fs/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import type { WatchEvent } from "../../src/core/plan/watch/watch-event.ts";
import { describeDifference } from "../../src/views/plan-base.ts";
import { makeQuickstart, type Project, startCommand } from "../rig/project.ts";
import { startWatch, type Watching } from "../rig/watching.ts";

/** `wan22 watch`: a plan once, and then what changes of it, as files are saved by editors of all kinds. */

const FILE = "pipelines/quickstart.yaml";

async function watching(project: Project, args: readonly string[] = []): Promise<Watching> {
  const watch = startWatch(project, args);
  onTestFinished(() => void watch.process.kill("SIGKILL"));
  const first = await watch.next();
  expect(first?.type).toBe("plan");
  return watch;
}

/** What is told next, in lines. */
async function told(watch: Watching): Promise<readonly string[]> {
  return linesOf(await watch.next());
}

function linesOf(event: WatchEvent | undefined): readonly string[] {
  if (event?.type !== "news") return [event?.type ?? "ended"];
  return [
    ...event.pipelines.flatMap(({ name, change, differences }) => [
      `${name} ${change}`,
      ...differences.filter(({ subject }) => subject !== "estimate").map(describeDifference),
    ]),
    ...event.appeared.map(({ code }) => `+${code}`),
    ...event.gone.map(({ code }) => `-${code}`),
  ];
}

async function withDim(project: Project, dim: number, comment = ""): Promise<string> {
  return `${(await project.read(FILE)).replace(/network_dim: \d+/, `network_dim: ${dim}`)}${comment}`;
}

describe("files that are saved", () => {
  it("make one plan a save, in whatever way an editor writes, and are silent where nothing comes of it", async () => {
    const project = await makeQuickstart();
    const path = project.path(FILE);
    const watch = await watching(project);

    // Written in place: emptied, and filled in two pieces.
    const text = await withDim(project, 8);
    await writeFile(path, "");
    await writeFile(path, text.slice(0, 100));
    await writeFile(path, text);
    const dim = (from: number, to: number) => [
      "quickstart changed",
      `network_dim ${from} → ${to} (${FILE}:17)`,
      `network_alpha ${from} → ${to}`,
    ];
    expect(await told(watch)).toEqual(dim(16, 8));

    // Written beside it and put in its place.
    await writeFile(`${path}.tmp`, await withDim(project, 12));
    await rename(`${path}.tmp`, path);
    expect(await told(watch)).toEqual(dim(8, 12));

    // As vim does: a probe, the old one renamed, the new one written, the old one removed.
    const vim = await withDim(project, 20, "# by vim\n");
    await writeFile(project.path("pipelines/4913"), "");
    await unlink(project.path("pipelines/4913"));
    await rename(path, `${path}~`);
    await writeFile(path, vim);
    await unlink(`${path}~`);
    expect(await told(watch)).toEqual(dim(12, 20));

    // Removed and written anew, as `git checkout` does; and a comment alone, of which nothing is said.
    const git = await withDim(project, 24);
    await writeFile(path, `${await project.read(FILE)}# a comment\n`);
    await rm(path);
    await writeFile(path, git);
    expect(await told(watch)).toEqual(dim(20, 24));
    await project.write("pipelines/quickstart/clips/.notes.swp", "nothing that counts");
    await writeFile(path, `${git}# another comment\n`);
    const { exitCode, rest } = await watch.end();
    expect({ exitCode, rest }).toEqual({ exitCode: 0, rest: [] });
  });

  it("that are half edited are compared with what could be planned last", async () => {
    const project = await makeQuickstart();
    const watch = await watching(project);
    const good = await project.read(FILE);
    await project.write(FILE, `${good}bogus: 1\n`);
    expect(await told(watch)).toEqual(["quickstart broken", "+S13"]);
    // The same fault on another line is none that came.
    await project.write(FILE, `# moved\n${good}bogus: 1\nmore: 1\n`);
    expect(await told(watch)).toEqual(["+S13"]);
    await project.write(FILE, await withDim(project, 8).then(() => good.replace("network_dim: 16", "network_dim: 8")));
    expect(await told(watch)).toEqual([
      "quickstart mended",
      `network_dim 16 → 8 (${FILE}:17)`,
      "network_alpha 16 → 8",
      "-S13",
      "-S13",
    ]);
  });

  it("count wherever they shape a plan: wan22.yaml, captions, clips, whole folders, further pipelines", async () => {
    const project = await makeQuickstart();
    const watch = await watching(project);
    await project.write("wan22.yaml", "version: 1\ntrain: { seed: 7 }\n");
    expect(await told(watch)).toEqual(["quickstart changed", "seed 42 → 7 (wan22.yaml:2)"]);
    const clips = "pipelines/quickstart/clips";
    const caption = await project.read(`${clips}/01-test-pattern.txt`);
    await project.write(`${clips}/01-test-pattern.txt`, `${caption.trim()} It turns to the left.\n`);
    expect(await told(watch)).toEqual(["quickstart changed", "clip 01-test-pattern: caption"]);
    // The folder goes, and another comes in its place: it is watched like the first.
    await rename(project.path(clips), project.path("away"));
    expect((await told(watch)).slice(0, 1)).toEqual(["quickstart broken"]);
    await mkdir(project.path("fresh"));
    await rename(project.path("away"), project.path(clips));
    expect((await told(watch)).slice(0, 1)).toEqual(["quickstart mended"]);
    await project.write(`${clips}/01-test-pattern.txt`, caption);
    expect(await told(watch)).toEqual(["quickstart changed", "clip 01-test-pattern: caption"]);

    const second = (await project.read(FILE))
      .replace("name: quickstart", "name: second")
      .replace(/output\/\w+/, "output/second");
    await project.write("pipelines/second.yaml", second);
    expect(await told(watch)).toEqual(["second new"]);
    await rm(project.path("pipelines/second.yaml"));
    expect(await told(watch)).toEqual(["second removed"]);
  });
});

it("tells what an apply beside it did, and nothing of its steps", async () => {
  const project = await makeQuickstart();
  const watch = await watching(project);
  expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  const lines: string[] = [];
  while (!lines.some((line) => /^stage train: .* → none$/.test(line))) {
    const event = await watch.next();
    expect(event?.type).toBe("news");
    lines.push(...linesOf(event));
  }
  expect(lines.filter((line) => line.includes("step"))).toEqual([]);
});

it("looks itself where it is told to", async () => {
  const project = await makeQuickstart();
  const watch = await watching(project, ["--poll", "0.2s", FILE]);
  await project.write(FILE, await withDim(project, 8));
  expect((await told(watch)).slice(0, 1)).toEqual(["quickstart changed"]);
});

it("shows people the plan, and under the time what changed", async () => {
  const project = await makeQuickstart();
  const process = startCommand(project.folder, ["watch"]);
  onTestFinished(() => void process.kill("SIGKILL"));
  const lines: string[] = [];
  for await (const line of process) {
    lines.push(String(line));
    if (lines.at(-1)?.startsWith("Apply it with:")) await project.write(FILE, await withDim(project, 8));
    if (lines.at(-1)?.includes("network_alpha 16 → 8")) process.kill("SIGINT");
  }
  const at = lines.indexOf("quickstart: changed");
  expect(lines.slice(at - 1, at + 3)).toEqual([
    expect.stringMatching(/^\d\d:\d\d:\d\d$/),
    "quickstart: changed",
    `  ~  network_dim 16 → 8 (${FILE}:17)`,
    "  ~  network_alpha 16 → 8",
  ]);
});
