import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { type Provenance, provenanceSchema } from "../../src/core/provenance/record.ts";
import { statementSchema } from "../../src/core/provenance/statement.ts";
import { verificationSchema } from "../../src/core/provenance/verification.ts";
import { makeGitQuickstart } from "../rig/git-project.ts";
import type { Project } from "../rig/project.ts";

/** What a run is known to be made from, with a real history and the rehearsal trainer. */

const PIPELINE = "pipelines/quickstart.yaml";
const LAST = "output/quickstart/quickstart.safetensors";
/** Two epochs: what is tried here is no training. */
const short = (yaml: string) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2");

async function train(project: Project, environment = {}): Promise<Provenance> {
  const { exitCode, stderr } = await project.run(["apply", "--auto-approve", PIPELINE], { environment });
  expect(stderr).toBe("");
  expect(exitCode).toBe(0);
  return recordOf(project);
}

/** Of the newest run. */
async function recordOf(project: Project): Promise<Provenance> {
  const found = (await project.list(".wan22/runs")).filter((name) => name.endsWith("/provenance.json"));
  return provenanceSchema.parse(JSON.parse(await project.read(`.wan22/runs/${found.at(-1)}`)));
}

async function verify(project: Project, ...words: readonly string[]) {
  const { exitCode, stdout } = await project.run(["verify", "--format", "json", ...words]);
  const verification = verificationSchema.parse(JSON.parse(stdout));
  const findings = verification.files.flatMap(({ findings }) => findings);
  const others = findings.filter(({ verdict }) => verdict !== "proved");
  return {
    exitCode,
    files: verification.files,
    findings,
    others: others.map(({ about, verdict }) => [about, verdict]),
  };
}

it("a run of a committed pipeline records what it was made from, and proves what it made", async () => {
  const project = await makeGitQuickstart(short);
  await project.git("remote", "add", "origin", "https://ada:s3cret@example.com/lora.git");
  const record = await train(project, { HF_TOKEN: "hf_verysecret" });
  const text = JSON.stringify(record);

  expect(record.source).toEqual({
    commit: await project.git("rev-parse", "HEAD"),
    project: ".",
    remote: "https://***@example.com/lora.git",
    changed: [],
    changed_count: 0,
  });
  expect(record.texts).toEqual([{ file: PIPELINE, sha256: expect.any(String), commit: "same" }]);
  expect(Object.keys(record.made_from.dataset)).toHaveLength(8);
  expect(record.stages.map(({ id, seed }) => [id, seed])).toEqual([
    ["cache-latents", undefined],
    ["cache-text", undefined],
    ["train", 42],
  ]);
  expect(record.stages[2]?.environment).toContain("HF_TOKEN");
  expect(text).not.toMatch(/verysecret|s3cret/);
  expect(record.outputs.map(({ file, epoch }) => [file, epoch])).toEqual([
    ["output/quickstart/quickstart-000001.safetensors", 1],
    [LAST, 2],
  ]);

  const statement = statementSchema.parse(JSON.parse(await project.read(`${LAST}.intoto.json`)));
  expect(statement.subject).toEqual([
    { name: "quickstart.safetensors", digest: { sha256: record.outputs[1]?.sha256 } },
  ]);
  expect(statement.predicate.buildDefinition.resolvedDependencies[0]).toEqual({
    name: "source",
    uri: "git+https://***@example.com/lora.git",
    digest: { gitCommit: record.source?.commit },
  });

  // All outputs of the run, and one file of it.
  const all = await verify(project, record.run);
  expect(all).toMatchObject({ exitCode: 0, others: [] });
  expect(all.files).toHaveLength(2);
  expect(await verify(project, LAST)).toMatchObject({ exitCode: 0, others: [] });

  // A renamed file is known by its bytes.
  await copyFile(project.path(LAST), project.path("output/fox.safetensors"));
  await copyFile(project.path(`${LAST}.intoto.json`), project.path("output/fox.safetensors.intoto.json"));
  const renamed = await verify(project, "output/fox.safetensors");
  expect(renamed).toMatchObject({ exitCode: 0, others: [] });
  expect(renamed.findings.map(({ text }) => text)).toContain(
    "The run called it quickstart.safetensors; it was renamed since.",
  );

  // A statement that somebody wrote on.
  const file = project.path("output/fox.safetensors.intoto.json");
  await writeFile(file, (await readFile(file, "utf8")).replace(/"gitCommit": ".{4}/, '"gitCommit": "0000'));
  const edited = await verify(project, "output/fox.safetensors");
  expect(edited).toMatchObject({ exitCode: 1, others: [["statement", "refuted"]] });
  expect(edited.findings.map(({ text }) => text).join()).toContain("resolvedDependencies.0.digest.gitCommit");

  // A byte of a tensor.
  const bytes = await readFile(project.path(LAST));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(project.path(LAST), bytes);
  expect(await verify(project, LAST)).toMatchObject({ exitCode: 1, others: [["bytes", "refuted"]] });
  const human = await project.run(["verify", LAST]);
  expect(human.stdout).toContain("wrote other bytes under this");
  expect(human.stdout).toContain("Not all of it is proved.");

  // Nobody's.
  await writeFile(project.path("output/other.safetensors"), bytes);
  expect(await verify(project, "output/other.safetensors")).toMatchObject({
    exitCode: 1,
    others: [["bytes", "refuted"]],
  });
  expect((await project.run(["verify", "20200101T000000Z-fox-0000"])).stderr).toContain("E1");
  const half = await project.run(["verify", LAST, "output/none.safetensors"]);
  expect([half.exitCode, half.stdout.trimEnd().split("\n").at(-1)]).toEqual([1, "Not all of it is proved."]);
  expect((await project.run(["verify", "/dev/null"])).stderr).toContain("is a pipe or a device");

  // What is no checkpoint is said to be none, with what to name instead.
  for (const [named, instead] of [
    [`${LAST}.intoto.json`, `wan22 verify ${LAST}`],
    ["output/quickstart", "wan22 verify output/quickstart/*.safetensors"],
    ["output/quickstart/quickstart-state", "is a training state"],
  ] as const) {
    const { exitCode, stderr } = await project.run(["verify", named]);
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("error[A111]")]);
    expect(stderr.replace(/\s+/g, " ")).toContain(instead);
  }

  // Its record is cut short: the journal still tells whose the bytes are.
  await writeFile(project.path(`.wan22/runs/${record.run}/provenance.json`), "{");
  const journalled = await verify(project, "output/quickstart/quickstart-000001.safetensors");
  expect(journalled.others).toEqual([["bytes", "unknown"]]);
  expect(journalled.findings[0]?.text).toContain(`By its journal run ${record.run} wrote these bytes`);
  const unread = (await project.run(["verify", record.run])).stderr;
  expect(unread.replace(/\s+/g, " ")).toContain("Its provenance.json can't be read");

  // The run is cleared away: the statement is all that is left.
  await rm(project.path(`.wan22/runs/${record.run}`), { recursive: true });
  expect(await verify(project, "output/quickstart/quickstart-000001.safetensors")).toMatchObject({
    exitCode: 1,
    others: [["bytes", "unknown"]],
  });
});

