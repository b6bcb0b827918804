import { spawnSync } from "node:child_process";
import { execa } from "execa";
import { expect, it } from "vitest";
import { stepFrom } from "../rig/applying.ts";
import { endlessQuickstart, FILE, startApply } from "../rig/long-quickstart.ts";
import { builtCommand } from "../rig/project.ts";

/** Two containers under one host name, on one folder: a pid of the one says nothing in the other. */

const CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc"];
const canUnshare = spawnSync(CONTAINER[0] ?? "", [...CONTAINER.slice(1), "true"]).status === 0;
if (!canUnshare) console.warn("SKIPPED: this machine lets nobody make a pid namespace (unshare --pid)");

it.skipIf(!canUnshare)(
  "what runs in another container is not taken for dead, and nothing is started beside it",
  async () => {
    const project = await endlessQuickstart();
    const first = startApply(project);
    await first.until(stepFrom(20));
    const inContainer = async (...args: readonly string[]) => {
      const [program = "", ...words] = [...CONTAINER, ...builtCommand, ...args];
      const { exitCode, stdout, stderr } = await execa(program, words, {
        cwd: project.folder,
        reject: false,
        env: { NO_COLOR: "1", CI: "" },
      });
      return { exitCode, text: `${stdout}${stderr}`.replace(/\s+/g, " ") };
    };
    const lock = await project.read(".wan22/state/quickstart.lock");
    const refused = await inContainer("apply", FILE, "--auto-approve");
    expect(refused.exitCode).toBe(4);
    expect(refused.text).toContain(
      "That is in another container of this machine, or in this one before it was made anew. Whether it lives can't be seen from here. Wait until that ends, or end it there. If that container, with all that ran in it, is gone for good, `wan22 state unlock quickstart` removes its lock.",
    );
    expect(await project.read(".wan22/state/quickstart.lock")).toBe(lock);
    expect((await inContainer("state", "unlock", "quickstart")).exitCode).toBe(1);
    first.process.kill("SIGINT");
    expect(await first.ended).toBe(85);
  },
);
