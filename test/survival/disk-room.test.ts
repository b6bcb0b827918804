import { expect } from "vitest";
import { makeQuickstart, type Project } from "../rig/project.ts";
import { testWithSmallDisk } from "../rig/small-disk.ts";

/** What is to be written is compared with the free space of the disks that it goes to, before anything is touched. */

const FILE = "pipelines/quickstart.yaml";
const said = (text: string) => text.replace(/\s+/g, " ");

async function outputs(project: Project): Promise<readonly string[]> {
  return project.list("output");
}

testWithSmallDisk(
  "an apply that can't fit is refused, with figures, and nothing is touched",
  async (mountSmallDisk) => {
    const project = await makeQuickstart();
    const disk = await mountSmallDisk({ kibibytes: 200, at: project.path("output/quickstart") });
    const { stdout } = await project.run(["plan", FILE]);
    expect(said(stdout)).toContain("warning[P9]");
    const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).toBe(6);
    expect(said(stderr)).toMatch(
      new RegExp(
        `A70.* the file system at ${disk.folder} has 205 kB free, and 34\\d kB to [\\d.]+ kB are to come in output/quickstart\\. ` +
          "`wan22 prune pipelines/quickstart.yaml` shows what can go.*save_last_n_epochs_state.*output.dir",
      ),
    );
    expect([await project.list(".wan22/runs"), await project.list(".wan22/cache"), await outputs(project)]).toEqual([
      [],
      [],
      [],
    ]);
    disk.remount("size=1m");
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  },
);

testWithSmallDisk("one that fits with next to nothing left is warned of, and goes ahead", async (mountSmallDisk) => {
  const project = await makeQuickstart();
  await mountSmallDisk({ kibibytes: 480, at: project.path("output/quickstart") });
  const { exitCode, stdout } = await project.run(["apply", FILE, "--auto-approve"]);
  expect(said(stdout)).toContain("warning[P70]");
  // Said again before the stage that it is about.
  expect(said(stdout)).toMatch(
    /quickstart: warning: The disk may become full, or nearly so: .* output\/quickstart\. quickstart train: create/,
  );
  expect(exitCode).toBe(0);
});

testWithSmallDisk("what another program has taken meanwhile is seen before training starts", async (mountSmallDisk) => {
  const project = await makeQuickstart();
  await mountSmallDisk({ kibibytes: 1024, at: project.path("output/quickstart") });
  await project.write("output/quickstart/another-program", new Uint8Array(800 * 1024));
  const { stdout } = await project.run(["plan", FILE, "--format", "json"]);
  const [pipeline] = JSON.parse(stdout).pipelines;
  expect(pipeline.stages.map(({ writes }: { writes: readonly { folder: string }[] }) => writes[0]?.folder)).toEqual([
    expect.stringContaining(".wan22/cache/quickstart/"),
    expect.stringContaining(".wan22/cache/quickstart/"),
    "output/quickstart",
  ]);
  const { exitCode, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
  expect([exitCode, said(stderr)]).toEqual([6, expect.stringContaining("A70")]);
});
