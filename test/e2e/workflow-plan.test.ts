// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type GitProject, makeGitProject, makeGitQuickstart } from "../rig/git-project.ts";
import { runStep } from "../rig/workflow-step.ts";

/** The jobs on a hosted runner: wan22 built from a commit that somebody looked at, and a pull request planned by it. */

const SECRET = "ghp_thisMustNeverBeSeen";

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-job-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("wan22 for a workflow", () => {
  const lock = {
    name: "wan22",
    version: "1.0.0",
    lockfileVersion: 3,
    packages: { "": { name: "wan22", version: "1.0.0" } },
  };
  const scripts = { preinstall: "touch ran", postinstall: "touch ran", prepare: "touch ran" };
  const build =
    'import { mkdirSync, writeFileSync } from "node:fs";\nmkdirSync("dist");\nwriteFileSync("dist/wan22.js", "");\n';

  const makeSource = () =>
    makeGitProject({
      "package.json": JSON.stringify({ name: "wan22", version: "1.0.0", scripts }),
      "package-lock.json": JSON.stringify(lock),
      "scripts/build.mjs": build,
    });

  it("is built once for each commit, with no script of a package run", async () => {
    const source = await makeSource();
    const commit = await source.git("rev-parse", "HEAD");
    const tools = await makeFolder();
    const variables = { SOURCE: source.folder, COMMIT: commit, TOOLS: tools };
    const first = await runStep("install-wan22", variables);
    expect(first.exitCode, first.log).toBe(0);
    expect(first.outputs).toEqual({ command: join(tools, "wan22", commit, "dist/wan22.js") });
    expect((await readdir(join(tools, "wan22", commit))).sort()).not.toContain("ran");

    await source.write("dist/wan22.js", "of the checkout");
    expect((await runStep("install-wan22", variables)).outputs).toEqual(first.outputs);
    expect(await readFile(first.outputs.command ?? "", "utf8")).toBe("");
    expect(await readdir(join(tools, "wan22"))).toEqual([commit]);
  });

  it("comes from a full commit, and from that alone", async () => {
    const source = await makeSource();
    const tools = await makeFolder();
    const variables = { SOURCE: source.folder, TOOLS: tools };
    const moving = await runStep("install-wan22", { ...variables, COMMIT: "main" });
    expect(moving).toMatchObject({
      exitCode: 1,
      log: expect.stringMatching(/^::error::wan22-ref is not a full commit/m),
    });
    const other = await runStep("install-wan22", { ...variables, COMMIT: "a".repeat(40) });
    expect(other).toMatchObject({ exitCode: 1, log: expect.stringContaining("is not at aaaa") });
    expect(await readdir(tools)).toEqual([]);
  });
});

/** The checkout of a pull request against `main`, as GitHub merges the two. */
async function merged(project: GitProject): Promise<string> {
  await project.commit("change");
  await project.git("switch", "--quiet", "main");
  await project.git("merge", "--quiet", "--no-ff", "--no-edit", "change");
  await project.git("update-ref", "refs/remotes/origin/main", "main^1");
  return project.folder;
}

async function planChange(project: GitProject, environment: Readonly<Record<string, string>> = {}) {
  const comment = join(await makeFolder(), "plan/plan.md");
  const variables = { PROJECT: await merged(project), BASE: "origin/main", COMMENT: comment, ...environment };
  const result = await runStep("plan-change", variables);
  return { ...result, comment: existsSync(comment) ? await readFile(comment, "utf8") : undefined };
}

