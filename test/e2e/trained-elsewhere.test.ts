import { rm } from "node:fs/promises";
import { hostname } from "node:os";
import { expect, it, onTestFinished } from "vitest";
import { openProject } from "../rig/project.ts";
import { copyTeam, makeTeamFolder } from "../rig/team.ts";

/** What a checkout without runs of its own says of those that the state branch knows of. */

const FILE = "pipelines/quickstart.yaml";
const flat = (text: string) => text.replace(/\s+/g, " ");

it("says which run there is, and where, to whoever looks for its runs, logs, record or proofs here", async () => {
  const folder = await makeTeamFolder((yaml) => yaml.replace("max_train_epochs: 4", "max_train_epochs: 1"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  expect(await openProject(`${folder}/ann`).run(["apply", FILE, "--auto-approve"])).toMatchObject({ exitCode: 0 });
  const { team, ann } = await copyTeam(folder);
  const bob = await team.clone("bob");
  const { run } = await team.record();
  const sentence = `By the branch wan22-state of origin the last run of quickstart is ${run}, in another checkout on ${hostname()}; what it has left lies there.`;

  for (const args of [
    ["logs", FILE],
    ["state", "show", "quickstart"],
    ["state", "history", FILE],
    ["verify", `${run}`],
    ["rerun", `${run}`],
  ]) {
    const { exitCode, stdout, stderr } = await bob.run(args);
    expect({ args, exitCode, said: flat(stdout + stderr) }).toEqual({
      args,
      exitCode: 1,
      said: expect.stringContaining(sentence),
    });
  }
  expect(flat((await bob.run(["runs"])).stdout)).toContain(`0 runs, 0 B ${sentence}`);
  expect(flat((await bob.run(["status"])).stdout)).toContain(`its record is of another checkout on ${hostname()},`);
  // Where it was trained nothing of that is said, also of what was cleared away.
  await rm(ann.path(".wan22/runs"), { recursive: true });
  for (const args of [["logs", FILE], ["runs"], ["verify", `${run}`]]) {
    const { stdout, stderr } = await ann.run(args);
    expect(flat(stdout + stderr)).not.toContain("By the branch");
  }
});
