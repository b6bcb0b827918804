import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApply } from "../rig/applying.ts";
import { makeQuickstart, openProject, type Project } from "../rig/project.ts";
import { copyTeam, makeTeamFolder, openTeam, type Team } from "../rig/team.ts";

/** Two machines that both train one pipeline, each with files of its own under the same names; their record is on a branch. */

const FILE = "pipelines/quickstart.yaml";
const APPLY = ["apply", FILE, "--auto-approve"];
const ANEW = ["cache-latents", "cache-text", "train"].flatMap((stage) => ["--replace", stage]);
const flat = (text: string) => text.replace(/\s+/g, " ");

const CAPTION = "pipelines/quickstart/clips/04-life.txt";
const BOBS_CAPTION = "A garden of cells, says Bob.";
const BOBS = { max_train_epochs: 2, network_dim: 8 };
const TEXT_CACHE = ".wan22/cache/quickstart/clips-c800bd9b/04-life_wan_te.safetensors";

/** Changes a line of the pipeline, whatever it says now. */
async function edit(project: Project, changes: Readonly<Record<string, string | number>>): Promise<void> {
  let yaml = await project.read(FILE);
  for (const [key, value] of Object.entries(changes)) yaml = yaml.replace(new RegExp(`${key}: .*`), `${key}: ${value}`);
  await project.write(FILE, yaml);
}

/** What each checkpoint in the output folder holds, by its name there. */
async function checkpointsOf(project: Project): Promise<ReadonlyMap<string, string>> {
  const files = (await project.list("output")).filter((file) =>
    /^quickstart\/(?:.*\/)?[^/]*\d?\.safetensors$/.test(file),
  );
  const own = files.filter((file) => !file.includes("-state/"));
  const hash = async (file: string) =>
    createHash("sha256")
      .update(await readFile(project.path(`output/${file}`)))
      .digest("hex");
  return new Map(await Promise.all(own.map(async (file) => [file, await hash(file)] as const)));
}

async function expectKept(before: ReadonlyMap<string, string>, project: Project): Promise<void> {
  const now = new Set((await checkpointsOf(project)).values());
  expect([...before].filter(([, digest]) => !now.has(digest)).map(([file]) => file)).toEqual([]);
}

/** Ann has trained 3 epochs; then Bob has put 2 of another rank, and with another caption, in their place, on his machine. */
let trained: string;
beforeAll(async () => {
  trained = await makeTeamFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 3"));
  expect((await openProject(`${trained}/ann`).run(APPLY)).exitCode).toBe(0);
  const bob = await openTeam(trained).clone("bob");
  await edit(bob, BOBS);
  await bob.write(CAPTION, BOBS_CAPTION);
  expect(await bob.run([...APPLY, ...ANEW])).toMatchObject({ exitCode: 0 });
});
afterAll(() => rm(trained, { recursive: true, force: true }));

async function copyBoth(): Promise<{ readonly team: Team; readonly ann: Project; readonly bob: Project }> {
  const { team, ann } = await copyTeam(trained);
  return { team, ann, bob: openProject(`${team.folder}/bob`) };
}

describe("files that the record in force does not tell of", () => {
  it("are archived where a training takes their names, as the plan says: those of this checkout beside another's record", async () => {
    const { ann } = await copyBoth();
    const before = await checkpointsOf(ann);
    expect(before.size).toBe(3);
    await edit(ann, { network_dim: 8 });
    const planned = await ann.run(["plan", FILE, "--format", "json", ...ANEW]);
    const train = JSON.parse(planned.stdout).pipelines[0].stages[2];
    expect(train.archive).toContain("output/quickstart/quickstart-000002.safetensors");
    expect(train.archive).toContain("output/quickstart/quickstart-000002-state");
    expect((await ann.run([...APPLY, ...ANEW])).exitCode).toBe(0);
    await expectKept(before, ann);
  });

  it("are archived where training goes on to their names: copied in before it was planned, and while it waited", async () => {
    const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));
    expect((await project.run(APPLY)).exitCode).toBe(0);
    await edit(project, { max_train_epochs: 5 });
    await project.write("output/quickstart/quickstart-000003.safetensors", "somebody's");
    const before = await checkpointsOf(project);
    const [pipeline] = (await project.plan(FILE)).pipelines;
    expect(pipeline?.stages[2]).toMatchObject({
      action: "extend",
      archive: ["output/quickstart/quickstart-000003.safetensors"],
    });
    const applying = startApply(project, FILE, { args: ["--replace", "cache-latents"] });
    await applying.until(({ type }) => type === "stage-started");
    await project.write("output/quickstart/quickstart-000004.safetensors", "somebody else's");
    expect(await applying.ended).toBe(0);
    const notes = applying.events.flatMap((event) => (event.type === "note" ? [event.text] : []));
    expect(flat(notes.join(" "))).toContain("quickstart-000004.safetensors");
    await expectKept(before, project);
    const kept = [...(await checkpointsOf(project)).keys()].filter((file) => file.includes("archive/"));
    expect(kept.map((file) => file.slice(file.lastIndexOf("/") + 1))).toEqual([
      "quickstart-000003.safetensors",
      "quickstart-000004.safetensors",
    ]);
  });
});