describe("the plan of a pull request", () => {
  it("is a comment, a summary, and a job that ends well", async () => {
    const project = await makeGitQuickstart();
    await project.git("switch", "--quiet", "--create", "change");
    const yaml = await project.read("pipelines/quickstart.yaml");
    await project.write("pipelines/quickstart.yaml", yaml.replace("dim: 16", "dim: 32"));
    const { exitCode, comment, summary } = await planChange(project);
    expect(exitCode).toBe(0);
    expect(comment).toContain("network_dim 16 → 32");
    expect(summary).toBe(comment);
  });

  it("fails where there can be none, or where the policy isn't kept, and says so in the comment too", async () => {
    const project = await makeGitQuickstart();
    await project.git("switch", "--quiet", "--create", "change");
    const yaml = await project.read("pipelines/quickstart.yaml");
    await project.write("pipelines/quickstart.yaml", yaml.replace("network_dim", "network_dmi"));
    const broken = await planChange(project);
    expect(broken).toMatchObject({ exitCode: 1, comment: expect.stringContaining("network_dmi") });
    expect(broken.log).toMatch(/^::error file=pipelines\/quickstart\.yaml,line=17/m);

    const ruled = await makeGitQuickstart();
    await ruled.write("wan22.yaml", "version: 1\npolicy: { tasks: [i2v-A14B] }\n");
    await ruled.commit("policy");
    await ruled.git("switch", "--quiet", "--create", "change");
    await ruled.write("pipelines/quickstart.yaml", yaml.replace("dim: 16", "dim: 32"));
    const refused = await planChange(ruled);
    expect(refused).toMatchObject({ exitCode: 5, log: expect.stringContaining("::error::The policy in wan22.yaml") });
  });

  it("runs nothing that a pull request brings along, and tells it nothing", async () => {
    const project = await makeGitQuickstart();
    await project.git("switch", "--quiet", "--create", "change");
    const ran = join(await makeFolder(), "ran");
    const evil = `#!/bin/sh\ntouch '${ran}'\n`;
    const programs = [
      "node_modules/.bin/wan22",
      "node_modules/.bin/node",
      "tools/python",
      "dist/wan22.js",
      ".githooks/post-checkout",
    ];
    for (const name of programs) {
      await project.write(name, evil);
      await chmod(project.path(name), 0o755);
    }
    const hooks = Object.fromEntries(["preinstall", "install", "postinstall", "prepare"].map((name) => [name, evil]));
    await project.write("package.json", JSON.stringify({ name: "wan22", scripts: hooks }));
    await project.write(".npmrc", "script-shell=./tools/python\nnode-options=--import=./evil.mjs\n");
    await project.write(
      "evil.mjs",
      `import { writeFileSync } from "node:fs";\nwriteFileSync(${JSON.stringify(ran)}, "");\n`,
    );
    await project.write("sitecustomize.py", `open(${JSON.stringify(ran)}, "w")\n`);
    await project.write(".gitmodules", `[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% ${ran}\n`);
    await project.write(".github/scripts/plan-change.sh", evil);
    await project.write("wan22.yaml", "version: 1\ntemplates: templates\ntrainer: { python: tools/python }\n");
    await project.write("templates/train.args.hbs", "--vae {{lookup (lookup this 'constructor') 'constructor'}}\n");
    const yaml = await project.read("pipelines/quickstart.yaml");
    await project.write("pipelines/quickstart.yaml", yaml.replace("../output/quickstart", "../output/${GH_TOKEN}"));
    await project.write("pipelines/quickstart.lock.json", '{"version": 1, "$(touch ran)": "`id`"}');
    // A line of its own in what a step prints would be a command to the runner.
    await project.write("pipelines/a\n::add-path::tools\nb.yaml", `name: "x\\n::set-env name=PATH::tools"\n`);
    await project.write("pipelines/$(touch ran);`touch ran`.yaml", "name: [::stop-commands::x]\n");
    const { log, comment, summary } = await planChange(project, { GH_TOKEN: SECRET });
    expect(existsSync(ran)).toBe(false);
    expect(existsSync(project.path("ran"))).toBe(false);
    expect([log, comment, summary].join("\n")).not.toContain(SECRET);
    for (const [line] of log.matchAll(/^\s*::.*$/gm)) expect(line).toMatch(/^::(error|warning|notice) ?[^\n]*::/);
    expect(comment?.match(/<!--/g)).toHaveLength(1);
  });
});

describe("the pipelines of a push", () => {
  it("are those that it touches, or all where what was before is gone", async () => {
    const project = await makeGitQuickstart();
    const before = await project.git("rev-parse", "HEAD");
    const yaml = await project.read("pipelines/quickstart.yaml");
    await project.write(
      "pipelines/new.yaml",
      yaml.replace("name: quickstart", "name: new").replace("output/q", "output/n"),
    );
    await project.commit("new");
    const list = async (since: string) => {
      const { outputs, exitCode } = await runStep("list-pipelines", { PROJECT: project.folder, SINCE: since });
      expect(exitCode).toBe(0);
      return {
        any: outputs.any,
        names: JSON.parse(outputs.matrix ?? "").include.map(({ name }: { name: string }) => name),
      };
    };
    expect(await list(before)).toEqual({ any: "true", names: ["new"] });
    expect(await list(await project.git("rev-parse", "HEAD"))).toEqual({ any: "false", names: [] });
    for (const gone of ["", "0".repeat(40), "--output=x"]) {
      expect(await list(gone)).toEqual({ any: "true", names: ["new", "quickstart"] });
    }
  });
});
