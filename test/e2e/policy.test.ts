import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, rm, symlink } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { startApply, stepFrom } from "../rig/applying.ts";
import { longQuickstart } from "../rig/long-quickstart.ts";
import { addQuickstart, makeProject, makeQuickstart, type Project } from "../rig/project.ts";

/** `policy` in wan22.yaml, held against what a hostile pull request might bring. */

const FILE = "pipelines/quickstart.yaml";
const ROOTS = "policy:\n  input_roots: [pipelines/quickstart]\n  output_roots: [output]\n";

async function withPolicy(policy = ROOTS, edit?: (yaml: string) => string): Promise<Project> {
  const project = await makeQuickstart(edit);
  await project.write("wan22.yaml", `version: 1\n${policy}`);
  return project;
}

async function verdictsOf(project: Project): Promise<Readonly<Record<string, string>>> {
  const [pipeline] = (await project.plan(FILE)).pipelines;
  return Object.fromEntries((pipeline?.policy ?? []).map(({ rule, verdict }) => [rule, verdict]));
}

/** `apply` refuses, and leaves all of this as it was. */
async function expectRefused(project: Project, code: string): Promise<void> {
  const before = await readdir(project.folder, { recursive: true });
  const { exitCode, stdout } = await project.run(["apply", FILE, "--auto-approve"]);
  expect(exitCode).toBe(5);
  expect(stdout).toContain(`[${code}]`);
  const after = await readdir(project.folder, { recursive: true });
  expect(after.filter((name) => !name.startsWith(".wan22"))).toEqual(before.filter((n) => !n.startsWith(".wan22")));
  expect(after.filter((name) => /^\.wan22\/(runs|state|cache)/.test(name))).toEqual([]);
}

describe("a policy that is kept", () => {
  it("has its verdicts in the plan, and lets it be carried out", async () => {
    const project = await withPolicy(
      `${ROOTS}  max_hours: 1\n  max_gpu_hours: 1\n  max_disk_gb: 1\n  vram_headroom_gb: 1\n  tasks: [t2v-A14B]\n  require_lock: true\n`,
    );
    expect((await project.run(["lock", FILE])).exitCode).toBe(0);
    const { pipelines } = await project.plan(FILE);
    expect(pipelines[0]?.policy?.map(({ verdict }) => verdict)).toEqual(Array.from({ length: 8 }, () => "kept"));
    const human = await project.run(["plan", FILE]);
    expect(human).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/ {2}Policy\n {4}max_hours +kept +up to/),
    });
    expect((await project.run(["validate", FILE])).exitCode).toBe(0);
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    expect((await project.run(["plan", FILE])).exitCode).toBe(0);
  });
});

