import { cp, readFile, truncate } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { makeQuickstart } from "../rig/project.ts";

const FILE = "pipelines/quickstart.yaml";

describe("caches that lie somewhere else already", () => {
  it("are taken from there where they are whole and fit, and that folder stays as it is", async () => {
    const maker = await makeQuickstart();
    expect((await maker.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const [folder] = new Set((await maker.list(".wan22/cache/quickstart")).map((name) => name.split("/")[0]));

    const taker = await makeQuickstart((yaml) =>
      yaml.replace("target_frames", "cache_directory: old\n      target_frames"),
    );
    await cp(maker.path(`.wan22/cache/quickstart/${folder}`), taker.path("pipelines/old"), { recursive: true });
    const names = await taker.list("pipelines/old");
    await truncate(taker.path(`pipelines/old/${names.find((name) => name.endsWith("_wan.safetensors"))}`), 100);
    await taker.write("pipelines/quickstart/clips/02-gradient.txt", "another caption than the one that was cached");

    const { exitCode, stdout, stderr } = await taker.run(["apply", FILE, "--auto-approve"]);

    expect(exitCode, stderr).toBe(0);
    expect(stdout).toContain("23 cache files were taken from pipelines/old.");
    expect(stdout).toContain("7 cache files were taken from pipelines/old.");
    expect(await taker.list("pipelines/old")).toEqual(names);
    const made = await maker.list(`.wan22/cache/quickstart/${folder}`);
    const [taken] = new Set((await taker.list(".wan22/cache/quickstart")).map((name) => name.split("/")[0]));
    for (const name of made.filter((one) => one !== "02-gradient_wan_te.safetensors")) {
      const [theirs, ours] = await Promise.all([
        readFile(maker.path(`.wan22/cache/quickstart/${folder}/${name}`)),
        readFile(taker.path(`.wan22/cache/quickstart/${taken}/${name}`)),
      ]);
      expect(ours.equals(theirs), name).toBe(true);
    }
  });
});
