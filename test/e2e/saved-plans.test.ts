import { copyFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../src/core/plan/canonical.ts";
import { planSchema } from "../../src/core/plan/plan.ts";
import { savedPlanSchema } from "../../src/core/plan/saved/saved-plan.ts";
import { sha256 } from "../../src/host/hash.ts";
import { checkpointHashes, FILE, readState } from "../rig/long-quickstart.ts";
import { makeQuickstart, type Project } from "../rig/project.ts";
import { applySaved, editQuickstart as edit, PLAN, savePlan as save } from "../rig/saved-plan.ts";
import { testWithSmallDisk } from "../rig/small-disk.ts";
import { safetensors } from "../unit/host/samples.ts";

/** `plan --out`, `apply FILE` and `show FILE`: what was saved is what happens, or nothing does. */

describe("a saved plan", () => {
  it("ends as its pipeline would, and has nothing to do afterwards", async () => {
    const [direct, saved] = [await makeQuickstart(), await makeQuickstart()];
    expect((await direct.run(["apply", FILE, "--auto-approve"])).exitCode).toBe(0);
    await save(saved);

    const applied = await applySaved(saved);

    expect(applied.exitCode, applied.stderr).toBe(0);
    expect(await checkpointHashes(saved)).toEqual(await checkpointHashes(direct));
    const { plan } = savedPlanSchema.parse(JSON.parse(await saved.read(PLAN)));
    const state = await readState(saved);
    expect(state.plan_digest).toBe(plan.pipelines[0]?.digest);
    expect(Object.values(state.stages).map((stage) => stage?.action)).toEqual(["create", "create", "create"]);
    const again = await applySaved(saved);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(again.stdout).toContain("No changes.");
    expect((await readState(saved)).serial).toBe(state.serial);
  });

  it("is known by what is in it, and holds several pipelines", async () => {
    const project = await makeQuickstart();
    const other = (await project.read(FILE)).replaceAll(/(name: |output\/)quickstart/g, "$1other");
    await project.write("pipelines/other.yaml", other);
    expect((await project.run(["plan", "--out", "both.yaml"])).exitCode).toBe(0);
    await mkdir(project.path("sub"));
    const { exitCode, stderr } = await project.run(["apply", "../both.yaml", "--auto-approve"], {
      folder: project.path("sub"),
    });
    expect(exitCode, stderr).toBe(0);
    for (const name of ["quickstart", "other"]) {
      expect(await project.list(`output/${name}`)).toContain(`${name}.safetensors`);
    }
  });

  it("is not stale for what changes nothing", async () => {
    const project = await makeQuickstart();
    await save(project);
    await edit(project, "version: 1\n", "# A comment\n\nversion: 1\n");
    expect((await applySaved(project)).exitCode).toBe(0);
  });

  it("is told from a pipeline file where one belongs, and costs the pipelines beside it nothing", async () => {
    const project = await makeQuickstart();
    await save(project, "--only", "cache-latents");
    // As large as no pipeline may be.
    const large = JSON.parse(await project.read(PLAN));
    large.plan.pipelines[0].parameters = Object.fromEntries(
      Array.from({ length: 10_000 }, (_, at) => [
        `p${at}`,
        { value: at, source: { layer: "trainer", text: "x".repeat(99) } },
      ]),
    );
    const { digest: _, ...named } = large;
    await project.write("large.yaml", JSON.stringify({ ...named, digest: sha256(canonicalJson(named)) }));
    for (const file of [PLAN, "large.yaml"]) {
      for (const command of ["plan", "validate", "doctor"]) {
        const { exitCode, stdout, stderr } = await project.run([command, file]);
        expect(exitCode).toBe(1);
        const said = (stdout + stderr).replace(/\s+/g, " ");
        expect(said).toContain(`error[P80] A saved plan stands where a pipeline file belongs --> ${file}`);
        expect(said).toContain(`${file} is a plan of ${FILE} that \`wan22 plan --out\` saved`);
        expect(said).toContain(`\`wan22 show ${file}\` prints it, \`wan22 apply ${file}\` carries it out`);
        expect(said).toContain(`to plan again: \`wan22 plan --only cache-latents --out ${file} ${FILE}\``);
        expect(said.match(/error\[/g)).toHaveLength(1);
      }
      // What was run, or is to go, is found by it.
      for (const command of ["status", "runs", "prune"]) expect((await project.run([command, file])).exitCode).toBe(0);
    }
    const both = await project.run(["validate", PLAN, FILE]);
    expect(both.stdout).toContain(`${PLAN}: not valid\n${FILE}: valid, 8 files`);
    await project.write(PLAN, (await project.read(PLAN)).slice(0, 1000));
    expect((await project.run(["validate", PLAN])).stderr).toContain("error[P65]");
  });

  it("says nothing of the environment, and holds where that says something else", async () => {
    const project = await makeQuickstart((yaml) =>
      yaml.replace("videos: quickstart/clips", `videos: \${CLIPS_7F3A}/in`).replace("../output", `\${OUT_7F3A}`),
    );
    const environment = (place: string) => ({
      environment: { CLIPS_7F3A: project.path(`${place}-clips`), OUT_7F3A: project.path(`${place}-out`) },
    });
    await mkdir(project.path("here-clips"));
    await rename(project.path("pipelines/quickstart/clips"), project.path("here-clips/in"));
    const planned = await project.run(["plan", FILE, "--out", PLAN], environment("here"));
    expect(planned.exitCode, planned.stdout).toBe(0);
    const text = await project.read(PLAN);
    expect(text).not.toContain("here-");
    expect(text).toContain(`\${OUT_7F3A}/quickstart/quickstart.safetensors`);

    const unset = await project.run(["apply", PLAN, "--auto-approve"]);
    expect(unset.exitCode).toBe(1);
    expect(unset.stderr).toContain("CLIPS_7F3A");
    await rename(project.path("here-clips"), project.path("there-clips"));
    const applied = await project.run(["apply", PLAN, "--auto-approve"], environment("there"));
    expect(applied.exitCode, applied.stderr).toBe(0);
    expect(await project.list("there-out/quickstart")).toContain("quickstart.safetensors");
  });
});

/** A VAE as far as its header tells, of so many bytes more. */
function model(bytes: number): Uint8Array {
  const shapes = {
    "encoder.conv1.weight": [96, 3, 3, 3, 3],
    "conv1.weight": [32, 32, 1, 1, 1],
    "conv2.weight": [16, 16, 1, 1, 1],
    "decoder.conv1.weight": [384, 16, 3, 3, 3],
    "decoder.head.2.weight": [3, 96, 3, 3, 3],
    more: [bytes],
  };
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    return [name, { dtype: "F8_E4M3", shape, bytes: shape.reduce((product, side) => product * side, 1) }] as const;
  });
  return safetensors(Object.fromEntries(tensors));
}