it("a run of what was not committed belongs to it, and the commit alone does not make it", async () => {
  const project = await makeGitQuickstart(short);
  await project.write(PIPELINE, `${await project.read(PIPELINE)}# an afterthought\n`);
  const { source, texts } = await train(project);

  expect(source?.changed).toEqual([{ file: PIPELINE, kind: "tracked", sha256: texts[0]?.sha256 }]);
  expect(texts[0]?.commit).toBe("differs");
  const { exitCode, others, findings } = await verify(project, LAST);
  expect([exitCode, others]).toEqual([1, [["source", "refuted"]]]);
  expect(findings.map(({ text }) => text).join()).toContain(`${PIPELINE} differed from it`);

  // The commit is given up for another one, and then removed.
  await project.git("checkout", "--quiet", "--orphan", "anew");
  await project.commit("anew");
  await project.git("branch", "--delete", "--force", "main");
  expect((await verify(project, LAST)).others).toEqual([
    ["commit", "unknown"],
    ["source", "refuted"],
  ]);
  await project.git("reflog", "expire", "--expire=now", "--all");
  await project.git("gc", "--quiet", "--prune=now");
  const gone = await verify(project, LAST);
  expect(gone.findings.map(({ text }) => text).join()).toContain("is not in this repository");
});

it("a run is made again from its commit, in the same bytes, and what has changed since is said", async () => {
  const project = await makeGitQuickstart(short);
  // Clips that Git does not keep.
  await project.write(".gitignore", `${await project.read(".gitignore")}clips/\n`);
  await project.git("rm", "--quiet", "-r", "--cached", "pipelines/quickstart/clips");
  await project.commit("leave the clips out");
  const { run, outputs } = await train(project);
  await project.write(PIPELINE, (await project.read(PIPELINE)).replace("network_dim: 16", "network_dim: 8"));
  await project.commit("smaller");
  const before = await everything(project);

  const again = await project.run(["rerun", "--apply", "--auto-approve", run]);
  expect(again.stderr).toBe("");
  expect(again.stdout).toContain("Everything that it was made from is the same.");
  expect(again.stdout).toContain(`All ${outputs.length} checkpoints of run ${run}: the same bytes.`);
  expect(again.exitCode).toBe(0);
  // Nothing of the project was touched, and the tree is gone.
  expect(await everything(project)).toEqual(before);
  expect((await project.git("worktree", "list")).split("\n")).toHaveLength(1);

  const caption = "pipelines/quickstart/clips/04-life.txt";
  await project.write(caption, "something else");
  const moved = await project.run(["rerun", run]);
  expect(moved.stdout).toContain("something else comes of it:\n  clip 0/04-life: caption changed");
  expect(moved.exitCode).toBe(1);

  await project.git("checkout", "--quiet", "--orphan", "anew");
  await project.commit("anew");
  await project.git("branch", "--delete", "--force", "main");
  await project.git("reflog", "expire", "--expire=now", "--all");
  await project.git("gc", "--quiet", "--prune=now");
  expect((await project.run(["rerun", run])).stderr).toContain("E3");
});

