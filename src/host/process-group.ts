import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { identifyProcess, isOfThisBoot, isProcessAlive, type ProcessIdentity, readLinuxStat } from "./process.ts";
import { errorCode } from "./read-file.ts";

/**
 * All that came of a program started in a group of its own. The program may be a wrapper that starts the real one, and
 * may be killed before it: the work goes on as long as any of its processes does.
 */

/** A variable in the environment of all that comes of a program. */
export interface EnvironmentMark {
  readonly name: string;
  readonly value: string;
}

export interface ProcessGroup {
  /** What was started; its pid names the group. Undefined where nobody came to write it down. */
  readonly leader: ProcessIdentity | undefined;
  /** By which also what left the group is known. */
  readonly mark: EnvironmentMark;
}

export interface GroupMember {
  readonly pid: number;
  readonly groupId: number;
}

/** The group's processes that run right now. Outside Linux nobody shows environments: there the group alone counts. */
export async function findMembers({ leader, mark }: ProcessGroup): Promise<readonly GroupMember[]> {
  if (leader !== undefined && !isOfThisBoot(leader)) return [];
  const running = process.platform === "linux" ? await listLinuxProcesses() : await askProcesses();
  // While a group has members nobody else gets its number: one whose leader is another process is another group.
  const taken =
    leader !== undefined && running.some(({ pid }) => pid === leader.pid) && !(await isProcessAlive(leader));
  const isMember = async ({ pid, groupId }: GroupMember) =>
    (groupId === leader?.pid && !taken) || (await hasInEnvironment(pid, mark));
  const members = await Promise.all(running.map(isMember));
  return running.filter((_, index) => members[index] === true);
}

/** The leader of a group of which nobody wrote it down. One that has ended already has no start time. */
export async function identifyLeader(members: readonly GroupMember[]): Promise<ProcessIdentity | undefined> {
  const [first] = members;
  if (first === undefined) return undefined;
  const leader = members.find(({ pid, groupId }) => pid === groupId);
  return identifyProcess(leader?.pid ?? first.groupId);
}

/** `refused`: all of them are another user's, and none got it. `nobody`: none is left. */
export type Signalled = "sent" | "refused" | "nobody";

/** Sends a signal to all that came of a leader. Nothing is done where nobody is left. */
export async function signalMembers(group: ProcessGroup, signal: NodeJS.Signals): Promise<Signalled> {
  const members = await findMembers(group);
  const inGroup = members.some(({ groupId }) => groupId === group.leader?.pid);
  const outside = members.filter(({ groupId }) => groupId !== group.leader?.pid).map(({ pid }) => pid);
  // The group as a whole: what is started in it at this moment is told too.
  let signalled: Signalled = "nobody";
  for (const target of inGroup && group.leader !== undefined ? [-group.leader.pid, ...outside] : outside) {
    try {
      process.kill(target, signal);
      signalled = "sent";
    } catch (error) {
      // It ended in between, or has another user and is out of our reach.
      if (signalled === "nobody" && errorCode(error) === "EPERM") signalled = "refused";
    }
  }
  return signalled;
}

async function listLinuxProcesses(): Promise<readonly GroupMember[]> {
  const pids = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry)).map(Number);
  return pids.flatMap((pid) => {
    const [state, , groupId] = readLinuxStat(pid) ?? [];
    // What has ended and was not collected yet does nothing any more.
    return groupId === undefined || state === "Z" || state === "X" ? [] : [{ pid, groupId: Number(groupId) }];
  });
}

async function hasInEnvironment(pid: number, { name, value }: EnvironmentMark): Promise<boolean> {
  if (process.platform !== "linux") return false;
  const environment = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
  return environment.split("\0").includes(`${name}=${value}`);
}

function askProcesses(): Promise<readonly GroupMember[]> {
  return new Promise((done) => {
    execFile("ps", ["-axo", "pid=,pgid=,stat="], { timeout: 5000, env: { LC_ALL: "C" } }, (_error, stdout) => {
      const rows = stdout.split("\n").map((line) => line.trim().split(/\s+/));
      done(
        rows.flatMap(([pid, groupId, state]) =>
          state === undefined || state.startsWith("Z") ? [] : [{ pid: Number(pid), groupId: Number(groupId) }],
        ),
      );
    });
  });
}