describe("a policy that is broken", () => {
  it("is shown by plan, which ends with 5, and by apply, which touches nothing", async () => {
    const project = await withPolicy("policy:\n  max_disk_gb: 0.000001\n  tasks: [i2v-A14B]\n");
    const planned = await project.run(["plan", FILE, "--detailed-exitcode"]);
    expect(planned.exitCode).toBe(5);
    expect(planned.stdout).toMatch(/max_disk_gb +broken +up to 6\.\d MiB of 1e-6 GiB/);
    expect(planned.stdout).toMatch(/error\[Y3\].*\n +--> wan22.yaml:3:3/);
    expect(planned.stdout).toMatch(/error\[Y7\].*\n +--> wan22.yaml:4:3/);
    expect(planned.stdout).toContain("quickstart: apply refuses it for the policy in wan22.yaml; see above.");
    expect(planned.stdout).not.toContain("Apply it with");
    expect((await project.run(["plan", FILE, "--format", "markdown"])).stdout).toMatch(
      /^quickstart: \*\*Refused by the policy\.\*\*/,
    );
    await expectRefused(project, "Y3");
  });

  it("is judged by validate as far as that needs no plan", async () => {
    const project = await withPolicy("policy:\n  max_disk_gb: 0.000001\n");
    expect((await project.run(["validate", FILE])).exitCode).toBe(0);
    await project.write("wan22.yaml", "policy: { require_lock: true }\n");
    const { exitCode, stdout, stderr } = await project.run(["validate", FILE]);
    expect(exitCode).toBe(5);
    expect(stdout).toContain("valid, but against the policy");
    expect(stdout + stderr).toContain("There is no pipelines/quickstart.lock.json");
  });

  it("costs the other pipelines nothing", async () => {
    const project = await withPolicy("policy: { output_roots: [output] }\n");
    const yaml = await project.read(FILE);
    const stray = yaml.replace("name: quickstart", "name: stray").replace(/dir: .*/, "dir: ../elsewhere");
    await project.write("pipelines/stray.yaml", stray);
    const { exitCode, stdout } = await project.run(["apply", "pipelines/stray.yaml", FILE, "--auto-approve"]);
    expect(exitCode).toBe(5);
    expect(stdout).toContain("stray: apply refuses it");
    expect(await project.list("output/quickstart")).toContain("quickstart.safetensors");
    expect(await readdir(project.folder)).not.toContain("elsewhere");
    const records = await readdir(project.path(".wan22/state"));
    expect(records.filter((name) => name.startsWith("stray"))).toEqual([]);
    const again = await project.run(["apply", "pipelines/stray.yaml", FILE, "--auto-approve"]);
    expect(again).toMatchObject({ exitCode: 5, stdout: expect.stringContaining("quickstart is as described") });
  });

  it("refuses a saved plan as a whole, by what wan22.yaml says when it is carried out", async () => {
    const project = await withPolicy();
    const yaml = await project.read(FILE);
    const second = yaml.replace("name: quickstart", "name: second").replace(/dir: .*/, "dir: ../output/second");
    await project.write("pipelines/second.yaml", second);
    expect((await project.run(["plan", "--out", "both.plan"])).exitCode).toBe(0);
    await project.write("wan22.yaml", "version: 1\npolicy: { output_roots: [output/second] }\n");

    const refused = await project.run(["apply", "both.plan", "--auto-approve"]);

    expect(refused).toMatchObject({ exitCode: 5, stderr: expect.stringContaining("[Y6]") });
    expect(await readdir(project.folder)).not.toContain("output");
    await project.write("wan22.yaml", `version: 1\n${ROOTS}`);
    expect((await project.run(["apply", "both.plan", "--auto-approve"])).exitCode).toBe(0);
    await project.write("wan22.yaml", "version: 1\npolicy: { output_roots: [nowhere] }\n");
    const saved = await project.run(["plan", "--out", "none.plan"]);
    expect(saved.exitCode).toBe(5);
    expect((await project.run(["show", "none.plan"])).stdout).toContain("[Y6]");
  });

  it("holds at each turn of a queue: what it refuses by then is not begun", async () => {
    const project = await longQuickstart();
    const yaml = await project.read(FILE);
    const second = yaml.replace("name: quickstart", "name: second").replace(/dir: .*/, "dir: ../output/second");
    await project.write("pipelines/second.yaml", second);
    const applying = startApply(project, FILE, { args: ["pipelines/second.yaml"] });
    await applying.until(stepFrom(1));
    await project.write("wan22.yaml", "version: 1\npolicy: { output_roots: [output/quickstart] }\n");
    expect(await applying.ended).toBe(5);
    expect((await applying.process).stderr).toContain('"code": "Y6"');
    expect(await readdir(project.path("output"))).toEqual(["quickstart"]);
    expect(await project.list("output/quickstart")).toContain("quickstart.safetensors");
  });

  it("takes a root whose variable is not set for one that holds nothing, and says so where something lies outside", async () => {
    const project = await withPolicy(ROOTS.replace("quickstart]", `quickstart, "\${NO_SUCH_MODELS}"]`));
    expect(await project.run(["validate"])).toMatchObject({ exitCode: 0 });
    expect(await verdictsOf(project)).toMatchObject({ input_roots: "kept" });

    await project.write(
      "wan22.yaml",
      `version: 1\npolicy: { input_roots: ["\${NO_SUCH_MODELS}", "\${NO_SUCH_MODELS}/.."] }\n`,
    );

    await expectRefused(project, "Y5");
    const { stdout } = await project.run(["validate", "--format", "json"]);
    expect(stdout).toContain("{NO_SUCH_MODELS}/.. (NO_SUCH_MODELS is not set), and 1 path that is read lies outside");
  });

  it("is no business of the background", async () => {
    const project = await withPolicy("policy: { tasks: [i2v-A14B] }\n");
    expect((await project.run(["apply", FILE, "--detach", "--auto-approve"])).exitCode).toBe(5);
    expect(await readdir(project.path(".wan22"))).not.toContain("background");
  });

  it("has no say in a pipeline's own file", async () => {
    const project = await makeQuickstart((yaml) => `${yaml}\npolicy: { max_hours: 1000 }\n`);
    const { exitCode, stdout } = await project.run(["plan", FILE]);
    expect(exitCode).toBe(1);
    expect(stdout).toContain("`policy` belongs in wan22.yaml. Move the line there.");
  });
});

