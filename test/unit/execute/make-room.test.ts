import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { CheckpointPlan } from "../../../src/core/plan/plan.ts";
import { findTurnedUp } from "../../../src/execute/stage/make-room.ts";
import { planWorld } from "../plan/world.ts";

/** What lies under a stage's names when it starts, and was not there when it was planned. */

it("what the plan didn't know is in the way, and what the record tells of is not, nor what is kept or written again", async () => {
  const root = await mkdtemp(join(tmpdir(), "wan22-room-"));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, "out"));
  const planned = (name: string, action: CheckpointPlan["action"], step = 24): CheckpointPlan => {
    return { stage: "train", file: `out/${name}`, kind: "checkpoint", action, epoch: 3, step, bytes: 1 };
  };
  const checkpoints = [
    planned("new", "create"),
    planned("passing", "prune"),
    planned("passing-known", "prune"),
    planned("older", "prune", 8),
    planned("again", "replace"),
    planned("kept", "keep"),
    planned("lone", "create"),
    planned("moved", "create"),
    planned("archived", "create"),
  ];
  for (const { file } of checkpoints) if (!file.endsWith("lone")) await writeFile(join(root, file), "");
  await writeFile(join(root, "out/to"), "");
  for (const name of ["lone", "moved"]) await writeFile(join(root, `out/${name}.intoto.json`), "");
  const stage = {
    ...planWorld({}).stage("train"),
    done_steps: 16,
    renames: [{ from: "out/moved", to: "out/to" }],
    archive: ["out/archived"],
  };
  const recorded = new Set(["out/passing-known", "out/again"]);
  expect(await findTurnedUp(stage, { checkpoints, recorded, root })).toEqual({
    files: ["out/new", "out/passing", "out/to"],
    // That of what is renamed goes along with it.
    statements: ["out/lone.intoto.json"],
  });
});
