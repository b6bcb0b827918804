import { chmod, mkdir, rm, symlink } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { stateSchema } from "../../src/core/state/state.ts";
import { makeProject, makeQuickstart, startCommand } from "../rig/project.ts";

const FILE = "pipelines/quickstart.yaml";

/** No stack trace, and everything that helps: code, file and line. */
function expectHelpful(text: string): void {
  expect(text).not.toMatch(/\n\s+at .+:\d+:\d+/);
  expect(text).not.toContain("bug in wan22");
  expect(text).toMatch(/(error|warning)\[[A-Z]\d+\]/);
}

describe("a newcomer's first ten minutes", () => {
  it("a misspelt key is shown in its line, with the key that was meant", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs", "max_train_epoch"));
    const { exitCode, stdout, stderr } = await project.run(["plan", FILE]);
    const text = stdout + stderr;
    expect(exitCode).toBe(1);
    expectHelpful(text);
    expect(text).toContain("max_train_epochs");
    expect(text).toMatch(/--> pipelines\/quickstart\.yaml:16:\d+/);
    expect(text).toContain("^^^^^^^^^^^^^^^");
  });

  it("every mistake is shown at once", async () => {
    const project = await makeQuickstart((yaml) =>
      yaml
        .replace("task: t2v-A14B", "task: t2v")
        .replace("max_train_epochs: 4", "max_train_epochs: four")
        .replace("network_dim: 16", "network_dimm: 16"),
    );
    const plan = await project.plan(FILE);
    expect(plan.diagnostics.filter(({ severity }) => severity === "error").map(({ path }) => path)).toEqual(
      expect.arrayContaining(["task", "train.max_train_epochs", "train.network_dimm"]),
    );
    expect(plan.pipelines[0]).toMatchObject({ valid: false, stages: [] });
  });

  it("a folder that is not there is named", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("videos: quickstart/clips", "videos: quickstart/clip"));
    const { exitCode, stdout, stderr } = await project.run(["plan", FILE]);
    expect(exitCode).toBe(1);
    expectHelpful(stdout + stderr);
    expect(stdout + stderr).toContain("pipelines/quickstart/clip");
  });

  it("a pipeline file that is not there is a sentence, not a stack", async () => {
    const project = await makeQuickstart();
    const { exitCode, stdout, stderr } = await project.run(["plan", "pipelines/quickstrat.yaml"]);
    expect(exitCode).toBe(1);
    expectHelpful(stdout + stderr);
    expect(stdout + stderr).toContain("quickstart.yaml");
  });

  it("without Python nothing starts, and the way out is said", async () => {
    const project = await makeQuickstart();
    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"], {
      environment: { PATH: "/nonexistent" },
    });
    expect(exitCode).not.toBe(0);
    expectHelpful(stdout + stderr);
    expect(stdout + stderr).toContain("trainer.python");
    expect(await project.list("output")).toEqual([]);
  });

  it("a Python that ends at once, or is too old, is told by the plan, and nothing is started with it", async () => {
    const project = await makeQuickstart();
    await project.write("old/python3", '#!/bin/sh\necho "Fatal Python error: init_fs_encoding" >&2\nexit 1\n');
    await chmod(project.path("old/python3"), 0o755);
    const environment = { PATH: `${project.path("old")}:${process.env.PATH}` };
    const plan = await project.run(["plan", FILE], { environment });
    expect([plan.exitCode, plan.stdout]).toEqual([0, expect.stringContaining("warning[M10]")]);
    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"], { environment });
    expect(exitCode).toBe(6);
    expectHelpful(stdout + stderr);
    expect(stderr).toContain("error[A13]");
    expect(stderr).toContain("init_fs_encoding");
    expect(stderr).toContain("trainer.python");
    expect(await project.list(".wan22/runs")).toEqual([]);

    await project.write("old/python3", "#!/bin/sh\necho 3.8.10\n");
    const old = await project.run(["apply", FILE, "--auto-approve"], { environment });
    expect([old.exitCode, old.stderr]).toEqual([6, expect.stringContaining("error[A12]")]);
    expect(await project.list(".wan22/runs")).toEqual([]);
  });

  it("a state folder that can't be made is an error that names it", async () => {
    const project = await makeQuickstart();
    // Root may write into read-only folders; nobody can make a folder below a file.
    await project.write(".wan22", "a file in the way");
    const planned = await project.run(["plan", FILE]);
    expect(planned.exitCode).toBe(1);
    expect(planned.stderr + planned.stdout).toContain("`state_dir` is .wan22, a folder that cannot be made");
    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).toBe(1);
    expectHelpful(stdout + stderr);
    expect(stdout + stderr).toContain(".wan22");
  });

  it("an output folder that can't be written to fails the stage with that reason, and loses nothing", async () => {
    const project = await makeQuickstart();
    await mkdir(project.path("output"));
    await symlink("/proc/nowhere", project.path("output/quickstart"));
    const { exitCode, stdout, stderr } = await project.run(["apply", FILE, "--auto-approve"]);
    expect(exitCode).not.toBe(0);
    expectHelpful(stdout + stderr);
    await rm(project.path("output/quickstart"));
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
  });

  it("a command to copy works where the user stands, as it was started", async () => {
    const project = await makeQuickstart();
    expect((await project.run(["plan", FILE])).stdout).toContain(`Apply it with: wan22 apply ${FILE}`);
    const folder = project.path("pipelines/quickstart");
    const below = await project.run(["plan"], {
      folder,
      environment: { npm_command: "exec", npm_config_local_prefix: project.folder },
    });
    expect(below.stdout).toContain("Apply it with: npx wan22 apply ../quickstart.yaml");
    await project.write("my fox's.yaml", (await project.read(FILE)).replace("quickstart/", "pipelines/quickstart/"));
    const again = await project.run(["plan", "my fox's.yaml", "--replace", "train"]);
    expect(again.stdout).toContain("Apply it with: wan22 apply --replace train 'my fox'\\''s.yaml'");
    // Inside apply the question is all there is to answer.
    expect((await project.run(["apply", FILE])).stdout).not.toContain("Apply it with");
  });

  it("validate says once how many findings there are, and the folder beside a pipeline is not taken for it", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("network_dim", "network_dimm"));
    const { stdout, stderr } = await project.run(["validate", FILE]);
    expect(`${stdout}${stderr}`.match(/1 error/g)).toHaveLength(1);
    const named = await project.run(["plan", "pipelines/quickstart"]);
    expect(named.stdout).toContain("Did you mean pipelines/quickstart.yaml?");
  });

  it("Ctrl-C in the middle saves a training state, and the same command goes on from there", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 30"));
    const running = startCommand(project.folder, ["apply", FILE, "--auto-approve", "--format", "json"]);
    let stopped = false;
    for await (const line of running) {
      const event = JSON.parse(String(line));
      if (!stopped && event.type === "trainer" && event.event.type === "step" && event.event.step > 30) {
        stopped = true;
        running.kill("SIGINT");
      }
    }
    const { exitCode, stderr } = await running;
    expect(exitCode).toBe(85);
    expect(stderr).toContain(`wan22 apply ${FILE}`);
    const state = stateSchema.parse(JSON.parse(await project.read(".wan22/state/quickstart.json")));
    expect(state.stages.train?.status).toBe("stopped");
    const done = state.stages.train?.done_steps ?? 0;
    expect(done).toBeGreaterThan(30);

    const [planned] = (await project.plan(FILE)).pipelines;
    expect(planned?.stages[2]).toMatchObject({ action: "resume", done_steps: done });
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);

    const undisturbed = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 30"));
    expect((await undisturbed.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    const outputs = await undisturbed.list("output/quickstart");
    expect(await project.list("output/quickstart")).toEqual(outputs);
    for (const name of outputs.filter((output) => output.endsWith(".safetensors"))) {
      expect(await project.read(`output/quickstart/${name}`)).toBe(await undisturbed.read(`output/quickstart/${name}`));
    }
  });

  it("two applies at once: one trains, the other says who does", async () => {
    const project = await makeQuickstart();
    const results = await Promise.all([1, 2, 3].map(() => project.run(["apply", FILE, "--auto-approve"])));
    const codes = results.map(({ exitCode }) => exitCode).sort();
    expect(codes.filter((code) => code === 0).length).toBeGreaterThan(0);
    for (const { exitCode, stderr } of results) {
      if (exitCode === 0) continue;
      expect(exitCode).toBe(4);
      expect(stderr).toMatch(/process\s+\d+/);
    }
  });

  it("one pipeline that is wrong costs the others nothing", async () => {
    const project = await makeQuickstart();
    const good = await project.read(FILE);
    await project.write("pipelines/bad.yaml", good.replace("name: quickstart", "name: bad\nnonsense: 1"));
    const { exitCode } = await project.run(["apply", "pipelines/bad.yaml", FILE, "--auto-approve"]);
    expect(exitCode).toBe(1);
    expect(await project.list("output/quickstart")).toContain("quickstart.safetensors");
  });

  it("one pipeline that another apply is at work on costs the others nothing", async () => {
    const project = await makeQuickstart();
    const yaml = await project.read(FILE);
    const other = yaml.replace("name: quickstart", "name: other").replace("output/quickstart", "output/other");
    await project.write("pipelines/other.yaml", other);
    // As a machine leaves it that shares the disk.
    const owner = { version: 1, who: "ann", host: "elsewhere", pid: 7, boot_id: "b", start_time: "1", since: "today" };
    await project.write(".wan22/state/quickstart.lock", JSON.stringify(owner));
    const { exitCode, stderr } = await project.run(["apply", "--auto-approve"]);
    expect(exitCode).toBe(4);
    expect(stderr).toContain("ann on elsewhere");
    expect(await project.list("output/quickstart")).toEqual([]);
    expect(await project.list("output/other")).toContain("other.safetensors");
    expect(await project.list(".wan22/state")).toEqual(expect.arrayContaining(["other.json", "quickstart.lock"]));
    expect(await project.list(".wan22/state")).not.toContain("other.lock");
  });

  it("the same name or the same output in two files is an error that names both", async () => {
    const project = await makeQuickstart();
    await project.write("pipelines/copy.yaml", await project.read(FILE));
    const plan = await project.plan();
    const errors = plan.diagnostics.filter(({ severity }) => severity === "error");
    expect(errors.map(({ code }) => code)).toEqual(expect.arrayContaining(["P30", "P31"]));
    for (const { message } of errors) {
      expect(message).toContain("copy.yaml");
      expect(message).toContain("quickstart.yaml");
    }
  });

  it("one output is told by where its folder really lies, and by names that come of others", async () => {
    const project = await makeQuickstart();
    await mkdir(project.path("output/quickstart"), { recursive: true });
    await symlink("quickstart", project.path("output/link"));
    const writes = async (pipeline: string, output: string) => {
      const yaml = (await project.read(FILE)).replace("name: quickstart", `name: ${pipeline}`);
      await project.write(`pipelines/${pipeline}.yaml`, yaml.replace("dir: ../output/quickstart", output));
    };
    await writes("linked", "dir: ../output/link\n  name: quickstart");
    await writes("numbered", "dir: ../output/quickstart\n  name: quickstart-000002");
    await writes("other", "dir: ../output/quickstart\n  name: other");
    const { diagnostics } = await project.plan();
    const clashes = diagnostics.filter(({ code }) => code === "P31");
    expect(clashes.map(({ file }) => file)).toEqual(["pipelines/numbered.yaml", "pipelines/quickstart.yaml"]);
    expect(clashes[1]?.message).toContain(
      "write `output/link/quickstart` and `output/quickstart/quickstart`, which meet. ",
    );
  });

  it("what a plan would archive of another pipeline is told with whose it is", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));
    expect((await project.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await symlink("quickstart", project.path("output/link"));
    const yaml = (await project.read(FILE)).replace("name: quickstart", "name: bee");
    await project.write(
      "pipelines/bee.yaml",
      yaml.replace("dir: ../output/quickstart", "dir: ../output/link\n  name: quickstart"),
    );
    const { diagnostics } = await project.plan("pipelines/bee.yaml");
    expect(diagnostics).toMatchObject([{ code: "P85", severity: "warning", file: "pipelines/bee.yaml" }]);
    expect(diagnostics[0]?.message).toMatch(
      /files that bee would archive are quickstart's by its record: .*quickstart\.safetensors/,
    );
  });

  it("an unknown command or option suggests the right one", async () => {
    const project = await makeProject();
    expect(await project.run(["plam"])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("plan") });
    expect(await project.run(["plan", "--formt", "json"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("--format"),
    });
  });

  it("explains parameters, diagnostics and what is left out", async () => {
    const project = await makeProject();
    expect((await project.run(["explain", "network_dim"])).stdout).toContain("manual's range");
    expect((await project.run(["explain", "t1"])).stdout).toContain("mixed_precision");
    expect((await project.run(["explain", "--dim_from_weights"])).stdout).toContain("TypeError");
    // What a plan or a pipeline file calls a thing is what can be asked for.
    expect((await project.run(["explain", "cache-latents.vae_cache_cpu"])).stdout).toContain("vae_cache_cpu (under");
    expect((await project.run(["explain", "network_dim"])).stdout).toContain("≤20 files: 16 to 24");
    expect((await project.run(["explain", "dataset.sources.0.target_frames"])).stdout).toContain("multiple of 4");
    expect((await project.run(["explain", "noise"])).stdout).toContain(
      "What is in Chinese is the manual's own wording",
    );
    expect((await project.run(["explain", "strategy"])).stdout).not.toContain("Chinese");
    expect((await project.run(["explain", "noise"])).stdout).toMatch(/takes +dual, low, high, separate/);
    expect(await project.run(["explain", "netwrk_dim"])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("network_dim"),
    });
  });
});