describe("a project further in", () => {
  it.each([
    ["a wan22.yaml of its own", "pipelines/wan22.yaml"],
    ["a .git of its own, as a submodule has", "pipelines/.git"],
  ])("with %s does not free its pipelines of the rules", async (_, marker) => {
    const project = await withPolicy();
    await project.write(marker, "version: 1\n");
    const planned = await project.run(["plan", FILE]);
    expect(planned.exitCode).toBe(5);
    expect(planned.stdout.replace(/\s+= |\s+/g, " ")).toContain("[Y10] A policy further up would not be kept");
    expect(planned.stdout).toContain("../wan22.yaml has a `policy`");
    expect((await project.run(["validate", FILE])).exitCode).toBe(5);
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(5);
    expect(await readdir(project.folder)).not.toContain("output");
    await project.write("wan22.yaml", "version: 1\n");
    expect((await project.run(["plan", FILE])).exitCode).toBe(0);
  });
});

describe("a rule that can't be judged", () => {
  it("is a warning that says how to make it known, and refused", async () => {
    // No models are needed to plan: what is judged is what the card has.
    const project = await withPolicy("policy: { input_roots: [pipelines/quickstart] }\n");
    await symlink("circle", project.path("circle"));
    const yaml = (await project.read(FILE)).replace(
      "frame_extraction: head",
      "frame_extraction: head\n      cache_directory: ../circle/cache",
    );
    await project.write(FILE, yaml);
    expect(await verdictsOf(project)).toEqual({ input_roots: "unknown" });
    const { exitCode, stdout } = await project.run(["plan", FILE]);
    expect(exitCode).toBe(5);
    expect(stdout).toContain("warning[Y9]");
    await expectRefused(project, "Y9");
  });
});

