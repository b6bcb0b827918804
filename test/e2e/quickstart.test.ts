import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { applyEventSchema } from "../../src/core/apply-event.ts";
import { stateSchema } from "../../src/core/state/state.ts";
import { isWhole, readSafetensorsHeader } from "../../src/host/safetensors.ts";
import { answerCommand, makeQuickstart, type Project } from "../rig/project.ts";

const FILE = "pipelines/quickstart.yaml";

/** Every file with its digest, but the stat cache and what keeps it out of Git. */
async function snapshot(project: Project): Promise<Readonly<Record<string, string>>> {
  const names = (await project.list(".")).filter((name) => !/^\.wan22\/(?:index\/|\.gitignore$)/.test(name));
  const digests = names.map(async (name) => {
    const bytes = await readFile(project.path(name));
    return [name, createHash("sha256").update(bytes).digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(digests));
}

describe("the quickstart", () => {
  it("leaves on disk exactly what its plan said", async () => {
    const project = await makeQuickstart();
    const [planned] = (await project.plan(FILE)).pipelines;
    if (planned === undefined) throw new Error("no plan");

    const applied = await project.run(["apply", FILE, "--auto-approve"]);
    expect(applied.stderr).toBe("");
    expect(applied.exitCode).toBe(0);

    const caches = planned.stages.flatMap((stage) => stage.cache_files ?? []).sort();
    const onDisk = (await project.list(".wan22/cache/quickstart")).map((name) => `.wan22/cache/quickstart/${name}`);
    expect(onDisk).toEqual(caches);

    const kept = planned.checkpoints.filter(({ action }) => action === "create");
    const files = kept.filter(({ kind }) => kind === "checkpoint");
    expect((await project.list("output/quickstart")).filter((name) => !name.includes("/"))).toEqual(
      files.map(({ file }) => file.replace("output/quickstart/", "")).sort(),
    );
    for (const { file, bytes, epoch, step } of files) {
      const reading = await readSafetensorsHeader(project.path(file));
      if (reading.kind !== "header") throw new Error(`${file} has no header`);
      expect(isWhole(reading.header)).toBe(true);
      const tensorBytes = Object.values(reading.header.tensors).reduce(
        (sum, { dtype, shape }) => sum + (dtype === "F32" ? 4 : 2) * shape.reduce((product, size) => product * size, 1),
        0,
      );
      expect(tensorBytes).toBe(bytes);
      expect(reading.header.metadata).toMatchObject({ ss_epoch: String(epoch), ss_steps: String(step) });
      expect(Object.keys(reading.header.metadata).join()).toContain("wan22_rehearsal");
    }
    for (const { file } of kept.filter(({ kind }) => kind === "state")) {
      expect((await stat(project.path(`${file}/wan22.json`))).isFile()).toBe(true);
    }
  });

  it("has nothing left to do the second time, and says so", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const before = await snapshot(project);
    const again = await project.run(["apply", FILE, "--auto-approve"]);
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    expect(again.stdout.trim()).toBe("No changes. quickstart is as described; nothing is to do.");
    expect((await project.run(["plan", "--detailed-exitcode", FILE])).exitCode).toBe(0);
    expect(await snapshot(project)).toEqual(before);
  });

  it("is planned without a change to any file but the stat cache", async () => {
    const project = await makeQuickstart();
    const before = await snapshot(project);
    for (const format of ["human", "json", "markdown", "github"]) {
      expect((await project.run(["plan", "--format", format, FILE])).exitCode).toBe(0);
    }
    expect((await project.run(["plan", "--detailed-exitcode", FILE])).exitCode).toBe(2);
    expect((await project.run(["validate", FILE])).exitCode).toBe(0);
    expect(await snapshot(project)).toEqual(before);
  });

  it("gives the same plan, byte for byte, each time", async () => {
    const project = await makeQuickstart();
    const first = await project.run(["plan", "--format", "json", FILE]);
    const second = await project.run(["plan", "--format", "json", FILE]);
    expect(second.stdout).toBe(first.stdout);
  });

  it("reports as events that fit their schema, and keeps a state that fits its own", async () => {
    const project = await makeQuickstart();
    const { stdout } = await project.run(["apply", FILE, "--auto-approve", "--format", "json"]);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => applyEventSchema.parse(JSON.parse(line)));
    expect(events.at(0)?.type).toBe("run-started");
    expect(events.at(-1)).toMatchObject({ type: "run-ended", outcome: "finished" });
    const losses = events.flatMap((event) =>
      event.type === "trainer" && event.event.type === "step" ? [event.event.loss ?? Number.NaN] : [],
    );
    expect(losses).toHaveLength(96);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean(losses.slice(-24))).toBeLessThan(mean(losses.slice(0, 24)));

    const state = stateSchema.parse(JSON.parse(await project.read(".wan22/state/quickstart.json")));
    expect(state.stages.train).toMatchObject({ status: "finished", done_epochs: 4, done_steps: 96 });
    expect(state.checkpoints.map(({ file }) => file)).toContain("output/quickstart/quickstart.safetensors");
  });

  it("asks before it acts, and does nothing where nobody can answer", async () => {
    const project = await makeQuickstart();
    const before = await snapshot(project);
    const asked = await project.run(["apply", FILE]);
    expect(asked.exitCode).toBe(1);
    expect(asked.stderr).toContain("--auto-approve");
    expect(Object.keys(await snapshot(project))).toEqual(Object.keys(before));
  });

  it("takes `yes` for an answer, and says so to who writes `y`", async () => {
    const project = await makeQuickstart();
    const refused = await answerCommand(project, ["apply", FILE], "y");
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toContain("Nothing was done: only `yes`, written out, carries a plan out.");
    expect(await project.list("output")).toEqual([]);
    expect((await answerCommand(project, ["apply", FILE], "yes")).exitCode).toBe(0);
    expect(await project.list("output/quickstart")).toContain("quickstart.safetensors");
  });
});