describe("files that another machine has made by the record, where others lie here under their names", () => {
  it("are no caches to train on: what this checkout made from something else is made again, whenever it is used", async () => {
    const { ann } = await copyBoth();
    await edit(ann, BOBS);
    await ann.write(CAPTION, BOBS_CAPTION);
    const stale = async () => {
      const { stdout } = await ann.run(["plan", FILE, "--format", "json", "--replace", "train"]);
      return JSON.parse(stdout).pipelines[0].stages[1];
    };
    // As long as nothing is trained here, nobody needs them.
    expect((await ann.plan(FILE)).changes).toBe(false);
    const planned = await stale();
    expect(planned).toMatchObject({ action: "update", pending: [TEXT_CACHE] });
    const reasons = planned.reasons.map(({ text }: { text: string }) => text);
    expect(reasons).toContain("caption of 1 clip changed: 04-life");
    expect(reasons.at(-1)).toContain("by the record");
    // Ann takes the record over, and leaves the captions for later.
    expect((await ann.run([...APPLY, "--only", "cache-latents", "--replace", "cache-latents"])).exitCode).toBe(0);
    expect((await stale()).pending).toContain(TEXT_CACHE);
    expect(await ann.read(TEXT_CACHE)).not.toContain(BOBS_CAPTION);
    expect((await ann.run([...APPLY, "--replace", "train"])).exitCode).toBe(0);
    expect(await ann.read(TEXT_CACHE)).toContain(BOBS_CAPTION);
    expect((await ann.plan(FILE)).changes).toBe(false);
  });

  it("are no training state to go on from: it is compared before any file is touched", async () => {
    const { team, ann } = await copyBoth();
    const [before, tip] = [await ann.list("output"), await team.git("rev-parse", "wan22-state")];
    await edit(ann, { ...BOBS, max_train_epochs: 3 });
    await ann.write(CAPTION, BOBS_CAPTION);
    const note = (await ann.plan(FILE)).diagnostics.find(({ code }) => code === "G6");
    expect(note).toMatchObject({ severity: "note" });
    expect(note?.detail).toContain("what lies there under its name is of another training");
    const refused = await ann.run(APPLY);
    expect([refused.exitCode, refused.stderr]).toEqual([1, expect.stringContaining("error[G6]")]);
    expect(await ann.list("output")).toEqual(before);
    expect(await team.git("rev-parse", "wan22-state")).toBe(tip);
  });
});

it("a training state that is replaced while its stage waits costs no file its name", async () => {
  const project = await makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2"));
  expect((await project.run(APPLY)).exitCode).toBe(0);
  const before = await checkpointsOf(project);
  await edit(project, { max_train_epochs: 3 });
  const applying = startApply(project, FILE, { args: ["--replace", "cache-latents"] });
  await applying.until(({ type }) => type === "stage-started");
  await rm(project.path("output/quickstart/quickstart-state/wan22.json"));
  expect(await applying.ended).toBe(6);
  expect(await checkpointsOf(project)).toEqual(before);
  const { pipelines } = await project.plan(FILE);
  expect(pipelines[0]?.stages[2]?.action).toBe("replace");
});
