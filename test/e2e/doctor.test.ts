import { describe, expect, it } from "vitest";
import type { Finding } from "../../src/core/doctor/examination.ts";
import { makeProject, makeQuickstart, type Project } from "../rig/project.ts";

/** `wan22 doctor` on this machine: what it finds, and what it says to do about each thing that is wrong. */

async function findings(project: Project, file: string): Promise<ReadonlyMap<string, Finding>> {
  const { stdout } = await project.run(["doctor", "--format", "json", file]);
  const found: readonly Finding[] = JSON.parse(stdout).pipelines[0].findings;
  return new Map(found.map((finding) => [finding.subject, finding]));
}

describe("wan22 doctor", () => {
  it("finds nothing wrong with a rehearsal, which needs Python alone", async () => {
    const project = await makeQuickstart();
    const { exitCode, stdout } = await project.run(["doctor", "pipelines/quickstart.yaml"]);
    expect(exitCode, stdout).toBe(0);
    const found = await findings(project, "pipelines/quickstart.yaml");
    expect(found.get("Python")).toMatchObject({ state: "fine", found: expect.stringMatching(/^3\.\d+\.\d+, /) });
    expect(found.get("output")?.found).toMatch(/^output\/quickstart: [\d.]+ GB free$/);
    expect([...found.values()].filter(({ state }) => state === "error")).toEqual([]);
  });

  it("looks at the machine by itself where there is no pipeline", async () => {
    const project = await makeProject();
    const { exitCode, stdout, stderr } = await project.run(["doctor"]);
    expect(exitCode, stdout).toBe(0);
    expect(stdout).toMatch(/^This machine\n/);
    expect(stdout).toMatch(/ok +Python +3\.\d+\.\d+, [\s\S]*?\(found\s+by\s+itself\)/);
    expect(stdout).toMatch(/disk +\.: [\d.]+ GB free/);
    expect(stderr).toContain("Name one: wan22 doctor FILE");
    const { machine, pipelines } = JSON.parse((await project.run(["doctor", "--format", "json"])).stdout);
    expect(machine.map(({ subject }: Finding) => subject.replace(/ \d+$/, ""))).toEqual(
      expect.arrayContaining(["Python", "GPU", "memory", "ffprobe", "disk"]),
    );
    expect(pipelines).toEqual([]);
    expect(await project.list(".wan22")).toEqual([]);
  });

  it("says of everything that is missing what to do about it", async () => {
    const trainer = "musubi/src/musubi_tuner";
    const project = await makeProject({
      "fox.yaml": `version: 1
name: fox
task: t2v-A14B
hardware: RTX 4090
dataset: { resolution: 96x64, sources: [{ videos: data }] }
models: { dit: dit.safetensors, dit_high_noise: "$\{MODELS}/high.safetensors" }
trainer: { backend: musubi, path: musubi, python: python3 }
`,
      "data/readme": "",
      "musubi/pyproject.toml": '[project]\nversion = "0.2.9"\ndependencies = ["no-such-package==1.0", "pip"]\n',
      [`${trainer}/wan_train_network.py`]: "def main():\n    parser.add_argument('--dit')\n",
    });
    const { exitCode } = await project.run(["doctor", "fox.yaml"]);
    expect(exitCode).toBe(1);
    const found = await findings(project, "fox.yaml");
    expect(found.get("Musubi Tuner")).toMatchObject({
      state: "warning",
      found: expect.stringContaining("0.2.9"),
      mend: expect.stringContaining("use 0.3.0 to 0.3.4"),
    });
    expect(found.get("models.dit")).toMatchObject({ state: "error", mend: expect.stringContaining("Download it") });
    expect(found.get("models.dit_high_noise")?.mend).toBe("Set MODELS in the environment.");
    expect(found.get("models.vae")?.mend).toContain("wan_2.1_vae.safetensors");
    expect(found.get("tier")?.found).toContain("high-end");
  });

  it("says that a Python does not answer, and shows what is wrong with a file", async () => {
    const project = await makeQuickstart((yaml) =>
      yaml.replace("backend: rehearsal", "backend: rehearsal\n  python: sh"),
    );
    const found = await findings(project, "pipelines/quickstart.yaml");
    expect(found.get("Python")).toMatchObject({ state: "error", found: expect.stringContaining("does not answer") });
    await project.write("bad.yaml", "version: 1\nnam: fox\n");
    const { exitCode, stderr } = await project.run(["doctor", "bad.yaml"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nam");
  });
});
