import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isPidInUse, startDetached } from "../../../src/host/process.ts";
import { findMembers, identifyLeader, signalMembers } from "../../../src/host/process-group.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wan22-group-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let started = 0;

/** A shell script as a stage is started: in a group of its own, with a mark that nothing else has. */
async function start(script: string) {
  started += 1;
  const mark = { name: "WAN22_STAGE", value: `run-${process.pid}-${started}/train` };
  const logFile = join(folder, `${started}.log`);
  const env = { PATH: process.env.PATH ?? "", [mark.name]: mark.value };
  const result = await startDetached({ command: "sh", args: ["-c", script], cwd: folder, env, logFile });
  if (result.kind === "failed") throw new Error(result.message);
  const { identity, ended } = result.process;
  /** The pids that the script has printed, a line each. */
  const printed = async (count: number): Promise<readonly number[]> => {
    for (;;) {
      const lines = (await readFile(logFile, "utf8")).split("\n").slice(0, -1);
      if (lines.length >= count) return lines.map(Number);
      await new Promise(setImmediate);
    }
  };
  return { group: { leader: identity, mark }, ended, printed };
}

const pidsOf = (members: readonly { readonly pid: number }[]) => members.map(({ pid }) => pid).sort();

async function untilEmpty(group: Parameters<typeof findMembers>[0]): Promise<void> {
  while ((await findMembers(group)).length > 0) await new Promise(setImmediate);
}

describe("what came of a program", () => {
  test("is there as long as any of its processes is, and is ended as a whole", async () => {
    const { group, ended, printed } = await start("sleep 60 & echo $!; wait");
    const [child = 0] = await printed(1);
    expect(pidsOf(await findMembers(group))).toEqual([group.leader.pid, child].sort());

    process.kill(group.leader.pid, "SIGKILL");
    await ended;
    expect(pidsOf(await findMembers(group))).toEqual([child]);

    await signalMembers(group, "SIGKILL");
    await untilEmpty(group);
  });

  test.runIf(process.platform === "linux")("is known by its mark where it has left the group", async () => {
    const { group, ended, printed } = await start("setsid sh -c 'echo $$; exec sleep 60' & wait");
    const [child = 0] = await printed(1);
    process.kill(group.leader.pid, "SIGKILL");
    await ended;
    expect(await findMembers(group)).toEqual([{ pid: child, groupId: child }]);
    await signalMembers(group, "SIGTERM");
    await untilEmpty(group);
  });

  test.runIf(process.platform === "linux")("is found though nobody wrote down what was started", async () => {
    const { group, ended, printed } = await start("sleep 60 & echo $!; wait");
    const unknown = { leader: undefined, mark: group.mark };
    const [child = 0] = await printed(1);
    expect(await identifyLeader(await findMembers(unknown))).toEqual(group.leader);
    process.kill(group.leader.pid, "SIGKILL");
    await ended;
    const members = await findMembers(unknown);
    expect(pidsOf(members)).toEqual([child]);
    expect(await identifyLeader(members)).toMatchObject({ pid: group.leader.pid, start_time: "" });
    await signalMembers(unknown, "SIGKILL");
    await untilEmpty(unknown);
    expect(await identifyLeader([])).toBeUndefined();
  });

  test("is nobody where the number is another program's by now, or the machine was started anew", async () => {
    const { group, ended } = await start("exec sleep 60");
    const mark = { name: "WAN22_STAGE", value: "another" };
    expect(await findMembers({ leader: { ...group.leader, start_time: "1" }, mark })).toEqual([]);
    expect(await findMembers({ leader: { ...group.leader, boot_id: "another boot" }, mark: group.mark })).toEqual([]);
    await signalMembers({ leader: { ...group.leader, start_time: "1" }, mark }, "SIGKILL");
    expect(isPidInUse(group.leader.pid)).toBe(true);
    await signalMembers(group, "SIGKILL");
    await ended;
  });
});