it("a statement goes where its checkpoint goes: to its epoch's name, away with it, and into an archive", async () => {
  const project = await makeGitQuickstart((yaml) =>
    short(yaml).replace("  network_dim: 16", "  network_dim: 16\n  save_last_n_epochs: 2"),
  );
  const statements = async () => (await project.list("output")).filter((file) => file.endsWith(".intoto.json"));
  const longer = async (epochs: number) => {
    const yaml = await project.read(PIPELINE);
    await project.write(PIPELINE, yaml.replace(/max_train_epochs: \d/, `max_train_epochs: ${epochs}`));
    await project.commit(`${epochs} epochs`);
    return train(project);
  };
  const first = await train(project);
  const second = await longer(3);
  expect(second.stages.map(({ goes_on_from }) => goes_on_from)).toEqual([
    { training_state: "output/quickstart/quickstart-000002-state", run: first.run },
  ]);
  expect(await statements()).toEqual([
    "quickstart/quickstart-000002.safetensors.intoto.json",
    "quickstart/quickstart.safetensors.intoto.json",
  ]);
  // Where it was moved to its statement says what the first run recorded.
  expect((await verify(project, "output/quickstart/quickstart-000002.safetensors")).others).toEqual([]);

  // Retention takes epoch 2 when epoch 4 is saved.
  await longer(5);
  expect(await statements()).toEqual([
    "quickstart/quickstart-000003.safetensors.intoto.json",
    "quickstart/quickstart.safetensors.intoto.json",
  ]);

  const { run } = await recordOf(project);
  const { exitCode } = await project.run(["apply", "--replace", "train", "--auto-approve", PIPELINE]);
  expect(exitCode).toBe(0);
  const moved = (await statements()).filter((file) => file.includes("archive/"));
  expect(moved).toHaveLength(2);
  const archived = await verify(project, run);
  expect(archived.others).toEqual([]);
  expect(archived.files.every(({ file }) => file.includes("/archive/"))).toBe(true);
});

it("a checkpoint of which two runs wrote the same bytes belongs to the one whose place it has", async () => {
  const project = await makeGitQuickstart(short);
  const first = await train(project);
  const { exitCode } = await project.run(["apply", "--replace", "train", "--auto-approve", PIPELINE]);
  expect(exitCode).toBe(0);
  const second = await recordOf(project);
  const digests = ({ outputs }: Provenance) => outputs.map(({ sha256 }) => sha256);
  expect(digests(second)).toEqual(digests(first));

  const archive = `output/quickstart/archive/${second.run}`;
  for (const name of ["quickstart.safetensors", "quickstart-000001.safetensors"]) {
    const archived = await verify(project, `${archive}/${name}`);
    expect(archived.others).toEqual([]);
    expect(archived.files.map(({ run }) => run)).toEqual([first.run]);
    const now = await verify(project, `output/quickstart/${name}`);
    expect(now.others).toEqual([]);
    expect(now.files.map(({ run }) => run)).toEqual([second.run]);
  }
  // Elsewhere, with its statement, it is still known whose it is.
  const [from, to] = [`${archive}/quickstart.safetensors`, "copy.safetensors"];
  await copyFile(project.path(from), project.path(to));
  await copyFile(project.path(`${from}.intoto.json`), project.path(`${to}.intoto.json`));
  expect((await verify(project, "copy.safetensors")).files.map(({ run }) => run)).toEqual([first.run]);
});

/** Every file but Git's own and the index of the clips, with its text. */
async function everything(project: Project): Promise<ReadonlyMap<string, string>> {
  const files = (await project.list(".")).filter((file) => !file.startsWith(".git/") && !file.includes("/index/"));
  return new Map(await Promise.all(files.map(async (file) => [file, await project.read(file)] as const)));
}

it("the same bytes of two runs belong to the one that the statement beside them names", async () => {
  const project = await makeGitQuickstart(short);
  const first = await train(project);
  await project.run(["apply", "--auto-approve", "--replace", "train", PIPELINE]);
  const second = await recordOf(project);
  expect(second.outputs.at(-1)?.sha256).toBe(first.outputs.at(-1)?.sha256);
  const archived = `output/quickstart/archive/${second.run}/quickstart.safetensors`;

  expect((await verify(project, archived, LAST)).files).toMatchObject([{ run: first.run }, { run: second.run }]);
  expect(await verify(project, archived, LAST)).toMatchObject({ exitCode: 0, others: [] });

  await rm(project.path(`.wan22/runs/${first.run}`), { recursive: true });

  const { exitCode, findings, others } = await verify(project, archived);
  expect({ exitCode, others }).toEqual({ exitCode: 1, others: [["statement", "unknown"]] });
  expect(findings.find(({ about }) => about === "statement")?.text).toBe(
    `The statement beside it says that run ${first.run} wrote these same bytes; that run was cleared away or is of another project, so that nothing here bears it out.`,
  );
});
