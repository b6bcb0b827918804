import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { TrialProcess } from "./processes.ts";

/** Gives pids of processes that are dead to others, as a system does that has come round: they must be neither followed nor ended. */

export interface PidUsers {
  readonly count: number;
  /** Ends them; how many somebody else had ended before. */
  readonly end: () => number;
}

/** A busy machine takes a number in between, and a dead process may have to be collected yet. */
const ATTEMPTS = 20;

const LAST_PID = "/proc/sys/kernel/ns_last_pid";

/** Needs a kernel that lets one say which pid comes next, and the right to; elsewhere nobody gets any. */
export function usePidsAgain(dead: readonly TrialProcess[]): PidUsers {
  const before = dead.length === 0 ? undefined : lastPid();
  const users = dead.flatMap(({ pid }) => startAs(pid) ?? []);
  // Nobody else's pids come round any sooner for it.
  if (before !== undefined) trySetLastPid(before);
  return {
    count: users.length,
    end: () => users.filter((user) => !user.kill("SIGKILL")).length,
  };
}

function startAs(pid: number): ChildProcess | undefined {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (!trySetLastPid(pid - 1)) return undefined;
    const child = spawn("sleep", ["3600"], { stdio: "ignore" });
    if (child.pid === pid) return child;
    child.kill("SIGKILL");
  }
  return undefined;
}

function lastPid(): number | undefined {
  try {
    return Number(readFileSync(LAST_PID, "utf8"));
  } catch {
    return undefined;
  }
}

function trySetLastPid(pid: number): boolean {
  try {
    writeFileSync(LAST_PID, String(pid));
    return true;
  } catch {
    return false;
  }
}