describe("a path out of the roots", () => {
  it("by `..` is refused, also where the folder's name begins alike", async () => {
    const project = await withPolicy(ROOTS, (yaml) => yaml.replace("quickstart/clips", "quickstart/../quickstart-2"));
    await cp(project.path("pipelines/quickstart/clips"), project.path("pipelines/quickstart-2"), { recursive: true });
    expect(await verdictsOf(project)).toEqual({ input_roots: "broken", output_roots: "kept" });
    await expectRefused(project, "Y5");
  });

  it.each([
    ["the folder of clips", "clips"],
    ["the root itself", "."],
  ])("through a link at %s is refused", async (_, at) => {
    const project = await withPolicy();
    const outside = await makeProject();
    await addQuickstart(outside, (yaml) => yaml);
    await rm(project.path(`pipelines/quickstart/${at}`), { recursive: true });
    const target = outside.path(`pipelines/quickstart/${at}`);
    await symlink(target, project.path(at === "." ? "pipelines/quickstart" : `pipelines/quickstart/${at}`));
    expect(await verdictsOf(project)).toEqual({ input_roots: "broken", output_roots: "kept" });
    await expectRefused(project, "Y5");
  });

  it("is no program that a plan starts to ask for its version, by its name, its folder or a link", async () => {
    const project = await withPolicy(ROOTS.replace("[pipelines/quickstart]", "[pipelines/quickstart, trusted]"));
    const yaml = await project.read(FILE);
    const evil = `#!/bin/sh\ntouch '${project.path("output/ran")}'\nexec python3 "$@"\n`;
    await project.write("outside/.venv/bin/python", evil);
    await chmod(project.path("outside/.venv/bin/python"), 0o755);
    await mkdir(project.path("trusted"));
    await symlink(project.path("outside/.venv"), project.path("trusted/linked"));
    await mkdir(project.path("output"));
    for (const trainer of [
      "  python: ../outside/.venv/bin/python\n",
      "  python: ../trusted/linked/bin/python\n",
      "  backend: musubi\n  path: ../outside\n",
    ]) {
      await project.write(FILE, `${yaml.replace(/trainer:\n {2}backend: rehearsal\n/, "")}trainer:\n${trainer}`);
      await project.run(["plan", FILE]);
      await project.run(["apply", FILE, "--auto-approve"]);
      expect(existsSync(project.path("output/ran")), trainer).toBe(false);
    }
    // One that lies within is asked.
    await cp(project.path("outside/.venv/bin/python"), project.path("trusted/python"));
    await project.write(
      FILE,
      `${yaml.replace(/trainer:\n {2}backend: rehearsal\n/, "")}trainer:\n  backend: rehearsal\n  python: ../trusted/python\n`,
    );
    await project.run(["plan", FILE]);
    expect(existsSync(project.path("output/ran"))).toBe(true);
  });

  it("through a link in place of one caption is refused", async () => {
    const project = await withPolicy();
    await rm(project.path("pipelines/quickstart/clips/02-gradient.txt"));
    await symlink("/etc/hostname", project.path("pipelines/quickstart/clips/02-gradient.txt"));
    expect(await verdictsOf(project)).toEqual({ input_roots: "broken", output_roots: "kept" });
    await expectRefused(project, "Y5");
  });

  it("in a row of a JSONL file is refused, also by a `..` that only looks as if it stayed within", async () => {
    const project = await withPolicy(ROOTS, (yaml) =>
      yaml.replace("videos: quickstart/clips", "video_jsonl: quickstart/rows.jsonl"),
    );
    const clips = "pipelines/quickstart/clips";
    const row = (path: string) => `${JSON.stringify({ video_path: path, caption: "a test pattern" })}\n`;
    await project.write("pipelines/quickstart/rows.jsonl", row(`${clips}/01-test-pattern.mp4`));
    expect(await verdictsOf(project)).toEqual({ input_roots: "kept", output_roots: "kept" });
    // The link leads within the roots; the folder above what it leads to does not lie there.
    await mkdir(project.path("secret/within"), { recursive: true });
    await cp(project.path(`${clips}/02-gradient.mp4`), project.path("secret/02-gradient.mp4"));
    await symlink("../../../secret/within", project.path(`${clips}/link`));
    await project.write(
      "pipelines/quickstart/rows.jsonl",
      row(`${clips}/01-test-pattern.mp4`) + row(`${clips}/link/../02-gradient.mp4`),
    );
    const [pipeline] = (await project.plan(FILE)).pipelines;
    expect(pipeline?.policy?.[0]).toMatchObject({
      verdict: "broken",
      found: [expect.stringContaining("which leads to secret/02-gradient.mp4")],
    });
    await expectRefused(project, "Y5");
  });

  it.each([
    ["the root itself", "output"],
    ["a folder above one that is not there yet", "output/team"],
    ["the folder that is written to", "output/team/quickstart"],
  ])("through a link at %s is refused for what is written", async (_, at) => {
    const project = await withPolicy(ROOTS, (yaml) => yaml.replace(/dir: .*/, "dir: ../output/team/quickstart"));
    const outside = await makeProject();
    await mkdir(project.path(`${at}/..`), { recursive: true });
    await symlink(outside.path("not/there/yet"), project.path(at));
    expect(await verdictsOf(project)).toEqual({ input_roots: "kept", output_roots: "broken" });
    await expectRefused(project, "Y6");
    expect(await readdir(outside.folder)).toEqual([".git"]);
  });

  it("through a link in place of a checkpoint is refused", async () => {
    const project = await withPolicy();
    const outside = await makeProject({ "mine.txt": "keep this" });
    await mkdir(project.path("output/quickstart"), { recursive: true });
    await symlink(outside.path("mine.txt"), project.path("output/quickstart/quickstart.safetensors"));
    await expectRefused(project, "Y6");
    expect(await outside.read("mine.txt")).toBe("keep this");
  });

  it("through a link in place of the state folder is refused, and not even an index is written there", async () => {
    const project = await withPolicy();
    const outside = await makeProject();
    await symlink(outside.folder, project.path(".wan22"));
    expect((await project.run(["plan", FILE])).exitCode).toBe(5);
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(5);
    expect(await readdir(outside.folder)).toEqual([".git"]);
  });
});