/** A quickstart with a template, a preset and models of its own, and a plan of it saved. */
async function bound(): Promise<Project> {
  const project = await makeQuickstart();
  await project.write("wan22.yaml", "version: 1\ntemplates: own\nmodels:\n  vae: models/vae.safetensors\n");
  await project.write("own/train.args.hbs", await readFile("templates/train.args.hbs"));
  await project.write("own/presets/advice.yaml", await readFile("templates/presets/advice.yaml"));
  await project.write("models/vae.safetensors", model(4));
  await save(project);
  return project;
}

const clip = (name: string) => `pipelines/quickstart/clips/${name}`;

describe("a saved plan is refused, and what has moved is named, where", () => {
  it.each<[string, (project: Project) => Promise<unknown>, string]>([
    ["a key was edited", (project) => edit(project, "network_dim: 16", "network_dim: 8"), "train.network_dim: 16 → 8"],
    ["a key was added", (project) => edit(project, "train:\n", "train:\n  seed: 7\n"), "train.seed: not set → 7"],
    [
      "the project's file says something new",
      async (project) =>
        project.write("wan22.yaml", `${await project.read("wan22.yaml")}train: { learning_rate: 3e-4 }\n`),
      "train.learning_rate: not set → 3e-4",
    ],
    [
      "a clip was added",
      async (project) => {
        await copyFile(project.path(clip("01-test-pattern.mp4")), project.path(clip("00-new.mp4")));
        await project.write(clip("00-new.txt"), "A new one");
      },
      "clip 0/00-new: added",
    ],
    [
      "a clip was removed",
      (project) => rm(project.path(clip("01-test-pattern.mp4"))),
      "clip 0/01-test-pattern: removed",
    ],
    [
      "a clip was replaced",
      (project) => copyFile(project.path(clip("02-gradient.mp4")), project.path(clip("01-test-pattern.mp4"))),
      "clip 0/01-test-pattern: content changed",
    ],
    [
      "a caption was edited",
      (project) => project.write(clip("01-test-pattern.txt"), "Another caption"),
      "clip 0/01-test-pattern: caption changed",
    ],
    ["a model is another file", (project) => project.write("models/vae.safetensors", model(8)), "model vae: changed"],
    [
      "a template was edited",
      async (project) => project.write("own/train.args.hbs", `${await project.read("own/train.args.hbs")}\n`),
      "template train.args.hbs: changed",
    ],
    [
      "a preset was edited",
      async (project) => {
        const preset = await project.read("own/presets/advice.yaml");
        await project.write("own/presets/advice.yaml", preset.replace("from: 128", "from: 192"));
      },
      "preset advice: changed",
    ],
    [
      "another plan was carried out",
      (project) => project.run(["apply", FILE, "--auto-approve", "--only", "cache-latents"]),
      "state: nothing was run then; run ",
    ],
    [
      "what it names is gone",
      (project) => rm(project.path(clip("01-test-pattern.txt"))),
      "what it names: it can't be planned any more; the errors say why",
    ],
    ["the pipeline is gone", (project) => rm(project.path(FILE)), "the pipeline file: it can't be read here"],
  ])("%s", async (_, move, item) => {
    const project = await bound();
    await move(project);
    const before = await project.list(".wan22/state");
    const { exitCode, stderr } = await applySaved(project);
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain("error[P64]");
    expect(stderr.replace(/\s+/g, " ")).toContain(`- ${item}`);
    expect(await project.list(".wan22/state")).toEqual(before);
    const shown = await project.run(["show", PLAN]);
    expect(shown.exitCode).toBe(0);
    expect(shown.stdout).toContain("create cache-latents, cache-text and train");
  });

  it("the state was moved, given up for another, or something was done to the files of what it leaves alone", async () => {
    const project = await makeQuickstart();
    await project.run(["apply", FILE, "--auto-approve"]);
    await save(project, "--replace", "train");
    const { serial } = await readState(project);
    const [cache = ""] = await project.list(".wan22/cache");
    const bytes = await readFile(project.path(`.wan22/cache/${cache}`));
    await rm(project.path(`.wan22/cache/${cache}`));
    const missing = await applySaved(project);
    expect(missing.exitCode).toBe(3);
    expect(missing.stderr.replace(/\s+/g, " ")).toMatch(
      /- stage cache-\w+: none → update \(1 of \d+ cache files to make/,
    );
    await project.write(`.wan22/cache/${cache}`, bytes);
    await project.write("output/quickstart/quickstart-000007.safetensors", "found here");
    const found = await applySaved(project);
    expect(found.exitCode).toBe(3);
    expect(found.stderr).toContain("1 file more to be archived");
    await rm(project.path("output/quickstart/quickstart-000007.safetensors"));

    expect((await project.run(["apply", FILE, "--auto-approve", "--replace", "cache-text"])).exitCode).toBe(0);
    const moved = await applySaved(project);
    expect(moved.exitCode).toBe(3);
    expect(moved.stderr.replace(/\s+/g, " ")).toMatch(
      new RegExp(`- state: run \\S+, of another plan \\(\\w+\\), has moved it since \\(serial ${serial} → \\d+\\)`),
    );
    await rm(project.path(".wan22"), { recursive: true });
    await project.run(["apply", FILE, "--auto-approve"]);
    expect((await applySaved(project)).stderr).toContain("- state: begun anew, with another history");
  });

  it("one of several pipelines is stale: none is carried out", async () => {
    const project = await makeQuickstart();
    const other = (await project.read(FILE)).replaceAll(/(name: |output\/)quickstart/g, "$1other");
    await project.write("pipelines/other.yaml", other);
    await project.run(["plan", "--out", PLAN]);
    await edit(project, "network_dim: 16", "network_dim: 8");
    expect((await applySaved(project)).exitCode).toBe(3);
    expect(await project.list("output")).toEqual([]);
  });
});

describe("a file that is no whole saved plan", () => {
  it.each<[string, (text: string) => string, string]>([
    ["cut short", (text) => text.slice(0, 1000), "P65"],
    ["edited by hand", (text) => text.replace('"action": "create"', '"action": "none"'), "P65"],
    ["of a newer version", (text) => text.replace('"version": 1', '"version": 2'), "P66"],
  ])("%s, is neither shown nor applied", async (_, damage, code) => {
    const project = await makeQuickstart();
    await save(project);
    await project.write(PLAN, damage(await project.read(PLAN)));
    for (const command of [
      ["show", PLAN],
      ["apply", PLAN, "--auto-approve"],
    ]) {
      const { exitCode, stderr } = await project.run(command);
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`error[${code}]`);
    }
    expect(await project.list("output")).toEqual([]);
  });

  it("is not shown, whatever it is", async () => {
    const project = await makeQuickstart();
    await project.write("numbers.json", "{}");
    await project.write("model.bin", "");
    await truncate(project.path("model.bin"), 2 ** 34);
    for (const file of [FILE, "numbers.json", "model.bin", "pipelines", "nowhere.plan", "wan22.plan\u001b[2J"]) {
      const { exitCode, stderr } = await project.run(["show", file]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("error[P67]");
      expect(stderr).not.toContain("\u001b");
    }
  });
});

describe("showing a saved plan", () => {
  it("prints what `plan` printed, in each format, with what was asked for", async () => {
    const project = await makeQuickstart();
    const planned = await project.run(["plan", FILE, "--only", "cache-text", "--out", PLAN]);
    const human = await project.run(["show", PLAN]);
    expect(human.stdout).toContain(`Saved plan ${PLAN}, asked for with --only cache-text\n`);
    expect(human.stdout).toContain("quickstart: made from 8 clips or images, rehearsal and no state yet");
    expect(human.stdout.endsWith(planned.stdout)).toBe(true);
    expect(planned.stdout).toContain(`Apply it with: wan22 apply ${PLAN}`);
    const json = await project.run(["show", PLAN, "--format", "json"]);
    const plan = planSchema.parse(JSON.parse(json.stdout));
    expect(plan).toEqual(savedPlanSchema.parse(JSON.parse(await project.read(PLAN))).plan);
    const markdown = await project.run(["show", PLAN, "--format", "markdown"]);
    expect(markdown.stdout).toContain("<details>");
  });
});

describe("a plan is not saved", () => {
  it("over anything else, where it can't be carried out, or where nothing can be written", async () => {
    const project = await makeQuickstart();
    const yaml = await project.read(FILE);
    const over = await project.run(["plan", FILE, "--out", FILE]);
    expect(over).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("error[P68]") });
    expect(await project.read(FILE)).toBe(yaml);
    const folder = await project.run(["plan", FILE, "--out", "pipelines"]);
    expect(folder).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("error[P68]") });
    const below = await project.run(["plan", FILE, "--out", `${FILE}/fox.plan`]);
    expect(below.exitCode).toBe(1);
    expect(below.stderr).not.toContain("This is a bug");
    await edit(project, "network_dim: 16", "network_dim: none");
    const invalid = await project.run(["plan", FILE, "--out", PLAN]);
    expect(invalid).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("error[P68]") });
    expect((await project.list(".")).filter((name) => name.includes("plan"))).toEqual([]);
  });

  testWithSmallDisk("where there is no room, and the one before stays whole", async (mountSmallDisk) => {
    const project = await makeQuickstart();
    const { folder } = await mountSmallDisk({ kibibytes: 64 });
    const out = join(folder, "small.plan");
    expect((await project.run(["plan", FILE, "--out", out])).exitCode).toBe(0);
    await writeFile(join(folder, "rest"), Buffer.alloc(64 * 1024)).catch(() => undefined);
    const full = await project.run(["plan", FILE, "--out", out, "--only", "cache-text"]);
    expect(full.exitCode).toBe(1);
    expect(full.stderr).toContain("error[A17]");
    const shown = await project.run(["show", out]);
    expect(shown.exitCode).toBe(0);
    expect(shown.stdout).not.toContain("asked for with");
    expect(await readdir(folder)).toEqual(["rest", "small.plan"]);
  });

  it("and an earlier one is replaced, also one that was cut short", async () => {
    const project = await makeQuickstart();
    await save(project);
    await truncate(project.path(PLAN), 100);
    await save(project);
    expect((await project.run(["show", PLAN])).exitCode).toBe(0);
  });
});

describe("a saved plan says already what is to be done", () => {
  it("so that nothing is asked for beside it", async () => {
    const project = await makeQuickstart();
    await save(project);
    await copyFile(project.path(PLAN), project.path("copy.plan"));
    for (const [words, why] of [
      [[PLAN, "--replace", "train"], "asks for something else"],
      [[PLAN, "--from-epoch", "2"], "asks for something else"],
      [[PLAN, FILE], "is a saved plan and pipelines/quickstart.yaml is none"],
      [[PLAN, "copy.plan"], "both hold a plan of pipelines/quickstart.yaml"],
    ] as const) {
      const { exitCode, stderr } = await project.run(["apply", "--auto-approve", ...words]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("error[P69]");
      expect(stderr.replace(/\s+/g, " ")).toContain(why);
    }
    expect(await project.list("output")).toEqual([]);
  });
});
