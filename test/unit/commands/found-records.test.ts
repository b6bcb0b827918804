import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { runRuns } from "../../../src/commands/runs.ts";
import { runStatus } from "../../../src/commands/status.ts";
import type { Terminal } from "../../../src/commands/terminal.ts";
import { runListSchema } from "../../../src/core/state/run-list.ts";
import { emptyState } from "../../../src/core/state/state.ts";
import { statusSchema } from "../../../src/core/status.ts";
import { describeThisOwner } from "../../../src/host/locks/lock-owner.ts";
import { identifyProcess } from "../../../src/host/process.ts";

/** What is listed of a pipeline whose file names another state folder than when it ran. */

async function makeProject() {
  const folder = await mkdtemp(join(tmpdir(), "wan22-found-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  };
  const said: string[] = [];
  const terminal: Terminal = {
    folder,
    environment: { XDG_STATE_HOME: folder },
    width: 80,
    colour: false,
    interactive: false,
    redraws: false,
    out: (text) => said.push(text),
    err: () => undefined,
    note: () => undefined,
    transient: () => undefined,
  };
  return { write, terminal, answer: () => JSON.parse(said.splice(0).join("")) as unknown };
}

test("It is listed once, with the runs of both, and beside it what is still at work in the other", async () => {
  const { write, terminal, answer } = await makeProject();
  const owner = { pipeline: "fox", file: "pipelines/fox.yaml", lineage: "a", host: hostname() };
  await write("wan22.yaml", "version: 1\n");
  await write("pipelines/fox.yaml", "version: 1\nname: fox\nstate_dir: ../own\n");
  for (const dir of [".wan22", "own"]) await write(`${dir}/state/fox.json`, JSON.stringify(emptyState(owner)));
  await write(".wan22/runs/20260101T000000Z-fox-0001/journal.ndjson", "");
  await write("own/runs/20260102T000000Z-fox-0002/journal.ndjson", "");

  const listed = async () => {
    await runStatus([], { format: "json" }, terminal);
    return statusSchema.parse(answer()).pipelines.map(({ name, file, lock }) => [name, file, lock.kind]);
  };
  expect(await listed()).toEqual([["fox", "pipelines/fox.yaml", "free"]]);
  await runRuns([], { format: "json", details: "full" }, terminal);
  const { pipelines } = runListSchema.parse(answer());
  expect(pipelines.map(({ name, runs }) => [name, runs.map(({ run }) => run)])).toEqual([
    ["fox", ["20260101T000000Z-fox-0001", "20260102T000000Z-fox-0002"]],
  ]);
  // Some process that lives, and is not this one.
  const other = await identifyProcess(process.ppid);
  await write(".wan22/state/fox.lock", JSON.stringify({ ...(await describeThisOwner(undefined)), ...other }));
  expect(await listed()).toEqual([
    ["fox", "pipelines/fox.yaml", "free"],
    ["fox", undefined, "held"],
  ]);
});
