import { readdir, stat } from "node:fs/promises";
import { expect, it } from "vitest";
import type { ApplyEvent } from "../../src/core/apply-event.ts";
import { stateSchema } from "../../src/core/state/state.ts";
import { startApply } from "../rig/applying.ts";
import { makeQuickstart } from "../rig/project.ts";

/** A matrix is a pipeline for each combination of its values; those that can share caches make them once. */

const MATRIX = "matrix:\n  learning_rate: [1e-4, 2e-4]\n  network_dim: [4, 8]\n";
const FILE = "pipelines/quickstart.yaml";
const CELLS = [
  "quickstart-lr-1e-4-dim-4",
  "quickstart-lr-1e-4-dim-8",
  "quickstart-lr-2e-4-dim-4",
  "quickstart-lr-2e-4-dim-8",
];
const [FIRST = "", SECOND = ""] = CELLS;

/** The quickstart with two epochs and a matrix. */
function makeSweep(matrix = MATRIX) {
  return makeQuickstart((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 2") + matrix);
}
type Sweep = Awaited<ReturnType<typeof makeSweep>>;

const environmentOf = (project: Sweep) => ({ XDG_STATE_HOME: project.path("home") });
const stagesOf = (events: readonly ApplyEvent[]) =>
  events.flatMap((event) => (event.type === "stage-started" ? [`${event.pipeline} ${event.stage}`] : []));

it("trains every cell into a folder of its own, and makes the caches once", async () => {
  const project = await makeSweep();
  const environment = environmentOf(project);
  const plan = await project.run(["plan"], { environment });
  expect(plan.exitCode, plan.stderr).toBe(0);
  expect(plan.stdout.replace(/\s+/g, " ")).toContain(`taken from the store, which ${FIRST} fills before`);
  expect(plan.stdout).toMatch(/network_dim\s+8\s+pipelines\/quickstart\.yaml:\d+/);

  const { events, ended } = startApply(project, FILE, { environment });
  expect(await ended).toBe(0);
  expect(stagesOf(events)).toEqual([
    `${FIRST} cache-latents`,
    `${FIRST} cache-text`,
    ...CELLS.map((name) => `${name} train`),
  ]);
  expect((await readdir(project.path(".wan22/cache"))).sort()).toEqual([...CELLS, "store"]);
  for (const name of CELLS) {
    expect(await project.list(`output/quickstart/${name}`)).toContain(`${name}.safetensors`);
    const state = stateSchema.parse(JSON.parse(await project.read(`.wan22/state/${name}.json`)));
    expect(state).toMatchObject({ file: `${FILE}#${name}`, stages: { train: { status: "finished" } } });
  }

  const again = await project.run(["plan", "--detailed-exitcode"], { environment });
  expect(again.exitCode, again.stdout).toBe(0);
  const one = await project.run(["plan", "--replace", "train", `${FILE}#${SECOND}`], { environment });
  expect(one.stdout).toContain(SECOND);
  expect(one.stdout.replace(/\s+/g, " ")).toContain("all 24 cache files are there");
  expect(one.stdout).not.toContain(FIRST);
  const status = await project.run(["status", SECOND], { environment });
  expect(status.exitCode, status.stderr).toBe(0);
  expect(status.stdout).toContain(SECOND);
});

it("side by side, none begins before the caches that it shares are there", async () => {
  const project = await makeSweep();
  const { events, ended } = startApply(project, FILE, {
    args: ["--gpus", "0,1"],
    environment: environmentOf(project),
  });
  expect(await ended).toBe(0);
  expect(stagesOf(events).filter((stage) => stage.includes("cache"))).toEqual([
    `${FIRST} cache-latents`,
    `${FIRST} cache-text`,
  ]);
  const trained = events.findIndex((event) => event.type === "stage-started" && event.stage === "train");
  expect(events.slice(0, trained).filter(({ pipeline }) => pipeline !== FIRST)).toEqual([]);
  for (const name of CELLS) expect(await project.list(`output/quickstart/${name}`)).toContain(`${name}.safetensors`);
});

it("what is asked for anew is encoded once, for all cells", async () => {
  const project = await makeSweep("matrix:\n  network_dim: [4, 8]\n");
  const environment = environmentOf(project);
  const only = ["--only", "cache-latents", "--only", "cache-text"];
  expect(await startApply(project, FILE, { args: only, environment }).ended).toBe(0);
  const inodes = async () => {
    const files = await project.list(".wan22/cache");
    const found = files.filter((name) => name.startsWith("quickstart-") && name.includes("_wan."));
    return Promise.all(found.map(async (name) => (await stat(project.path(`.wan22/cache/${name}`))).ino));
  };
  const before = await inodes();
  const { events, ended } = startApply(project, FILE, { args: [...only, "--replace", "cache-latents"], environment });
  expect(await ended).toBe(0);
  expect(stagesOf(events)).toEqual(["quickstart-dim-4 cache-latents"]);
  const after = await inodes();
  expect(after.filter((inode) => before.includes(inode))).toEqual([]);
  expect(new Set(after).size).toBe(24);
});

it("a cell that doesn't exist and a key that doesn't are told what was meant", async () => {
  const project = await makeSweep();
  const none = await project.run(["plan", `${FILE}#quickstart-lr-1e-4-dim-5`]);
  expect(none.exitCode).toBe(1);
  expect((none.stdout + none.stderr).replace(/\s+/g, " ")).toContain(`Did you mean \`${FIRST}\`?`);
  await project.write(FILE, (await project.read(FILE)).replace("  network_dim: [4, 8]", "  network_dmi: [4, 8]"));
  const wrong = await project.run(["validate"]);
  expect(wrong.exitCode).toBe(1);
  const said = wrong.stdout + wrong.stderr;
  expect(said.match(/Did you mean `network_dim`\?/g)).toHaveLength(1);
});