describe("templates and presets of one's own", () => {
  const project = async (files: Readonly<Record<string, string>>) => {
    const made = await makeQuickstart();
    await made.write("wan22.yaml", "templates: own\n");
    for (const [name, text] of Object.entries(files)) await made.write(`own/${name}`, text);
    return made;
  };

  it("a template that changes the form is used, one that changes the meaning is refused", async () => {
    const { repository } = await import("../rig/project.ts");
    const { readFile } = await import("node:fs/promises");
    const builtIn = await readFile(`${repository}/templates/dataset.toml.hbs`, "utf8");
    const same = await project({ "dataset.toml.hbs": `# of our own\n${builtIn}` });
    const [planned] = (await same.plan(FILE)).pipelines;
    expect(planned?.stages[0]?.files["dataset.toml"]).toContain("# of our own");

    const other = await project({ "dataset.toml.hbs": `${builtIn}\n[extra]\nkey = 1\n` });
    const plan = await other.plan(FILE);
    expect(plan.pipelines[0]?.valid).toBe(false);
    expect(plan.diagnostics.map(({ message }) => message).join()).toContain("extra");
  });

  it("a preset of one's own counts, and a mistake in it is shown in its own line", async () => {
    const { repository } = await import("../rig/project.ts");
    const { readFile } = await import("node:fs/promises");
    const builtIn = await readFile(`${repository}/templates/presets/defaults.yaml`, "utf8");
    const wrong = await project({
      "presets/defaults.yaml": builtIn.replace("optimizer_type:", "optimizer_tipe:"),
    });
    const plan = await wrong.plan(FILE);
    expect(plan.pipelines[0]?.valid).toBe(false);
    expect(plan.diagnostics[0]).toMatchObject({ file: "own/presets/defaults.yaml" });
    expect(plan.diagnostics[0]?.message).toContain("optimizer_type");
  });
});
