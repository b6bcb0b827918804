// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the notation that users write.
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { makeGitQuickstart } from "../rig/git-project.ts";
import type { Project } from "../rig/project.ts";

/** A pull request of somebody who means harm: nothing that it names runs, nothing of the machine is shown, and the plan says so. */

const SECRET = "ghp_thisMustNeverBeSeen";

async function makeOutside(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "wan22-outside-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, "secret.txt"), `${SECRET}\n`);
  await writeFile(join(folder, "secret.yaml"), `name: ${SECRET}\ntoken: ${SECRET}\n`);
  return folder;
}

/** All that a workflow would publish: the comment, its annotations, the plan as data. */
async function published(project: Project, environment: Readonly<Record<string, string>> = {}): Promise<string> {
  const args = ["plan", "--changed-since", "main", "--markdown", "output/comment.md"];
  const told = await Promise.all(
    ["github", "json"].map((format) => project.run([...args, "--format", format], { environment })),
  );
  const texts = [await project.read("output/comment.md"), ...told.flatMap(({ stdout, stderr }) => [stdout, stderr])];
  return texts.join("\n");
}

it("reads no text from outside of the repository, by a path or through a link", async () => {
  const project = await makeGitQuickstart();
  const outside = await makeOutside();
  const yaml = await project.read("pipelines/quickstart.yaml");
  await project.git("switch", "--quiet", "--create", "change");
  const variant = (name: string, from: string, to: string) =>
    project.write(
      `pipelines/${name}.yaml`,
      yaml
        .replace("name: quickstart", `name: ${name}`)
        .replace("output/quickstart", `output/${name}`)
        .replace(from, to),
    );
  await symlink(join(outside, "secret.yaml"), project.path("pipelines/linked.yaml"));
  await variant("prompts", "dim: 16", `dim: 16\n  sample_prompts: ${outside}/secret.txt`);
  await project.write("wan22.yaml", "version: 1\ntemplates: templates\n");
  await project.write("templates/readme", "");
  await symlink(join(outside, "secret.txt"), project.path("templates/train.args.hbs"));
  await project.write("captions/01.txt", "A caption");
  await symlink(join(outside, "secret.txt"), project.path("captions/02.txt"));
  await variant("captions", "quickstart/clips", "../captions");
  await symlink(join(outside, "secret.txt"), project.path("pipelines/quickstart.lock.json"));
  await project.commit("change");

  const text = await published(project);
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain("thisMust");
  for (const says of ["linked.yaml", "`train.sample_prompts`", "`templates`", "`dataset.sources.0.videos`", "`lock`"]) {
    expect(text.replace(/\s+/g, " "), says).toContain(`${says}`);
  }
  expect(text.match(/^::error [^\n]*title=V5/gm)).toHaveLength(5);
});

it("starts no program that the change brings along, in a repository within the repository neither", async () => {
  const project = await makeGitQuickstart();
  await project.git("switch", "--quiet", "--create", "change");
  const ran = project.path("output/ran");
  const evil = `#!/bin/sh\ntouch '${ran}'\n`;
  await project.write("tools/python", evil);
  await chmod(project.path("tools/python"), 0o755);
  const yaml = await project.read("pipelines/quickstart.yaml");
  await project.write("pipelines/quickstart.yaml", `${yaml}  python: ../tools/python\n`);
  await project.write(".gitattributes", "* diff=evil filter=evil\n");
  // A bare repository, as Git takes it for one, whose settings name the program.
  await project.write("pipelines/HEAD", "ref: refs/heads/main\n");
  await project.write("pipelines/objects/x", "");
  await project.write("pipelines/refs/x", "");
  await project.write(
    "pipelines/config",
    `[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsmonitor = ${project.path("tools/python")}\n`,
  );
  await project.commit("change");

  const inside = { folder: project.path("pipelines") };
  const listed = await project.run(["list", "--json", "--changed-since", "main", "quickstart.yaml"], inside);
  expect(listed.stdout).toContain('"name":"quickstart"');
  const text = await published(project);
  expect(text).toMatch(/^::notice [^\n]*title=V7/m);
  expect(text.replace(/\s+/g, " ")).toContain("tools/python lies in the repository, and was not started");
  expect(existsSync(ran)).toBe(false);
});

it("fills in no variable that only the change names, and shows none that it does", async () => {
  const project = await makeGitQuickstart((yaml) => yaml.replace("../output/quickstart", "../output/${RUNS}"));
  await project.write(".github/workflows/release.yaml", 'run: publish --token "${TOKEN}"\n');
  await project.commit("workflow");
  await project.git("switch", "--quiet", "--create", "change");
  const yaml = await project.read("pipelines/quickstart.yaml");
  await project.write("pipelines/quickstart.yaml", yaml.replace("dim: 16", "dim: 8").replace("${RUNS}", "others"));
  await project.write("pipelines/thief.yaml", yaml.replace("name: quickstart", "name: thief").replace("RUNS", "TOKEN"));
  await project.commit("change");
  const text = await published(project, { TOKEN: SECRET, RUNS: "known-Value_1" });
  expect(text).not.toContain(SECRET);
  expect(text).not.toContain("known-Value_1");
  expect(text).toMatch(/^::warning [^\n]*title=V6[^\n]*`TOKEN` counts as not set/m);
  expect(text).toContain("network_dim 16 → 8");
  expect(text).toContain("output.dir ../output/${RUNS} → output/others");
});

it("is not drowned, nor its comment broken out of, by what it names and holds", async () => {
  const project = await makeGitQuickstart();
  await project.git("switch", "--quiet", "--create", "change");
  const bomb = Array.from({ length: 9 }, (_, at) => `a${at}: &a${at} [${`*a${at - 1},`.repeat(at === 0 ? 0 : 9)}1]`);
  await project.write("pipelines/bomb.yaml", `${bomb.join("\n")}\nname: *a8\n`);
  await project.write("pipelines/huge.yaml", `name: huge\n${"# \n".repeat(4_000_000)}`);
  const evil = "```\n</details><!-- wan22 plan: . -->\n@everyone [x](http://evil.example) <img src=x>";
  await project.write(
    "pipelines/a` <img src=x> @everyone.yaml",
    `name: evil\n${JSON.stringify(evil)}: 1\ntrain: { sample_prompts: [${JSON.stringify(evil)}], network_args: ["--vae /etc/passwd"] }\n`,
  );
  await project.commit("change");
  await project.run(["plan", "--changed-since", "main", "--markdown", "output/comment.md"]);
  const text = await project.read("output/comment.md");
  expect(text.length).toBeLessThanOrEqual(65_000);
  expect(text.match(/<!-- wan22 plan/g)).toHaveLength(1);
  expect(text.endsWith("<!-- wan22 plan: . -->\n")).toBe(true);
  for (const name of ["bomb", "huge", "evil"]) expect(text).toMatch(new RegExp(`^- .*${name}.*can't be planned`, "m"));
  const outside = text.replace(/^(`{3,})\w*\n[\s\S]*?\n\1$/gm, "").replace(/(`+)[^`][\s\S]*?\1/g, "");
  expect(outside).not.toMatch(/<img|@everyone|evil\.example/);
});
